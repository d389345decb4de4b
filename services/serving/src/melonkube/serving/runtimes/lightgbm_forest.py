"""LightGBM models scored by a walk of our own, row by row; equal to LightGBM bit for bit, or not used.

What LightGBM makes of a row is read from its source (tree.h, gbdt_prediction.cpp, the objectives' ``ConvertOutput``),
but nobody has to trust that reading: before a scorer is used, it is compared with LightGBM itself on rows that lie at
the model's thresholds and beside them, with every value that could be understood in another way.
"""

import math
from collections.abc import Callable

import numpy as np

from melonkube.serving.runtimes.forest import Forest, ForestScorer, NotFlat, plant
from melonkube.serving.runtimes.forest_kernel import ZERO_THRESHOLD
from melonkube.serving.runtimes.lightgbm_text import ModelText
from melonkube.serving.runtimes.protocol import Matrix, ModelShape, Outputs, RowScorer

Link = Callable[[Outputs], list[float]]
"""From raw scores to what is answered."""

_PROBES = 512
_ODD_VALUES = (
    *(math.nan, math.inf, -math.inf, 0.0, -0.0, 1e300, -1e300, 2.0**31, 2.0**32 + 1, 2.0**63, -(2.0**31) - 1),
    *(0.5, -0.5, -0.999, 1.0, -1.0, 1.5, -2.0, 1e-36, -1e-36, 1e-34, -1e-34, 5e-324),
    *(ZERO_THRESHOLD, -ZERO_THRESHOLD, math.nextafter(ZERO_THRESHOLD, 1), math.nextafter(-ZERO_THRESHOLD, -1)),
)
_EXPONENTIAL = {"poisson", "gamma", "tweedie"}
_LOGISTIC = {"binary", "multiclassova", "cross_entropy", "xentropy"}
_NORMALISED = {"multiclass", "softmax"}


class ForestRowScorer:
    """Scores single rows by a flat forest; see :class:`melonkube.serving.runtimes.protocol.RowScorer`."""

    def __init__(self, forest: Forest, link: Link) -> None:
        self._scorer = ForestScorer(forest)
        self._link = link
        self.row = self._scorer.row

    def __call__(self) -> list[float]:
        """Return the outputs for what ``row`` holds."""
        self._scorer()
        return self._link(self._scorer.out)


def make_scorer(text: ModelText, shape: ModelShape) -> Callable[[], ForestRowScorer]:
    """Return what makes scorers of a model.

    Raises:
        NotFlat: The model has something that is not known here, or no machine code can be made here.
    """
    link = _link_of(text.objective)
    try:
        forest = plant(text.trees, shape.features, shape.outputs)
        ForestRowScorer(forest, link)
    except (RuntimeError, OSError) as error:
        raise NotFlat(f"no machine code can be made here: {error}") from error
    return lambda: ForestRowScorer(forest, link)


def agrees(scorer: RowScorer, rows: Matrix, expected: Matrix) -> bool:
    """Return whether ``scorer`` answers ``rows`` with ``expected``, to the bit."""
    view = np.frombuffer(scorer.row, dtype=np.float64)
    found = np.empty_like(expected)
    for number, row in enumerate(rows):
        view[:] = row
        found[number] = list(scorer())
    return found.tobytes() == expected.tobytes()


def probes(text: ModelText, features: int) -> Matrix:
    """Return rows to compare on: values at and beside each threshold, categories in and beside each set, odd values."""
    thresholds: list[list[float]] = [[] for _ in range(features)]
    categories = [0] * features
    for tree in text.trees:
        for feature, threshold, categorical in zip(
            tree.features.tolist(), tree.thresholds.tolist(), tree.categorical.tolist(), strict=True
        ):
            if categorical:
                words = int(tree.bounds[int(threshold) + 1] - tree.bounds[int(threshold)])
                categories[feature] = max(categories[feature], 32 * words + 2)
            else:
                thresholds[feature].append(threshold)
    random = np.random.default_rng(0)
    rows = np.empty((_PROBES, features))
    for feature in range(features):
        codes = random.integers(0, categories[feature] or 2, _PROBES)
        near = random.choice(np.array([*thresholds[feature], *codes]), _PROBES)
        beside = np.nextafter(near, random.choice([-np.inf, np.inf], _PROBES))
        odd = random.choice(np.array(_ODD_VALUES), _PROBES)
        kind = random.random(_PROBES)
        rows[:, feature] = np.where(kind < 0.4, near, np.where(kind < 0.7, beside, odd))
    return rows


def _link_of(objective: str) -> Link:
    """Return an objective's ``ConvertOutput``.

    Raises:
        NotFlat: It is not known here.
    """
    name, *parameters = objective.split(" ")
    given = dict(parameter.partition(":")[::2] for parameter in parameters)
    if name in _LOGISTIC:
        try:
            sigmoid = float(given.get("sigmoid", "1"))
        except ValueError:
            raise NotFlat(f"its objective is {objective!r}") from None
        return lambda raw: [1.0 / (1.0 + _exp(-sigmoid * value)) for value in raw]
    if name in _NORMALISED:
        return _softmax
    if name in _EXPONENTIAL:
        return lambda raw: [_exp(value) for value in raw]
    if "sqrt" in given:
        return lambda raw: [math.copysign(value * value, value) for value in raw]
    return list


def _exp(value: float) -> float:
    """Return what C's ``exp`` does, which does not fail where the result is too large."""
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def _softmax(raw: Outputs) -> list[float]:
    values = list(raw)
    largest = max(values)
    powers = [_exp(value - largest) for value in values]
    total = 0.0
    for power in powers:  # not sum(), which rounds better than LightGBM does
        total += power
    return [power / total for power in powers]
