"""The boosting loop: rounds, early stopping on the objective, and the validation scores of the best round."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from melonkube.contracts.base import Scalar
from melonkube.contracts.experiments import Direction, Metric
from melonkube.trainer.lightgbm.objective import Watched
from melonkube.trainer.metrics import Floats, Labels, score
from melonkube.trainer.protocol import Control

REPORTS = 40
"""Intermediate values of a trial that runs all its rounds."""


@dataclass(frozen=True, slots=True)
class Boosted:
    """A boosted model: ``rounds`` of it count, and ``predicted`` are its outputs on the validation rows."""

    booster: lgb.Booster
    rounds: int
    predicted: Floats


class _Capture:
    """Keeps the outputs of the newest round; computes the objective where LightGBM cannot."""

    def __init__(self, metric: Metric | None, labels: Labels) -> None:
        self._metric = metric
        self._labels = labels
        self.predicted: NDArray[np.float64] = np.empty(0)

    def __call__(self, predicted: NDArray[np.float64], _data: lgb.Dataset) -> Any:
        self.predicted = predicted
        if self._metric is None:
            return []
        return [(self._metric.value, score(self._metric, self._labels, predicted), True)]


def boost(
    train: lgb.Dataset,
    validation: lgb.Dataset,
    params: Mapping[str, Scalar],
    rounds: int,
    patience: int,
    watch: Watched,
    metric: Metric,
    direction: Direction,
    labels: Labels,
    control: Control,
) -> Boosted | None:
    """Boost until ``rounds`` are done, ``patience`` rounds bring nothing better, or ``control`` ends it.

    Args:
        train: Constructed data to learn from.
        validation: Constructed data to choose by, binned as ``train`` is.
        params: LightGBM's, without rounds and early stopping.
        rounds: At most so many.
        patience: Rounds without a better objective after which to stop and go back to the best; 0 keeps all rounds.
        watch: How the objective is computed each round.
        metric: The objective.
        direction: Which way is better.
        labels: Of the validation rows.
        control: The trial's line to its worker.

    Returns:
        The best round's model (the last one's without ``patience``), None if there was no finite objective yet.
    """
    booster = lgb.Booster(dict(params), train)
    booster.add_valid(validation, "validation")
    capture = _Capture(metric if watch.name is None else None, labels)
    sign = 1.0 if direction is Direction.MAXIMIZE else -1.0
    every = max(1, rounds // REPORTS)
    best: Boosted | None = None
    best_value = -np.inf
    for done in range(1, rounds + 1):
        exhausted = booster.update()
        last = exhausted or done == rounds
        due = last or done % every == 0
        proceed = control.proceed()
        if patience or due or not proceed:
            value = watch.convert(booster.eval_valid(capture)[0][2])
            if not np.isfinite(value):
                best = best if patience else None
            else:
                if not patience or sign * value > best_value:
                    rounds_kept = booster.current_iteration() if exhausted else done
                    best, best_value = Boosted(booster, rounds_kept, capture.predicted.copy()), sign * value
                if due:
                    control.report(done, value)
        if last or not proceed or (patience and best is not None and done - best.rounds >= patience):
            break
    return best
