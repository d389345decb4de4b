"""A worker against a tuner and a registry on real sockets: what it reports, obeys, and survives."""

import json
import logging
import threading
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest

from melonkube.contracts.experiments import Cause
from melonkube.contracts.ids import new_id
from melonkube.contracts.models import BundleManifest, GoldenRows
from melonkube.contracts.runs import RunState
from melonkube.contracts.signature import Signature, Task
from melonkube.contracts.worker import EvaluationAssignment, Verdict
from melonkube.tabular.encode import FeatureEncoder
from melonkube.trainer.spec.lightgbm import SPEC
from melonkube.trainer.worker.logs import LOGGER
from tests.trainer.conftest import MakeStandIn, StartWorker
from tests.trainer.scripted import Script, ScriptedFitted
from tests.trainer.stand_in import PATIENCE, Problem, StandIn

BUNDLE = {
    "model/manifest.json",
    "model/model.txt",
    "model/signature.json",
    "model/golden.json",
    "model/input_example.json",
}


class Gate:
    """Holds a scripted trial until a test lets it go on, or until it is told to end."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.open = threading.Event()

    def train(self, _params: Any, control: Any) -> ScriptedFitted | None:
        self.begun.set()
        while control.proceed():
            if self.open.wait(0.002):
                return ScriptedFitted()
        return None


# -- a trial from end to end ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", list(Task))
def test_trials_are_trained_stored_and_handed_in(
    task: Task, make_stand_in: MakeStandIn, start_worker: StartWorker
) -> None:
    place = make_stand_in(task)
    baseline = place.add_trial(params=SPEC.baseline_params(), source="baseline")
    tuned = place.add_trial(params={"num_iterations": 200, "early_stopping_rounds": 5, "learning_rate": 0.3})
    assert start_worker(place).join() == 0
    assert [run for run, _ in place.completed] == [baseline, tuned]
    for run_id, result in place.completed:
        run = place.runs[run_id]
        assert set(run.files) == BUNDLE
        assert run.finish is not None
        assert run.finish.state is RunState.COMPLETED
        manifest = BundleManifest.model_validate_json(run.files["model/manifest.json"])
        assert {f"model/{name}" for name in manifest.files} == BUNDLE - {"model/manifest.json"}
        assert result.value == result.metrics[place.setup.metric]
        finals = {name: value for (name, _), value in run.points.items() if not name.startswith(("curve.", "system."))}
        assert finals == result.metrics
        assert "trial begins" in run.log
        assert "trial trained" in run.log
        model = lgb.Booster(model_str=run.files["model/model.txt"].decode())
        golden = GoldenRows.model_validate_json(run.files["model/golden.json"])
        encoder = FeatureEncoder(Signature.model_validate_json(run.files["model/signature.json"]))
        raw = np.asarray(model.predict(encoder.encode_instances(golden.instances).matrix, raw_score=True))
        assert raw.reshape(len(golden.instances), -1).tolist() == golden.raw_scores


def test_a_run_says_what_it_is_of(stand_in: StandIn, start_worker: StartWorker) -> None:
    run_id = stand_in.add_trial(number=4, attempt=2)
    start_worker().join()
    create = stand_in.runs[run_id].create
    assert (create.id, create.trial_number, create.attempt) == (run_id, 4, 2)
    assert create.experiment_id == stand_in.setup.experiment_id
    assert create.dataset_id == stand_in.setup.dataset_id
    assert create.params == {"num_iterations": 20, "early_stopping_rounds": 0}
    assert create.tags["melonkube.experiment_name"] == "customers"
    assert create.tags["melonkube.seed"] == "7"
    assert create.tags["melonkube.code_version"].startswith("melonkube-trainer ")


def test_every_report_arrives_at_both(stand_in: StandIn, start_worker: StartWorker) -> None:
    run_id = stand_in.add_trial(params={"num_iterations": 120, "early_stopping_rounds": 0})
    start_worker().join()
    told = [report for run, renewal in stand_in.renewed if run == run_id for report in renewal.reports]
    told += stand_in.completed[0][1].reports
    by_step = {report.step: report.value for report in told}
    assert sorted(by_step) == list(range(3, 121, 3))
    curve = {step: value for (name, step), value in stand_in.runs[run_id].points.items() if name == "curve.auc"}
    assert curve == by_step


def test_the_data_is_fetched_and_prepared_once(stand_in: StandIn, start_worker: StartWorker) -> None:
    for _ in range(3):
        stand_in.add_trial()
    start_worker().join()
    start_worker(worker_id="worker-2").join()
    assert len(stand_in.completed) == 3
    assert sum(call.endswith("/parquet") for call in stand_in.calls) == 1
    assert sum("split.parquet" in call for call in stand_in.calls) == 1


def test_every_call_carries_the_request_id(stand_in: StandIn, start_worker: StartWorker) -> None:
    stand_in.add_trial()
    start_worker().join()
    assert stand_in.request_ids == {"request-1"}


def test_the_order_at_the_end_is_artifacts_run_trial(stand_in: StandIn, start_worker: StartWorker) -> None:
    run_id = stand_in.add_trial()
    start_worker().join()
    calls = [call for call in stand_in.calls if run_id in call]
    finish = calls.index(f"POST /api/v1/runs/{run_id}/finish")
    assert calls.index(f"POST /worker/v1/leases/{run_id}/complete") == finish + 1
    assert calls.index(f"POST /api/v1/runs/{run_id}/artifacts") < finish
    assert set(stand_in.runs[run_id].files) == BUNDLE
    assert not any("/artifacts" in call for call in calls[finish:])


def test_models_are_scored_on_the_holdout(stand_in: StandIn, start_worker: StartWorker) -> None:
    first = stand_in.add_trial(params=SPEC.baseline_params())
    second = stand_in.add_trial(params={"num_iterations": 5, "early_stopping_rounds": 0})
    evaluation = EvaluationAssignment(run_id=new_id(), models={"best": first, "baseline": second, "same": first})
    stand_in.add(evaluation)
    assert start_worker().join() == 0
    [(run_id, result)] = stand_in.evaluated
    assert run_id == evaluation.run_id
    assert set(result.values) == {"best", "baseline", "same"}
    assert result.values["best"] == result.values["same"] != result.values["baseline"]
    assert set(result.values["best"]) == {"auc", "logloss", "accuracy", "f1_macro"}
    assert evaluation.run_id not in stand_in.runs


def test_a_tampered_bundle_is_not_scored(stand_in: StandIn, start_worker: StartWorker) -> None:
    run_id = stand_in.add_trial()
    start_worker().join()
    stand_in.runs[run_id].files["model/model.txt"] += b" "
    stand_in.add(EvaluationAssignment(run_id=new_id(), models={"best": run_id}))
    start_worker().join()
    assert stand_in.evaluated == []
    [(_, failure)] = stand_in.failed
    assert failure.cause is Cause.CODE_ERROR
    assert "model.txt" in failure.reason


# -- verdicts, deadlines, ends -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("verdict", "state"), [(Verdict.PRUNE, "pruned"), (Verdict.STOP, "stopped")])
def test_a_verdict_ends_the_trial(
    verdict: Verdict, state: str, stand_in: StandIn, start_worker: StartWorker, script: Script
) -> None:
    gate = Gate()
    script.train = gate.train
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
    stand_in: StandIn, start_worker: StartWorker, script: Script
) -> None:
    gate = Gate()
    script.train = gate.train
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


def test_a_trial_past_its_deadline_fails(stand_in: StandIn, start_worker: StartWorker, script: Script) -> None:
    script.train = Gate().train
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


def test_leaving_gives_the_trial_back(stand_in: StandIn, start_worker: StartWorker, script: Script) -> None:
    gate = Gate()
    script.train = gate.train
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


# -- tokens --------------------------------------------------------------------------------------------------------


def test_a_refused_token_ends_the_worker(stand_in: StandIn, start_worker: StartWorker) -> None:
    assert start_worker(token="forged").join() == 1
    assert stand_in.calls == ["GET /worker/v1/setup"]


def test_a_token_refused_in_the_middle_ends_the_worker(
    stand_in: StandIn, start_worker: StartWorker, script: Script
) -> None:
    gate = Gate()
    script.train = gate.train
    stand_in.add_trial()
    running = start_worker()
    gate.begun.wait(PATIENCE)
    with stand_in.changed:
        stand_in.token = "another"
    assert running.join() == 1
    assert stand_in.completed == []


def test_a_fresh_token_is_used_from_then_on(stand_in: StandIn, start_worker: StartWorker, script: Script) -> None:
    gate = Gate()
    script.train = gate.train
    run_id = stand_in.add_trial()
    running = start_worker()
    gate.begun.wait(PATIENCE)
    with stand_in.changed:
        stand_in.fresh_token = "second"
    stand_in.until(lambda: stand_in.token == "second" and len(stand_in.renewed) > 3)
    gate.open.set()
    assert running.join() == 0
    assert [run for run, _ in stand_in.completed] == [run_id]


# -- outages -------------------------------------------------------------------------------------------------------


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
    stand_in: StandIn, start_worker: StartWorker, script: Script
) -> None:
    gate = Gate()
    script.train = gate.train
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
    stand_in: StandIn, start_worker: StartWorker, script: Script
) -> None:
    gate = Gate()
    script.train = gate.train
    run_id = stand_in.add_trial()
    running = start_worker()
    stand_in.until(lambda: len(stand_in.renewed) >= 5)
    gate.open.set()
    running.join()
    assert {run for run, _ in stand_in.renewed} == {run_id}
    assert json.loads(stand_in.renewed[0][1].model_dump_json())["worker_id"] == "worker-1"
