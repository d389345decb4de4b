"""Wire types: ids, names, search spaces, and what may stand beside what."""

import json
import re
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from melonkube.contracts.base import Name, Slug
from melonkube.contracts.endpoints import EndpointPut
from melonkube.contracts.experiments import DIRECTIONS, TASK_METRICS, ExperimentCreate, Metric
from melonkube.contracts.ids import UUID_PATTERN, new_id
from melonkube.contracts.space import SearchSpace
from melonkube.contracts.workload import ContainerSpec, fill_in, placeholders

SPACE: TypeAdapter[SearchSpace] = TypeAdapter(SearchSpace)
NAME: TypeAdapter[str] = TypeAdapter(Name)
SLUG: TypeAdapter[str] = TypeAdapter(Slug)


def test_ids_rise_also_between_threads() -> None:
    made: list[list[str]] = [[] for _ in range(4)]

    def make(into: list[str]) -> None:
        into.extend(new_id() for _ in range(5_000))

    threads = [threading.Thread(target=make, args=(into,)) for into in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    together = [one for part in made for one in part]
    assert len(set(together)) == len(together)
    assert all(part == sorted(part) for part in made)
    assert all(re.match(UUID_PATTERN, one) and one[14] == "7" and one[19] in "89ab" for one in together)


@pytest.mark.parametrize("name", ["a", "멜론 데이터", "v1.2 (final)", "x" * 128])
def test_names_people_give(name: str) -> None:
    assert NAME.validate_python(name) == name


@pytest.mark.parametrize("name", ["", " a", "a ", "a/b", "a\nb", "\x00", "x" * 129])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        NAME.validate_python(name)


@given(st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True))
def test_slugs(slug: str) -> None:
    assert SLUG.validate_python(slug) == slug


@pytest.mark.parametrize("slug", ["", "-a", "a-", "A", "a_b", "a.b", "x" * 64, "멜론"])
def test_slugs_that_are_refused(slug: str) -> None:
    with pytest.raises(ValidationError):
        SLUG.validate_python(slug)


def test_a_search_space_as_the_design_writes_it() -> None:
    written = {
        "num_leaves": {"type": "int", "low": 8, "high": 256, "log": True},
        "max_depth": {"type": "int", "low": 3, "high": 12, "step": 1},
        "boosting": {"type": "categorical", "choices": ["gbdt", "goss"]},
        "bagging_freq": {"value": 1},
        "rate": {"type": "float", "low": 0.01, "high": 0.3},
    }
    space = SPACE.validate_python(written)
    assert SPACE.dump_python(space, exclude_unset=True, mode="json") == written


@pytest.mark.parametrize(
    "parameter",
    [
        {"type": "int", "low": 5, "high": 4},
        {"type": "int", "low": 0, "high": 4, "log": True},
        {"type": "int", "low": 1, "high": 4, "log": True, "step": 2},
        {"type": "int", "low": 1.5, "high": 4},
        {"type": "float", "low": 0.0, "high": 1.0, "log": True},
        {"type": "float", "low": float("nan"), "high": 1.0},
        {"type": "float", "low": 0.0, "high": float("inf")},
        {"type": "categorical", "choices": []},
        {"type": "categorical", "choices": ["a", "a"]},
        {"type": "strange", "low": 1, "high": 2},
        {"value": None},
        {},
        {"type": "int", "low": 1, "high": 2, "value": 1},
    ],
)
def test_search_spaces_that_are_refused(parameter: object) -> None:
    with pytest.raises(ValidationError):
        SPACE.validate_python({"p": parameter})


def test_true_and_one_are_different_choices() -> None:
    space = SPACE.validate_python({"p": {"type": "categorical", "choices": [1, True, "1"]}})
    assert SPACE.dump_json(space) == b'{"p":{"type":"categorical","choices":[1,true,"1"]}}'


def test_each_metric_has_a_direction_and_a_task() -> None:
    assert set(DIRECTIONS) == set(Metric)
    assert {metric for metrics in TASK_METRICS.values() for metric in metrics} == set(Metric)


def test_an_experiment_needs_a_data_set_and_a_target() -> None:
    made = ExperimentCreate.model_validate({"dataset_id": new_id(), "target": "y"})
    assert made.algorithm == "tpe"
    with pytest.raises(ValidationError):
        ExperimentCreate.model_validate({"dataset_id": "x", "target": "y"})
    with pytest.raises(ValidationError):
        ExperimentCreate.model_validate({"dataset_id": new_id(), "target": "y", "trails": 5})


@pytest.mark.parametrize(
    ("body", "good"),
    [
        ({"experiment_id": "0" * 8 + "-0000-7000-8000-" + "0" * 12}, True),
        ({"model": "m", "version": 1}, True),
        ({"model": "m", "alias": "champion"}, True),
        ({"model": "m"}, False),
        ({"model": "m", "alias": "a", "version": 1}, False),
        ({"experiment_id": "0" * 8 + "-0000-7000-8000-" + "0" * 12, "model": "m"}, False),
        ({"version": 1}, False),
        ({}, False),
    ],
)
def test_what_an_endpoint_may_be_pointed_at(body: dict[str, object], good: bool) -> None:
    if good:
        EndpointPut.model_validate(body)
    else:
        with pytest.raises(ValidationError):
            EndpointPut.model_validate(body)


ASKED: dict[str, Any] = {"dataset_id": "01900000-0000-7000-8000-00000000e001", "target": "y"}
CONTAINER: dict[str, Any] = {"image": "an/image:1", "command": ["train", "{{params.x}}"]}


def test_a_container_brings_its_trainer_and_one_trial_a_pod() -> None:
    made = ExperimentCreate.model_validate({**ASKED, "container": CONTAINER})
    assert (made.trainer, made.trials_per_worker) == ("container", 1)
    sent = json.loads(made.model_dump_json(exclude_unset=True))
    assert ExperimentCreate.model_validate(sent) == made
    assert (ExperimentCreate.model_validate(ASKED).trainer, ExperimentCreate.model_validate(ASKED).container) == (
        "lightgbm",
        None,
    )
    chosen = ExperimentCreate.model_validate({**ASKED, "trainer": "lightgbm", "container": CONTAINER})
    assert chosen.trainer == "lightgbm"  # which the tuner then refuses


@pytest.mark.parametrize(
    "change",
    [
        {"image": ""},
        {"image": "an image"},
        {"command": []},
        {"command": [""]},
        {"command": [" ", "x"]},
        {"command": ["-x"]},
        {"command": "train"},
        {"command": ["a\0b"]},
        {"command": ["x" * 30_001]},
        {"metrics": "stderr"},
        {"run_as_user": 0},
        {"run_as_user": 2**31},
        {"args": []},
    ],
)
def test_what_is_no_container(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ContainerSpec.model_validate({**CONTAINER, **change})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("plain {x} ${y} {{", []),
        ("--a={{params.x}},{{ params.lr-2 }}", [("{{params.x}}", "x"), ("{{ params.lr-2 }}", "lr-2")]),
        ("{{x}} {{}} {{params}}", [("{{x}}", None), ("{{}}", None), ("{{params}}", None)]),
        ("awk 'BEGIN {{{params.x}}}'", [("{{params.x}}", "x")]),
    ],
)
def test_what_a_command_leaves_open(text: str, found: list[tuple[str, str | None]]) -> None:
    assert list(placeholders(text)) == found


def test_what_is_put_in_is_not_looked_at_again() -> None:
    assert fill_in("{{params.a}}{{params.b}}", {"a": "{{params.b}}", "b": "2"}.__getitem__) == "{{params.b}}2"
