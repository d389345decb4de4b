"""Models, versions, aliases, and who depends on them."""

import asyncio
import hashlib
import io
import json
import zipfile
from typing import Any

import httpx

from melonkube.contracts.ids import new_id
from tests.registry.bundles import SIGNATURE, bundle, make_version, put_bundle


async def test_a_version_is_made_of_a_completed_run_once(client: httpx.AsyncClient) -> None:
    files = bundle()
    dataset = (await client.post("/api/v1/datasets", files={"file": ("t.csv", b"x,y\n1,no\n2,yes\n")})).json()
    experiment_id, trial_id = new_id(), new_id()
    run_id = await put_bundle(
        client,
        files,
        finish=None,
        experiment_id=experiment_id,
        trial_id=trial_id,
        trial_number=7,
        attempt=1,
        dataset_id=dataset["id"],
        params={"num_leaves": 31},
        tags={
            "melonkube.experiment_name": "churn in May",
            "melonkube.seed": "42",
            "melonkube.code_version": "0.1.0",
        },
    )
    wanted = {"run_id": run_id, "description": "first"}
    early = await client.post("/api/v1/models/churn/versions", json=wanted)
    assert (early.status_code, early.json()["code"]) == (409, "conflict")
    used = {"name": "system.memory_bytes", "step": 3, "value": 1e8}  # of its training, not of the model
    points = {"points": [{"name": "auc", "step": 3, "value": 0.75}, used]}
    await client.post(f"/api/v1/runs/{run_id}/metrics", json=points)
    await client.post(f"/api/v1/runs/{run_id}/finish", json={"state": "completed"})

    made = await client.post("/api/v1/models/churn/versions", json=wanted)
    assert made.status_code == 201, made.text
    version = made.json()
    assert version["version"] == 1
    assert version["digest"] == hashlib.sha256(files["manifest.json"]).hexdigest()
    assert version["size_bytes"] == sum(map(len, files.values()))
    assert version["flavor"] == "lightgbm"
    assert version["metrics"] == {"auc": 0.75}
    assert version["input_example"] == {"x": 1.0}
    assert version["signature"]["features"][0]["name"] == SIGNATURE["features"][0]["name"]  # type: ignore[index]
    assert version["lineage"] == {
        "run_id": run_id,
        "experiment_id": experiment_id,
        "experiment_name": "churn in May",
        "trial_id": trial_id,
        "trial_number": 7,
        "dataset_id": dataset["id"],
        "dataset_name": "t",
        "dataset_version": 1,
        "dataset_sha256": dataset["sha256"],
        "code_version": "0.1.0",
        "seed": 42,
        "params": {"num_leaves": 31},
    }
    again = await client.post("/api/v1/models/churn/versions", json=wanted)
    assert (again.status_code, again.json()) == (200, version)
    assert (await client.get("/api/v1/models/churn/versions/1")).json() == version
    assert (await client.get("/api/v1/models/churn/versions")).json()["items"] == [version]
    other = await client.post("/api/v1/models/other/versions", json=wanted)
    assert (other.status_code, other.json()["version"]) == (201, 1)


async def test_the_bundle_can_be_downloaded_whole_and_by_file(client: httpx.AsyncClient) -> None:
    files = bundle("x" * 100_000)
    run_id = await put_bundle(client, files)
    await client.put(f"/api/v1/runs/{run_id}/artifacts/notes.txt", content=b"not of the bundle")
    await client.post("/api/v1/models/churn/versions", json={"run_id": run_id})
    archive = await client.get("/api/v1/models/churn/versions/1/download")
    assert archive.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(archive.content)) as opened:
        assert opened.testzip() is None
        assert {name: opened.read(name) for name in opened.namelist()} == files
    one = await client.get("/api/v1/models/churn/versions/1/files/manifest.json")
    assert one.content == files["manifest.json"]
    assert (await client.get("/api/v1/models/churn/versions/1/files/notes.txt")).status_code == 404


NO_BUNDLES: list[tuple[dict[str, Any], str]] = [
    ({"flavor": "sklearn"}, "unsafe_artifact"),
    ({"format_version": 2}, "not_a_bundle"),
    ({"files": {}}, "not_a_bundle"),
    ({"signature.json": b"{}"}, "not_a_bundle"),
    ({"signature.json": b"\xff"}, "not_a_bundle"),
    ({"golden.json": b'{"instances": [], "raw_scores": []}'}, "not_a_bundle"),
    ({"golden.json": b'{"instances": [{"x": 1}], "raw_scores": []}'}, "not_a_bundle"),
    ({"input_example.json": b"[1]"}, "not_a_bundle"),
    ({"input_example.json": b"{"}, "not_a_bundle"),
]


async def test_what_is_no_bundle_makes_no_version(client: httpx.AsyncClient) -> None:
    for changes, code in NO_BUNDLES:
        run_id = await put_bundle(client, bundle(**changes))
        answer = await client.post("/api/v1/models/churn/versions", json={"run_id": run_id})
        assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert (await client.get("/api/v1/models/churn")).status_code == 404


async def test_a_bundle_with_a_file_missing_or_changed_makes_no_version(client: httpx.AsyncClient) -> None:
    for spoil in ("missing", "changed", "no manifest"):
        files = bundle(spoil)
        if spoil == "missing":
            del files["model.txt"]
        elif spoil == "changed":
            files["model.txt"] += b"more"
        else:
            del files["manifest.json"]
        run_id = await put_bundle(client, files)
        answer = await client.post("/api/v1/models/churn/versions", json={"run_id": run_id})
        assert (answer.status_code, answer.json()["code"]) == (422, "not_a_bundle"), answer.text


async def test_models_are_made_listed_and_deleted(client: httpx.AsyncClient) -> None:
    made = await client.post("/api/v1/models", json={"name": "가격 예측", "description": "d"})
    assert made.status_code == 201
    taken = await client.post("/api/v1/models", json={"name": "가격 예측"})
    assert (taken.status_code, taken.json()["code"]) == (409, "name_taken")
    for n in range(3):
        await client.post("/api/v1/models", json={"name": f"m{n}"})
    names: list[str] = []
    cursor = None
    while True:
        params = {"limit": "3"} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/api/v1/models", params=params)).json()
        names += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert names == ["m2", "m1", "m0", "가격 예측"]
    assert (await client.delete("/api/v1/models/가격 예측")).status_code == 204
    assert (await client.get("/api/v1/models/가격 예측")).status_code == 404


async def test_version_numbers_are_never_given_twice(client: httpx.AsyncClient) -> None:
    await make_version(client, salt="a")
    await make_version(client, salt="b")
    assert (await client.delete("/api/v1/models/churn/versions/2")).status_code == 204
    assert (await make_version(client, salt="c"))["version"] == 3
    model = (await client.get("/api/v1/models/churn")).json()
    assert (model["latest_version"], model["versions"]) == (3, 2)


async def test_aliases_move_and_protect_their_version(client: httpx.AsyncClient) -> None:
    await make_version(client, salt="a")
    await make_version(client, salt="b")
    url = "/api/v1/models/churn/aliases/champion"
    assert (await client.put(url, json={"version": 9})).status_code == 404
    for version in (1, 2):
        assert (await client.put(url, json={"version": version})).json()["version"] == version
    assert (await client.get(url)).json()["version"] == 2
    assert [a["alias"] for a in (await client.get("/api/v1/models/churn/aliases")).json()["items"]] == ["champion"]
    assert (await client.get("/api/v1/models/churn")).json()["aliases"] == {"champion": 2}
    assert (await client.get("/api/v1/models/churn/versions/2")).json()["aliases"] == ["champion"]
    held = await client.delete("/api/v1/models/churn/versions/2")
    assert (held.status_code, held.json()["code"]) == (409, "in_use")
    assert "champion" in held.json()["detail"]
    assert (await client.delete("/api/v1/models/churn/versions/1")).status_code == 204
    assert (await client.delete(url)).status_code == 204
    assert (await client.get(url)).status_code == 404
    assert (await client.delete(url)).status_code == 404


async def test_what_an_endpoint_depends_on_stays(client: httpx.AsyncClient, service: httpx.AsyncClient) -> None:
    await make_version(client, salt="a")
    await make_version(client, salt="b")
    await client.put("/api/v1/models/churn/aliases/champion", json={"version": 2})
    holder = "/internal/references/endpoint:shop"
    for unknown in ({"version": 9}, {"alias": "none"}):
        assert (await service.put(holder, json={"model": "churn", **unknown})).status_code == 404
    assert (await service.put(holder, json={"model": "churn"})).status_code == 422
    assert (await service.put(holder, json={"model": "churn", "version": 1})).status_code == 204
    for what in ("versions/1", ""):
        answer = await client.delete(f"/api/v1/models/churn/{what}".rstrip("/"))
        assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
        assert "Endpoint 'shop'" in answer.json()["detail"]
    assert (await service.put(holder, json={"model": "churn", "alias": "champion"})).status_code == 204
    assert (await client.delete("/api/v1/models/churn/versions/1")).status_code == 204
    answer = await client.delete("/api/v1/models/churn/aliases/champion")
    assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
    for _ in range(2):
        assert (await service.delete(holder)).status_code == 204
    assert (await client.delete("/api/v1/models/churn")).status_code == 204


async def test_a_run_that_became_a_version_stays(client: httpx.AsyncClient, service: httpx.AsyncClient) -> None:
    experiment_id = new_id()
    run_id = await put_bundle(client, bundle(), experiment_id=experiment_id)
    await client.post("/api/v1/models/churn/versions", json={"run_id": run_id})
    for who, url in ((client, f"/api/v1/runs/{run_id}"), (service, f"/internal/experiments/{experiment_id}/runs")):
        answer = await who.delete(url)
        assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
        assert "Version 1 of model 'churn'" in answer.json()["detail"]
    await client.delete("/api/v1/models/churn")
    assert (await service.delete(f"/internal/experiments/{experiment_id}/runs")).status_code == 204
    assert (await client.get(f"/api/v1/runs/{run_id}")).status_code == 404


async def test_followers_learn_where_aliases_point(client: httpx.AsyncClient, service: httpx.AsyncClient) -> None:
    async def changes(after: int, wait: float = 0) -> dict[str, Any]:
        answer = await service.get("/internal/changes", params={"after": after, "wait": wait})
        found: dict[str, Any] = answer.json()
        return found

    assert await changes(0) == {"items": [], "next": 0}
    await make_version(client, salt="a")
    await make_version(client, salt="b")
    waiting = asyncio.create_task(changes(0, wait=30))
    await asyncio.sleep(0)
    await client.put("/api/v1/models/churn/aliases/champion", json={"version": 1})
    first = await waiting
    assert first == {"items": [{"seq": 1, "model": "churn", "alias": "champion", "version": 1}], "next": 1}
    assert await changes(1) == {"items": [], "next": 1}
    await client.put("/api/v1/models/churn/aliases/champion", json={"version": 1})
    assert await changes(1) == {"items": [], "next": 1}
    await client.put("/api/v1/models/churn/aliases/champion", json={"version": 2})
    await client.put("/api/v1/models/churn/aliases/other", json={"version": 1})
    assert [(c["seq"], c["alias"], c["version"]) for c in (await changes(1))["items"]] == [
        (2, "champion", 2),
        (3, "other", 1),
    ]
    await client.delete("/api/v1/models/churn/aliases/other")
    await client.delete("/api/v1/models/churn")
    state = await changes(0)
    assert [(c["alias"], c["version"]) for c in state["items"]] == [("other", None), ("champion", None)]
    assert state["next"] == 5
    assert await changes(99) == state


async def test_internal_calls_are_for_services_alone(client: httpx.AsyncClient) -> None:
    for method, url in (
        ("GET", "/internal/changes"),
        ("PUT", "/internal/references/x"),
        ("DELETE", f"/internal/experiments/{new_id()}/runs"),
        ("GET", f"/internal/datasets/{new_id()}/columns?name=a"),
    ):
        answer = await client.request(method, url, content=json.dumps({}))
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
