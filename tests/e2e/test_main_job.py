"""From a table to a prediction, for each task, through the public port."""

import io
import json
import zipfile
from typing import Any

import lightgbm
import pytest

from tests.e2e.api import Api, table

pytestmark = pytest.mark.e2e

INSTANCE: dict[str, Any] = {"size": 1.5, "weight": 60.0, "city": "서울", "day": "2025-07-01", "member": True}


@pytest.mark.parametrize(
    ("task", "metric", "direction"),
    [("binary", "auc", "maximize"), ("multiclass", "logloss", "minimize"), ("regression", "rmse", "minimize")],
)
def test_upload_tune_deploy_predict(api: Api, task: str, metric: str, direction: str) -> None:
    dataset = api.upload(table(1500, task=task, seed=1), f"job-{task}")
    assert dataset["state"] == "ready"
    assert dataset["rows"] == 1500
    kinds = {column["name"]: (column["kind"], column["role"]) for column in dataset["columns"]}
    assert kinds["size"] == ("numeric", "feature")
    assert kinds["city"] == ("categorical", "feature")
    assert kinds["day"] == ("datetime", "feature")
    assert kinds["member"] == ("boolean", "feature")
    assert kinds["id"][1] == "id"
    assert kinds["constant"][1] == "ignored"

    experiment = api.tune(dataset["id"], name=f"job {task}", budget={"max_trials": 6}, seed=7)
    assert (experiment["task"], experiment["metric"], experiment["direction"]) == (task, metric, direction)
    done = api.wait(experiment["id"])
    assert done["state"] == "completed", done
    assert done["trials"]["completed"] == 6
    assert done["trials"]["failed"] == done["trials"]["running"] == 0
    assert done["best"]["holdout_value"] is not None
    assert done["baseline"]["number"] == 1
    assert done["baseline"]["holdout_value"] is not None

    trials = api.trials(experiment["id"])
    assert sorted(trial["number"] for trial in trials) == [1, 2, 3, 4, 5, 6]
    values = [trial["value"] for trial in trials]
    best = max(values) if direction == "maximize" else min(values)
    assert done["best"]["value"] == best

    run = api.get(f"/api/v1/runs/{done['best']['run_id']}")
    assert run["state"] == "completed"
    assert run["params"]
    series = api.get(f"/api/v1/runs/{run['id']}/metrics")["items"]
    assert any(len(one["points"]) > 1 for one in series)
    assert api.get(f"/api/v1/runs/{run['id']}/logs")["items"]
    paths = {artifact["path"] for artifact in api.get(f"/api/v1/runs/{run['id']}/artifacts")["items"]}
    assert {"model/manifest.json", "model/model.txt", "model/signature.json", "model/golden.json"} <= paths

    name = f"job-{task}"
    endpoint = api.deploy(name, experiment_id=experiment["id"])
    assert (endpoint["state"], endpoint["model"], endpoint["version"]) == ("ready", f"job {task}", 1)
    again = api.deploy(name, experiment_id=experiment["id"])
    assert again["version"] == 1, "the same winner deployed again makes no second version"

    answer = api.predict(name, INSTANCE, {**INSTANCE, "city": "Atlantis", "size": None})
    assert len(answer["predictions"]) == 2
    assert (answer["model"], answer["version"], answer["digest"]) == (f"job {task}", 1, endpoint["digest"])
    assert any("Atlantis" in warning for warning in answer["warnings"])
    if task == "regression":
        assert answer.get("probabilities") is None
        assert isinstance(answer["predictions"][0], float)
    else:
        classes = {"yes", "no"} if task == "binary" else {"low", "mid", "high"}
        for prediction, probabilities in zip(answer["predictions"], answer["probabilities"], strict=True):
            assert set(probabilities) == classes
            assert sum(probabilities.values()) == pytest.approx(1.0)
            assert prediction == max(probabilities, key=lambda one: probabilities[one])

    downloaded = api.http.get(f"/api/v1/models/job%20{task}/versions/1/download")
    assert downloaded.status_code == 200
    with zipfile.ZipFile(io.BytesIO(downloaded.content)) as bundle:
        names = bundle.namelist()
        model_text = next(one for one in names if one.endswith("model.txt"))
        lightgbm.Booster(model_str=bundle.read(model_text).decode())
        signature = json.loads(bundle.read(next(one for one in names if one.endswith("signature.json"))))
    assert [column["name"] for column in signature["features"]] == ["size", "weight", "city", "day", "member"]


def test_integer_labels_come_back_as_integers(api: Api) -> None:
    content = table(600, seed=2).replace(b",yes\r\n", b",1\r\n").replace(b",no\r\n", b",0\r\n")
    dataset = api.upload(content, "labels")
    experiment = api.tune(dataset["id"], name="labels", budget={"max_trials": 2})
    assert api.wait(experiment["id"])["state"] == "completed"
    api.deploy("labels", experiment_id=experiment["id"])
    answer = api.predict("labels", INSTANCE)
    assert answer["predictions"][0] in (0, 1)
    assert type(answer["predictions"][0]) is int
    assert set(answer["probabilities"][0]) == {"0", "1"}


def test_what_depends_cannot_be_deleted_and_the_rest_can(api: Api) -> None:
    dataset = api.upload(table(400, seed=3), "deletable")
    experiment = api.tune(dataset["id"], name="deletable", budget={"max_trials": 2})
    api.wait(experiment["id"])
    api.deploy("deletable", experiment_id=experiment["id"])
    for path in (
        f"/api/v1/datasets/{dataset['id']}",
        f"/api/v1/experiments/{experiment['id']}",
        "/api/v1/models/deletable",
        "/api/v1/models/deletable/versions/1",
    ):
        answer = api.http.delete(path)
        assert (answer.status_code, answer.json()["code"]) == (409, "in_use"), (path, answer.text)
    for path in (
        "/api/v1/endpoints/deletable",
        "/api/v1/models/deletable",
        f"/api/v1/experiments/{experiment['id']}",
        f"/api/v1/datasets/{dataset['id']}",
    ):
        answer = api.http.delete(path)
        assert answer.status_code == 204, (path, answer.text)
        assert api.http.get(path).status_code == 404


def test_an_endpoint_follows_an_alias(api: Api) -> None:
    dataset = api.upload(table(500, seed=4), "followed")
    versions = []
    for number in (1, 2):
        experiment = api.tune(dataset["id"], name=f"followed {number}", budget={"max_trials": 2}, seed=number)
        best = api.wait(experiment["id"])["best"]
        answer = api.http.post("/api/v1/models/followed/versions", json={"run_id": best["run_id"]})
        assert answer.status_code == 201, answer.text
        versions.append(answer.json()["version"])
    assert versions == [1, 2]
    assert api.http.put("/api/v1/models/followed/aliases/champion", json={"version": 1}).status_code in (200, 201)
    assert api.deploy("followed", model="followed", alias="champion")["version"] == 1
    assert api.http.put("/api/v1/models/followed/aliases/champion", json={"version": 2}).status_code == 200
    seen = {api.predict("followed", INSTANCE)["version"]}
    for _ in range(2000):
        seen.add(api.predict("followed", INSTANCE)["version"])
        if 2 in seen:
            break
    assert seen == {1, 2} or seen == {2}


def test_pause_resume_stop(api: Api) -> None:
    dataset = api.upload(table(2000, seed=5, hard=True), "controlled")
    experiment = api.tune(dataset["id"], name="controlled", budget={"max_trials": 500})
    path = f"/api/v1/experiments/{experiment['id']}"
    assert api.http.delete(path).status_code == 409
    for event in api.events(experiment["id"]):
        if event["type"] == "trial" and event["data"]["state"] == "completed":
            break
    assert api.http.post(f"{path}/pause").json()["state"] == "paused"
    for event in api.events(experiment["id"]):
        if (
            event["type"] == "experiment"
            and event["data"]["state"] == "paused"
            and not event["data"]["trials"]["running"]
        ):
            break
        if event["type"] == "trial" and api.get(path)["trials"]["running"] == 0:
            break
    counted = api.get(path)["trials"]
    assert counted["running"] == 0
    assert api.http.post(f"{path}/resume").json()["state"] in ("running", "queued")
    before = counted["completed"]
    for event in api.events(experiment["id"], api.get(path)["last_event"]):
        if event["type"] == "trial" and event["data"]["state"] == "completed":
            break
    assert api.http.post(f"{path}/stop").status_code == 200
    done = api.wait(experiment["id"])
    assert done["state"] == "stopped"
    assert done["trials"]["completed"] > before
    assert done["trials"]["running"] == 0
    assert done["best"]["holdout_value"] is not None
    assert {trial["state"] for trial in api.trials(experiment["id"])} <= {"completed", "stopped"}
    answer = api.http.post(f"{path}/resume")
    assert (answer.status_code, answer.json()["code"]) == (409, "experiment_finished")


def test_a_budget_of_seconds_ends_the_search(api: Api) -> None:
    dataset = api.upload(table(1500, seed=6, hard=True), "timed")
    experiment = api.tune(dataset["id"], name="timed", budget={"max_seconds": 4})
    done = api.wait(experiment["id"])
    assert done["state"] == "completed"
    assert done["trials"]["total"] is None
    assert done["trials"]["completed"] >= 1


def test_the_same_seed_and_one_worker_give_the_same_trials(api: Api) -> None:
    dataset = api.upload(table(500, seed=8), "repeated")
    params = []
    for attempt in (1, 2):
        experiment = api.tune(
            dataset["id"], name=f"repeated {attempt}", budget={"max_trials": 14}, seed=11, parallelism=1
        )
        api.wait(experiment["id"])
        trials = sorted(api.trials(experiment["id"]), key=lambda one: int(one["number"]))
        params.append([(trial["params"], trial["value"]) for trial in trials])
    assert params[0] == params[1]


def test_an_idempotency_key_makes_one_thing(api: Api) -> None:
    content = table(300, seed=9)
    sent: dict[str, Any] = {"files": {"file": ("t.csv", content)}, "headers": {"Idempotency-Key": "upload-1"}}
    first = api.http.post("/api/v1/datasets", data={"name": "once"}, **sent)
    second = api.http.post("/api/v1/datasets", data={"name": "once"}, **sent)
    assert first.json()["id"] == second.json()["id"]
    body = {"dataset_id": first.json()["id"], "target": "y", "name": "once", "budget": {"max_trials": 1}}
    made = [api.http.post("/api/v1/experiments", json=body, headers={"Idempotency-Key": "tune-1"}) for _ in range(2)]
    assert made[0].json()["id"] == made[1].json()["id"]
    other = api.http.post(
        "/api/v1/experiments", json={**body, "name": "another"}, headers={"Idempotency-Key": "tune-1"}
    )
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    api.wait(made[0].json()["id"])
