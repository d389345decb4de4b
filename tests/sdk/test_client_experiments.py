"""The client's calls on experiments, over a real socket."""

from typing import Any

import pytest

from melonkube.contracts.experiments import Budget, ColumnOverride, Experiment, Metric
from melonkube.contracts.signature import Kind, Task
from melonkube.contracts.space import IntParameter
from melonkube.sdk import (
    Client,
    Conflict,
    InvalidInput,
    NotFound,
)
from tests.sdk.routes import trial
from tests.sdk.standin import Standin


def test_an_experiment_of_two_arguments(server: Standin, client: Client, dataset_id: str) -> None:
    found = client.experiments.create(client.datasets.get(dataset_id), "y")
    assert isinstance(found, Experiment)
    assert server.requests[-1].json() == {"dataset_id": dataset_id, "target": "y"}
    assert server.requests[-1].headers["idempotency-key"]
    assert client.experiments.get(found.id) == found


def test_an_experiment_of_all_arguments(server: Standin, client: Client, dataset_id: str) -> None:
    client.experiments.create(
        dataset_id,
        "y",
        name="첫 실험",
        task=Task.BINARY,
        metric="logloss",
        trainer="lightgbm",
        algorithm="random",
        search_space={
            "num_leaves": IntParameter(type="int", low=8, high=64, log=True),
            "eta": {"type": "float", "low": 0.01, "high": 0.3},
            "boosting": {"type": "categorical", "choices": ["gbdt", "goss"]},
            "bagging_freq": {"value": 1},
        },
        columns={"zip": ColumnOverride(kind=Kind.CATEGORICAL), "id": {"role": "ignored"}},
        split={"holdout": 0.1},
        seed=0,
        parallelism=2,
        trials_per_worker=1,
        baseline=False,
        budget=Budget(max_trials=5),
        worker={"cpu": 2, "node_selector": {"disk": "ssd"}},
        idempotency_key="mine",
    )
    assert server.requests[-1].headers["idempotency-key"] == "mine"
    assert server.requests[-1].json() == {
        "dataset_id": dataset_id,
        "target": "y",
        "name": "첫 실험",
        "task": "binary",
        "metric": "logloss",
        "trainer": "lightgbm",
        "algorithm": "random",
        "search_space": {
            "num_leaves": {"type": "int", "low": 8, "high": 64, "log": True},
            "eta": {"type": "float", "low": 0.01, "high": 0.3},
            "boosting": {"type": "categorical", "choices": ["gbdt", "goss"]},
            "bagging_freq": {"value": 1},
        },
        "columns": {"zip": {"kind": "categorical"}, "id": {"role": "ignored"}},
        "split": {"holdout": 0.1},
        "seed": 0,
        "parallelism": 2,
        "trials_per_worker": 1,
        "baseline": False,
        "budget": {"max_trials": 5},
        "worker": {"cpu": 2, "node_selector": {"disk": "ssd"}},
    }


@pytest.mark.parametrize(
    "bad",
    [{"metric": "best"}, {"seed": -1}, {"budget": {"max_trials": 0}}, {"search_space": {"x": {"type": "int"}}}],
)
def test_an_experiment_that_cannot_be_right_is_not_sent(
    server: Standin, client: Client, dataset_id: str, bad: dict[str, Any]
) -> None:
    before = len(server.requests)
    with pytest.raises(InvalidInput, match=next(iter(bad))):
        client.experiments.create(dataset_id, "y", **bad)
    assert len(server.requests) == before


def test_experiments_are_steered(client: Client, dataset_id: str) -> None:
    found = client.experiments.create(dataset_id, "y", name="one")
    with pytest.raises(Conflict, match="choose another name"):
        client.experiments.create(dataset_id, "y", name="one")
    assert client.experiments.pause(found.id).state == "paused"
    assert client.experiments.resume(found.id).state == "running"
    assert client.experiments.stop(found.id).state == "stopped"
    with pytest.raises(Conflict) as caught:
        client.experiments.stop(found.id)
    assert caught.value.code == "experiment_finished"
    assert [item.id for item in client.experiments.list()] == [found.id]
    assert (client.experiments.find("one") or found).name == "one"
    assert client.experiments.find("two") is None
    client.experiments.delete(found.id)
    with pytest.raises(NotFound):
        client.experiments.get(found.id)


def test_trials(server: Standin, client: Client, dataset_id: str) -> None:
    found = client.experiments.create(dataset_id, "y")
    server.trials[found.id] = [trial(found.id, 1, 0.7), trial(found.id, 2, None, "running")]
    assert [item.value for item in client.experiments.trials(found.id)] == [0.7, None]
    assert client.experiments.trial(found.id, 1).intermediate == [(0, 0.5)]
    with pytest.raises(NotFound):
        client.experiments.trial(found.id, 3)


def test_what_would_be_inferred(client: Client, dataset_id: str) -> None:
    assert client.experiments.suggest(dataset_id, "y", task="binary").metric is Metric.AUC
    assert client.experiments.suggest(client.datasets.get(dataset_id), "y").parallelism == 2
    assert [item.name for item in client.experiments.algorithms().items] == ["tpe", "random"]
    assert [item.name for item in client.experiments.trainers().items] == ["lightgbm"]
