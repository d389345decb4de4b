import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from melonkube.contracts.errors import ErrorCode
from melonkube.contracts.signature import Task
from melonkube.contracts.space import FixedParameter, SearchSpace
from melonkube.trainer.spec import TrainerSpec, UnknownTrainer, find_spec, trainer_names
from melonkube.trainer.spec.lightgbm import SPEC

SPACES: TypeAdapter[SearchSpace] = TypeAdapter(SearchSpace)


def faults(space: dict[str, Any]) -> list[tuple[str, str]]:
    return [(item.pointer, item.code) for item in SPEC.validate_space(SPACES.validate_python(space))]


def test_lightgbm_is_found() -> None:
    assert "lightgbm" in trainer_names()
    assert find_spec("lightgbm") is SPEC
    assert isinstance(SPEC, TrainerSpec)
    assert SPEC.tasks == set(Task)


def test_an_unknown_trainer_is_named_with_those_there_are() -> None:
    with pytest.raises(UnknownTrainer, match=r"'xgboost'; there are: .*lightgbm"):
        find_spec("xgboost")


def test_the_spec_imports_nothing_heavy() -> None:
    code = (
        "import sys; from melonkube.trainer.spec import find_spec; find_spec('lightgbm');"
        "print([name for name in ('lightgbm', 'numpy', 'pyarrow', 'httpx') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert said.strip() == "[]"


@given(rows=st.integers(1, 10**8), features=st.integers(1, 5000), task=st.sampled_from(Task))
def test_the_default_space_is_valid_for_every_table(rows: int, features: int, task: Task) -> None:
    space = SPEC.default_space(rows, features, task)
    assert SPEC.validate_space(space) == []
    assert SPACES.validate_json(SPACES.dump_json(space)) == space
    fixed = {name: parameter.value for name, parameter in space.items() if isinstance(parameter, FixedParameter)}
    assert SPEC.resolve(fixed)["num_iterations"] == fixed["num_iterations"]


def test_small_tables_are_not_searched_with_large_trees() -> None:
    small, large = SPEC.default_space(500, 10, Task.BINARY), SPEC.default_space(10**6, 10, Task.BINARY)
    assert small["num_leaves"].high < large["num_leaves"].high  # type: ignore[union-attr]
    assert "feature_fraction" not in SPEC.default_space(500, 2, Task.BINARY)


def test_the_baseline_is_lightgbms_own_defaults() -> None:
    baseline = SPEC.baseline_params()
    assert baseline["num_iterations"] == 100
    assert baseline["early_stopping_rounds"] == 0
    assert (baseline["learning_rate"], baseline["num_leaves"], baseline["min_data_in_leaf"]) == (0.1, 31, 20)
    resolved = SPEC.resolve(baseline)
    assert resolved == {name: spec.default for name, spec in SPEC.parameters.items()} | {
        "num_iterations": 100,
        "early_stopping_rounds": 0,
    }


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        ("learning_rate", {"type": "float", "low": 0.01, "high": 0.3, "log": True}),
        ("learning_rate", {"type": "int", "low": 1, "high": 2}),
        ("num_leaves", {"type": "int", "low": 2, "high": 131_072}),
        ("num_leaves", {"type": "categorical", "choices": [7, 15, 31]}),
        ("max_depth", {"type": "categorical", "choices": [-1, 5]}),
        ("extra_trees", {"type": "categorical", "choices": [True, False]}),
        ("boosting", {"type": "categorical", "choices": ["gbdt", "goss", "dart"]}),
    ],
)
def test_what_can_be_searched(name: str, parameter: dict[str, Any]) -> None:
    assert faults({name: parameter}) == []


@pytest.mark.parametrize(
    ("name", "parameter", "code"),
    [
        ("learning_rate", {"type": "float", "low": -0.1, "high": 0.3}, ErrorCode.SEARCH_SPACE_INVALID),
        ("learning_rate", {"type": "float", "low": 0.0, "high": 0.3}, ErrorCode.SEARCH_SPACE_INVALID),
        ("feature_fraction", {"type": "float", "low": 0.5, "high": 1.5}, ErrorCode.SEARCH_SPACE_INVALID),
        ("num_leaves", {"type": "int", "low": 1, "high": 31}, ErrorCode.SEARCH_SPACE_INVALID),
        ("num_leaves", {"type": "int", "low": 2, "high": 10**9}, ErrorCode.SEARCH_SPACE_INVALID),
        ("num_leaves", {"type": "float", "low": 8, "high": 64}, ErrorCode.SEARCH_SPACE_INVALID),
        ("num_leaves", {"type": "categorical", "choices": [31, "63"]}, ErrorCode.SEARCH_SPACE_INVALID),
        ("num_leaves", {"value": 31.5}, ErrorCode.SEARCH_SPACE_INVALID),
        ("num_leaves", {"value": True}, ErrorCode.SEARCH_SPACE_INVALID),
        ("extra_trees", {"type": "categorical", "choices": [0, 1]}, ErrorCode.SEARCH_SPACE_INVALID),
        ("extra_trees", {"type": "int", "low": 0, "high": 1}, ErrorCode.SEARCH_SPACE_INVALID),
        ("boosting", {"type": "categorical", "choices": ["gbdt", "rf"]}, ErrorCode.SEARCH_SPACE_INVALID),
        ("boosting", {"type": "float", "low": 0, "high": 1}, ErrorCode.SEARCH_SPACE_INVALID),
        ("max_bin", {"type": "int", "low": 15, "high": 255}, ErrorCode.SEARCH_SPACE_INVALID),
        ("max_bin", {"value": 1}, ErrorCode.SEARCH_SPACE_INVALID),
        ("max_bin", {"value": 63.5}, ErrorCode.SEARCH_SPACE_INVALID),
        ("max_bin", {"type": "categorical", "choices": [63, 255]}, ErrorCode.SEARCH_SPACE_INVALID),
        ("linear_tree", {"value": True}, ErrorCode.SEARCH_SPACE_INVALID),
        ("num_threads", {"value": 8}, ErrorCode.SEARCH_SPACE_INVALID),
        ("n_estimators", {"value": 100}, ErrorCode.PARAMETER_UNKNOWN),
        ("reg_lambda", {"type": "float", "low": 0, "high": 1}, ErrorCode.PARAMETER_UNKNOWN),
        ("num_leavs", {"value": 31}, ErrorCode.PARAMETER_UNKNOWN),
        ("", {"value": 31}, ErrorCode.PARAMETER_UNKNOWN),
    ],
)
def test_what_cannot_be_searched(name: str, parameter: dict[str, Any], code: ErrorCode) -> None:
    assert faults({name: parameter, "lambda_l1": {"type": "float", "low": 0, "high": 1}}) == [
        (f"/search_space/{name}", code)
    ]


def test_all_faults_are_named_at_once_and_pointers_escaped() -> None:
    space = {"a/b~": {"value": 1}, "num_leaves": {"value": 1}, "max_bin": {"value": 1}}
    assert [pointer for pointer, _ in faults(space)] == [
        "/search_space/a~1b~0",
        "/search_space/num_leaves",
        "/search_space/max_bin",
    ]


def test_how_the_data_is_binned_may_be_given_once() -> None:
    search = {"lambda_l1": {"type": "float", "low": 0, "high": 1}}
    assert faults({**search, "max_bin": {"value": 63}, "min_data_in_bin": {"value": 10}}) == []
    [item] = SPEC.validate_space(SPACES.validate_python({**search, "max_bin": {"type": "int", "low": 15, "high": 255}}))
    assert "give it one value, not a range" in item.detail


@pytest.mark.parametrize("space", [{}, {"num_leaves": {"value": 31}}, {"max_bin": {"value": 63}}])
def test_a_space_with_nothing_to_search_is_refused(space: dict[str, Any]) -> None:
    assert faults(space) == [("/search_space", ErrorCode.SEARCH_SPACE_INVALID)]


@pytest.mark.parametrize(
    ("name", "hint"), [("num_leavs", "did you mean num_leaves?"), ("n_estimators", "another name of num_iterations")]
)
def test_an_unknown_name_gets_a_hint(name: str, hint: str) -> None:
    [item] = SPEC.validate_space(SPACES.validate_python({name: {"value": 1}}))
    assert hint in item.detail


@pytest.mark.parametrize("params", [{"num_leaves": 1}, {"num_leaves": "31"}, {"nonsense": 1}, {"learning_rate": 0.0}])
def test_impossible_params_are_not_resolved(params: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(params))):
        SPEC.resolve(params)
