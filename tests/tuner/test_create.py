"""Making an experiment: what is inferred, every bad request, and nothing half made."""

import asyncio
from typing import Any

import pytest

from melonkube.contracts.signature import Column, Dtype, Kind
from melonkube.tabular.split import read_split
from tests.conftest import MakeToken
from tests.tuner.conftest import Running, StartTuner
from tests.tuner.stand_in import DATASET_ID, OTHER_ID, StandIn, dataset


@pytest.fixture
async def running(start_tuner: StartTuner) -> Running:
    return await start_tuner(workers=0)


BODY = {"dataset_id": DATASET_ID, "target": "label", "trainer": "quadratic", "algorithm": "random"}


async def post(running: Running, **changes: Any) -> tuple[int, dict[str, Any]]:
    answer = await running.client.post("/api/v1/experiments", json={**BODY, **changes})
    told: dict[str, Any] = answer.json()
    return answer.status_code, told


def nothing_made(registry: StandIn) -> bool:
    return not registry.runs and not registry.artifacts


async def test_everything_is_inferred(running: Running, tmp_path: Any) -> None:
    made = await running.create()
    assert made["name"] == "people-label"
    assert made["state"] == "queued"
    assert made["task"] == "binary"
    assert made["metric"] == "auc"
    assert made["direction"] == "maximize"
    assert made["budget"]["max_trials"] == 50
    assert made["budget"]["max_seconds"] == 600.0
    assert made["search_space"].keys() == {"x", "y"}
    roles = {column["name"]: column["role"] for column in made["columns"]}
    assert roles["label"] == "target"
    assert roles["id"] == "id"
    assert roles["note"] == "ignored"
    assert roles["age"] == "feature"
    assert made["split"]["method"] == "stratified"
    assert made["split"]["train"] + made["split"]["validation"] + made["split"]["holdout"] == 200
    run = running.registry.runs[made["run_id"]]
    assert run["experiment_id"] == made["id"]
    stored = running.registry.artifacts[(made["run_id"], "split.parquet")]
    path = tmp_path / "split.parquet"
    path.write_bytes(stored)
    assert len(read_split(path).train) == made["split"]["train"]
    assert await running.get(made["id"]) == {**made, "last_event": 1}


async def test_a_number_is_regression(running: Running) -> None:
    made = await running.create(target="price")
    assert (made["task"], made["metric"], made["direction"]) == ("regression", "rmse", "minimize")
    assert made["split"]["method"] == "random"


async def test_the_user_decides_otherwise(running: Running) -> None:
    made = await running.create(
        name="Mine",
        metric="logloss",
        seed=11,
        columns={"age": {"role": "ignored"}, "note": {"kind": "categorical"}, "id": {"role": "feature"}},
        budget={"max_trials": 3},
        split={"validation": 0.3, "holdout": 0.1},
    )
    columns = {column["name"]: column for column in made["columns"]}
    assert columns["age"]["role"] == "ignored"
    assert columns["age"]["reason"] == "chosen"
    assert (columns["note"]["kind"], columns["note"]["role"]) == ("categorical", "feature")
    assert columns["id"]["role"] == "feature"
    assert (made["name"], made["metric"], made["seed"]) == ("Mine", "logloss", 11)
    assert made["budget"] == {
        "max_trials": 3, "max_seconds": None, "max_failed_trials": 5, "max_trial_seconds": None
    }  # fmt: skip
    assert abs(made["split"]["validation"] - 60) <= 2
    assert abs(made["split"]["holdout"] - 20) <= 2


@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        ({"target": "nothing"}, "target_unknown", "/target"),
        ({"target": "flat"}, "target_constant", "/target"),
        ({"target": "void"}, "target_missing", "/target"),
        ({"target": "rare"}, "target_rare_class", "/target"),
        ({"target": "label", "task": "regression"}, "target_not_numeric", "/target"),
        ({"target": "note"}, "target_rare_class", "/target"),
        ({"metric": "rmse"}, "metric_not_for_task", "/metric"),
        ({"algorithm": "guess"}, "algorithm_unknown", "/algorithm"),
        ({"trainer": "magic"}, "trainer_unknown", "/trainer"),
        ({"columns": {"ages": {"role": "ignored"}}}, "column_unknown", "/columns/ages"),
        ({"columns": {"a/b~c": {"role": "id"}}}, "column_unknown", "/columns/a~1b~0c"),
        ({"columns": {"age": {"kind": "datetime"}}}, "column_kind_impossible", "/columns/age/kind"),
        ({"columns": {"note": {"role": "feature"}}}, "column_kind_impossible", "/columns/note/role"),
        ({"search_space": {"z": {"value": 1}}}, "parameter_unknown", "/search_space/z"),
        (
            {"search_space": {"x": {"type": "float", "low": -99, "high": 0}}},
            "search_space_invalid",
            "/search_space/x",
        ),
        ({"search_space": {"x": {"value": 1.0}}}, "search_space_invalid", "/search_space"),
        (
            {"columns": {name: {"role": "ignored"} for name in ("age", "city", "joined", "price", "rare")}},
            "no_features",
            "/columns",
        ),
    ],
)
async def test_a_request_that_cannot_be(running: Running, changes: dict[str, Any], code: str, pointer: str) -> None:
    status, problem = await post(running, **changes)
    assert status == 422
    assert problem["code"] == code
    assert [item["pointer"] for item in problem["errors"]] == [pointer]
    assert problem["detail"]
    assert nothing_made(running.registry)
    assert (await running.client.get("/api/v1/experiments")).json()["items"] == []


async def test_every_fault_is_named_at_once(running: Running) -> None:
    status, problem = await post(
        running,
        algorithm="guess",
        metric="rmse",
        columns={"ages": {"role": "id"}, "age": {"kind": "text"}},
        search_space={"z": {"value": 1}, "depth": {"type": "int", "low": 0, "high": 4}},
    )
    assert status == 422
    assert problem["code"] == "invalid_request"
    assert {item["code"] for item in problem["errors"]} == {
        "algorithm_unknown",
        "metric_not_for_task",
        "column_unknown",
        "column_kind_impossible",
        "parameter_unknown",
        "search_space_invalid",
    }


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"dataset_id": DATASET_ID},
        {**BODY, "unknown": 1},
        {**BODY, "dataset_id": "not an id"},
        {**BODY, "budget": {"max_trials": 0}},
        {**BODY, "budget": {"max_seconds": -1}},
        {**BODY, "parallelism": 0},
        {**BODY, "seed": -1},
        {**BODY, "name": "a/b"},
        {**BODY, "name": ""},
        {**BODY, "target": "lab\x00el"},
        {**BODY, "trials_per_worker": "some"},
        {**BODY, "trials_per_worker": 0},
        {**BODY, "split": {"validation": 0.6, "holdout": 0.6}},
        {**BODY, "search_space": {"x": {"type": "float", "low": 2, "high": 1}}},
        {**BODY, "search_space": {"x": {"type": "float", "low": 0, "high": 1, "log": True}}},
        {**BODY, "search_space": {"x": {"type": "categorical", "choices": []}}},
        {**BODY, "search_space": {"x": {"type": "bool"}}},
        {**BODY, "columns": {"age": {"kind": "numbers"}}},
    ],
)
async def test_a_request_of_the_wrong_shape(running: Running, body: dict[str, Any]) -> None:
    answer = await running.client.post("/api/v1/experiments", json=body)
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_request"
    assert answer.json()["errors"]
    assert nothing_made(running.registry)


async def test_a_data_set_that_is_not_there(running: Running) -> None:
    status, problem = await post(running, dataset_id=OTHER_ID)
    assert (status, problem["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("state", "status", "code"), [("parsing", 409, "dataset_not_ready"), ("failed", 422, "dataset_failed")]
)
async def test_a_data_set_that_is_not_ready(running: Running, state: str, status: int, code: str) -> None:
    running.registry.datasets[DATASET_ID] = dataset(state=state)
    got, problem = await post(running)
    assert (got, problem["code"]) == (status, code)


async def test_too_few_rows(running: Running) -> None:
    running.registry.table = running.registry.table.slice(0, 10)
    status, problem = await post(running)
    assert (status, problem["code"]) == (422, "too_few_rows")


async def test_names_are_unique_and_default_names_are_counted(running: Running) -> None:
    await running.create(name="one")
    status, problem = await post(running, name="one")
    assert (status, problem["code"]) == (409, "name_taken")
    assert len(running.registry.runs) == 1
    names = [(await running.create())["name"] for _ in range(3)]
    assert names == ["people-label", "people-label-2", "people-label-3"]


async def test_a_name_with_signs_that_sql_takes_for_wildcards(running: Running) -> None:
    for name in ("50%", "50_", "50%-x", "r\\50"):
        assert (await running.create(name=name))["name"] == name


async def test_of_two_calls_at_once_for_one_name_one_wins(running: Running) -> None:
    answers = await asyncio.gather(*(post(running, name="race") for _ in range(4)))
    assert sorted(status for status, _ in answers) == [201, 409, 409, 409]
    assert len(running.registry.runs) == 1


async def test_default_names_at_once_are_all_different(running: Running) -> None:
    answers = await asyncio.gather(*(post(running) for _ in range(4)))
    assert [status for status, _ in answers] == [201] * 4
    assert len({body["name"] for _, body in answers}) == 4


async def test_the_same_key_makes_one_experiment(running: Running) -> None:
    async def send(body: dict[str, Any]) -> tuple[int, str]:
        answer = await running.client.post("/api/v1/experiments", json=body, headers={"Idempotency-Key": "k"})
        return answer.status_code, answer.json().get("id", answer.json().get("code"))

    first = await send(BODY)
    assert first[0] == 201
    assert await send(BODY) == (200, first[1])
    assert await send({**BODY, "seed": 3}) == (409, "idempotency_key_reused")
    assert len(running.registry.runs) == 1


async def test_the_same_key_at_once_makes_one_experiment(running: Running) -> None:
    async def send() -> str:
        answer = await running.client.post("/api/v1/experiments", json=BODY, headers={"Idempotency-Key": "k"})
        assert answer.status_code in (200, 201), answer.text
        made: str = answer.json()["id"]
        return made

    assert len(set(await asyncio.gather(*(send() for _ in range(4))))) == 1
    assert len(running.registry.runs) == 1


async def test_a_registry_that_fails_leaves_nothing_half_made(running: Running) -> None:
    running.registry.broken["artifact"] = 503
    status, problem = await post(running)
    assert (status, problem["code"]) == (503, "not_ready")
    assert nothing_made(running.registry)
    assert (await running.client.get("/api/v1/experiments")).json()["items"] == []
    running.registry.broken.clear()
    await running.create()


async def test_another_workspace_sees_nothing(running: Running, make_token: MakeToken) -> None:
    made = await running.create()
    headers = {"Authorization": f"Bearer {make_token('tuner', workspace_id='00000000-0000-7000-8000-00000000000f')}"}
    base = f"/api/v1/experiments/{made['id']}"
    for path in (base, f"{base}/trials", f"{base}/trials/1", f"{base}/events"):
        assert (await running.client.get(path, headers=headers)).status_code == 404
    for verb in ("stop", "pause", "resume"):
        assert (await running.client.post(f"{base}/{verb}", headers=headers)).status_code == 404
    assert (await running.client.delete(base, headers=headers)).status_code == 404
    assert (await running.client.get("/api/v1/experiments", headers=headers)).json()["items"] == []


async def test_a_form_is_told_the_same_without_making_anything(running: Running) -> None:
    body = {"dataset_id": DATASET_ID, "target": "label", "columns": {"age": {"role": "ignored"}}}
    answer = await running.client.post("/api/v1/suggestions", json=body)
    assert answer.status_code == 200
    told = answer.json()
    assert (told["task"], told["metric"]) == ("binary", "auc")
    assert told["metrics"] == ["auc", "logloss", "accuracy", "f1_macro"]
    assert "learning_rate" in told["search_space"]
    assert told["budget"]["max_trials"] == 50
    assert {column["name"] for column in told["columns"] if column["role"] == "feature"} == {
        "city", "joined", "price", "rare"
    }  # fmt: skip
    assert nothing_made(running.registry)
    wrong = await running.client.post("/api/v1/suggestions", json={**body, "target": "flat"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "target_constant")
    assert wrong.json()["errors"][0]["pointer"] == "/target"


async def test_columns_with_odd_names_and_boolean_targets(running: Running) -> None:
    import pyarrow as pa

    running.registry.table = running.registry.table.append_column(
        "소득/년 ~%", pa.array([number % 2 == 0 for number in range(200)])
    )
    extra = Column(name="소득/년 ~%", dtype=Dtype.BOOLEAN, kind=Kind.BOOLEAN)
    running.registry.datasets[DATASET_ID] = dataset(columns=[*dataset().columns, extra])
    made = await running.create(target="소득/년 ~%")
    assert made["task"] == "binary"
    assert made["name"] == "people-소득 년 ~%"
