from itertools import product
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from melonkube.contracts.experiments import TASK_METRICS, Metric
from melonkube.contracts.signature import Task
from melonkube.trainer.metrics import auc, f1_macro, logloss, r2, score, score_all

SCORES = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])


@given(rows=st.lists(st.tuples(st.integers(0, 1), SCORES), min_size=2, max_size=40))
def test_auc_is_the_chance_to_rank_a_pair_rightly(rows: list[tuple[int, float]]) -> None:
    labels, scores = np.array([label for label, _ in rows]), np.array([value for _, value in rows])
    assume(0 < labels.sum() < len(labels))
    pairs = list(product(scores[labels == 1], scores[labels == 0]))
    wins = sum(1.0 if high > low else 0.5 if high == low else 0.0 for high, low in pairs)
    assert auc(labels, scores) == pytest.approx(wins / len(pairs), abs=1e-12)


@pytest.mark.parametrize("labels", [[0, 0], [1, 1]])
def test_auc_of_one_class_is_not_defined(labels: list[int]) -> None:
    with pytest.raises(ValueError, match="both classes"):
        auc(np.array(labels), np.array([0.1, 0.9]))


def test_no_rows_cannot_be_scored() -> None:
    with pytest.raises(ValueError, match="no rows"):
        score(Metric.RMSE, np.array([]), np.array([]))


@given(rows=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40))
def test_f1_macro_is_the_mean_of_the_classes_harmonic_means(rows: list[tuple[int, int]]) -> None:
    labels, given_classes = np.array([label for label, _ in rows]), [other for _, other in rows]
    of_class = []
    for name in sorted(set(labels.tolist()) | set(given_classes)):
        hits = sum(label == name == other for label, other in rows)
        precision = hits / max(given_classes.count(name), 1)
        recall = hits / max((labels == name).sum(), 1)
        of_class.append(2 * precision * recall / (precision + recall) if hits else 0.0)
    assert f1_macro(labels, np.eye(3)[given_classes]) == pytest.approx(np.mean(of_class))


def test_certain_and_wrong_is_bounded() -> None:
    assert logloss(np.array([1]), np.array([0.0])) == pytest.approx(-np.log(1e-15))
    assert logloss(np.array([1]), np.array([[1.0, 0.0]])) == pytest.approx(-np.log(1e-15))


def test_r2_without_variance() -> None:
    flat = np.array([2.0, 2.0])
    assert r2(flat, flat) == 1.0
    assert r2(flat, np.array([2.0, 3.0])) == 0.0


def test_known_values() -> None:
    labels = np.array([1.0, 2.0, 4.0])
    predicted = np.array([1.0, 4.0, 3.0])
    scores = score_all(Task.REGRESSION, labels, predicted)
    assert scores == pytest.approx({"rmse": np.sqrt(5 / 3), "mae": 1.0, "r2": 1 - 5 / (14 / 3)})
    classes = score_all(Task.BINARY, np.array([0, 1, 1, 0]), np.array([0.2, 0.8, 0.4, 0.5]))
    assert classes["accuracy"] == 0.75
    assert classes["auc"] == 0.75


@pytest.mark.parametrize("task", list(Task))
def test_every_metric_of_a_task_is_scored(task: Task) -> None:
    labels: Any = np.array([0, 1, 1, 0, 1])
    predicted = np.array([0.2, 0.7, 0.6, 0.6, 0.1])
    if task is Task.MULTICLASS:
        predicted = np.column_stack([1 - predicted, predicted])
    assert list(score_all(task, labels, predicted)) == [metric.value for metric in TASK_METRICS[task]]


@pytest.mark.parametrize(
    ("objective", "theirs", "metric", "complement"),
    [
        ("binary", "auc", Metric.AUC, False),
        ("binary", "binary_logloss", Metric.LOGLOSS, False),
        ("binary", "binary_error", Metric.ACCURACY, True),
        ("multiclass", "multi_logloss", Metric.LOGLOSS, False),
        ("multiclass", "multi_error", Metric.ACCURACY, True),
        ("regression", "rmse", Metric.RMSE, False),
        ("regression", "l1", Metric.MAE, False),
    ],
)
def test_lightgbm_computes_the_same(objective: str, theirs: str, metric: Metric, complement: bool) -> None:
    random = np.random.default_rng(3)
    features = random.integers(0, 6, (300, 2)).astype(float)  # few values: many equal scores
    labels = (features.sum(axis=1) + random.integers(0, 4, 300)) % 3
    if objective == "binary":
        labels = (labels > 0).astype(float)
    params: dict[str, Any] = {"objective": objective, "metric": theirs, "verbosity": -1, "num_threads": 1}
    if objective == "multiclass":
        params["num_class"] = 3
    train = lgb.Dataset(features, labels, params=params)
    booster = lgb.Booster(params, train)
    for _ in range(5):
        booster.update()
    value = booster.eval_train()[0][2]
    predicted = np.asarray(booster.predict(features))
    ours = score(metric, labels.astype(np.int32) if objective != "regression" else labels, predicted)
    assert ours == pytest.approx(1 - value if complement else value, rel=1e-9)
