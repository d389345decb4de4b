"""The chart while things break: pods replaced under load, nodes lost, services and database killed, load that rises."""

import os
import shlex
import subprocess
import time
from collections.abc import Callable

import pytest

from tests.cluster.on_pods import SLOW
from tests.cluster.release import INSTANCE, RELEASE, Installed, nodes, predictions, wait_for_every_replica
from tests.e2e.api import Api, table

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


@pytest.mark.parametrize(
    "components",
    [("serving", "gateway"), ("gateway", "registry", "serving", "tuner")],
    ids=["what answers them", "all at once, as an upgrade does"],
)
def test_predictions_go_on_while_pods_are_replaced(
    installed: Installed, released: Api, deployed: str, components: tuple[str, ...]
) -> None:
    with predictions(installed, released, deployed) as seen:
        installed.roll(*components)
        time.sleep(2)
    assert seen.answered > 50
    assert seen.failures == []


def test_a_pod_that_cannot_get_its_models_replaces_none(installed: Installed, released: Api, deployed: str) -> None:
    own = ("--namespace", installed.namespace)
    installed.kubectl(*own, "scale", f"deployment/{RELEASE}-registry", "--replicas=0")
    installed.kubectl(*own, "wait", "--for=delete", "pod", "--selector", "app.kubernetes.io/component=registry")
    try:
        installed.kubectl(*own, "rollout", "restart", f"deployment/{RELEASE}-serving")
        until = time.monotonic() + 20
        while time.monotonic() < until:
            assert released.predict(deployed, INSTANCE)["predictions"]
            time.sleep(0.2)
    finally:
        installed.kubectl(*own, "scale", f"deployment/{RELEASE}-registry", "--replicas=1")
    installed.kubectl(*own, "rollout", "status", f"deployment/{RELEASE}-serving", "--timeout=180s")
    wait_for_every_replica(released, deployed)


def test_nothing_is_lost_when_services_and_database_are_killed_at_work(
    installed: Installed, released: Api, deployed: str
) -> None:
    dataset = released.upload(table(12_000, seed=9, hard=True), "killed at work")
    experiment = released.tune(
        dataset["id"], name="killed at work", budget={"max_trials": 14}, parallelism=2, seed=1,
        worker=installed.worker, search_space=SLOW, baseline=False,
    )  # fmt: skip
    kinds = {
        "tuner": f"deployment/{RELEASE}-tuner",
        "registry": f"deployment/{RELEASE}-registry",
        "postgresql": f"statefulset/{RELEASE}-postgresql",
    }
    killed: list[str] = []
    for event in released.events(experiment["id"]):
        if event["type"] == "trial" and event["data"]["state"] in ("running", "completed") and len(killed) < len(kinds):
            component = list(kinds)[len(killed)]
            (pod,) = installed.pods(component)
            installed.kubectl(
                "--namespace", installed.namespace, "delete", "pod", pod["metadata"]["name"], "--grace-period=0",
                "--force", "--wait=false", check=False,
            )  # fmt: skip
            killed.append(component)
            # Loaded models answer without any of the three.
            assert released.predict(deployed, INSTANCE)["predictions"]
            installed.rolled(kinds[component])
    assert killed == list(kinds)
    done = released.wait(experiment["id"])
    assert (done["state"], done["trials"]["completed"], done["trials"]["failed"]) == ("completed", 14, 0), done
    trials = released.trials(experiment["id"])
    assert [trial["number"] for trial in trials] == list(range(1, 15))
    for trial in trials:
        assert released.get(f"/api/v1/runs/{trial['run_id']}")["state"] == "completed"
    assert released.http.get(f"/api/v1/datasets/{dataset['id']}/content").content == table(12_000, seed=9, hard=True)


COMMANDS = {
    "power": ("MELON_TEST_NODE_KILL", "MELON_TEST_NODE_START"),
    "packets": ("MELON_TEST_NODE_CUT", "MELON_TEST_NODE_MEND"),
}
ASKERS = 3


@pytest.mark.parametrize("how", COMMANDS)
def test_a_lost_node_costs_no_prediction_but_those_under_way_there(
    installed: Installed, released: Api, deployed: str, how: str
) -> None:
    lost, back = (os.environ.get(name) for name in COMMANDS[how])
    if not (lost and back):
        pytest.skip(f"{' and '.join(COMMANDS[how])} do not say how a node is lost and comes back")
    victim = nodes(installed.kubectl)[-1]
    installed.kubectl("--namespace", installed.namespace, "delete", "pods", "--selector", SERVING, "--wait=false")
    installed.rolled(f"deployment/{RELEASE}-serving")
    there = [pod for pod in installed.pods("serving") if pod["spec"]["nodeName"] == victim]
    assert there, "no pod of serving is on the node that is to be lost"
    wait_for_every_replica(released, deployed)
    with predictions(installed, released, deployed, askers=ASKERS) as seen:
        time.sleep(2)
        before = seen.answered
        _run(lost, victim)
        try:
            installed.kubectl("wait", f"node/{victim}", "--for=condition=Ready=Unknown", "--timeout=90s")
            # Until it is noticed, and while it is: the pod leaves the Service only now.
            time.sleep(8)
        finally:
            _run(back, victim)
        during = seen.answered - before
    installed.kubectl("wait", f"node/{victim}", "--for=condition=Ready", "--timeout=120s")
    installed.rolled(f"deployment/{RELEASE}-serving")
    assert before > 10
    assert during > 100
    assert len(seen.failures) <= ASKERS, seen.failures
    wait_for_every_replica(released, deployed)


SERVING = "app.kubernetes.io/component=serving"


def _run(command: str, node: str) -> None:
    subprocess.run([*shlex.split(command), node], check=True, timeout=180)


def test_serving_grows_under_load_and_shrinks_after_it(installed: Installed, released: Api, deployed: str) -> None:
    quick = (
        "serving.autoscaling.minReplicas=1", "serving.autoscaling.maxReplicas=3",
        "serving.autoscaling.scaleDownSeconds=15", "serving.resources.requests.cpu=50m",
    )  # fmt: skip
    installed.helm("upgrade", RELEASE, *installed.values(*quick))
    assert _replicas_reach(installed, lambda count: count == 1, seconds=150)
    wait_for_every_replica(released, deployed)
    with predictions(installed, released, deployed, askers=3, rows=300) as seen:
        grown = _replicas_reach(installed, lambda count: count >= 2, seconds=150)
        installed.rolled(f"deployment/{RELEASE}-serving")
    assert grown, installed.get("horizontalpodautoscaler", f"{RELEASE}-serving")["status"]
    assert seen.failures == []
    assert _replicas_reach(installed, lambda count: count == 1, seconds=150)
    wait_for_every_replica(released, deployed)


def _replicas_reach(installed: Installed, wanted: Callable[[int], bool], seconds: float) -> bool:
    """Return whether the autoscaler brought serving to a wanted number of pods in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if wanted(installed.get("deployment", f"{RELEASE}-serving")["spec"]["replicas"]):
            return True
        time.sleep(1)
    return False
