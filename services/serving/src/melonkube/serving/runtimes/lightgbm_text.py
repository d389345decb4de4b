"""Checks LightGBM's text format before LightGBM reads it.

LightGBM trusts its model files: a damaged one makes it read beyond its memory, loop for ever or abort the process
(seen with version 4.7: a truncated file, a wrong number of leaves, a child that is its own parent, a letter among the
digits of a gain). So every line of every tree is checked here first. The format is that of
``GBDT::SaveModelToString`` and ``Tree::ToString``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from melonkube.contracts.signature import Task
from melonkube.serving.runtimes.protocol import BadModel, ModelShape

_OBJECTIVES = {
    Task.BINARY: ("binary", "cross_entropy", "xentropy"),
    Task.MULTICLASS: ("multiclass", "softmax", "multiclassova"),
    Task.REGRESSION: (
        "regression",
        "regression_l1",
        "huber",
        "fair",
        "poisson",
        "quantile",
        "mape",
        "gamma",
        "tweedie",
    ),
}
_PER_SPLIT = ("split_gain", "internal_value", "internal_weight", "internal_count")
_PER_LEAF = ("leaf_weight", "leaf_count")
_STRUCTURE = ("split_feature", "threshold", "decision_type", "left_child", "right_child", "leaf_value")
_REQUIRED = {"num_leaves", "num_cat", "is_linear", "shrinkage", *_PER_SPLIT, *_PER_LEAF, *_STRUCTURE}
_CATEGORIES = {"cat_boundaries", "cat_threshold"}
_LINEAR = {"leaf_const", "num_features", "leaf_features", "leaf_coeff"}
# What LightGBM's own parser takes: less than Python's, which knows "1_0", and it ends the process otherwise.
_NUMBER = rb"-?(?:\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|inf|nan)"
_NUMBERS = re.compile(rb"(?:%b(?: %b)*)?\Z" % (_NUMBER, _NUMBER))
_SPACED_NUMBERS = re.compile(rb" *(?:%b(?: +|\Z))*\Z" % _NUMBER)
_CATEGORICAL_BIT = 1
_MAX_LEAVES = 1 << 20

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TreeText:
    """What a tree decides, as it is written.

    Nodes are numbered after the one they were split from, the root is 0. A child below zero is the leaf ``~child``.
    ``decisions`` are LightGBM's ``decision_type_`` (tree.h). ``thresholds`` of a categorical node hold the number of
    its set of categories: the bits of ``words[bounds[number] : bounds[number + 1]]``, 32 a word.
    """

    values: Floats
    linear: bool
    features: Ints
    thresholds: Floats
    decisions: Ints
    left: Ints
    right: Ints
    bounds: Ints
    words: Ints

    @property
    def categorical(self) -> NDArray[np.bool_]:
        """Which nodes decide by a set of categories."""
        marked: NDArray[np.bool_] = (self.decisions & _CATEGORICAL_BIT) == 1
        return marked


@dataclass(frozen=True, slots=True)
class ModelText:
    """A model as it is written, checked. ``objective`` has its parameters, such as ``binary sigmoid:1``."""

    objective: str
    trees: Sequence[TreeText]


def read_model_text(text: bytes, shape: ModelShape) -> ModelText:
    """Make sure that LightGBM can read ``text`` safely and that it is a model of ``shape``; return what it says.

    Raises:
        BadModel: It is damaged, or another kind of model.
    """
    if b"\x00" in text:
        raise BadModel("the model file holds a zero byte and is not LightGBM's text format")
    start = text.find(b"\nTree=")
    if not text.startswith(b"tree\n") or start < 0:
        raise BadModel("the model file is not a model in LightGBM's text format")
    start += 1
    header = _fields(text[:start])
    objective = _check_header(header, shape)
    sizes = _ints(header, "tree_sizes")
    if len(sizes) == 0 or len(sizes) % shape.outputs:
        raise BadModel(f"the model has {len(sizes)} trees, which does not go with {shape.outputs} outputs")
    if (sizes <= 0).any() or start + int(sizes.sum()) > len(text):
        raise BadModel("the model file is cut short: its trees are longer than the file")
    trees = []
    for number, size in enumerate(sizes.tolist()):
        block = text[start : start + size]
        if not block.startswith(b"Tree=%d\n" % number):
            raise BadModel(f"the model file is damaged: tree {number} does not begin where it should")
        trees.append(_read_tree(_fields(block), number, shape.features))
        start += size
    if not text.startswith(b"end of trees", start):
        raise BadModel("the model file is damaged: the end of the trees is missing")
    return ModelText(objective, trees)


def _check_header(header: dict[bytes, bytes], shape: ModelShape) -> str:
    if header.get(b"version") not in (b"v3", b"v4"):
        raise BadModel("the model file has a version of LightGBM's text format that is not known here")
    features = _int(header, "max_feature_idx") + 1
    if features != shape.features:
        raise BadModel(f"the model takes {features} features, its signature makes {shape.features}")
    for name in ("feature_names", "feature_infos"):
        if len(header.get(name.encode(), b"").split(b" ")) != features:
            raise BadModel(f"the model file is damaged: {name} does not have {features} entries")
    if _int(header, "num_class") != shape.outputs or _int(header, "num_tree_per_iteration") != shape.outputs:
        raise BadModel(f"the model has not the {shape.outputs} outputs that its signature says")
    objective = header.get(b"objective", b"").decode("utf-8", "replace")
    if objective.split(" ")[0] not in _OBJECTIVES[shape.task]:
        raise BadModel(f"the model's objective is {objective or 'not given'!r}, which is not for a {shape.task} task")
    if b"average_output" in header:
        raise BadModel("random forests of LightGBM are not served")
    return objective


def _read_tree(tree: dict[bytes, bytes], number: int, features: int) -> TreeText:
    try:
        _check_lines(tree)
        leaves = _int(tree, "num_leaves")
        if not 1 <= leaves <= _MAX_LEAVES:
            raise BadModel(f"it has {leaves} leaves")
        values = _floats(tree, "leaf_value", leaves)
        if not np.isfinite(values).all():
            raise BadModel("a leaf's value is not a finite number")
        _check_linear(tree, leaves, features)
        if leaves > 1:
            return _read_splits(tree, values, features)
        if tree[b"num_cat"] != b"0" or any(tree[name.encode()] for name in _STRUCTURE[:-1]):
            raise BadModel("it has splits and yet one leaf")
        none = np.zeros(0, dtype=np.int64)
        return TreeText(values, _is_linear(tree), none, np.zeros(0), none, none, none, none, none)
    except BadModel as error:
        raise BadModel(f"the model file is damaged: tree {number}: {error}") from None


def _check_lines(tree: dict[bytes, bytes]) -> None:
    """Every line is known, none is missing, and each holds numbers as LightGBM reads them."""
    lines = {key.decode("utf-8", "replace"): value for key, value in tree.items() if key}
    lines.pop("Tree", None)
    linear = lines.get("is_linear") != b"0"
    due = _REQUIRED | (set() if lines.get("num_cat") == b"0" else _CATEGORIES) | (_LINEAR if linear else set())
    if set(lines) != due:
        odd = sorted(set(lines) ^ due)[0]
        raise BadModel(f"the line {odd[:40]!r} is {'not known' if odd in lines else 'missing'}")
    for name, value in lines.items():
        pattern = _SPACED_NUMBERS if name in _LINEAR else _NUMBERS
        if pattern.match(value) is None:
            raise BadModel(f"{name} holds something that is not a number")
    for name in ("num_leaves", "num_cat", "is_linear", "shrinkage"):
        if b" " in lines[name] or not lines[name]:
            raise BadModel(f"{name} is not one number")


def _read_splits(tree: dict[bytes, bytes], values: Floats, features: int) -> TreeText:
    leaves = len(values)
    splits = leaves - 1
    used = _ints(tree, "split_feature", splits)
    if ((used < 0) | (used >= features)).any():
        raise BadModel("a split is on a feature that does not exist")
    kinds = _ints(tree, "decision_type", splits)
    if ((kinds < -128) | (kinds > 127)).any():
        raise BadModel("a decision type is out of range")
    left, right = _ints(tree, "left_child", splits), _ints(tree, "right_child", splits)
    _check_shape(left, right, leaves)
    thresholds = _floats(tree, "threshold", splits)
    if np.isnan(thresholds).any():
        raise BadModel("a threshold is not a number")
    bounds, words = _read_categories(tree, thresholds[(kinds & _CATEGORICAL_BIT) == 1])
    for name in _PER_SPLIT:
        _check_count(tree, name, splits)
    for name in _PER_LEAF:
        _check_count(tree, name, leaves)
    return TreeText(values, _is_linear(tree), used, thresholds, kinds, left, right, bounds, words)


def _check_shape(left: Ints, right: Ints, leaves: int) -> None:
    """Every node and leaf but the root is the child of exactly one node, and no node leads back."""
    children = np.concatenate((left, right))
    if ((children < -leaves) | (children >= leaves - 1)).any():
        raise BadModel("a child does not exist")
    # Leaf i is written as ~i. Counting each once leaves no room for a second way to any of them.
    marks = np.where(children >= 0, children, leaves - 1 + ~children)
    seen = np.bincount(marks, minlength=2 * leaves - 1)
    if seen[0] != 0 or (seen[1:] != 1).any():
        raise BadModel("its nodes do not form a tree")
    # LightGBM numbers a node after the one it was split from; so there is no circle apart from the root.
    nodes = np.arange(leaves - 1)
    if ((left >= 0) & (left <= nodes)).any() or ((right >= 0) & (right <= nodes)).any():
        raise BadModel("its nodes do not form a tree")


def _read_categories(tree: dict[bytes, bytes], thresholds: Floats) -> tuple[Ints, Ints]:
    sets = _int(tree, "num_cat")
    if sets < 0 or ((thresholds < 0) | (thresholds >= sets) | (thresholds != np.floor(thresholds))).any():
        raise BadModel("a split on categories has no set of categories")
    if sets == 0:
        return np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.int64)
    bounds = _ints(tree, "cat_boundaries", sets + 1)
    if bounds[0] != 0 or (np.diff(bounds) < 0).any():
        raise BadModel("the sets of categories are out of order")
    words = _ints(tree, "cat_threshold", int(bounds[-1]))
    if ((words < 0) | (words >= 1 << 32)).any():
        raise BadModel("a set of categories is out of range")
    return bounds, words


def _check_linear(tree: dict[bytes, bytes], leaves: int, features: int) -> None:
    if not _is_linear(tree):
        return
    if tree[b"is_linear"] != b"1":
        raise BadModel("is_linear is neither 0 nor 1")
    constants = _floats(tree, "leaf_const", leaves)
    counts = _ints(tree, "num_features", leaves)
    if (counts < 0).any():
        raise BadModel("a linear leaf has less than no features")
    used = _ints(tree, "leaf_features", int(counts.sum()))
    if ((used < 0) | (used >= features)).any():
        raise BadModel("a linear leaf uses a feature that does not exist")
    factors = _floats(tree, "leaf_coeff", int(counts.sum()))
    if not (np.isfinite(constants).all() and np.isfinite(factors).all()):
        raise BadModel("a linear leaf holds a number that is not finite")


def _is_linear(tree: dict[bytes, bytes]) -> bool:
    return tree[b"is_linear"] != b"0"


def _fields(block: bytes) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    for line in block.split(b"\n"):
        key, _, value = line.partition(b"=")
        if key in fields and key:
            raise BadModel(f"the model file is damaged: {_shown(key)} is there twice")
        fields[key] = value
    return fields


def _shown(key: bytes) -> str:
    return key[:40].decode("utf-8", "replace")


def _int(fields: dict[bytes, bytes], name: str) -> int:
    return int(_ints(fields, name, 1)[0])


def _ints(fields: dict[bytes, bytes], name: str, count: int | None = None) -> Ints:
    tokens = fields.get(name.encode(), b"").split()
    if count is not None and len(tokens) != count:
        raise BadModel(f"{name} has {len(tokens)} entries and not {count}")
    try:
        return np.array([int(token) for token in tokens], dtype=np.int64)
    except (ValueError, OverflowError):
        raise BadModel(f"{name} holds something that is not a whole number") from None


def _floats(fields: dict[bytes, bytes], name: str, count: int) -> Floats:
    tokens = fields.get(name.encode(), b"").split()
    if len(tokens) != count:
        raise BadModel(f"{name} has {len(tokens)} entries and not {count}")
    try:
        return np.array([float(token) for token in tokens])
    except ValueError:
        raise BadModel(f"{name} holds something that is not a number") from None


def _check_count(fields: dict[bytes, bytes], name: str, count: int) -> None:
    value = fields.get(name.encode(), b"")
    if value and len(value.split()) != count:
        raise BadModel(f"{name} does not have {count} entries")
