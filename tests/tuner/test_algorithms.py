"""One conformance suite for every search algorithm that is installed."""

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from melonkube.contracts.base import Scalar
from melonkube.contracts.experiments import Direction
from melonkube.contracts.space import CategoricalParameter, FixedParameter, FloatParameter, IntParameter, SearchSpace
from melonkube.tuner.catalog.registry import ALGORITHMS, find
from melonkube.tuner.search.hyperopt import HISTORY_KEPT, TpeAlgorithm
from melonkube.tuner.search.protocol import Observation, Outcome, SearchAlgorithm

SPACE: SearchSpace = TypeAdapter(SearchSpace).validate_python(
    {
        "leaves": {"type": "int", "low": 8, "high": 256, "log": True},
        "depth": {"type": "int", "low": 3, "high": 12, "step": 2},
        "count": {"type": "int", "low": -4, "high": 4},
        "rate": {"type": "float", "low": 1e-4, "high": 1.0, "log": True},
        "share": {"type": "float", "low": 0.5, "high": 1.0},
        "fraction": {"type": "float", "low": 0.1, "high": 0.75, "step": 0.1},
        "boosting": {"type": "categorical", "choices": ["gbdt", "goss", 1, 1.0, True]},
        "only": {"type": "categorical", "choices": ["this"]},
        "pinned": {"type": "int", "low": 5, "high": 5},
        "freq": {"value": 1},
    }
)

Make = Callable[[SearchSpace, Direction], SearchAlgorithm]


@pytest.fixture(params=list(find(ALGORITHMS)))
def algorithm(request: pytest.FixtureRequest) -> Make:
    loaded: Make = find(ALGORITHMS)[request.param].load()
    return loaded


def inside(space: SearchSpace, params: dict[str, Scalar]) -> None:
    assert params.keys() == space.keys()
    for name, parameter in space.items():
        value = params[name]
        match parameter:
            case FixedParameter():
                assert value == parameter.value
            case CategoricalParameter():
                assert any(type(value) is type(each) and value == each for each in parameter.choices)
            case IntParameter():
                assert type(value) is int
                assert parameter.low <= value <= parameter.high
                assert (value - parameter.low) % parameter.step == 0
            case FloatParameter():
                assert type(value) is float
                assert parameter.low <= value <= parameter.high
                if parameter.step is not None:
                    steps = (value - parameter.low) / parameter.step
                    assert math.isclose(steps, round(steps), abs_tol=1e-6)
    json.dumps(params)


def run(
    algorithm: SearchAlgorithm, trials: int, score: Callable[[dict[str, Any]], float], seed: int = 7
) -> list[Observation]:
    history: list[Observation] = []
    for number in range(1, trials + 1):
        params = algorithm.suggest(number, seed, history)
        history.append(Observation(number, params, Outcome.DONE, score(params)))
    return history


def peak(params: dict[str, Any]) -> float:
    rate: float = params["rate"]
    share: float = params["share"]
    depth: int = params["depth"]
    return -(math.log(rate / 0.03) ** 2) - (share - 0.7) ** 2 - float((depth - 7) ** 2) / 50


def test_keeps_to_the_space(algorithm: Make) -> None:
    for each in run(algorithm(SPACE, Direction.MAXIMIZE), 40, peak):
        inside(SPACE, each.params)


def test_reaches_both_ends_of_whole_numbers(algorithm: Make) -> None:
    space: SearchSpace = {"n": IntParameter(type="int", low=1, high=3)}
    drawn = {each.params["n"] for each in run(algorithm(space, Direction.MAXIMIZE), 60, lambda _: 0.0)}
    assert drawn == {1, 2, 3}


def test_the_same_arguments_give_the_same_parameters(algorithm: Make) -> None:
    first = run(algorithm(SPACE, Direction.MAXIMIZE), 30, peak)
    again = run(algorithm(SPACE, Direction.MAXIMIZE), 30, peak)
    other = run(algorithm(SPACE, Direction.MAXIMIZE), 30, peak, seed=8)
    assert first == again
    assert [each.params for each in first] != [each.params for each in other]
    assert len({json.dumps(each.params, sort_keys=True) for each in first}) > 25


def test_a_search_goes_on_from_history_that_was_stored_as_json(algorithm: Make) -> None:
    history = run(algorithm(SPACE, Direction.MAXIMIZE), 25, peak)
    stored = json.loads(json.dumps([each.to_json() for each in history]))
    rebuilt = [Observation.from_json(each) for each in stored]
    assert rebuilt == history
    going = algorithm(SPACE, Direction.MAXIMIZE)
    for number in range(1, 25):
        going.suggest(number, 7, history[: number - 1])
    assert going.suggest(26, 7, history) == algorithm(SPACE, Direction.MAXIMIZE).suggest(26, 7, rebuilt)


def test_the_order_in_which_a_database_keeps_the_names_does_not_matter(algorithm: Make) -> None:
    shuffled = dict(sorted(SPACE.items(), key=lambda item: item[0][::-1]))
    history = run(algorithm(SPACE, Direction.MAXIMIZE), 20, peak)
    assert algorithm(SPACE, Direction.MAXIMIZE).suggest(21, 7, history) == algorithm(
        shuffled, Direction.MAXIMIZE
    ).suggest(21, 7, history)


def test_trials_pending_failed_or_foreign_do_no_harm(algorithm: Make) -> None:
    history = run(algorithm(SPACE, Direction.MAXIMIZE), 20, peak)
    mixed = [
        Observation(each.number, each.params, Outcome.PENDING)
        if each.number % 3 == 0
        else Observation(each.number, each.params, Outcome.FAILED)
        if each.number % 5 == 0
        else each
        for each in history
    ]
    mixed.append(Observation(21, {"something": 1.0, "else": "entirely"}, Outcome.DONE, 1e9))
    mixed.append(Observation(22, {**history[0].params, "rate": 99.0}, Outcome.DONE, 1e9))
    inside(SPACE, algorithm(SPACE, Direction.MAXIMIZE).suggest(23, 7, mixed))
    nothing = [Observation(number, history[0].params, Outcome.FAILED) for number in range(1, 30)]
    inside(SPACE, algorithm(SPACE, Direction.MINIMIZE).suggest(30, 7, nothing))


def test_a_space_with_nothing_to_choose(algorithm: Make) -> None:
    space: SearchSpace = {"a": FixedParameter(value=3), "b": IntParameter(type="int", low=2, high=2)}
    assert algorithm(space, Direction.MAXIMIZE).suggest(1, 7, []) == {"a": 3, "b": 2}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_space_is_kept_to(algorithm: Make, data: st.DataObject) -> None:
    space = data.draw(spaces())
    going = algorithm(space, Direction.MINIMIZE)
    seed = data.draw(st.integers(0, 2**31 - 1))
    history: list[Observation] = []
    for number in range(1, 14):
        params = going.suggest(number, seed, history)
        inside(space, params)
        history.append(Observation(number, params, Outcome.DONE, float(number % 5)))


def spaces() -> st.SearchStrategy[SearchSpace]:
    ints = st.tuples(st.integers(-1000, 1000), st.integers(0, 2000), st.integers(1, 50)).map(
        lambda t: IntParameter(type="int", low=t[0], high=t[0] + t[1], step=t[2])
    )
    logs = st.tuples(st.integers(1, 1000), st.integers(0, 10**6)).map(
        lambda t: IntParameter(type="int", low=t[0], high=t[0] + t[1], log=True)
    )
    floats = st.tuples(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3), st.sampled_from([None, 0.1, 0.25, 3.0])).map(
        lambda t: FloatParameter(type="float", low=t[0], high=t[0] + t[1], step=t[2])
    )
    logged = st.tuples(st.floats(1e-9, 1e3), st.floats(1.1, 1e6)).map(
        lambda t: FloatParameter(type="float", low=t[0], high=t[0] * t[1], log=True)
    )
    choices = st.lists(st.sampled_from(["a", "b", 1, 2.5, True, False, "1"]), min_size=1, max_size=5, unique_by=repr)
    categorical = choices.map(lambda each: CategoricalParameter(type="categorical", choices=each))
    one = st.one_of(ints, logs, floats, logged, categorical, st.just(FixedParameter(value=1)))
    return st.dictionaries(st.text("abcxyz_", min_size=1, max_size=5), one, min_size=1, max_size=5)


@pytest.mark.parametrize("direction", list(Direction))
def test_tpe_finds_what_random_draws_do_not(direction: Direction) -> None:
    sign = 1.0 if direction is Direction.MAXIMIZE else -1.0

    def best(make: Make, seed: int) -> float:
        history = run(make(SPACE, direction), 60, lambda params: sign * peak(params), seed)
        return max(sign * each.value for each in history if each.value is not None)

    points = find(ALGORITHMS)
    seeds = range(3)
    tpe = [best(points["tpe"].load(), seed) for seed in seeds]
    random = [best(points["random"].load(), seed) for seed in seeds]
    assert sum(tpe) > sum(random)


def test_tpe_is_shown_a_bounded_history_with_the_best_in_it() -> None:
    going = TpeAlgorithm({"x": FloatParameter(type="float", low=0.0, high=1.0)}, Direction.MINIMIZE)
    history = [
        Observation(number, {"x": number / 5000}, Outcome.DONE, abs(number - 100.0)) for number in range(1, 3001)
    ]
    kept = going._kept(history)
    assert len(kept) <= HISTORY_KEPT
    assert history[99] in kept
    assert history[-1] in kept
    assert [each.number for each in kept] == sorted(each.number for each in kept)
