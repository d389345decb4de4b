"""How a trial of a worker may end but by its result, against a tuner and a registry on real sockets."""

import logging
import threading
from typing import Any

import pytest

from melonkube.contracts.experiments import Cause
from melonkube.contracts.runs import RunState
from melonkube.contracts.worker import Verdict
from melonkube.trainer.worker.logs import LOGGER
from tests.trainer.conftest import StartWorker
from tests.trainer.scripted import Gate, Script, ScriptedFitted
from tests.trainer.stand_in import PATIENCE, Problem, StandIn


@pytest.mark.parametrize(("verdict", "state"), [(Verdict.PRUNE, "pruned"), (Verdict.STOP, "stopped")])
def test_a_verdict_ends_the_trial(
    verdict: Verdict, state: str, stand_in: StandIn, start_worker: StartWorker, gate: Gate
) -> None:
    run_id = stand_in.add_trial()
    running = start_worker()
    gate.begun.wait(PATIENCE)
    with stand_in.changed:
        stand_in.verdicts[run_id] = verdict
    assert running.join() == 0
    [(completed, result)] = stand_in.completed
    assert (completed, result.state, result.value) == (run_id, state, None)
    finish = stand_in.runs[run_id].finish
    assert finish is not None
    assert finish.state == state
    assert "model/model.txt" not in stand_in.runs[run_id].files


def test_a_pruned_trial_tells_the_value_it_had(stand_in: StandIn, start_worker: StartWorker, script: Script) -> None:
    begun = threading.Event()

    def train(_params: Any, control: Any) -> ScriptedFitted:
        begun.set()
        while control.proceed():
            threading.Event().wait(0.002)
        return ScriptedFitted(value=0.6, metrics={"auc": 0.6})

    script.train = train
    run_id = stand_in.add_trial()
    running = start_worker()
    begun.wait(PATIENCE)
    with stand_in.changed:
        stand_in.verdicts[run_id] = Verdict.PRUNE
    running.join()
    assert stand_in.completed[0][1].value == 0.6


def test_a_lost_trial_is_dropped_and_the_next_one_taken(
    stand_in: StandIn, start_worker: StartWorker, gate: Gate
) -> None:
    lost, kept = stand_in.add_trial(), stand_in.add_trial()
    running = start_worker()
    gate.begun.wait(PATIENCE)
    with stand_in.changed:
        del stand_in.held[lost]
    stand_in.until(lambda: kept in stand_in.held)
    gate.open.set()
    assert running.join() == 0
    assert [run for run, _ in stand_in.completed] == [kept]
    assert stand_in.failed == []
    assert stand_in.runs[lost].finish is None


def test_a_late_result_is_told_so_and_the_worker_goes_on(
    stand_in: StandIn, start_worker: StartWorker, script: Script
) -> None:
    late, kept = stand_in.add_trial(), stand_in.add_trial()

    def train(_params: Any, _control: Any) -> ScriptedFitted:
        with stand_in.changed:
            if late in stand_in.held:
                stand_in.verdicts[late] = Verdict.LOST
        return ScriptedFitted()

    script.train = train
    assert start_worker().join() == 0
    assert kept in [run for run, _ in stand_in.completed]


def test_a_trial_past_its_deadline_fails(stand_in: StandIn, start_worker: StartWorker, gate: Gate) -> None:
    run_id = stand_in.add_trial(max_seconds=0.05)
    assert start_worker().join() == 0
    [(failed, failure)] = stand_in.failed
    assert (failed, failure.cause) == (run_id, Cause.DEADLINE)
    assert "0.05 seconds" in failure.reason
    finish = stand_in.runs[run_id].finish
    assert finish is not None
    assert (finish.state, finish.reason) == (RunState.FAILED, failure.reason)


def test_an_error_is_told_with_its_traceback_in_the_log(
    stand_in: StandIn, start_worker: StartWorker, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the runner captures of the log it must send to another process, which a lone surrogate would not survive.
    monkeypatch.setattr(logging.getLogger(LOGGER), "propagate", False)

    def train(params: Any, _control: Any) -> ScriptedFitted:
        if params["num_iterations"] == 1:
            raise ZeroDivisionError("a\x00 division\udc80" + " and so on" * 1000)
        return ScriptedFitted()

    script.train = train
    bad = stand_in.add_trial(params={"num_iterations": 1})
    good = stand_in.add_trial(params={"num_iterations": 2})
    assert start_worker().join() == 0
    [(failed, failure)] = stand_in.failed
    assert (failed, failure.cause) == (bad, Cause.CODE_ERROR)
    assert failure.reason.startswith("ZeroDivisionError: a division?")
    assert len(failure.reason) < 2100
    assert "Traceback" in stand_in.runs[bad].log
    assert "in train" in stand_in.runs[bad].log
    assert [run for run, _ in stand_in.completed] == [good]


def test_impossible_parameters_fail_the_trial_with_a_sentence(stand_in: StandIn, start_worker: StartWorker) -> None:
    stand_in.add_trial(params={"num_leaves": 1})
    assert start_worker().join() == 0
    assert stand_in.failed[0][1].reason == "The parameters cannot be used: num_leaves must be from 2 to 131072."


def test_out_of_memory_is_its_own_cause(stand_in: StandIn, start_worker: StartWorker, script: Script) -> None:
    def train(_params: Any, _control: Any) -> ScriptedFitted:
        raise MemoryError("no room")

    script.train = train
    stand_in.add_trial()
    assert start_worker().join() == 0
    [(_, failure)] = stand_in.failed
    assert (failure.cause, failure.reason) == (Cause.OUT_OF_MEMORY, "MemoryError: no room")


def test_data_that_cannot_be_prepared_fails_the_trial(
    stand_in: StandIn, start_worker: StartWorker, script: Script
) -> None:
    def prepare(_job: Any) -> None:
        raise ValueError("cannot be read")

    script.prepare = prepare
    stand_in.add_trial()
    stand_in.add_trial()
    assert start_worker().join() == 0
    assert [failure.reason for _, failure in stand_in.failed] == ["ValueError: cannot be read"] * 2


def test_a_data_set_that_is_gone_fails_the_trial(stand_in: StandIn, start_worker: StartWorker) -> None:
    stand_in.refuse["/parquet"] = Problem(404, "not_found")
    stand_in.add_trial()
    assert start_worker().join() == 0
    assert "404 not_found" in stand_in.failed[0][1].reason


def test_data_with_another_hash_fails_the_trial(stand_in: StandIn, start_worker: StartWorker) -> None:
    stand_in.parquet += b"changed"
    stand_in.add_trial()
    assert start_worker().join() == 0
    assert "another file" in stand_in.failed[0][1].reason
    assert stand_in.completed == []


def test_a_run_that_is_gone_fails_the_trial(stand_in: StandIn, start_worker: StartWorker, script: Script) -> None:
    stand_in.refuse["/artifacts"] = Problem(404, "not_found")
    stand_in.add_trial()
    assert start_worker().join() == 0
    assert "404 not_found" in stand_in.failed[0][1].reason
    assert stand_in.completed == []


def test_the_number_of_trials_is_kept_to(stand_in: StandIn, start_worker: StartWorker, script: Script) -> None:
    for _ in range(4):
        stand_in.add_trial()
    assert start_worker(trials=2).join() == 0
    assert [result.want_next for _, result in stand_in.completed] == [True, False]
    assert len(stand_in.waiting) == 2
    assert stand_in.held == {}


def test_a_trial_handed_over_unasked_is_given_back(
    stand_in: StandIn, start_worker: StartWorker, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = StandIn._lease
    monkeypatch.setattr(StandIn, "_lease", lambda self, take: lease(self, take=True))
    first, second = stand_in.add_trial(), stand_in.add_trial()
    assert start_worker(trials=1).join() == 0
    assert [run for run, _ in stand_in.completed] == [first]
    [(given_back, failure)] = stand_in.failed
    assert (given_back, failure.cause) == (second, Cause.RELEASED)


def test_leaving_gives_the_trial_back(stand_in: StandIn, start_worker: StartWorker, gate: Gate) -> None:
    run_id = stand_in.add_trial()
    running = start_worker()
    gate.begun.wait(PATIENCE)
    assert running.worker.leave() is False
    assert running.join() == 0
    [(released, failure)] = stand_in.failed
    assert (released, failure.cause, failure.want_next) == (run_id, Cause.RELEASED, False)
    assert stand_in.completed == []


def test_an_idle_worker_may_end_this_instant(stand_in: StandIn, start_worker: StartWorker) -> None:
    stand_in.exit_when_idle = False
    running = start_worker()
    stand_in.until(lambda: "POST /worker/v1/lease" in stand_in.calls)
    assert running.worker.leave() is True
