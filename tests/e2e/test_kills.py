"""Processes are killed while they work: nothing finished is lost, every trial is counted once."""

import contextlib
import os
import random
import signal
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from melonkube.contracts.base import rfc3339
from melonkube.suite.embedded import Suite
from tests.e2e.api import Api, table

pytestmark = [pytest.mark.e2e, pytest.mark.chaos, pytest.mark.timeout(600)]

KILLED = ("worker", "tuner", "registry", "gateway", "serving")
KILLS_OF_EACH = 4
AFTERWARDS = 5
"""So many trials must still be completed after the last kill."""


def test_twenty_kills_and_every_trial_is_counted_once(suite: Suite, api: Api) -> None:
    source = random.Random(2026)
    plan = [name for name in KILLED for _ in range(KILLS_OF_EACH)]
    source.shuffle(plan)
    dataset = api.upload(table(12_000, seed=31, hard=True), "killed")
    # More trials than there is time for: it is stopped when all kills are done, however fast the machine is.
    experiment = api.tune(dataset["id"], name="killed", budget={"max_trials": 5_000}, seed=5)
    identity = experiment["id"]
    finished: dict[int, float] = {}
    last_kill, left, done = "", AFTERWARDS, None
    for event in api.events(identity):
        if event["type"] == "experiment" and event["data"]["state"] in ("completed", "failed", "stopped"):
            done = event["data"]
        if event["type"] != "trial":
            continue
        trial = event["data"]
        if trial["state"] == "completed":
            assert finished.setdefault(trial["number"], trial["value"]) == trial["value"]
            left -= not plan
            if left == 0:
                assert api.http.post(f"/api/v1/experiments/{identity}/stop").status_code in (200, 202)
        # A kill at every kind of moment: after a hand-over as well as after a completion. What the stream repeats after
        # it broke is no new moment.
        if not plan or event["at"] <= last_kill or source.random() < 0.3:
            continue
        running = suite.pids()
        name = next((name for name in plan if any(there.startswith(name) for there in running)), None)
        if name is None:
            continue
        with contextlib.suppress(ProcessLookupError):
            os.kill(running[source.choice([there for there in running if there.startswith(name)])], signal.SIGKILL)
            plan.remove(name)
            last_kill = rfc3339(datetime.now(UTC))
    assert not plan
    assert done is not None
    assert done["state"] == "stopped", done

    trials = api.trials(identity)
    assert [trial["number"] for trial in trials] == list(range(1, len(trials) + 1))
    assert {trial["state"] for trial in trials} <= {"completed", "stopped"}, trials
    completed = {trial["number"]: trial["value"] for trial in trials if trial["state"] == "completed"}
    counted = api.get(f"/api/v1/experiments/{identity}")["trials"]
    assert (counted["completed"], counted["failed"]) == (len(completed), 0)
    assert counted["stopped"] == len(trials) - len(completed)
    assert finished == completed

    for trial in trials:
        attempts = api.get(f"/api/v1/experiments/{identity}/trials/{trial['number']}")["attempts"]
        assert len({attempt["attempt"] for attempt in attempts}) == len(attempts)
        if trial["state"] == "completed":
            assert len([attempt for attempt in attempts if attempt["run_id"] == trial["run_id"]]) == 1
            assert api.get(f"/api/v1/runs/{trial['run_id']}")["state"] == "completed"
    expected = Counter(trial["id"] for trial in trials if trial["state"] == "completed")
    # What did not count is written off by the tuner's outbox, which tries again while the registry is away.
    until = time.monotonic() + 60
    while (runs := completed_runs(api, identity)) != expected:
        assert time.monotonic() < until, (runs, trials)
        time.sleep(0.5)


def completed_runs(api: Api, experiment_id: str) -> Counter[str]:
    """Return how many completed runs each trial of an experiment has in the registry."""
    runs: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = api.get("/api/v1/runs", experiment_id=experiment_id, limit=500, **({"cursor": cursor} if cursor else {}))
        runs += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return Counter(run["trial_id"] for run in runs if run["state"] == "completed" and run["trial_id"])


def test_the_suite_goes_on_where_it_was_killed(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("killed suite")
    first = Suite(folder, workers=2, port=0)
    first.start()
    seen = 0
    finished: dict[int, float] = {}
    with Api(first.url) as api:
        dataset = api.upload(table(2500, seed=32, hard=True), "resumed")
        experiment = api.tune(dataset["id"], name="resumed", budget={"max_trials": 16})
        for event in api.events(experiment["id"]):
            seen = event["seq"]
            if event["type"] == "trial" and event["data"]["state"] == "completed":
                finished[event["data"]["number"]] = event["data"]["value"]
                if len(finished) == 4:
                    break
    first.kill()
    with Suite(folder, workers=2, port=0) as second, Api(second.url) as api:
        done = api.wait(experiment["id"], after=seen)
        assert done["state"] == "completed"
        assert done["trials"]["completed"] == 16
        trials = {trial["number"]: trial["value"] for trial in api.trials(experiment["id"])}
        assert sorted(trials) == list(range(1, 17))
        assert finished.items() <= trials.items()


def test_an_orderly_end_releases_the_trials_and_the_next_start_goes_on(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("stopped suite")
    with Suite(folder, workers=2, port=0) as first, Api(first.url) as api:
        dataset = api.upload(table(2500, seed=33, hard=True), "released")
        experiment = api.tune(dataset["id"], name="released", budget={"max_trials": 10})
        for event in api.events(experiment["id"]):
            if event["type"] == "trial" and event["data"]["state"] == "completed":
                break
        processes = set(first.pids().values())
    assert not [pid for pid in processes if _alive(pid)], "a process outlived its suite"
    with Suite(folder, workers=2, port=0) as second, Api(second.url) as api:
        done = api.wait(experiment["id"])
        assert done["trials"]["completed"] == 10
        for trial in api.trials(experiment["id"]):
            attempts = api.get(f"/api/v1/experiments/{experiment['id']}/trials/{trial['number']}")["attempts"]
            assert {attempt["cause"] for attempt in attempts} <= {None, "released"}


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
