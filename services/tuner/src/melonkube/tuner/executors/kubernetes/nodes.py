"""What nodes have, what is left of it, and whether a worker can ever fit one. Pure."""

import re
from collections.abc import Iterable
from typing import Any

from melonkube.contracts.experiments import NodeInfo
from melonkube.contracts.workload import WorkerSpec
from melonkube.tuner.executors.kubernetes.causes import ended
from melonkube.tuner.executors.kubernetes.container_pod import SIDECAR_ASKS
from melonkube.tuner.executors.kubernetes.manifests import Object
from melonkube.tuner.settings import KubernetesSettings

_QUANTITY = re.compile(r"([0-9.]+(?:[eE][+-]?[0-9]+)?)([numkMGTPE]i?|Ki)?\Z")
_SUFFIXES = {
    **{"n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18},
    **{f"{prefix}i": 1024.0**power for power, prefix in enumerate("KMGTPE", start=1)},
}


def quantity(text: Any) -> float:
    """Return a Kubernetes quantity such as ``100m`` or ``2Gi`` as a number.

    Raises:
        ValueError: It is none.
    """
    found = _QUANTITY.match(str(text))
    if found is None:
        raise ValueError(f"{text!r} is not a quantity")
    number, suffix = found.groups()
    return float(number) * _SUFFIXES.get(suffix or "", 1.0)


def is_ready(node: Object) -> bool:
    """Return whether a node is heard of and well."""
    conditions = node.get("status", {}).get("conditions", [])
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def describe(node: Object, pods: Iterable[Object], workers: int, gpu_resource: str) -> NodeInfo:
    """Return what a node has and what is left of it.

    Args:
        node: The node.
        pods: Those on it.
        workers: How many of them are ours.
        gpu_resource: What a GPU is called.
    """
    allocatable = node.get("status", {}).get("allocatable", {})
    used = {"cpu": 0.0, "memory": 0.0, gpu_resource: 0.0}
    for pod in pods:
        if ended(pod):
            continue
        for name in used:
            used[name] += _asked(pod, name)
    has = {name: quantity(allocatable.get(name, 0)) for name in used}
    left = {name: max(0.0, has[name] - used[name]) for name in used}
    return NodeInfo(
        name=node["metadata"]["name"],
        ready=is_ready(node),
        schedulable=not node.get("spec", {}).get("unschedulable", False),
        cpu=round(has["cpu"], 3),
        memory_bytes=int(has["memory"]),
        gpu=int(has[gpu_resource]),
        free_cpu=round(left["cpu"], 3),
        free_memory_bytes=int(left["memory"]),
        free_gpu=int(left[gpu_resource]),
        workers=workers,
    )


def _asked(pod: Object, name: str) -> float:
    def of(container: Object) -> float:
        return quantity(container.get("resources", {}).get("requests", {}).get(name, 0))

    spec = pod.get("spec", {})
    running, most = sum(of(each) for each in spec.get("containers", [])), 0.0
    beside = 0.0  # sidecars that have begun by then
    for each in spec.get("initContainers", []):
        most = max(most, beside + of(each))
        if each.get("restartPolicy") == "Always":
            beside += of(each)
    return max(running + beside, most)


def misfit(settings: KubernetesSettings, spec: WorkerSpec, nodes: list[Object], *, beside: bool = False) -> str | None:
    """Return why no node could ever take a worker, empty as it may be; None if one could.

    Args:
        settings: The installation's.
        spec: What the worker asks for.
        nodes: All there are.
        beside: Whether a container of ours runs beside the worker's.
    """
    wanted = {**settings.node_selector, **spec.node_selector}
    chosen = [each for each in nodes if wanted.items() <= each["metadata"].get("labels", {}).items()]
    if not chosen:
        labels = ", ".join(f"{name}={value}" for name, value in sorted(wanted.items()))
        return f"No node of the cluster has the labels {labels}." if wanted else "The cluster has no nodes."
    need = {
        "cpu": ((spec.cpu or settings.cpu) + (quantity(SIDECAR_ASKS["cpu"]) if beside else 0), "cores"),
        "memory": (
            (spec.memory_bytes or settings.memory_bytes) + (quantity(SIDECAR_ASKS["memory"]) if beside else 0.0),
            "bytes of memory",
        ),
        settings.gpu_resource: (float(spec.gpu or 0), "GPUs"),
    }
    for node in chosen:
        allocatable = node.get("status", {}).get("allocatable", {})
        if all(amount <= quantity(allocatable.get(name, 0)) for name, (amount, _) in need.items()):
            return None
    most = {
        name: max(quantity(node.get("status", {}).get("allocatable", {}).get(name, 0)) for node in chosen)
        for name in need
    }
    over = [
        f"{amount:,.10g} {unit} (the largest node has {most[name]:,.10g})"
        for name, (amount, unit) in need.items()
        if amount > most[name]
    ]
    asks = " and ".join(over) if over else "together more than any one node has"
    return f"A worker asks for {asks}: no node could ever take it. Ask for less, or add such a node."
