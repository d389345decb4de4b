"""A forest as flat arrays for :mod:`melonkube.serving.runtimes.forest_kernel`.

LightGBM decides at each node afresh what a missing value, a zero or a category means there
(``Tree::NumericalDecision``, ``Tree::CategoricalDecision`` in tree.h). Here that is settled once for a row, in *cells*:
one for each number as one kind of node sees it, one for each distinct set of categories. A node then is nothing but
``cells[slot] <= threshold``. What must go left whatever the threshold is minus infinity in its cell, what must go right
is NaN, which is at most nothing.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from melonkube.serving.runtimes.forest_kernel import FIELDS, LANES, kernel
from melonkube.serving.runtimes.lightgbm_text import Ints, TreeText

_NODE = np.dtype([("value", "f8"), ("left", "u4"), ("slot", "u4")])
_UNITS = 2
"""Nodes are counted in units of 8 bytes."""
_MAX_SET_BYTES = 64 << 20
_ZERO_IS_MISSING, _NAN_IS_MISSING = 1, 2
_CELL_OF_LEAVES = 0
"""Holds NaN, so that a leaf always goes right, which is itself."""


class NotFlat(Exception):
    """A forest that has no flat form. The message says why."""


@dataclass(frozen=True, slots=True)
class Forest:
    """The arrays and counts by their names in ``FIELDS``. Immutable, shared by all scorers of a model."""

    arrays: dict[str, NDArray[np.generic]]
    counts: dict[str, int]
    cells: int
    features: int


class ForestScorer:
    """Computes the raw scores of one row at a time. One thread only: ``row`` and ``out`` are its memory."""

    def __init__(self, forest: Forest) -> None:
        self.row = (ctypes.c_double * forest.features)()
        self.out = (ctypes.c_double * forest.counts["outputs"])()
        own = {
            "cells": np.full(forest.cells, np.nan),
            "leaves": np.zeros(forest.counts["groups"] * LANES),
        }
        addresses = {name: array.ctypes.data for name, array in (forest.arrays | own).items()}
        addresses |= {"row": ctypes.addressof(self.row), "out": ctypes.addressof(self.out)}
        values = addresses | forest.counts
        context = np.array([values[name] for name in FIELDS], dtype=np.uint64)
        self._kept = (forest, own, context)
        self._call = kernel()
        self._context = ctypes.c_void_p(context.ctypes.data)

    def __call__(self) -> None:
        """Put the raw scores of ``row`` into ``out``."""
        self._call(self._context)


def plant(trees: Sequence[TreeText], features: int, outputs: int) -> Forest:
    """Return the flat form of a checked model's trees.

    Raises:
        NotFlat: A tree is linear, or there is too much of it.
    """
    if any(tree.linear for tree in trees):
        raise NotFlat("its leaves are linear models")
    numbers = _Numbers(trees)
    sets = _Sets(trees, 1 + len(numbers.keys))
    starts = np.cumsum([0, *(2 * len(tree.values) - 1 for tree in trees)])
    if _UNITS * (int(starts[-1]) + 2) > np.iinfo(np.uint32).max:
        raise NotFlat("it has too many nodes")
    nodes = np.zeros(int(starts[-1]) + 2, dtype=_NODE)
    nodes[-1] = _leaf(0.0, len(nodes) - 1)  # fills the last group up
    for number, tree in enumerate(trees):
        slots = np.where(tree.categorical, sets.slots[number], numbers.slots[number])
        thresholds = np.where(tree.categorical, 0.5, tree.thresholds)
        # The first node stays free, so that each leaf has one before it.
        _plant_tree(nodes, 1 + int(starts[number]), tree, thresholds, slots)
    roots = 1 + starts[:-1]
    order = np.argsort(_depths(nodes, roots), kind="stable")  # trees side by side should take equally long
    padding = np.arange(len(trees), -(-len(trees) // LANES) * LANES)
    unused = np.full(len(padding), len(nodes) - 1)
    arrays = {
        "nodes": nodes,
        "roots": (_UNITS * np.concatenate((roots[order], unused))).astype(np.uint32),
        "places": np.concatenate((order, padding)).astype(np.uint32),
        **numbers.arrays(),
        **sets.arrays,
    }
    counts = {
        "numbers": len(numbers.keys),
        "sets": len(sets.arrays["set_features"]),
        "groups": (len(trees) + len(padding)) // LANES,
        "rounds": len(trees) // outputs,
        "outputs": outputs,
    }
    return Forest(arrays, counts, sets.cells, features)


class _Numbers:
    """The cells of numbers: one for each feature and each meaning of a missing value that nodes give it."""

    def __init__(self, trees: Sequence[TreeText]) -> None:
        # Bit 1 of a decision type is the default direction, bits 2 and 3 are the type of missing values.
        keys = [np.where(tree.categorical, -1, tree.features * 8 + ((tree.decisions >> 1) & 7)) for tree in trees]
        found, inverse = np.unique(np.concatenate([np.array([-1]), *keys]), return_inverse=True)
        self.keys = found[1:]  # without that of categorical nodes
        self.slots = np.split(inverse[1:], np.cumsum([len(key) for key in keys])[:-1])

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        aside = np.where(self.keys & 1, -np.inf, np.nan)
        kind = (self.keys >> 1) & 3
        return {
            "number_features": (self.keys // 8).astype(np.uint32),
            "number_missing": np.where(kind == _NAN_IS_MISSING, aside, 0.0),
            "number_zero": np.where(kind == _ZERO_IS_MISSING, aside, 0.0),
        }


class _Sets:
    """The cells of categories: for each feature its distinct sets, and for each category which of them it is in."""

    def __init__(self, trees: Sequence[TreeText], first: int) -> None:
        known: dict[int, dict[bytes, int]] = {}
        places: list[list[tuple[int, int, int]]] = []
        for tree in trees:
            found = []
            for node in np.flatnonzero(tree.categorical).tolist():
                feature, number = int(tree.features[node]), int(tree.thresholds[node])
                words = tree.words[tree.bounds[number] : tree.bounds[number + 1]].astype("<u4").tobytes()
                sets = known.setdefault(feature, {})
                found.append((node, feature, sets.setdefault(words, len(sets))))
            places.append(found)
        limits = {feature: 8 * max(map(len, sets)) for feature, sets in known.items()}
        if sum((limits[feature] + 1) * len(sets) for feature, sets in known.items()) > _MAX_SET_BYTES:
            raise NotFlat("its sets of categories are too large")
        tables = [_outside(list(sets), limits[feature]) for feature, sets in known.items()]
        counts = [len(sets) for sets in known.values()]
        cells = first + np.cumsum([0, *counts])
        self.cells = int(cells[-1])
        self.arrays: dict[str, NDArray[np.generic]] = {
            "set_features": np.array(list(known), dtype=np.uint32),
            "set_limits": np.array(list(limits.values()), dtype=np.float64),
            "set_cells": cells[:-1].astype(np.int64),
            "set_counts": np.array(counts, dtype=np.int64),
            "set_starts": np.cumsum([0, *(table.size for table in tables)])[:-1].astype(np.int64),
            "set_bytes": np.concatenate([np.zeros(1, np.uint8)[:0], *(table.ravel() for table in tables)]),
        }
        starts = dict(zip(known, cells.tolist(), strict=False))
        self.slots: list[Ints] = []
        for tree, found in zip(trees, places, strict=True):
            slots = np.zeros(len(tree.features), dtype=np.int64)
            for node, feature, number in found:
                slots[node] = starts[feature] + number
            self.slots.append(slots)


def _outside(sets: list[bytes], limit: int) -> NDArray[np.uint8]:
    """Return 1 where a category is not in a set, shape (limit + 1, sets); the last row is for unknown categories."""
    table = np.ones((limit + 1, len(sets)), dtype=np.uint8)
    for number, words in enumerate(sets):
        bits = np.unpackbits(np.frombuffer(words, dtype=np.uint8), bitorder="little")
        table[: len(bits), number] = 1 - bits
    return table


def _leaf(value: float, at: int) -> tuple[float, int, int]:
    return value, _UNITS * (at - 1), _CELL_OF_LEAVES


def _plant_tree(
    nodes: NDArray[np.void], start: int, tree: TreeText, thresholds: NDArray[np.float64], slots: Ints
) -> None:
    """Write a tree from ``start`` on: the root, then for each node the pair of its children."""
    splits = len(tree.features)
    number = np.arange(splits)
    place = np.zeros(2 * splits + 1, dtype=np.int64)  # of each node, then of each leaf
    for children, offset in ((tree.left, 1), (tree.right, 2)):
        place[np.where(children >= 0, children, splits + ~children)] = 2 * number + offset
    place += start
    inner, leaves = place[:splits], place[splits:]
    nodes["value"][inner], nodes["value"][leaves] = thresholds, tree.values
    nodes["left"][inner], nodes["left"][leaves] = _UNITS * (start + 1 + 2 * number), _UNITS * (leaves - 1)
    nodes["slot"][inner], nodes["slot"][leaves] = slots, _CELL_OF_LEAVES


def _depths(nodes: NDArray[np.void], roots: Ints) -> Ints:
    """Return how deep each tree is."""
    depths = np.zeros(len(roots), dtype=np.int64)
    trees, level = np.arange(len(roots)), roots
    while True:
        inner = nodes["slot"][level] != _CELL_OF_LEAVES
        trees, level = trees[inner], level[inner]
        if len(trees) == 0:
            return depths
        depths[trees] += 1
        left = nodes["left"][level].astype(np.int64) // _UNITS
        trees, level = np.concatenate((trees, trees)), np.concatenate((left, left + 1))
