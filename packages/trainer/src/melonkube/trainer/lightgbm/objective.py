"""Tasks and metrics in LightGBM's words: its own metrics wherever it has them, for they are computed in C++."""

from collections.abc import Callable
from dataclasses import dataclass

from melonkube.contracts.base import Scalar
from melonkube.contracts.experiments import Metric
from melonkube.contracts.signature import Task
from melonkube.trainer.metrics import Labels, r2_of

_NAMES: dict[tuple[Task, Metric], str] = {
    (Task.BINARY, Metric.AUC): "auc",
    (Task.BINARY, Metric.LOGLOSS): "binary_logloss",
    (Task.BINARY, Metric.ACCURACY): "binary_error",
    (Task.MULTICLASS, Metric.LOGLOSS): "multi_logloss",
    (Task.MULTICLASS, Metric.ACCURACY): "multi_error",
    (Task.REGRESSION, Metric.RMSE): "rmse",
    (Task.REGRESSION, Metric.MAE): "l1",
    (Task.REGRESSION, Metric.R2): "l2",
}


@dataclass(frozen=True, slots=True)
class Watched:
    """The metric LightGBM computes each round.

    ``name`` is its own, None where it has none and :mod:`melonkube.trainer.metrics` is asked; ``convert`` makes our
    metric of its value.
    """

    name: str | None
    convert: Callable[[float], float]


def _same(value: float) -> float:
    return value


def _one_minus(value: float) -> float:
    return 1 - value


def watched(task: Task, metric: Metric, labels: Labels) -> Watched:
    """Return how ``metric`` is watched on validation rows with these labels."""
    name = _NAMES.get((task, metric))
    if metric is Metric.ACCURACY:
        return Watched(name, _one_minus)
    if metric is Metric.R2:
        return Watched(name, lambda squared_error: r2_of(squared_error, labels))
    return Watched(name, _same)


def objective_params(task: Task, classes: int) -> dict[str, Scalar]:
    """Return LightGBM's parameters for ``task``."""
    match task:
        case Task.BINARY:
            return {"objective": "binary"}
        case Task.MULTICLASS:
            return {"objective": "multiclass", "num_class": classes}
        case Task.REGRESSION:
            return {"objective": "regression"}
