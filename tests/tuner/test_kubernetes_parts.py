"""The pure parts of the Kubernetes executor."""

from typing import Any

import pytest

from melonkube.contracts.experiments import Cause
from melonkube.contracts.workload import ContainerSpec, Toleration, WorkerSpec
from melonkube.trainer.container.render import COMMAND_KILLED
from melonkube.tuner.executors.kubernetes import causes, manifests, nodes
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


def test_what_runs_beside_others_is_counted() -> None:
    def asking(cpu: str) -> dict[str, Any]:
        return {"resources": {"requests": {"cpu": cpu}}}

    first = [asking("1"), {**asking("100m"), "restartPolicy": "Always"}, asking("200m")]
    spec = {"containers": [asking("500m")], "initContainers": first}
    seen = {"spec": spec, "status": {"phase": "Running"}}
    assert nodes.describe(node(), [seen], 1, "nvidia.com/gpu").free_cpu == 1.0
    spec["containers"] = [asking("950m")]
    assert nodes.describe(node(), [seen], 1, "nvidia.com/gpu").free_cpu == 0.95


def test_what_can_never_fit() -> None:
    own = KubernetesSettings()
    assert nodes.misfit(own, WorkerSpec(cpu=2), [node()]) is None
    assert "2.05 cores" in (nodes.misfit(own, WorkerSpec(cpu=2), [node()], beside=True) or "")
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


def container_job(**container: Any) -> dict[str, Any]:
    own = KubernetesSettings(image="melon/trainer:1", memory_bytes=1 << 30)
    spec = WorkerSpec(cpu=2, memory_bytes=256 << 20, gpu=1, image="ours:2", env={"A": "1", "HOME": "/h"}, secrets=["k"])
    command = ContainerSpec(image="theirs:3", command=["train", "{{params.x}}"], **container)
    order = WorkerOrder("melon-w", "ws", EXPERIMENT, "the token", "1", None, spec, command)
    body: dict[str, Any] = manifests.job(own, order, ("http://tuner", "http://registry"), 7.2)["spec"]["template"][
        "spec"
    ]
    return body


def test_a_pod_of_any_image_has_ours_before_and_beside_it() -> None:
    body = container_job()
    probe, prepare, sidecar = body["initContainers"]
    [theirs] = body["containers"]
    assert [each["name"] for each in (probe, prepare, sidecar, theirs)] == ["probe", "prepare", "sidecar", "worker"]
    assert [each["image"] for each in (probe, prepare, sidecar, theirs)] == ["theirs:3", "ours:2", "ours:2", "theirs:3"]
    assert [each.get("restartPolicy") for each in (probe, prepare, sidecar)] == [None, None, "Always"]
    assert probe["command"] == ["/bin/sh", "-c", ":"]
    assert prepare["command"] == ["python", "-m", "melonkube.trainer.container.prepare"]
    assert sidecar["command"] == ["python", "-m", "melonkube.trainer.container.sidecar"]
    assert theirs["command"] == ["/bin/sh", "/melon/run/main.sh"]
    assert body["automountServiceAccountToken"] is False
    assert body["securityContext"]["runAsNonRoot"] is True
    assert body["securityContext"]["fsGroup"] == 65532


def test_of_our_token_any_image_sees_nothing_and_of_its_secrets_we_do_not() -> None:
    body = container_job()
    probe, prepare, sidecar = body["initContainers"]
    [theirs] = body["containers"]
    for each in (probe, theirs):
        assert {one["name"]: one["value"] for one in each["env"]} == {"A": "1", "HOME": "/h", "PYTHONUNBUFFERED": "1"}
        assert each["envFrom"] == [{"secretRef": {"name": "k"}}]
        assert "own" not in {mount["name"] for mount in each["volumeMounts"]}
    for each in (prepare, sidecar):
        given = {one["name"]: one.get("value") for one in each["env"]}
        assert "MELON_WORKER_TOKEN" in given
        assert "A" not in given
        assert given["HOME"] == "/tmp"
        assert given["MELON_WORKER_TRIALS"] == "1"
        assert each["envFrom"] == []
    # Whoever has the image has its shell: it must not prepare what we are about to write.
    assert [mount["mountPath"] for mount in probe["volumeMounts"]] == ["/tmp"]
    assert [mount["mountPath"] for mount in theirs["volumeMounts"]] == ["/melon", "/tmp"]
    assert {mount["name"] for mount in theirs["volumeMounts"]} & {m["name"] for m in sidecar["volumeMounts"]} == {
        "melon"
    }
    mounted = {mount["name"] for each in (probe, prepare, sidecar, theirs) for mount in each["volumeMounts"]}
    assert mounted == {volume["name"] for volume in body["volumes"]}


@pytest.mark.parametrize(("asked", "user"), [({}, 65532), ({"run_as_user": 1000}, 1000)])
def test_every_container_is_restricted(asked: dict[str, int], user: int) -> None:
    body = container_job(**asked)
    for each in [*body["initContainers"], *body["containers"]]:
        context = each["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context.get("runAsUser", 65532) == (user if each["image"] == "theirs:3" else 65532)


def test_what_is_asked_for_is_for_the_user_s_container() -> None:
    body = container_job()
    probe, prepare, sidecar = body["initContainers"]
    memory = str(256 << 20)
    assert body["containers"][0]["resources"] == {
        "requests": {"cpu": "2000m", "memory": memory, "nvidia.com/gpu": "1"},
        "limits": {"memory": memory, "nvidia.com/gpu": "1"},
    }
    assert probe["resources"] == {"requests": {"cpu": "2000m", "memory": memory}, "limits": {"memory": memory}}
    assert prepare["resources"]["limits"] == {"memory": str(1 << 30)}
    assert sidecar["resources"]["limits"] == {"memory": "256Mi"}


def in_a_container(seen: dict[str, Any], **first: dict[str, Any]) -> dict[str, Any]:
    seen["spec"]["initContainers"] = [{"name": name} for name in ("probe", "prepare", "sidecar")]
    seen["status"]["initContainerStatuses"] = [
        {"name": name, "state": {"terminated": {"exitCode": 0} | found}} for name, found in first.items()
    ]
    return seen


WAITING = state(waiting={"reason": "PodInitializing"})


@pytest.mark.parametrize(
    ("seen", "cause", "says", "speaks"),
    [
        (
            in_a_container(
                pod("Failed", containerStatuses=WAITING),
                probe={"exitCode": 128, "reason": "StartError", "message": "no such file"},
            ),
            Cause.CODE_ERROR, "an/image:1 cannot run /bin/sh, which a trial in a container needs. no such", "probe",
        ),
        (
            in_a_container(pod("Failed", containerStatuses=WAITING), probe={}, prepare={"exitCode": 1}),
            Cause.CODE_ERROR, "the last line", "prepare",
        ),
        (
            in_a_container(
                pod("Failed", containerStatuses=WAITING), probe={}, prepare={"exitCode": 137, "reason": "OOMKilled"}
            ),
            Cause.OUT_OF_MEMORY, "prepare", "prepare",
        ),
        (
            in_a_container(
                pod("Failed", deleted=True, containerStatuses=WAITING), probe={}, prepare={"exitCode": 143}
            ),
            Cause.WORKER_KILLED, "deleted", "prepare",
        ),
        (
            in_a_container(
                pod("Failed", containerStatuses=terminated(137, "OOMKilled")), sidecar={"exitCode": 137}
            ),
            Cause.OUT_OF_MEMORY, "64Mi", "sidecar",
        ),
        (
            in_a_container(
                pod("Failed", containerStatuses=state(terminated={"exitCode": 137, "message": COMMAND_KILLED + "\n"}))
            ),
            Cause.CODE_ERROR, "The command was killed", "sidecar",
        ),
        (in_a_container(pod("Failed", containerStatuses=terminated(137))), Cause.WORKER_KILLED, "SIGKILL", "sidecar"),
        (in_a_container(pod("Succeeded", containerStatuses=terminated(0, "Completed")), sidecar={"exitCode": 143}),
         None, "", "sidecar"),
    ],
    ids=["no shell", "prepare", "prepare memory", "deleted", "memory", "command killed", "killed", "well"],
)  # fmt: skip
def test_how_a_pod_of_any_image_ended(seen: dict[str, Any], cause: Cause | None, says: str, speaks: str) -> None:
    end = causes.end(seen, ["the last line"])
    assert end.cause is cause
    assert says in (end.reason or "")
    assert causes.speaker(seen) == speaks


def test_an_image_that_cannot_be_pulled_is_named_before_anything_is_leased() -> None:
    seen = pod("Pending", containerStatuses=WAITING)
    waiting = {"reason": "ImagePullBackOff", "message": "not found"}
    seen["status"]["initContainerStatuses"] = [{"name": "probe", "image": "theirs:3", "state": {"waiting": waiting}}]
    found = causes.obstacle(seen)
    assert found is not None
    assert found.cause is Cause.IMAGE_UNAVAILABLE
    assert "theirs:3" in found.reason
