"""The containers of a pod that is one trial in an image of the user's. Pure.

In order: ``probe`` shows that the image is there and has a shell, before anything is leased; ``prepare``, ours, leases
the trial and puts its data and command in place; ``sidecar``, ours and native (it lives as long as the command), holds
the lease and hands the result in; the user's container runs the command. See docs/adr/0021.
"""

from typing import Any

from melonkube.contracts.workload import ContainerSpec, WorkerSpec

Object = dict[str, Any]

PROBE = "probe"
PREPARE = "prepare"
SIDECAR = "sidecar"

SHARED = "/melon"
OWN = "/melon-own"
_TMP = "/tmp"  # noqa: S108 - an own, empty volume

SIDECAR_ASKS = {"cpu": "50m", "memory": "96Mi"}
_SIDECAR_LIMITS = {"memory": "256Mi"}


def containers(
    container: ContainerSpec, spec: WorkerSpec, ours: Object, resources: Object, user: int
) -> tuple[list[Object], Object]:
    """Return the init containers in order, and the user's.

    Args:
        container: The user's image and command.
        spec: What the user's container is given.
        ours: A container of ours, with its environment and the token.
        resources: Of the user's container.
        user: The user id where none is asked for.
    """
    theirs = {
        "name": ours["name"],
        "image": container.image,
        "imagePullPolicy": ours["imagePullPolicy"],
        "command": ["/bin/sh", f"{SHARED}/run/main.sh"],
        "env": [
            {"name": name, "value": value}
            for name, value in {"HOME": _TMP, "PYTHONUNBUFFERED": "1", **spec.env}.items()
        ],
        "envFrom": [{"secretRef": {"name": name}} for name in spec.secrets],
        "resources": resources,
        "securityContext": {**ours["securityContext"], "runAsUser": container.run_as_user or user},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "melon", "mountPath": SHARED}, {"name": "tmp", "mountPath": _TMP}],
    }
    probe = {
        **theirs,
        "name": PROBE,
        "command": ["/bin/sh", "-c", ":"],
        "volumeMounts": [{"name": "tmp", "mountPath": _TMP}],
        "resources": {kind: {name: given[name] for name in ("cpu", "memory") if name in given}
                      for kind, given in resources.items()},
    }  # fmt: skip
    mounts = [
        {"name": "melon", "mountPath": SHARED},
        {"name": "own", "mountPath": OWN},
        {"name": "own-tmp", "mountPath": _TMP},
    ]
    program = ours["command"][0]
    prepare = {
        **ours,
        "name": PREPARE,
        "command": [program, "-m", "melonkube.trainer.container.prepare"],
        "volumeMounts": mounts,
    }
    sidecar = {
        **ours,
        "name": SIDECAR,
        "command": [program, "-m", "melonkube.trainer.container.sidecar"],
        "restartPolicy": "Always",
        "resources": {"requests": SIDECAR_ASKS, "limits": _SIDECAR_LIMITS},
        "volumeMounts": mounts,
    }
    return [probe, prepare, sidecar], theirs


def volumes(disk_bytes: int, tmp_bytes: int) -> list[Object]:
    """Return the volumes: what both sides see, what ours alone do, and a place for passing files for each."""
    sizes = {"melon": disk_bytes, "own": disk_bytes, "tmp": tmp_bytes, "own-tmp": tmp_bytes}
    return [{"name": name, "emptyDir": {"sizeLimit": str(size)}} for name, size in sizes.items()]
