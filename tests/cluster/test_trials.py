"""Trials as pods: services on this machine, workers on the cluster, and everything that can happen to a pod.

Beside ``KUBECONFIG`` this needs ``MELON_TEST_ADVERTISE_ADDRESS``, an address of this machine that pods reach. Where
``MELON_TEST_NODE_KILL`` and ``MELON_TEST_NODE_START`` are commands that cut a named node's power and give it back,
that is done, too.
"""

import io
import os
import random
import shlex
import signal
import subprocess
import time
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from melonkube.suite.embedded import Suite
from tests.cluster.on_pods import SLOW, causes, kubectl, leased, pod_of, whole
from tests.e2e.api import Api

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400), pytest.mark.usefixtures("nothing_is_left")]

NODE_KILL, NODE_START = os.environ.get("MELON_TEST_NODE_KILL"), os.environ.get("MELON_TEST_NODE_START")


@pytest.fixture(scope="module")
def namespace(trial_namespace: str) -> str:
    return trial_namespace


def test_pods_train_side_by_side(api: Api, dataset: str, namespace: str) -> None:
    experiment = api.tune(dataset, name="side by side", budget={"max_trials": 9}, parallelism=3)
    done = whole(api, experiment["id"], 9)
    assert done["best"]["holdout_value"] > 0.8
    assert len({trial["worker_id"] for trial in api.trials(experiment["id"])}) == 3
    where = api.get("/api/v1/executor")
    assert (where["name"], where["namespace"]) == ("kubernetes", namespace)
    assert all(node["cpu"] > 0 and node["free_memory_bytes"] > 0 for node in where["nodes"])


def test_a_pod_for_each_trial(api: Api, dataset: str) -> None:
    experiment = api.tune(dataset, name="one each", budget={"max_trials": 4}, parallelism=2, trials_per_worker=1)
    whole(api, experiment["id"], 4)
    assert len({trial["worker_id"] for trial in api.trials(experiment["id"])}) == 4


def test_a_deleted_pod_costs_an_attempt(api: Api, dataset: str, namespace: str) -> None:
    experiment = api.tune(
        dataset, name="deleted", budget={"max_trials": 4}, parallelism=2, search_space=SLOW, baseline=False
    )
    worker = leased(api, experiment["id"], 2)
    kubectl("-n", namespace, "delete", pod_of(namespace, worker), "--grace-period=0", "--force", "--wait=false")
    whole(api, experiment["id"], 4)
    # The node tells the worker to end even so; whether that is in time to hand back its trial is a race.
    found = causes(api, experiment["id"])
    assert len(found) == 1
    assert found[0] in ("worker_killed", "released")


def test_a_deleted_job_costs_an_attempt(api: Api, dataset: str, namespace: str) -> None:
    experiment = api.tune(
        dataset, name="job deleted", budget={"max_trials": 3}, parallelism=1, search_space=SLOW, baseline=False
    )
    worker = leased(api, experiment["id"], 2)
    kubectl("-n", namespace, "delete", "job", worker, "--wait=false")
    whole(api, experiment["id"], 3)
    # Told to end, a worker hands its trial back by itself.
    assert set(causes(api, experiment["id"])) <= {"worker_killed", "released"}


def test_out_of_memory_is_tried_once_more(api: Api) -> None:
    rows = 500_000
    source = np.random.default_rng(1)
    columns = {f"x{number}": pa.array(source.integers(0, 50, rows)) for number in range(60)}
    columns["y"] = pa.array(source.integers(0, 2, rows))
    content = io.BytesIO()
    pq.write_table(pa.table(columns), content)
    large = api.upload(content.getvalue(), "large", "large.parquet")
    experiment = api.tune(
        large["id"],
        name="too large",
        budget={"max_trials": 2, "max_failed_trials": 0},
        parallelism=1,
        worker={"memory_bytes": 256 << 20},
    )
    done = api.wait(experiment["id"])
    assert done["state"] == "failed"
    assert causes(api, experiment["id"]) == ["out_of_memory", "out_of_memory"]
    [trial] = api.trials(experiment["id"])
    assert (trial["state"], trial["cause"], trial["attempt"]) == ("failed", "out_of_memory", 2)
    assert "268435456" in trial["reason"]


def test_an_image_that_does_not_exist(api: Api, dataset: str) -> None:
    experiment = api.tune(dataset, name="no image", worker={"image": "melonkube/nothing:0"}, parallelism=2)
    said = [
        event["data"]["reason"]
        for event in api.events(experiment["id"])
        if event["type"] == "experiment" and event["data"]["state"] == "queued" and event["data"]["reason"]
    ]
    assert any("melonkube/nothing:0" in reason and "pulled" in reason for reason in said), said
    done = api.get(f"/api/v1/experiments/{experiment['id']}")
    assert done["state"] == "failed"
    assert "melonkube/nothing:0" in done["reason"]
    assert api.trials(experiment["id"]) == []


@pytest.mark.parametrize(
    ("worker", "says"),
    [
        ({"cpu": 512}, "512 cores"),
        ({"memory_bytes": 1 << 49}, "bytes of memory"),
        ({"gpu": 3}, "3 GPUs"),
        ({"node_selector": {"disk": "none"}}, "disk=none"),
    ],
    ids=["cpu", "memory", "gpu", "labels"],
)
def test_what_can_never_fit_is_refused_at_once(api: Api, dataset: str, worker: dict[str, Any], says: str) -> None:
    answer = api.http.post("/api/v1/experiments", json={"dataset_id": dataset, "target": "y", "worker": worker})
    assert (answer.status_code, answer.json()["code"]) == (422, "unschedulable")
    assert says in answer.json()["detail"]
    assert answer.json()["errors"][0]["pointer"] == "/worker"


def test_a_taint_nobody_tolerates_is_shown(api: Api, dataset: str) -> None:
    for node in kubectl("get", "nodes", "-o", "name").split():
        kubectl("cordon", node)
    try:
        experiment = api.tune(dataset, name="cordoned", budget={"max_trials": 2}, parallelism=1)
        for event in api.events(experiment["id"]):
            if event["type"] == "experiment" and "No node takes the worker" in (event["data"]["reason"] or ""):
                break
    finally:
        for node in kubectl("get", "nodes", "-o", "name").split():
            kubectl("uncordon", node)
    done = whole(api, experiment["id"], 2)
    assert done["reason"] is None


def test_a_command_that_fails_is_told_with_its_last_lines(api: Api, dataset: str) -> None:
    # This image has Python, but not our trainer.
    experiment = api.tune(dataset, name="broken", worker={"image": "python:3.11-slim-bookworm"}, parallelism=1)
    done = api.wait(experiment["id"])
    assert done["state"] == "failed"
    assert "melonkube" in done["reason"], done["reason"]


def test_a_stopped_experiment_leaves_nothing(api: Api, dataset: str) -> None:
    experiment = api.tune(dataset, name="stopped", budget={"max_trials": 50}, parallelism=3, search_space=SLOW)
    leased(api, experiment["id"], 3)
    assert api.http.post(f"/api/v1/experiments/{experiment['id']}/stop").status_code in (200, 202)
    assert api.wait(experiment["id"])["state"] == "stopped"


def test_the_tuner_dies_while_it_makes_pods_and_at_work(api: Api, suite: Suite, dataset: str, namespace: str) -> None:
    source = random.Random(7)
    experiment = api.tune(
        dataset, name="tuner dies", budget={"max_trials": 12}, parallelism=4, search_space=SLOW, baseline=False
    )
    time.sleep(0.15)
    os.kill(suite.pids()["tuner"], signal.SIGKILL)
    kills, at = 1, 0
    for event in api.events(experiment["id"]):
        trial = event["data"]
        if event["type"] == "trial" and trial["number"] > at + 3 and kills < 3 and source.random() < 0.7:
            pids = suite.pids()
            if "tuner" in pids:
                os.kill(pids["tuner"], signal.SIGKILL)
                kills, at = kills + 1, trial["number"]
    assert kills == 3
    whole(api, experiment["id"], 12)
    # Workers outlive the tuner on a cluster; with `melon up` they do not outlive its orderly end, but a crash they do.
    assert len({trial["worker_id"] for trial in api.trials(experiment["id"])}) <= 8
    assert causes(api, experiment["id"]) == []


def test_a_drained_node_gives_its_trials_back(api: Api, dataset: str, namespace: str) -> None:
    experiment = api.tune(
        dataset, name="drained", budget={"max_trials": 5}, parallelism=2, search_space=SLOW, baseline=False
    )
    worker = leased(api, experiment["id"], 2)
    node = kubectl("-n", namespace, "get", pod_of(namespace, worker), "-o", "jsonpath={.spec.nodeName}")
    try:
        selector = f"--pod-selector=melonkube.io/worker={worker}"
        kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", selector, "--timeout=60s")
        whole(api, experiment["id"], 5)
    finally:
        kubectl("uncordon", node)
    assert set(causes(api, experiment["id"])) <= {"preempted", "released"}
    assert causes(api, experiment["id"])


@pytest.mark.skipif(not (NODE_KILL and NODE_START), reason="MELON_TEST_NODE_KILL and _START say how to cut the power")
def test_a_lost_node_s_trials_go_on_elsewhere(api: Api, dataset: str, namespace: str) -> None:
    assert NODE_KILL
    assert NODE_START
    first, *others = kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}").split()
    lost = others[-1]
    kubectl("cordon", first)  # it is this machine
    experiment = api.tune(
        dataset, name="lost", budget={"max_trials": 6}, parallelism=4, search_space=SLOW, baseline=False
    )
    try:
        on_node(api, experiment["id"], namespace, lost)
        run(NODE_KILL, lost)
        whole(api, experiment["id"], 6)
        found = causes(api, experiment["id"])
        assert found
        assert set(found) <= {"node_lost", "lease_lost"}
    finally:
        run(NODE_START, lost)
        kubectl("uncordon", first)
        kubectl("wait", "--for=condition=Ready", f"node/{lost}", "--timeout=90s")


def on_node(api: Api, experiment_id: str, namespace: str, node: str) -> str:
    """Wait until a worker on ``node`` has a trial; return it."""
    for event in api.events(experiment_id):
        trial = event["data"]
        if event["type"] != "trial" or trial["state"] not in ("leased", "running"):
            continue
        pod = pod_of(namespace, trial["worker_id"])
        where = kubectl("-n", namespace, "get", pod, "-o", "jsonpath={.spec.nodeName}", check=False) if pod else ""
        if where == node:
            return str(trial["worker_id"])
    raise AssertionError("no worker came to that node")


def run(command: str, node: str) -> None:
    subprocess.run([*shlex.split(command), node], check=True, capture_output=True, timeout=120)
