"""The metrics, on NumPy arrays: one definition for every trainer, for validation and holdout alike.

Classification takes probabilities: for two classes the second one's, shape (rows,), for more of shape
(rows, classes). Labels are codes. Where a library has the same metric, tests hold the two together.
"""

import numpy as np
from numpy.typing import NDArray

from melonkube.contracts.experiments import TASK_METRICS, Metric
from melonkube.contracts.signature import Task

Floats = NDArray[np.float64]
Labels = NDArray[np.int32] | Floats

_EPSILON = 1e-15
"""Probabilities are kept this far from 0 and 1 in logarithms, as LightGBM does."""


def score_all(task: Task, labels: Labels, predicted: Floats) -> dict[str, float]:
    """Return every metric of ``task``, by name."""
    return {metric.value: score(metric, labels, predicted) for metric in TASK_METRICS[task]}


def score(metric: Metric, labels: Labels, predicted: Floats) -> float:
    """Return one metric, in its own unit.

    Raises:
        ValueError: It is not defined for these rows: none at all, or AUC of one class.
    """
    if len(labels) == 0:
        raise ValueError("no rows to score")
    return float(_METRICS[metric](labels, predicted))


def auc(labels: Labels, predicted: Floats) -> float:
    """Return the area under the ROC curve; rows with equal scores count half (Mann-Whitney U)."""
    positives = int(np.count_nonzero(labels))
    negatives = len(labels) - positives
    if positives == 0 or negatives == 0:
        raise ValueError("AUC needs rows of both classes")
    order = np.argsort(predicted, kind="stable")
    ordered = predicted[order]
    # Ranks from 1, each run of equal scores at its mean.
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    ends = np.append(starts[1:], len(ordered))
    ranks = np.repeat((starts + 1 + ends) / 2, ends - starts)
    rank_sum = ranks[labels[order] != 0].sum()
    return float((rank_sum - positives * (positives + 1) / 2) / (positives * negatives))


def logloss(labels: Labels, predicted: Floats) -> float:
    """Return the mean negative logarithm of the true class's probability."""
    if predicted.ndim == 1:
        true = np.where(labels != 0, predicted, 1 - predicted)
    else:
        true = predicted[np.arange(len(labels)), labels.astype(np.intp)]
    return float(-np.log(np.clip(true, _EPSILON, None)).mean())


def chosen(predicted: Floats) -> NDArray[np.intp]:
    """Return the class of each row: the likeliest, the first among equals."""
    if predicted.ndim == 1:
        return (predicted > 0.5).astype(np.intp)
    likeliest: NDArray[np.intp] = predicted.argmax(axis=1)
    return likeliest


def accuracy(labels: Labels, predicted: Floats) -> float:
    """Return the share of rows given their true class."""
    return float((chosen(predicted) == labels).mean())


def f1_macro(labels: Labels, predicted: Floats) -> float:
    """Return the plain mean of the classes' F1, over classes that are in the labels or were predicted."""
    classes = 2 if predicted.ndim == 1 else predicted.shape[1]
    true, given = labels.astype(np.intp), chosen(predicted)
    of_true = np.bincount(true, minlength=classes)
    of_given = np.bincount(given, minlength=classes)
    hits = np.bincount(true[true == given], minlength=classes)
    present = (of_true + of_given) > 0
    return float((2 * hits[present] / (of_true + of_given)[present]).mean())


def rmse(labels: Labels, predicted: Floats) -> float:
    """Return the root of the mean squared error, in the target's unit."""
    return float(np.sqrt(np.square(predicted - labels).mean()))


def mae(labels: Labels, predicted: Floats) -> float:
    """Return the mean absolute error, in the target's unit."""
    return float(np.abs(predicted - labels).mean())


def r2(labels: Labels, predicted: Floats) -> float:
    """Return the share of the variance explained: 1 at best; where there is no variance, 1 if exact and else 0."""
    return r2_of(float(np.square(predicted - labels).mean()), labels)


def r2_of(squared_error: float, labels: Labels) -> float:
    """Return R squared from a mean squared error on rows with these labels."""
    variance = float(np.square(labels - labels.mean()).mean())
    if variance == 0:
        return 1.0 if squared_error == 0 else 0.0
    return 1 - squared_error / variance


_METRICS = {
    Metric.AUC: auc,
    Metric.LOGLOSS: logloss,
    Metric.ACCURACY: accuracy,
    Metric.F1_MACRO: f1_macro,
    Metric.RMSE: rmse,
    Metric.MAE: mae,
    Metric.R2: r2,
}
