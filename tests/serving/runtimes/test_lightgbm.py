"""LightGBM against the conformance suite, and the check that stands between a damaged file and the process."""

import contextlib
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from melonkube.contracts.models import LIGHTGBM_MODEL_NAME
from melonkube.contracts.signature import Task
from melonkube.serving.runtimes.lightgbm_text import read_model_text
from melonkube.serving.runtimes.protocol import BadModel, Matrix, ModelShape
from tests.serving.runtimes.conformance import SHAPES, RuntimeConformance, rows

CATEGORICAL = 4


@cache
def train(shape: ModelShape, trees: int = 12, **params: Any) -> Any:
    random = np.random.default_rng(0)
    data = random.normal(size=(600, shape.features))
    data[:, CATEGORICAL] = random.integers(0, 40, 600)
    score = data[:, 0] + (data[:, CATEGORICAL] % 3) + random.normal(size=600)
    label = score if shape.task is Task.REGRESSION else np.digitize(score, np.quantile(score, cuts(shape)))
    objective = {"objective": shape.task.value, "num_leaves": 6, "min_data_in_leaf": 5, "verbosity": -1}
    if shape.task is Task.MULTICLASS:
        objective["num_class"] = shape.outputs
    dataset = lightgbm.Dataset(data, label, categorical_feature=[CATEGORICAL])
    return lightgbm.train({**objective, "min_data_per_group": 5, "num_threads": 1, **params}, dataset, trees)


def cuts(shape: ModelShape) -> Any:
    classes = 2 if shape.task is Task.BINARY else shape.outputs
    return np.linspace(0, 1, classes + 1)[1:-1]


def text_of(shape: ModelShape, **params: Any) -> bytes:
    text: str = train(shape, **params).model_to_string()
    return text.encode()


class TestLightGBM(RuntimeConformance):
    flavor = "lightgbm"

    def write_model(self, folder: Path, shape: ModelShape) -> tuple[Matrix, Matrix]:
        booster = train(shape)
        (folder / LIGHTGBM_MODEL_NAME).write_bytes(text_of(shape))
        raw = booster.predict(rows(), raw_score=True, num_threads=1)
        scores = booster.predict(rows(), num_threads=1)
        return raw.reshape(200, -1), scores.reshape(200, -1)

    def damage(self, content: bytes) -> list[bytes]:
        return [b"", b"tree\n", content[:10], content[: len(content) // 2], b"\x80\x04" + content, content + b"\x00"]


BINARY = SHAPES[0]


def swap(text: bytes, pattern: bytes, replacement: bytes) -> bytes:
    """Replace in the first tree, keeping the length of each tree true."""
    start = text.index(b"\nTree=0\n") + 1
    size = int(re.search(rb"tree_sizes=(\d+)", text)[1])  # type: ignore[index]
    block = text[start : start + size]
    changed, count = re.subn(pattern, replacement, block, count=1)
    assert count == 1
    text = text[:start] + changed + text[start + size :]
    return text.replace(b"tree_sizes=%d" % size, b"tree_sizes=%d" % len(changed), 1)


@pytest.mark.parametrize(
    ("pattern", "replacement", "said"),
    [
        (rb"num_leaves=6", b"num_leaves=7", "entries"),
        (rb"num_leaves=6", b"num_leaves=-6", "leaves"),
        (rb"num_leaves=6", b"num_leaves=60000000000", "leaves"),
        (rb"num_leaves=6\n", b"", "num_leaves"),
        (rb"split_gain=\d", b"split_gain=1_0", "not a number"),
        (rb"leaf_weight=", b"leaf_weight= ", "not a number"),
        (rb"internal_value=[^\n]*\n", b"", "missing"),
        (rb"shrinkage=", b"shrinking=", "not known|missing"),
        (rb"shrinkage=\S+", b"shrinkage=", "shrinkage"),
        (rb"split_feature=\d+", b"split_feature=5", "feature that does not exist"),
        (rb"split_feature=\d+", b"split_feature=-1", "feature that does not exist"),
        (rb"split_feature=\d+", b"split_feature=0.5", "whole number"),
        (rb"left_child=\S+", b"left_child=0", "form a tree"),
        (rb"left_child=\S+", b"left_child=500", "child does not exist"),
        (rb"left_child=\S+", b"left_child=-500", "child does not exist"),
        (rb"left_child=(\S+) (\S+)", rb"left_child=\1 \1", "form a tree"),
        (rb"right_child=", b"left_child=", "twice"),
        (rb"leaf_value=\S+", b"leaf_value=inf", "finite"),
        (rb"leaf_value=\S+", b"leaf_value=nan", "finite"),
        (rb"leaf_value=\S+ ", b"leaf_value=", "entries"),
        (rb"threshold=\S+", b"threshold=nan", "threshold"),
        (rb"decision_type=\S+", b"decision_type=1000", "decision type"),
        (rb"leaf_count=\S+ ", b"leaf_count=", "leaf_count"),
        (rb"is_linear=0", b"is_linear=1", "missing"),
        (rb"num_cat=\d+", b"num_cat=0", "not known"),
        (rb"cat_boundaries=0 \d+", b"cat_boundaries=0 90000", "cat_threshold"),
        (rb"cat_boundaries=0 \d+", b"cat_boundaries=0 -1", "out of order"),
        (rb"cat_threshold=\S+", b"cat_threshold=-1", "out of range"),
        (rb"Tree=0", b"Tree=7", "begin where it should"),
    ],
)
def test_each_number_that_leads_somewhere_is_checked(pattern: bytes, replacement: bytes, said: str) -> None:
    good = text_of(BINARY)
    read_model_text(good, BINARY)
    with pytest.raises(BadModel, match=said):
        read_model_text(swap(good, pattern, replacement), BINARY)


@pytest.mark.parametrize(
    ("pattern", "replacement", "said"),
    [
        (rb"version=v4", b"version=v9", "version"),
        (rb"objective=binary[^\n]*", b"objective=lambdarank", "lambdarank"),
        (rb"objective=binary[^\n]*\n", b"", "objective"),
        (rb"feature_names=\S+ ", b"feature_names=", "feature_names"),
        (rb"tree_sizes=\d+", b"tree_sizes=1", "damaged"),
        (rb"tree_sizes=\d+", b"tree_sizes=-1", "cut short"),
        (rb"tree_sizes=\d+", b"tree_sizes=99999999", "cut short"),
        (rb"tree_sizes=[^\n]*", b"tree_sizes=", "0 trees"),
        (rb"end of trees", b"end of the trees", "end of the trees"),
        (rb"num_class=1", b"num_class=2", "outputs"),
        (rb"\nfeature_infos", b"\naverage_output\nfeature_infos", "random forests"),
    ],
)
def test_the_head_is_checked(pattern: bytes, replacement: bytes, said: str) -> None:
    damaged, count = re.subn(pattern, replacement, text_of(BINARY), count=1)
    assert count == 1
    with pytest.raises(BadModel, match=said):
        read_model_text(damaged, BINARY)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.task.value)
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"boosting": "dart"},
        {"linear_tree": True},
        {"num_leaves": 2},
        {"min_data_in_leaf": 599},
        {"data_sample_strategy": "goss", "max_cat_to_onehot": 50},
    ],
    ids=lambda params: "-".join(params) or "plain",
)
def test_what_lightgbm_writes_passes(shape: ModelShape, params: dict[str, Any]) -> None:
    read_model_text(text_of(shape, **params), shape)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_damage_makes_the_check_itself_fail(data: st.DataObject) -> None:
    text = bytearray(text_of(BINARY, trees=2))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        piece = data.draw(st.sampled_from([b"", b"9", b"-", b" ", b"\n", b"=", b"x", b"\xff", b"99999999999999999999"]))
        text[at : at + data.draw(st.integers(0, 3))] = piece
    with contextlib.suppress(BadModel):
        read_model_text(bytes(text), BINARY)


MUTATE = """
import random, sys
from pathlib import Path
import numpy as np
from melonkube.contracts.signature import Task
from melonkube.serving.runtimes.lightgbm import LightGBMRuntime
from melonkube.serving.runtimes.protocol import BadModel, ModelShape

folder, seed = Path(sys.argv[1]), int(sys.argv[2])
good = (folder / "good.txt").read_bytes()
numbers = np.random.default_rng(seed).normal(size=(50, 5))
chance = random.Random(seed)
end = good.index(b"end of trees")
loaded = 0
for _ in range(400):
    text = bytearray(good)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(end)
        # Mostly digits for digits: damage that leaves the shape of the file whole is what gets furthest.
        if chr(text[at]).isdigit() and chance.random() < 0.9:
            text[at] = ord(chance.choice("0123456789"))
        else:
            text[at] = chance.randrange(32, 127)
    (folder / "model.txt").write_bytes(text)
    try:
        model = LightGBMRuntime().load(folder, ModelShape(Task.BINARY, 5, 1))
    except BadModel:
        continue
    model.scores(numbers)
    loaded += 1
print(loaded)
"""


@pytest.mark.parametrize("seed", range(2))
def test_no_damage_that_passes_ends_the_process(tmp_path: Path, seed: int) -> None:
    (tmp_path / "good.txt").write_bytes(text_of(BINARY, trees=3))
    done = subprocess.run(
        [sys.executable, "-c", MUTATE, str(tmp_path), str(seed)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 20
