"""What each service is started with. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

WORKER_DOOR = "worker-door"
"""The door for workers on a cluster, which is there with the Kubernetes executor alone."""

STOP_ORDER = ("gateway", "tuner", "serving", WORKER_DOOR, "registry")
"""The door for people is closed first; the tuner's workers still need theirs and the registry to release trials."""

SERVICES = ("gateway", "registry", "serving", "tuner")

STOP_SECONDS = {"gateway": 15.0, "tuner": 30.0, "serving": 15.0, WORKER_DOOR: 15.0, "registry": 15.0}
"""How long each has to end by itself."""

MODULES = {**{name: f"melonkube.{name}" for name in SERVICES}, WORKER_DOOR: "melonkube.gateway.worker_door"}
"""What each runs."""

_OURS = ("MELON_LISTEN__", "MELON_PEERS__", "MELON_TOKENS__", "MELON_DATA_DIR", "MELON_PARENT_PID")
"""Names of the environment that the supervisor alone decides on."""

_DOOR_PREFIX = "MELON_GATEWAY__"
"""The owner's key is among these: the door's business alone."""

_DATABASE_NAMES = ("DATABASE_URL", "MELON_DATABASE_URL")
"""Of no use to the doors, which have no database."""

_WORKER_DOOR_PREFIXES = ("MELON_WORKER_DOOR__", "MELON_LIMITS__", "MELON_LOGS__")
"""All that the door for workers may know of our settings."""

_IN_A_POD = "KUBERNETES_SERVICE_HOST"
"""Where a suite itself runs in a pod, it would lead the tuner to that cluster and not to the kubeconfig's."""


@dataclass(frozen=True)
class Plan:
    """The suite as it is to run.

    Args:
        data_dir: Its data directory.
        key_file: The key with which the services sign.
        addresses: Address of each service.
        workers: How many trials run at once; None leaves it to the tuner.
        checkout: The checkout this code is installed from, None if it is not.
        executor: Where workers run; None leaves it to the environment.
        cluster: What the tuner is told of the cluster, where there is one.
    """

    data_dir: Path
    key_file: Path
    addresses: Mapping[str, str]
    workers: int | None
    checkout: Path | None
    executor: str | None = None
    cluster: Mapping[str, str] = field(default_factory=dict)

    def environment(self, service: str, descriptor: int, parent_pid: int, given: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of a service: ``given``, and what is decided here."""
        kept = {name: value for name, value in given.items() if self._keeps(service, name)}
        decided = {
            "MELON_DATA_DIR": str(self.data_dir / service),
            "MELON_LISTEN__FD": str(descriptor),
            "MELON_TOKENS__KEY_FILE": str(self.key_file),
            "MELON_PARENT_PID": str(parent_pid),
            **({"MELON_GATEWAY__DATA_DIR": str(self.data_dir)} if service == "gateway" else {}),
            **{
                f"MELON_PEERS__{name.upper()}": address
                for name, address in self.addresses.items()
                if name not in ("gateway", WORKER_DOOR)
            },
        }
        if service == WORKER_DOOR:
            return {**kept, **decided}
        if service == "tuner":
            decided |= {} if self.executor is None else {"MELON_EXECUTOR": self.executor}
            decided |= self.cluster
        if self.workers is not None:
            decided["MELON_WORKERS"] = str(self.workers)
        if self.checkout is not None:
            kept.setdefault("MELON_WEB_DIR", str(self.checkout / "web" / "dist"))
            kept.setdefault("MELON_SAMPLES_DIR", str(self.checkout / "examples" / "data"))
        return {**kept, **decided}

    def _keeps(self, service: str, name: str) -> bool:
        """Return whether a service is to see a variable that the suite was given."""
        if name.startswith(_OURS) or (name == _IN_A_POD and self.cluster):
            return False
        if service == "gateway":
            return name not in _DATABASE_NAMES
        if service == WORKER_DOOR and name.startswith("MELON_"):
            return name.startswith(_WORKER_DOOR_PREFIXES)
        return not name.startswith(_DOOR_PREFIX) and (service != WORKER_DOOR or name not in _DATABASE_NAMES)


def find_checkout(module_file: str) -> Path | None:
    """Return the checkout that holds ``packages/suite/src/melonkube/suite/<module_file>``, None if none does."""
    parents = Path(module_file).resolve().parents
    if len(parents) < 6:
        return None
    root = parents[5]
    return root if (root / "packages" / "suite" / "pyproject.toml").is_file() and (root / "web").is_dir() else None
