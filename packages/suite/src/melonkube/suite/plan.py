"""What each service is started with. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

STOP_ORDER = ("gateway", "tuner", "serving", "registry")
"""The door is closed first; the tuner's workers still need the registry to release their trials."""

SERVICES = tuple(sorted(STOP_ORDER))

STOP_SECONDS = {"gateway": 15.0, "tuner": 30.0, "serving": 15.0, "registry": 15.0}
"""How long each has to end by itself."""

_OURS = ("MELON_LISTEN__", "MELON_PEERS__", "MELON_TOKENS__", "MELON_DATA_DIR", "MELON_PARENT_PID")
"""Names of the environment that the supervisor alone decides on."""

_DOOR_PREFIX = "MELON_GATEWAY__"
"""The owner's key is among these: the door's business alone."""

_DATABASE_NAMES = ("DATABASE_URL", "MELON_DATABASE_URL")
"""Of no use to the door, which has no database."""


@dataclass(frozen=True)
class Plan:
    """The suite as it is to run.

    Args:
        data_dir: Its data directory.
        key_file: The key with which the services sign.
        addresses: Address of each service.
        workers: How many trials run at once; None leaves it to the tuner.
        checkout: The checkout this code is installed from, None if it is not.
    """

    data_dir: Path
    key_file: Path
    addresses: Mapping[str, str]
    workers: int | None
    checkout: Path | None

    def environment(self, service: str, descriptor: int, parent_pid: int, given: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of a service: ``given``, and what is decided here."""
        dropped = _OURS + (_DATABASE_NAMES if service == "gateway" else (_DOOR_PREFIX,))
        kept = {name: value for name, value in given.items() if not name.startswith(dropped)}
        decided = {
            "MELON_DATA_DIR": str(self.data_dir / service),
            "MELON_LISTEN__FD": str(descriptor),
            "MELON_TOKENS__KEY_FILE": str(self.key_file),
            "MELON_PARENT_PID": str(parent_pid),
            **({"MELON_GATEWAY__DATA_DIR": str(self.data_dir)} if service == "gateway" else {}),
            **{
                f"MELON_PEERS__{name.upper()}": address for name, address in self.addresses.items() if name != "gateway"
            },
        }
        if self.workers is not None:
            decided["MELON_WORKERS"] = str(self.workers)
        if self.checkout is not None:
            kept.setdefault("MELON_WEB_DIR", str(self.checkout / "web" / "dist"))
            kept.setdefault("MELON_SAMPLES_DIR", str(self.checkout / "examples" / "data"))
        return {**kept, **decided}


def find_checkout(module_file: str) -> Path | None:
    """Return the checkout that holds ``packages/suite/src/melonkube/suite/<module_file>``, None if none does."""
    parents = Path(module_file).resolve().parents
    if len(parents) < 6:
        return None
    root = parents[5]
    return root if (root / "packages" / "suite" / "pyproject.toml").is_file() and (root / "web").is_dir() else None
