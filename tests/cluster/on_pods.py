"""Trials as pods, for tests: services on this machine, workers on the cluster that ``KUBECONFIG`` names."""

import os
from typing import Any

from tests.cluster.kubectl import run_kubectl
from tests.e2e.api import Api

ADDRESS = os.environ.get("MELON_TEST_ADVERTISE_ADDRESS", "")
IMAGE = (
    os.environ.get("MELON_TEST_IMAGE_PREFIX", "melonkube/") + "trainer:" + os.environ.get("MELON_TEST_IMAGE_TAG", "dev")
)


def kubectl(*arguments: str, check: bool = True) -> str:
    """Run kubectl, which may warn: of a pod that a drain evicts, for one."""
    return run_kubectl(*arguments, check=check, warnings=True)


SLOW = {
    "num_iterations": {"value": 1500},
    "early_stopping_rounds": {"value": 0},
    "learning_rate": {"type": "float", "low": 0.01, "high": 0.1, "log": True},
}
"""Trials of some seconds, so that there is a middle to be killed in."""


def pod_of(namespace: str, worker_id: str) -> str:
    return kubectl("-n", namespace, "get", "pods", "-l", f"melonkube.io/worker={worker_id}", "-o", "name")


def leased(api: Api, experiment_id: str, number: int) -> str:
    """Wait until trial ``number`` is at work; return its worker."""
    for event in api.events(experiment_id):
        trial = event["data"]
        if event["type"] == "trial" and trial["number"] >= number and trial["state"] in ("leased", "running"):
            return str(trial["worker_id"])
    raise AssertionError("the experiment ended before")


def causes(api: Api, experiment_id: str) -> list[str]:
    """Return why attempts ended without a result."""
    found = []
    for trial in api.trials(experiment_id):
        detail = api.get(f"/api/v1/experiments/{experiment_id}/trials/{trial['number']}")
        found += [attempt["cause"] for attempt in detail["attempts"] if attempt["cause"]]
        winners = [attempt for attempt in detail["attempts"] if attempt["run_id"] == trial["run_id"]]
        assert len(winners) == 1
    return found


def whole(api: Api, experiment_id: str, trials: int) -> dict[str, Any]:
    """Wait for the end, at which every trial must be there once, and completed."""
    done = api.wait(experiment_id)
    assert done["state"] == "completed", done["reason"]
    assert done["trials"]["completed"] == trials
    assert [trial["number"] for trial in api.trials(experiment_id)] == list(range(1, trials + 1))
    return done
