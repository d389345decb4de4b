"""What a pod's state means: why it waits, and how it ended. Pure.

The words are Kubernetes' own (kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle, .../disruptions).
"""

from dataclasses import dataclass
from typing import Any

from melonkube.contracts.experiments import Cause
from melonkube.tuner.executors.exits import explain
from melonkube.tuner.executors.kubernetes.container_pod import PROBE, SIDECAR
from melonkube.tuner.executors.kubernetes.manifests import CONTAINER, Object

_IMAGE = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
    }
)
_DISRUPTIONS = {
    "PreemptionByScheduler": (Cause.PREEMPTED, "Its place was needed by a pod of higher priority."),
    "EvictionByEvictionAPI": (Cause.PREEMPTED, "Its node was drained."),
    "TerminationByKubelet": (Cause.PREEMPTED, "Its node ended it: it is short of something, or shuts down."),
    "DeletionByTaintManager": (Cause.NODE_LOST, "Its node was not heard of any more, or was tainted."),
    "DeletionByPodGC": (Cause.NODE_LOST, "Its node is gone."),
}
_REASONS = {
    "Evicted": (Cause.PREEMPTED, "Its node ended it"),
    "Preempting": (Cause.PREEMPTED, "Its place was needed"),
    "NodeShutdown": (Cause.PREEMPTED, "Its node shuts down"),
    "Terminated": (Cause.PREEMPTED, "Its node shuts down"),
    "Shutdown": (Cause.PREEMPTED, "Its node shuts down"),
    "NodeLost": (Cause.NODE_LOST, "Its node was lost"),
    "DeadlineExceeded": (Cause.DEADLINE, "It ran past the Job's deadline"),
    "OutOfcpu": (Cause.PREEMPTED, "Its node had no room after all"),
    "OutOfmemory": (Cause.PREEMPTED, "Its node had no room after all"),
    "OutOfpods": (Cause.PREEMPTED, "Its node had no room after all"),
    "NodeAffinity": (Cause.PREEMPTED, "Its node no longer fits"),
    "UnexpectedAdmissionError": (Cause.PREEMPTED, "Its node would not have it"),
}
_SIGNALS_FROM = 128
COMMAND_KILLED = "The command was killed (SIGKILL)."
"""What the script of a trial in a container leaves as its last word, where not it but its command was killed."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a worker cannot begin."""

    cause: Cause
    reason: str


@dataclass(frozen=True, slots=True)
class End:
    """How a pod ended; an end in order has neither cause nor reason."""

    cause: Cause | None
    reason: str | None


def obstacle(pod: Object) -> Obstacle | None:
    """Return why a pod does not begin, None if it does, or simply takes its time."""
    status = pod.get("status", {})
    if status.get("phase") not in (None, "Pending"):
        return None
    scheduled = _condition(pod, "PodScheduled")
    if scheduled is not None and scheduled.get("status") == "False":
        if scheduled.get("reason") not in ("Unschedulable", "SchedulerError", "SchedulingGated"):
            return None
        said = scheduled.get("message") or scheduled.get("reason") or ""
        return Obstacle(Cause.UNSCHEDULABLE, f"No node takes the worker: {said}")
    for container in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
        waiting = container.get("state", {}).get("waiting") or {}
        reason, message = waiting.get("reason", ""), waiting.get("message", "")
        if reason in _IMAGE:
            image = container.get("image") or _image(pod)
            return Obstacle(
                Cause.IMAGE_UNAVAILABLE,
                f"The worker's image {image} cannot be pulled ({reason}): {message}".rstrip(": "),
            )
        if reason.endswith("Error"):
            return Obstacle(
                Cause.UNSCHEDULABLE, f"The worker's container cannot be made ({reason}): {message}".rstrip(": ")
            )
    return None


def ended(pod: Object) -> bool:
    """Return whether a pod's containers run no more."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def end(pod: Object, tail: list[str]) -> End:
    """Return how a pod ended that has ended or is gone.

    Args:
        pod: As it was last seen.
        tail: The last lines it wrote.
    """
    status = pod.get("status", {})
    terminated = _terminated(pod)
    if terminated is not None and terminated.get("reason") == "OOMKilled":
        limit = _memory_limit(pod)
        return End(Cause.OUT_OF_MEMORY, f"The worker used more memory than it may ({limit}) and was killed.")
    disrupted = _condition(pod, "DisruptionTarget")
    if disrupted is not None and disrupted.get("status") == "True" and status.get("phase") != "Succeeded":
        cause, reason = _DISRUPTIONS.get(
            disrupted.get("reason", ""), (Cause.PREEMPTED, "It was ended for another's sake.")
        )
        return End(cause, _with(reason, disrupted.get("message")))
    known = _REASONS.get(status.get("reason", ""))
    if known is not None:
        return End(known[0], _with(f"{known[1]}.", status.get("message")))
    if terminated is None:
        if pod["metadata"].get("deletionTimestamp") or not ended(pod):
            return End(Cause.WORKER_KILLED, "The worker's pod was deleted from outside.")
        broken = _broken(pod)
        if broken is not None:
            return _broken_end(pod, *broken, tail)
        return End(Cause.WORKER_KILLED, _with("The worker's pod ended.", status.get("message")))
    code = int(terminated.get("exitCode", 0))
    if code == 0:
        return End(None, None)
    if pod["metadata"].get("deletionTimestamp"):
        return End(Cause.WORKER_KILLED, "The worker's pod was deleted from outside.")
    if terminated.get("reason") in ("StartError", "ContainerCannotRun"):
        return End(Cause.CODE_ERROR, f"The worker's container cannot run: {terminated.get('message', '')}")
    if str(terminated.get("message", "")).startswith(COMMAND_KILLED):
        return End(Cause.CODE_ERROR, COMMAND_KILLED)
    return _told(code, tail)


def _told(code: int, tail: list[str]) -> End:
    returncode = _SIGNALS_FROM - code if code > _SIGNALS_FROM else code
    return End(*explain(returncode, tail, oom_killed=False))


def _broken(pod: Object) -> tuple[str, Object] | None:
    """Return the container that should have ended in order before the worker's began, and how it ended."""
    for container in pod.get("status", {}).get("initContainerStatuses", []):
        terminated = container.get("state", {}).get("terminated")
        if container.get("name") != SIDECAR and terminated is not None and int(terminated.get("exitCode", 0)):
            return str(container.get("name")), terminated
    return None


def _broken_end(pod: Object, name: str, terminated: Object, tail: list[str]) -> End:
    if terminated.get("reason") == "OOMKilled":
        return End(Cause.OUT_OF_MEMORY, f"There was not enough memory to begin the trial ({name}).")
    if name == PROBE:
        said = str(terminated.get("message", "")).strip()
        return End(
            Cause.CODE_ERROR,
            f"The image {_image(pod)} cannot run /bin/sh, which a trial in a container needs. {said}".strip(),
        )
    return _told(int(terminated["exitCode"]), tail)


def speaker(pod: Object) -> str | None:
    """Return the container whose log tells how a pod ended, None where none has run."""
    broken = _broken(pod)
    if broken is not None:
        return broken[0]
    if _terminated(pod) is None:
        return None
    first = pod["spec"].get("initContainers", [])
    return SIDECAR if any(each.get("name") == SIDECAR for each in first) else CONTAINER


def exit_code(pod: Object) -> int | None:
    """Return the exit code of the worker's container, None if it has none."""
    terminated = _terminated(pod)
    return None if terminated is None else int(terminated.get("exitCode", 0))


def _terminated(pod: Object) -> Object | None:
    for container in pod.get("status", {}).get("containerStatuses", []):
        if container.get("name") == CONTAINER:
            found: Object | None = container.get("state", {}).get("terminated")
            return found
    return None


def _condition(pod: Object, kind: str) -> Object | None:
    conditions: list[Object] = pod.get("status", {}).get("conditions") or []
    return next((each for each in conditions if each.get("type") == kind), None)


def _image(pod: Object) -> str:
    return str(pod["spec"]["containers"][0].get("image", ""))


def _memory_limit(pod: Object) -> str:
    limits: dict[str, Any] = pod["spec"]["containers"][0].get("resources", {}).get("limits", {})
    return str(limits.get("memory", "its node's"))


def _with(sentence: str, said: str | None) -> str:
    return f"{sentence} {said}" if said else sentence
