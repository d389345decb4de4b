"""Our own walk through a forest against LightGBM, to the bit; and that it is not used where it differs."""

import math
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from structlog.testing import capture_logs

from melonkube.contracts.models import LIGHTGBM_MODEL_NAME
from melonkube.contracts.signature import Task
from melonkube.serving.runtimes import forest, lightgbm_forest
from melonkube.serving.runtimes import lightgbm as runtime
from melonkube.serving.runtimes.forest import NotFlat, plant
from melonkube.serving.runtimes.forest_kernel import LANES
from melonkube.serving.runtimes.lightgbm import LightGBMModel, LightGBMRowScorer, LightGBMRuntime
from melonkube.serving.runtimes.lightgbm_forest import ForestRowScorer
from melonkube.serving.runtimes.lightgbm_text import read_model_text
from melonkube.serving.runtimes.protocol import Matrix, ModelShape, RowScorer

FEATURES, ROWS = 6, 800
FEW, MANY = 3, 4
"""Features that are categories: 9 of them, 300 of them."""
ODD = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1e-36, -1e-36, 1e-35, 1e300, -1e300, -1.0, -0.5, 0.5, 2.0**31, 1e10]

BINARY = {"objective": "binary"}
REGRESSION = {"objective": "regression"}
THREE = {"objective": "multiclass", "num_class": 3}

MODELS: dict[str, dict[str, Any]] = {
    "binary": BINARY,
    "binary with another sigmoid": {**BINARY, "sigmoid": 0.7},
    "cross entropy": {"objective": "cross_entropy"},
    "multiclass": THREE,
    "one against all": {"objective": "multiclassova", "num_class": 3, "sigmoid": 1.3},
    "regression": REGRESSION,
    "regression of roots": {**REGRESSION, "reg_sqrt": True},
    **{name: {"objective": name} for name in ("regression_l1", "huber", "fair", "quantile", "mape")},
    **{name: {"objective": name} for name in ("poisson", "gamma", "tweedie")},
    "missing values are nothing": {**BINARY, "use_missing": False},
    "zeros are missing": {**BINARY, "zero_as_missing": True},
    "zeros are missing, three classes": {**THREE, "zero_as_missing": True},
    "deep": {**BINARY, "num_leaves": 255, "min_data_in_leaf": 1},
    "chains": {**REGRESSION, "num_leaves": 60, "min_data_in_leaf": 1, "max_bin": 255, "path_smooth": 0},
    "two leaves": {**BINARY, "num_leaves": 2},
    "constant": {**BINARY, "min_data_in_leaf": ROWS},
    "constant regression": {**REGRESSION, "min_data_in_leaf": ROWS},
    "one category against the rest": {**BINARY, "max_cat_to_onehot": 400},
    "dart": {**BINARY, "boosting": "dart"},
    "goss": {**THREE, "data_sample_strategy": "goss"},
    "extremely random": {**REGRESSION, "extra_trees": True},
    "monotone": {**REGRESSION, "monotone_constraints": [1, -1, 0, 0, 0, 0]},
}
TREES = [1, LANES - 1, LANES, LANES + 1, 30]


def matrix(seed: int, count: int = ROWS, features: int = FEATURES) -> Matrix:
    random = np.random.default_rng(seed)
    data = random.normal(size=(count, features)).round(1)
    if features == FEATURES:
        data[:, FEW] = random.integers(0, 9, count)
        data[:, MANY] = random.integers(0, 300, count)
    data[random.random(data.shape) < 0.1] = np.nan
    data[random.random(data.shape) < 0.1] = 0.0
    return data


@cache
def train(name: str, trees: int = 30, features: int = FEATURES) -> tuple[Any, bytes, ModelShape]:
    params = {"num_leaves": 15, "min_data_in_leaf": 5, "min_data_per_group": 3, "cat_smooth": 1.0, **MODELS[name]}
    data = matrix(0, features=features)
    filled = np.nan_to_num(data)
    score = filled[:, 0] + np.random.default_rng(1).normal(size=ROWS)
    if features == FEATURES:
        score += filled[:, FEW] % 3 + filled[:, MANY] % 2
    classes = params.get("num_class", 2)
    codes = np.digitize(score, np.quantile(score, np.linspace(0, 1, classes + 1)[1:-1]))
    kind = params["objective"]
    task = Task.MULTICLASS if "num_class" in params else Task.BINARY if kind in ("binary", "cross_entropy") else None
    label = codes if task else np.exp(score) if kind in ("poisson", "gamma", "tweedie") else score
    categories = [FEW, MANY] if features == FEATURES else []
    dataset = lightgbm.Dataset(data, label, categorical_feature=categories, params={"verbosity": -1, **params})
    booster = lightgbm.train({"verbosity": -1, "num_threads": 1, **params}, dataset, trees)
    shape = ModelShape(task or Task.REGRESSION, features, params.get("num_class", 1))
    return booster, booster.model_to_string().encode(), shape


def load(folder: Path, text: bytes, shape: ModelShape) -> LightGBMModel:
    (folder / LIGHTGBM_MODEL_NAME).write_bytes(text)
    return LightGBMRuntime().load(folder, shape)


def answers(scorer: RowScorer, data: Matrix, outputs: int) -> Matrix:
    view = np.frombuffer(scorer.row, dtype=np.float64)
    found = np.empty((len(data), outputs))
    for number, row in enumerate(data):
        view[:] = row
        found[number] = list(scorer())
    return found


def odd_rows(features: int = FEATURES) -> Matrix:
    """Rows as trained on, with values in between that are anything but."""
    random = np.random.default_rng(5)
    data = matrix(2, 400, features)
    mask = random.random(data.shape) < 0.3
    data[mask] = random.choice(ODD, int(mask.sum()))
    return data


def bits(data: Matrix) -> NDArray[np.int64]:
    return np.ascontiguousarray(data).view(np.int64)


@pytest.mark.parametrize("name", MODELS)
def test_it_answers_as_lightgbm_to_the_bit(name: str, tmp_path: Path) -> None:
    booster, text, shape = train(name)
    scorer = load(tmp_path, text, shape).row_scorer()
    assert isinstance(scorer, ForestRowScorer)
    expected = booster.predict(odd_rows(), num_threads=1).reshape(len(odd_rows()), -1)
    np.testing.assert_array_equal(bits(answers(scorer, odd_rows(), shape.outputs)), bits(expected))


@pytest.mark.parametrize("trees", TREES)
@pytest.mark.parametrize("name", ["binary", "multiclass"])
def test_any_number_of_trees_fills_the_groups(name: str, trees: int, tmp_path: Path) -> None:
    booster, text, shape = train(name, trees)
    scorer = load(tmp_path, text, shape).row_scorer()
    assert isinstance(scorer, ForestRowScorer)
    expected = booster.predict(odd_rows(), num_threads=1).reshape(len(odd_rows()), -1)
    np.testing.assert_array_equal(bits(answers(scorer, odd_rows(), shape.outputs)), bits(expected))


def test_one_feature_will_do(tmp_path: Path) -> None:
    booster, text, shape = train("binary", features=1)
    scorer = load(tmp_path, text, shape).row_scorer()
    assert isinstance(scorer, ForestRowScorer)
    expected = booster.predict(odd_rows(1), num_threads=1).reshape(-1, 1)
    np.testing.assert_array_equal(bits(answers(scorer, odd_rows(1), 1)), bits(expected))


def test_a_feature_may_be_understood_in_several_ways_in_one_model(tmp_path: Path) -> None:
    """As after training went on with other settings: the trees of three models, one after the other."""
    names = ["missing values are nothing", "zeros are missing", "binary"]
    texts = [train(name)[1] for name in names]
    head = texts[0][: texts[0].index(b"\nTree=0") + 1]
    blocks = []
    for text in texts:
        body = text[text.index(b"\nTree=0") + 1 : text.index(b"end of trees")]
        blocks += [block for block in body.split(b"Tree=") if block]
    blocks = [b"Tree=%d\n%s" % (number, block.split(b"\n", 1)[1]) for number, block in enumerate(blocks)]
    sizes = b"tree_sizes=" + b" ".join(b"%d" % len(block) for block in blocks)
    lines = [sizes if line.startswith(b"tree_sizes=") else line for line in head.split(b"\n")]
    text = b"\n".join(lines) + b"".join(blocks) + texts[0][texts[0].index(b"end of trees") :]
    model = load(tmp_path, text, train("binary")[2])
    scorer = model.row_scorer()
    assert isinstance(scorer, ForestRowScorer)
    np.testing.assert_array_equal(bits(answers(scorer, odd_rows(), 1)), bits(model.scores(odd_rows())))


@pytest.mark.parametrize("name", ["binary", "multiclass", "zeros are missing", "missing values are nothing", "poisson"])
@settings(deadline=None)  # the first row waits for a model to be trained
@given(st.data())
def test_any_row_is_answered_as_lightgbm_does(name: str, data: st.DataObject) -> None:
    model, scorer = loaded(name)
    row = data.draw(
        st.lists(
            st.sampled_from(ODD) | st.floats() | st.integers(-3, 330).map(float), min_size=FEATURES, max_size=FEATURES
        )
    )
    given_row = np.array([row])
    expected = model.scores(given_row)
    np.testing.assert_array_equal(bits(answers(scorer, given_row, expected.shape[1])), bits(expected))


@cache
def loaded(name: str) -> tuple[LightGBMModel, RowScorer]:
    _, text, shape = train(name)
    model = LightGBMModel(text, shape)
    model.walk(read_model_text(text, shape))
    scorer = model.row_scorer()
    assert isinstance(scorer, ForestRowScorer)
    return model, scorer


def test_linear_trees_are_left_to_lightgbm(tmp_path: Path) -> None:
    data = np.nan_to_num(matrix(0))
    params = {"objective": "regression", "linear_tree": True, "verbosity": -1, "num_threads": 1}
    booster = lightgbm.train(params, lightgbm.Dataset(data, data[:, 0] * data[:, 1]), 5)
    shape = ModelShape(Task.REGRESSION, FEATURES, 1)
    with capture_logs() as logs:
        model = load(tmp_path, booster.model_to_string().encode(), shape)
    assert [entry["reason"] for entry in logs] == ["its leaves are linear models"]
    scorer = model.row_scorer()
    assert isinstance(scorer, LightGBMRowScorer)
    np.testing.assert_array_equal(answers(scorer, data[:20], 1)[:, 0], booster.predict(data[:20], num_threads=1))


def test_sets_of_categories_that_take_too_much_memory_are_left_to_lightgbm(monkeypatch: pytest.MonkeyPatch) -> None:
    _, text, shape = train("binary")
    monkeypatch.setattr(forest, "_MAX_SET_BYTES", 1000)
    with pytest.raises(NotFlat, match="sets of categories"):
        plant(read_model_text(text, shape).trees, FEATURES, 1)


def test_more_nodes_than_can_be_counted_are_left_to_lightgbm(monkeypatch: pytest.MonkeyPatch) -> None:
    _, text, shape = train("binary")
    monkeypatch.setattr(forest, "_UNITS", 1 << 30)
    with pytest.raises(NotFlat, match="nodes"):
        plant(read_model_text(text, shape).trees, FEATURES, 1)


@pytest.mark.parametrize("parameter", [b"sigmoid:x", b"sigmoid:"])
def test_an_objective_that_is_not_understood_is_left_to_lightgbm(parameter: bytes) -> None:
    _, text, shape = train("binary")
    with pytest.raises(NotFlat, match="objective"):
        lightgbm_forest.make_scorer(read_model_text(text.replace(b"sigmoid:1", parameter), shape), shape)


@pytest.mark.parametrize("error", [RuntimeError("no target"), PermissionError("no executable memory")])
def test_without_machine_code_rows_are_left_to_lightgbm(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Any:
        raise error

    monkeypatch.setattr(forest, "kernel", broken)
    _, text, shape = train("binary")
    with capture_logs() as logs:
        assert isinstance(load(tmp_path, text, shape).row_scorer(), LightGBMRowScorer)
    assert [entry["reason"] for entry in logs] == [f"no machine code can be made here: {error}"]


@pytest.mark.parametrize("link", [list, lambda raw: [math.nextafter(1 / (1 + math.exp(-value)), 2) for value in raw]])
def test_a_scorer_that_answers_otherwise_is_not_used(
    link: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lightgbm_forest, "_link_of", lambda _: link)
    _, text, shape = train("binary")
    with capture_logs() as logs:
        model = load(tmp_path, text, shape)
    assert [entry["log_level"] for entry in logs] == ["warning"]
    scorer = model.row_scorer()
    assert isinstance(scorer, LightGBMRowScorer)
    np.testing.assert_array_equal(answers(scorer, odd_rows(), 1), model.scores(odd_rows()))


@pytest.mark.parametrize("name", ["number_missing", "number_zero", "set_limits", "set_bytes"])
def test_any_other_reading_of_special_values_is_noticed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plant_wrong(*arguments: Any) -> forest.Forest:
        planted = plant(*arguments)
        planted.arrays[name] = (planted.arrays[name] == 0).astype(planted.arrays[name].dtype)
        return planted

    monkeypatch.setattr(lightgbm_forest, "plant", plant_wrong)
    _, text, shape = train("zeros are missing")
    with capture_logs() as logs:
        assert isinstance(load(tmp_path, text, shape).row_scorer(), LightGBMRowScorer)
    assert [entry["log_level"] for entry in logs] == ["warning"]


def test_rows_given_to_try_it_with_count_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, text, shape = train("binary")
    model = load(tmp_path, text, shape)
    assert isinstance(model.row_scorer(matrix(3)), ForestRowScorer)
    monkeypatch.setattr(runtime, "agrees", lambda scorer, samples, expected: False)
    with capture_logs():
        assert isinstance(model.row_scorer(matrix(3)), LightGBMRowScorer)


THREADS = """
import sys, threading
from pathlib import Path
from melonkube.contracts.signature import Task
from melonkube.serving.runtimes.lightgbm import LightGBMRuntime
from melonkube.serving.runtimes.protocol import ModelShape

barrier, kinds = threading.Barrier(4), []
def work():
    barrier.wait()
    model = LightGBMRuntime().load(Path(sys.argv[1]), ModelShape(Task.BINARY, 6, 1))
    kinds.append(type(model.row_scorer()).__name__)
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(*kinds)
"""


def test_the_first_models_may_be_loaded_on_several_threads_at_once(tmp_path: Path) -> None:
    (tmp_path / LIGHTGBM_MODEL_NAME).write_bytes(train("binary")[1])
    done = subprocess.run(
        [sys.executable, "-c", THREADS, str(tmp_path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == ["ForestRowScorer"] * 4
