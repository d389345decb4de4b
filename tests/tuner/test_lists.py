"""Lists: their orders, filters and cursors; the catalogue; what is measured."""

from typing import Any

import pytest

from melonkube.tuner.search.client import SearchProcess
from tests.tuner.conftest import MakeHand, Running, StartTuner


@pytest.fixture
async def tried(start_tuner: StartTuner, by_hand: MakeHand) -> tuple[Running, str]:
    """An experiment with trials of every kind: 1 to 5 with a value, 6 failed, 7 leased."""
    running = await start_tuner(workers=0)
    made = await running.create(budget={"max_trials": 20}, parallelism=2)
    hand = by_hand(running, made["id"])
    for value in (0.5, 0.9, 0.7, 0.9, 0.1):
        await hand.complete(await hand.lease(), value, want_next=False)
    await hand.fail(await hand.lease(), "code_error", want_next=False)
    await hand.lease()
    return running, made["id"]


async def pages(running: Running, experiment_id: str, limit: int, **params: Any) -> list[int]:
    numbers: list[int] = []
    cursor: str | None = None
    while True:
        answer = await running.client.get(
            f"/api/v1/experiments/{experiment_id}/trials",
            params={"limit": limit, **params, **({"cursor": cursor} if cursor else {})},
        )
        assert answer.status_code == 200, answer.text
        numbers += [trial["number"] for trial in answer.json()["items"]]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return numbers


# To make the trials takes much longer than to ask for them: each test asks for all that it can.
ORDERS: list[tuple[dict[str, Any], list[int]]] = [
    ({}, [1, 2, 3, 4, 5, 6, 7]),
    ({"sort": "-number"}, [7, 6, 5, 4, 3, 2, 1]),
    ({"sort": "value"}, [2, 4, 3, 1, 5, 6, 7]),
    ({"state": "completed", "sort": "value"}, [2, 4, 3, 1, 5]),
    ({"state": ["failed", "leased"]}, [6, 7]),
    ({"state": "pruned"}, []),
]


async def test_trials_in_order(tried: tuple[Running, str]) -> None:
    running, experiment_id = tried
    for params, wanted in ORDERS:
        for limit in (1, 2, 3, 100):
            assert await pages(running, experiment_id, limit, **params) == wanted, (params, limit)


async def test_the_best_of_a_metric_to_minimise_come_first(start_tuner: StartTuner, by_hand: MakeHand) -> None:
    running = await start_tuner(workers=0)
    made = await running.create(target="price")
    hand = by_hand(running, made["id"])
    for value in (3.0, 1.0, 2.0):
        await hand.complete(await hand.lease(), value, want_next=False)
    assert await pages(running, made["id"], 2, sort="value") == [2, 3, 1]
    assert (await running.get(made["id"]))["best"]["value"] == 1.0


NO_PAGES: list[dict[str, Any]] = [
    {"limit": 0},
    {"limit": 1001},
    {"sort": "size"},
    {"state": "lost"},
    {"cursor": "nonsense"},
    {"cursor": "WyJudW1iZXIiLCAxXQ"},
    {"cursor": "W10"},
    {"cursor": "WyItbnVtYmVyIiwgMSwgIiJd"},
    {"cursor": "WyJ2YWx1ZSIsIDEsICJ4Il0", "sort": "value"},
]


async def test_pages_and_trials_that_are_none(tried: tuple[Running, str]) -> None:
    running, experiment_id = tried
    path = f"/api/v1/experiments/{experiment_id}/trials"
    for params in NO_PAGES:
        answer = await running.client.get(path, params=params)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), params
    for number, status in (("8", 404), ("0", 422), ("x", 422), ("99999999999", 422)):
        assert (await running.client.get(f"{path}/{number}")).status_code == status, number


async def test_experiments_newest_first(start_tuner: StartTuner) -> None:
    running = await start_tuner(workers=0)
    made = [(await running.create(name=f"e{number}"))["id"] for number in range(5)]
    await running.client.post(f"/api/v1/experiments/{made[2]}/stop")

    async def listed(**params: Any) -> list[str]:
        answer = await running.client.get("/api/v1/experiments", params=params)
        assert answer.status_code == 200, answer.text
        found = [item["id"] for item in answer.json()["items"]]
        cursor = answer.json()["next_cursor"]
        return found + (await listed(**{**params, "cursor": cursor}) if cursor else [])

    assert await listed() == made[::-1]
    assert await listed(limit=2) == made[::-1]
    assert await listed(state="stopped") == [made[2]]
    assert await listed(name="e4") == [made[4]]
    assert await listed(dataset_id="01900000-0000-7000-8000-00000000d009") == []
    for params in ({"cursor": "x"}, {"state": "lost"}, {"dataset_id": "x"}, {"limit": -1}):
        assert (await running.client.get("/api/v1/experiments", params=params)).status_code == 422


@pytest.mark.parametrize("path", ["", "/trials", "/trials/1", "/events"])
async def test_an_experiment_that_is_none(start_tuner: StartTuner, path: str) -> None:
    running = await start_tuner(workers=0)
    unknown = await running.client.get(f"/api/v1/experiments/01900000-0000-7000-8000-000000000999{path}")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    assert (await running.client.get(f"/api/v1/experiments/nonsense{path}")).status_code == 422


async def test_the_catalogue(start_tuner: StartTuner) -> None:
    running = await start_tuner(workers=3, search=SearchProcess())
    algorithms = (await running.client.get("/api/v1/algorithms")).json()["items"]
    assert [each["name"] for each in algorithms] == ["random", "tpe"]
    assert all(each["description"] for each in algorithms)
    trainers = {each["name"]: each for each in (await running.client.get("/api/v1/trainers")).json()["items"]}
    bowl = trainers["quadratic"]["parameters"]
    assert bowl["x"] == {
        "type": "float", "default": 0.0, "low": -10.0, "high": 10.0, "above": False, "choices": None
    }  # fmt: skip
    assert bowl["depth"]["type"] == "int"
    assert bowl["mode"]["choices"] == ["plain", "odd"]
    assert trainers["lightgbm"]["parameters"]["learning_rate"]["above"] is True
    where = (await running.client.get("/api/v1/executor")).json()
    assert where == {"name": "local", "slots": 3, "busy": 0, "namespace": None, "nodes": None, "problem": None}


async def test_what_is_measured(tried: tuple[Running, str]) -> None:
    running, _ = tried
    text = (await running.client.get("/metrics")).text
    assert "melonkube_tuner_handover_duration_seconds_count 5.0" in text
    for name in ("trials", "leases_lost_total", "suggestion_duration_seconds", "suggestions_ahead", "workers"):
        assert f"melonkube_tuner_{name}" in text


async def test_readiness_and_the_document(start_tuner: StartTuner) -> None:
    running = await start_tuner(workers=0)
    assert (await running.client.get("/readyz")).status_code == 200
    document = (await running.client.get("/openapi.json")).json()
    operations = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(operations) == len(set(operations))
    for wanted in (
        "create_experiment", "list_experiments", "get_experiment", "delete_experiment", "stop_experiment",
        "pause_experiment", "resume_experiment", "list_trials", "get_trial", "stream_events", "suggest_experiment",
        "list_algorithms", "list_trainers", "get_executor", "lease_work", "complete_lease",
    ):  # fmt: skip
        assert wanted in operations
