"""The pure parts of the Kubernetes executor, and its informer against a scripted API."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from melonkube.contracts.experiments import Cause, Toleration, WorkerSpec
from melonkube.tuner.executors.kubernetes import causes, manifests, nodes
from melonkube.tuner.executors.kubernetes.api import ApiFailed
from melonkube.tuner.executors.kubernetes.informer import Informer
from melonkube.tuner.executors.protocol import WorkerOrder
from melonkube.tuner.settings import KubernetesSettings

EXPERIMENT = "01900000-0000-7000-8000-00000000e001"


def pod(phase: str = "Running", *, deleted: bool = False, **status: Any) -> dict[str, Any]:
    metadata = {"name": "p", **({"deletionTimestamp": "2026-11-23T00:00:00Z"} if deleted else {})}
    container = {"name": "worker", "image": "an/image:1", "resources": {"limits": {"memory": "64Mi"}}}
    return {"metadata": metadata, "spec": {"containers": [container]}, "status": {"phase": phase, **status}}


def state(**given: Any) -> list[dict[str, Any]]:
    return [{"name": "other", "state": {"running": {}}}, {"name": "worker", "image": "an/image:1", "state": given}]


def condition(kind: str, status: str, reason: str, message: str = "") -> list[dict[str, str]]:
    return [{"type": kind, "status": status, "reason": reason, "message": message}]


def terminated(code: int, reason: str = "Error") -> list[dict[str, Any]]:
    return state(terminated={"exitCode": code, "reason": reason})


@pytest.mark.parametrize(
    ("seen", "cause", "says"),
    [
        (pod("Pending"), None, ""),
        (pod("Running", containerStatuses=state(running={})), None, ""),
        (pod("Pending", containerStatuses=state(waiting={"reason": "ContainerCreating"})), None, ""),
        (
            pod("Pending", conditions=condition("PodScheduled", "False", "Unschedulable", "0/3 nodes are available")),
            Cause.UNSCHEDULABLE,
            "0/3 nodes are available",
        ),
        (
            pod("Pending", containerStatuses=state(waiting={"reason": "ImagePullBackOff", "message": "not found"})),
            Cause.IMAGE_UNAVAILABLE,
            "an/image:1 cannot be pulled (ImagePullBackOff): not found",
        ),
        (
            pod("Pending", containerStatuses=state(waiting={"reason": "CreateContainerConfigError", "message": "why"})),
            Cause.UNSCHEDULABLE,
            "why",
        ),
    ],
    ids=["new", "running", "creating", "unschedulable", "image", "config"],
)
def test_why_a_pod_does_not_begin(seen: dict[str, Any], cause: Cause | None, says: str) -> None:
    found = causes.obstacle(seen)
    assert (None if found is None else found.cause) == cause
    assert says in (found.reason if found else "")


DISRUPTED = {
    "PreemptionByScheduler": Cause.PREEMPTED,
    "EvictionByEvictionAPI": Cause.PREEMPTED,
    "TerminationByKubelet": Cause.PREEMPTED,
    "DeletionByTaintManager": Cause.NODE_LOST,
    "DeletionByPodGC": Cause.NODE_LOST,
    "SomethingNew": Cause.PREEMPTED,
}


@pytest.mark.parametrize(("reason", "cause"), DISRUPTED.items())
@pytest.mark.parametrize("code", [None, 137, 143, 1])
def test_a_disruption_is_told_before_an_exit_code(reason: str, cause: Cause, code: int | None) -> None:
    status = {} if code is None else {"containerStatuses": terminated(code)}
    seen = pod("Failed", deleted=True, conditions=condition("DisruptionTarget", "True", reason, "said"), **status)
    end = causes.end(seen, [])
    assert end.cause is cause
    assert "said" in (end.reason or "")


@pytest.mark.parametrize(
    ("seen", "cause", "says"),
    [
        (pod("Succeeded", containerStatuses=terminated(0, "Completed")), None, ""),
        (pod("Failed", containerStatuses=terminated(1)), Cause.CODE_ERROR, "the last line"),
        (pod("Failed", containerStatuses=terminated(137, "OOMKilled")), Cause.OUT_OF_MEMORY, "64Mi"),
        (pod("Failed", containerStatuses=terminated(137)), Cause.WORKER_KILLED, "SIGKILL"),
        (pod("Failed", containerStatuses=terminated(139)), Cause.CODE_ERROR, "SIGSEGV"),
        (pod("Failed", deleted=True, containerStatuses=terminated(143)), Cause.WORKER_KILLED, "deleted"),
        (pod("Failed", containerStatuses=terminated(128, "StartError")), Cause.CODE_ERROR, "cannot run"),
        (pod("Failed", reason="Evicted", message="low on disk"), Cause.PREEMPTED, "low on disk"),
        (pod("Failed", reason="DeadlineExceeded"), Cause.DEADLINE, "deadline"),
        (pod("Failed", reason="NodeLost"), Cause.NODE_LOST, "lost"),
        (pod("Running", deleted=True), Cause.WORKER_KILLED, "deleted"),
        (pod("Running"), Cause.WORKER_KILLED, "deleted"),
        (pod("Failed", message="odd"), Cause.WORKER_KILLED, "odd"),
    ],
)
def test_how_a_pod_ended(seen: dict[str, Any], cause: Cause | None, says: str) -> None:
    end = causes.end(seen, ["the last line"])
    assert end.cause is cause
    assert says in (end.reason or "")


@pytest.mark.parametrize(
    ("text", "number"),
    [("2", 2), ("100m", 0.1), ("1500m", 1.5), ("2Ki", 2048), ("3Mi", 3 << 20), ("1Gi", 1 << 30), ("1e3", 1000),
     ("5k", 5000), ("0.5", 0.5), (7, 7), ("1E", 1e18), ("128974848", 128974848)],
)  # fmt: skip
def test_quantities(text: Any, number: float) -> None:
    assert nodes.quantity(text) == pytest.approx(number)


@pytest.mark.parametrize("text", ["", "Gi", "1 Gi", "-1", "1KiB", "many"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        nodes.quantity(text)


def node(name: str = "n", cpu: str = "2", memory: str = "4Gi", gpu: str = "0", **labels: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {},
        "status": {
            "allocatable": {"cpu": cpu, "memory": memory, "nvidia.com/gpu": gpu},
            "conditions": condition("Ready", "True", "KubeletReady"),
        },
    }


def test_what_a_node_has_left() -> None:
    def asking(phase: str, cpu: str, memory: str) -> dict[str, Any]:
        container = {"resources": {"requests": {"cpu": cpu, "memory": memory}}}
        return {"spec": {"containers": [container], "initContainers": [container]}, "status": {"phase": phase}}

    told = nodes.describe(
        node(), [asking("Running", "500m", "1Gi"), asking("Succeeded", "1", "1Gi")], 1, "nvidia.com/gpu"
    )
    assert (told.cpu, told.free_cpu) == (2.0, 1.5)
    assert (told.memory_bytes, told.free_memory_bytes) == (4 << 30, 3 << 30)
    assert (told.ready, told.schedulable, told.workers) == (True, True, 1)


def test_what_can_never_fit() -> None:
    own = KubernetesSettings()
    two = [node("small", cpu="1"), node("large", cpu="8", gpu="1", disk="ssd")]
    assert nodes.misfit(own, WorkerSpec(cpu=8), two) is None
    assert "9 cores (the largest node has 8)" in (nodes.misfit(own, WorkerSpec(cpu=9), two) or "")
    assert nodes.misfit(own, WorkerSpec(cpu=1, gpu=1), two) is None
    assert "2 GPUs" in (nodes.misfit(own, WorkerSpec(gpu=2), two) or "")
    assert "disk=tape" in (nodes.misfit(own, WorkerSpec(node_selector={"disk": "tape"}), two) or "")
    split = [node("cpu", cpu="8", memory="1Gi"), node("memory", cpu="1", memory="8Gi")]
    assert "together" in (nodes.misfit(own, WorkerSpec(cpu=8, memory_bytes=8 << 30), split) or "")
    assert nodes.misfit(own, WorkerSpec(), []) == "The cluster has no nodes."


def test_a_job_is_one_restricted_incarnation() -> None:
    own = KubernetesSettings(
        installation="here", image="melon/trainer:1", queue="default-queue", tolerations=[Toleration(key="a")]
    )
    spec = WorkerSpec(
        cpu=1.5,
        memory_bytes=2 << 30,
        gpu=1,
        image="own/image:2",
        node_selector={"disk": "ssd"},
        tolerations=[Toleration(key="gpu", operator="Exists", effect="NoSchedule")],
        priority_class="low",
        queue="mine",
        image_pull_secrets=["pull"],
        env={"A": "1", "MELON_TUNER_URL": "http://elsewhere"},
        secrets=["keys"],
    )
    order = WorkerOrder("melon-w", "ws", EXPERIMENT, "the token", "1", "r-1", spec)
    job = manifests.job(own, order, ("http://tuner", "http://registry"), 7.2)
    assert (job["spec"]["backoffLimit"], job["spec"]["suspend"]) == (0, True)
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "mine"
    body = job["spec"]["template"]["spec"]
    [container] = body["containers"]
    assert body["automountServiceAccountToken"] is False
    assert body["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["image"] == "own/image:2"
    assert container["resources"] == {
        "requests": {"cpu": "1500m", "memory": str(2 << 30), "nvidia.com/gpu": "1"},
        "limits": {"memory": str(2 << 30), "nvidia.com/gpu": "1"},
    }
    assert body["nodeSelector"] == {"disk": "ssd"}
    assert body["priorityClassName"] == "low"
    assert body["imagePullSecrets"] == [{"name": "pull"}]
    assert [each.get("key") for each in body["tolerations"]] == [
        "a", "gpu", "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"
    ]  # fmt: skip
    given = {each["name"]: each.get("value") for each in container["env"]}
    assert given["A"] == "1"
    assert given["MELON_TUNER_URL"] == "http://tuner"
    assert given["MELON_WORKER_TRIALS"] == "1"
    assert "the token" not in str(job)
    assert container["envFrom"] == [{"secretRef": {"name": "keys"}}]
    assert body["terminationGracePeriodSeconds"] == 8


def thing(name: str, version: int) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "n", "resourceVersion": str(version)}}


class Scripted:
    """An API that plays lists and watches in turn."""

    def __init__(self, *steps: Any) -> None:
        self.steps = list(steps)
        self.asked: list[dict[str, str]] = []
        self.done = asyncio.Event()

    def next(self, kind: str) -> Any:
        if not self.steps:
            self.done.set()
            raise ApiFailed(0, "Unreachable", "nothing more")
        assert self.steps[0][0] == kind
        step = self.steps.pop(0)[1]
        if isinstance(step, Exception):
            raise step
        return step

    async def call(self, method: str, path: str, query: dict[str, str]) -> Any:
        self.asked.append(dict(query))
        return self.next("list")

    async def watch(self, path: str, query: dict[str, str], seconds: int) -> AsyncIterator[Any]:
        self.asked.append(dict(query))
        for event in self.next("watch"):
            yield event


def page(version: int, *items: Any, more: str = "") -> tuple[str, Any]:
    return "list", {"items": list(items), "metadata": {"resourceVersion": str(version), "continue": more}}


async def follow(*steps: Any) -> tuple[Informer, Scripted, list[tuple[str, bool]]]:
    api, told = Scripted(*steps), list[tuple[str, bool]]()
    informer = Informer(api, "/things", "a=b", lambda each, gone: told.append((each["metadata"]["name"], gone)))  # type: ignore[arg-type]
    task = asyncio.create_task(informer.run())
    async with asyncio.timeout(20):
        done, _ = await asyncio.wait({task, asyncio.create_task(api.done.wait())}, return_when=asyncio.FIRST_COMPLETED)
    assert done
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return informer, api, told


async def test_an_informer_lists_in_pages_and_follows_from_there() -> None:
    bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}}
    events = [{"type": "ADDED", "object": thing("c", 7)}, {"type": "DELETED", "object": thing("a", 8)}, bookmark]
    informer, api, told = await follow(
        page(5, thing("a", 1), more="next"), page(5, thing("b", 2)), ("watch", events), ("watch", [])
    )
    assert told == [("a", False), ("b", False), ("c", False), ("a", True)]
    assert set(informer.objects) == {"n/b", "n/c"}
    assert api.asked[1]["continue"] == "next"
    assert [each.get("resourceVersion") for each in api.asked[2:4]] == ["5", "9"]


@pytest.mark.parametrize("gone", [ApiFailed(410, "Expired", "too old"), None], ids=["status", "event"])
async def test_an_expired_watch_lists_again_and_tells_what_was_missed(gone: ApiFailed | None) -> None:
    error = {"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}}
    informer, _, told = await follow(
        page(5, thing("a", 1), thing("b", 2)),
        ("watch", gone or [error]),
        page(9, thing("b", 2), thing("c", 8)),
        ("watch", []),
    )
    assert told == [("a", False), ("b", False), ("a", True), ("c", False)]
    assert informer.lists == 2


async def test_an_outage_is_outlived_without_a_new_list() -> None:
    away = ApiFailed(0, "Unreachable", "away")
    informer, api, told = await follow(
        page(5),
        ("watch", away),
        ("watch", away),
        ("watch", [{"type": "ADDED", "object": thing("a", 6)}]),
        ("watch", []),
    )
    assert told == [("a", False)]
    assert informer.lists == 1
    assert [each.get("resourceVersion") for each in api.asked[1:5]] == ["5", "5", "5", "6"]


async def test_what_is_not_allowed_is_not_followed() -> None:
    informer, _, told = await follow(("list", ApiFailed(403, "Forbidden", "no")))
    assert informer.forbidden
    assert informer.synced.is_set()
    assert told == []
