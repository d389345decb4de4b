"""A worker whose token is refused, or whose tuner or registry is away: what it outlives, and what it loses."""

import json
import threading
from typing import Any

import pytest

from tests.trainer.conftest import StartWorker
from tests.trainer.scripted import Gate, Script, ScriptedFitted
from tests.trainer.stand_in import PATIENCE, StandIn
from tests.trainer.test_worker import BUNDLE


def test_a_refused_token_ends_the_worker(stand_in: StandIn, start_worker: StartWorker) -> None:
    assert start_worker(token="forged").join() == 1
    assert stand_in.calls == ["GET /worker/v1/setup"]


def test_a_token_refused_in_the_middle_ends_the_worker(
    stand_in: StandIn, start_worker: StartWorker, gate: Gate
) -> None:
    stand_in.add_trial()
    running = start_worker()
    gate.begun.wait(PATIENCE)
    with stand_in.changed:
        stand_in.token = "another"
    assert running.join() == 1
    assert stand_in.completed == []


def test_a_fresh_token_is_used_from_then_on(stand_in: StandIn, start_worker: StartWorker, gate: Gate) -> None:
    run_id = stand_in.add_trial()
    running = start_worker()
    gate.begun.wait(PATIENCE)
    with stand_in.changed:
        stand_in.fresh_token = "second"
    stand_in.until(lambda: stand_in.token == "second" and len(stand_in.renewed) > 3)
    gate.open.set()
    assert running.join() == 0
    assert [run for run, _ in stand_in.completed] == [run_id]


@pytest.mark.parametrize("service", ["tuner", "registry"])
def test_training_goes_on_through_an_outage_and_loses_nothing(
    service: str, stand_in: StandIn, start_worker: StartWorker, script: Script
) -> None:
    begun, away, back = threading.Event(), threading.Event(), threading.Event()

    def train(_params: Any, control: Any) -> ScriptedFitted:
        begun.set()
        assert away.wait(PATIENCE)
        for step in range(1, 11):
            assert control.proceed()
            control.report(step, step / 10)
        assert back.wait(PATIENCE)
        return ScriptedFitted()

    script.train = train
    run_id = stand_in.add_trial()
    running = start_worker()
    begun.wait(PATIENCE)
    with stand_in.outage(service):
        away.set()
        stand_in.until(lambda: len(stand_in.missed) >= 3)
        back.set()
        seen = len(stand_in.missed)
        stand_in.until(lambda: len(stand_in.missed) >= seen + 3)
        assert stand_in.completed == []
    assert running.join() == 0
    [(completed, result)] = stand_in.completed
    assert completed == run_id
    told = {report.step for _, renewal in stand_in.renewed for report in renewal.reports}
    told |= {report.step for report in result.reports}
    assert told == set(range(1, 11))
    run = stand_in.runs[run_id]
    assert {step for name, step in run.points if name == "curve.auc"} == set(range(1, 11))
    assert set(run.files) == BUNDLE
    assert run.finish is not None


@pytest.mark.parametrize("services", [("tuner",), ("registry",), ("tuner", "registry")])
def test_a_worker_begins_when_all_are_there(
    services: tuple[str, ...], stand_in: StandIn, start_worker: StartWorker
) -> None:
    stand_in.add_trial()
    with stand_in.outage(*services):
        running = start_worker()
        stand_in.until(lambda: len(stand_in.missed) >= 5)
    assert running.join() == 0
    assert len(stand_in.completed) == 1


def test_a_busy_service_is_asked_again(stand_in: StandIn, start_worker: StartWorker) -> None:
    stand_in.add_trial()
    stand_in.busy = {"tuner", "registry"}
    running = start_worker()
    stand_in.until(lambda: len(stand_in.missed) >= 3)
    with stand_in.changed:
        stand_in.busy = set()
    assert running.join() == 0
    assert len(stand_in.completed) == 1


def test_a_lease_lost_during_an_outage_of_the_registry_ends_the_trying(
    stand_in: StandIn, start_worker: StartWorker, script: Script
) -> None:
    lost, kept = stand_in.add_trial(), stand_in.add_trial()
    running = start_worker()
    with stand_in.outage("registry"):
        stand_in.until(lambda: len(stand_in.missed) >= 5)
        with stand_in.changed:
            stand_in.held.clear()
        stand_in.until(lambda: lost not in stand_in.held and kept in stand_in.held)
    assert running.join() == 0
    assert [run for run, _ in stand_in.completed] == [kept]


def test_leaving_while_the_tuner_is_away_does_not_wait_for_it(
    stand_in: StandIn, start_worker: StartWorker, gate: Gate
) -> None:
    stand_in.add_trial()
    running = start_worker()
    gate.begun.wait(PATIENCE)
    with stand_in.outage("tuner"):
        running.worker.leave()
        assert running.join() == 0
    assert stand_in.failed == []


def test_a_finished_trial_is_handed_in_even_by_a_worker_that_leaves(
    stand_in: StandIn, start_worker: StartWorker, script: Script
) -> None:
    running: list[Any] = []
    ready = threading.Event()

    def train(_params: Any, _control: Any) -> ScriptedFitted:
        assert ready.wait(PATIENCE)
        running[0].worker.leave()
        return ScriptedFitted()

    script.train = train
    run_id = stand_in.add_trial()
    stand_in.add_trial()
    running.append(start_worker())
    ready.set()
    assert running[0].join() == 0
    assert [run for run, _ in stand_in.completed] == [run_id]
    assert stand_in.held == {}


def test_the_lease_is_renewed_while_training_takes_long(
    stand_in: StandIn, start_worker: StartWorker, gate: Gate
) -> None:
    run_id = stand_in.add_trial()
    running = start_worker()
    stand_in.until(lambda: len(stand_in.renewed) >= 5)
    gate.open.set()
    running.join()
    assert {run for run, _ in stand_in.renewed} == {run_id}
    assert json.loads(stand_in.renewed[0][1].model_dump_json())["worker_id"] == "worker-1"
