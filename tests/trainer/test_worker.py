"""A worker against a tuner and a registry on real sockets: what it reports, obeys, and survives."""

import lightgbm as lgb
import numpy as np
import pytest

from melonkube.contracts.experiments import Cause
from melonkube.contracts.ids import new_id
from melonkube.contracts.models import BundleManifest, GoldenRows
from melonkube.contracts.runs import RunState
from melonkube.contracts.signature import Signature, Task
from melonkube.contracts.worker import EvaluationAssignment
from melonkube.tabular.encode import FeatureEncoder
from melonkube.trainer.spec.lightgbm import SPEC
from tests.trainer.conftest import MakeStandIn, StartWorker
from tests.trainer.stand_in import StandIn

BUNDLE = {
    "model/manifest.json",
    "model/model.txt",
    "model/signature.json",
    "model/golden.json",
    "model/input_example.json",
}


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
