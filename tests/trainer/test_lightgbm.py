from typing import Any

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pytest

from melonkube.contracts.experiments import Direction, Metric
from melonkube.contracts.models import GOLDEN_NAME, LIGHTGBM_MODEL_NAME, SIGNATURE_NAME, GoldenRows
from melonkube.contracts.signature import Signature, Task
from melonkube.tabular.encode import FeatureEncoder
from melonkube.tabular.labels import encode_labels
from melonkube.trainer.lightgbm import LightGBMTrainer
from melonkube.trainer.lightgbm.trainer import safe_names
from melonkube.trainer.metrics import score
from melonkube.trainer.protocol import Job, TrainingError
from melonkube.trainer.spec.lightgbm import SPEC
from tests.trainer.data import TARGETS, FreeControl, make_job, make_table

PATIENT: dict[str, Any] = {"num_iterations": 300, "early_stopping_rounds": 15, "learning_rate": 0.2, "num_leaves": 15}


def model_of(fitted: Any) -> lgb.Booster:
    return lgb.Booster(model_str=fitted.save()[LIGHTGBM_MODEL_NAME].decode())


def encoded(job: Job, rows: Any) -> tuple[Any, Any, FeatureEncoder]:
    table = make_table()
    trainer = LightGBMTrainer.prepare(job)
    encoder = FeatureEncoder(Signature.model_validate_json(trainer.shared_files()[SIGNATURE_NAME]))
    part = table.take(rows)
    return encoder.encode_table(part), encode_labels(part.column(job.target), job.task, job.classes), encoder


@pytest.mark.parametrize("task", list(Task))
def test_the_saved_model_is_bit_equal_to_the_trained_one(task: Task) -> None:
    job = make_job(task)
    fitted = LightGBMTrainer.prepare(job).train(PATIENT, FreeControl())
    assert fitted is not None
    files = fitted.save()
    golden = GoldenRows.model_validate_json(files[GOLDEN_NAME])
    encoder = encoded(job, job.split.train)[2]
    matrix = encoder.encode_instances(golden.instances).matrix
    raw = np.asarray(model_of(fitted).predict(matrix, raw_score=True)).reshape(len(matrix), -1)
    assert raw.tolist() == golden.raw_scores


@pytest.mark.parametrize("task", list(Task))
def test_the_saved_model_ends_at_its_best_round(task: Task) -> None:
    job = make_job(task)
    control = FreeControl()
    fitted = LightGBMTrainer.prepare(job).train(PATIENT, control)
    assert fitted is not None
    assert fitted.step < 300
    model = model_of(fitted)
    assert model.current_iteration() == fitted.step
    matrix, labels, _ = encoded(job, job.split.validation)
    assert score(job.metric, labels, np.asarray(model.predict(matrix))) == pytest.approx(fitted.value, rel=1e-9)
    sign = 1 if job.direction is Direction.MAXIMIZE else -1
    assert all(sign * value <= sign * fitted.value + 1e-9 for _, value in control.reports)


@pytest.mark.parametrize("metric", [Metric.AUC, Metric.LOGLOSS, Metric.ACCURACY])
def test_early_stopping_is_lightgbms_own(metric: Metric) -> None:
    job = make_job(Task.BINARY, metric)
    fitted = LightGBMTrainer.prepare(job).train(PATIENT, FreeControl())
    assert fitted is not None
    theirs = {Metric.AUC: "auc", Metric.LOGLOSS: "binary_logloss", Metric.ACCURACY: "binary_error"}[metric]
    booster = plain(job, PATIENT, theirs, [lgb.early_stopping(15, verbose=False)])
    assert fitted.step == booster.best_iteration
    assert trees(model_of(fitted)) == trees(lgb.Booster(model_str=booster.model_to_string()))


def test_the_baseline_is_what_lightgbm_does_by_default() -> None:
    job = make_job(Task.REGRESSION)
    fitted = LightGBMTrainer.prepare(job).train(SPEC.baseline_params(), FreeControl())
    assert fitted is not None
    assert fitted.step == 100
    assert trees(model_of(fitted)) == trees(plain(job, {"num_iterations": 100}, "rmse", []))


def plain(job: Job, params: dict[str, Any], metric: str, callbacks: list[Any]) -> lgb.Booster:
    """What one would write by hand."""
    features, labels, encoder = encoded(job, job.split.train)
    other, other_labels, _ = encoded(job, job.split.validation)
    own = {name: value for name, value in params.items() if name not in ("num_iterations", "early_stopping_rounds")}
    given = own | {
        "objective": {"auc": "binary", "rmse": "regression"}.get(metric, "binary"),
        "metric": metric,
        "seed": job.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    categorical: Any = list(encoder.categorical)
    train = lgb.Dataset(features, labels, categorical_feature=categorical, free_raw_data=False)
    validation = lgb.Dataset(other, other_labels, reference=train, categorical_feature=categorical, free_raw_data=False)
    return lgb.train(given, train, params["num_iterations"], valid_sets=[validation], callbacks=callbacks)


def trees(booster: lgb.Booster) -> Any:
    return booster.dump_model(num_iteration=booster.current_iteration())["tree_info"]


def test_categories_missing_values_and_dates_are_learned_from() -> None:
    job = make_job(Task.REGRESSION)
    fitted = LightGBMTrainer.prepare(job).train(PATIENT, FreeControl())
    assert fitted is not None
    model = model_of(fitted)
    gains = dict(zip(model.feature_name(), model.feature_importance("gain"), strict=True))
    assert gains["도시"] > 0
    assert gains["joined_at.weekday"] > gains["joined_at.hour"] == 0
    assert {split["decision_type"] for split in splits(model)} == {"<=", "=="}
    matrix, _, encoder = encoded(job, job.split.holdout)
    income = encoder.names.index("income, {k}")
    with_income = matrix[~np.isnan(matrix[:, income])]
    without = with_income.copy()
    without[:, income] = np.nan
    assert np.mean(model.predict(without)) < np.mean(model.predict(with_income)) - 5


def splits(model: lgb.Booster) -> list[Any]:
    found = []
    waiting = [tree["tree_structure"] for tree in model.dump_model()["tree_info"]]
    while waiting:
        node = waiting.pop()
        if "split_index" in node:
            found.append(node)
            waiting += [node["left_child"], node["right_child"]]
    return found


def test_a_category_unseen_in_training_is_missing() -> None:
    job = make_job(Task.REGRESSION)
    fitted = LightGBMTrainer.prepare(job).train(PATIENT, FreeControl())
    assert fitted is not None
    _, _, encoder = encoded(job, job.split.train)
    golden = GoldenRows.model_validate_json(fitted.save()[GOLDEN_NAME])
    [unseen, missing] = [golden.instances[0] | {"도시": city} for city in ("Atlantis", None)]
    scores = np.asarray(model_of(fitted).predict(encoder.encode_instances([unseen, missing]).matrix))
    assert scores[0] == scores[1]


def test_the_holdout_and_validation_rows_are_never_learned_from() -> None:
    job = make_job(Task.REGRESSION)
    table = make_table()
    spoiled_rows = np.concatenate([job.split.validation, job.split.holdout])
    spent = table.column("spent").to_numpy().copy()
    spent[spoiled_rows] = 1e6
    spoiled = table.set_column(table.column_names.index("spent"), "spent", pa.array(spent))
    fair = LightGBMTrainer.prepare(job).train(SPEC.baseline_params(), FreeControl())
    other = LightGBMTrainer.prepare(make_job(Task.REGRESSION, table=spoiled, split=job.split)).train(
        SPEC.baseline_params(), FreeControl()
    )
    assert fair is not None
    assert other is not None
    assert fair.save() == other.save()


def test_goss_takes_no_bagging_and_dart_no_early_stopping() -> None:
    trainer = LightGBMTrainer.prepare(make_job(Task.BINARY))
    goss = trainer.train(PATIENT | {"boosting": "goss", "bagging_freq": 1, "bagging_fraction": 0.5}, FreeControl())
    assert goss is not None
    dart = trainer.train(
        PATIENT | {"boosting": "dart", "num_iterations": 40, "early_stopping_rounds": 1}, FreeControl()
    )
    assert dart is not None
    assert dart.step == 40


def test_leaves_may_hold_fewer_rows_than_in_the_trial_before() -> None:
    trainer = LightGBMTrainer.prepare(make_job(Task.REGRESSION))
    assert trainer.train(PATIENT | {"min_data_in_leaf": 150}, FreeControl()) is not None
    fine = trainer.train(PATIENT | {"min_data_in_leaf": 1}, FreeControl())
    alone = LightGBMTrainer.prepare(make_job(Task.REGRESSION)).train(PATIENT | {"min_data_in_leaf": 1}, FreeControl())
    assert fine is not None
    assert alone is not None
    assert fine.save() == alone.save()


def scaled(factor: float) -> pa.Table:
    table = make_table()
    return table.set_column(
        table.column_names.index("spent"), "spent", pa.array(table.column("spent").to_numpy() * factor)
    )


@pytest.mark.parametrize("patience", [0, 5])
def test_an_objective_that_is_no_number_is_said(patience: int, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = LightGBMTrainer.prepare(make_job(Task.REGRESSION))
    monkeypatch.setattr(lgb.Booster, "eval_valid", lambda _self, _feval: [("validation", "rmse", np.nan, False)])
    control = FreeControl()
    with pytest.raises(TrainingError, match="finite"):
        trainer.train(PATIENT | {"num_iterations": 20, "early_stopping_rounds": patience}, control)
    assert control.reports == []


def test_a_trial_ended_before_any_number_has_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = LightGBMTrainer.prepare(make_job(Task.REGRESSION))
    monkeypatch.setattr(lgb.Booster, "eval_valid", lambda _self, _feval: [("validation", "rmse", np.nan, False)])
    assert trainer.train(PATIENT, FreeControl(rounds=2)) is None


def test_a_target_too_large_is_refused() -> None:
    with pytest.raises(TrainingError, match="rescale"):
        LightGBMTrainer.prepare(make_job(Task.REGRESSION, table=scaled(1e300)))


def test_a_tree_that_cannot_grow_is_still_a_model() -> None:
    fitted = LightGBMTrainer.prepare(make_job(Task.REGRESSION)).train(
        {"num_iterations": 50, "early_stopping_rounds": 0, "min_data_in_leaf": 10_000}, FreeControl()
    )
    assert fitted is not None
    assert fitted.metrics["r2"] == pytest.approx(0, abs=0.1)
    assert fitted.step == model_of(fitted).current_iteration() == 1


@pytest.mark.parametrize(
    ("said", "error"), [("std::bad_alloc", MemoryError), ("Check failed: (x) > (y)", TrainingError)]
)
def test_lightgbms_errors_are_told_apart(said: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = LightGBMTrainer.prepare(make_job(Task.BINARY))

    def update(_self: lgb.Booster) -> bool:
        raise lgb.basic.LightGBMError(said)

    monkeypatch.setattr(lgb.Booster, "update", update)
    with pytest.raises(error):
        trainer.train(PATIENT, FreeControl())


def test_feature_names_are_safe_and_distinct() -> None:
    names = ("a b", "a_b", 'x,"y":[1]{2}', "나이", "a b")
    safe = safe_names(names)
    assert safe == ["a_b", "a_b_2", "x__y___1__2_", "나이", "a_b_3"]


def test_targets_are_those_of_the_table() -> None:
    assert set(TARGETS.values()) <= set(make_table().column_names)
