"""Runs: what they keep, what they refuse, and to whom they answer."""

import hashlib
from typing import Any

import httpx

from melonkube.contracts.ids import new_id
from tests.registry.conftest import Registry


async def make_run(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await client.post("/api/v1/runs", json=fields)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_a_run_made_twice_is_one(client: httpx.AsyncClient) -> None:
    wanted = {"id": new_id(), "trial_id": new_id(), "attempt": 1, "params": {"a": 1, "b": 0.5, "c": "x", "d": True}}
    first = await make_run(client, **wanted)
    again = await client.post("/api/v1/runs", json=wanted)
    assert (again.status_code, again.json()) == (200, first)
    other_id = await client.post("/api/v1/runs", json={**wanted, "id": new_id()})
    assert (other_id.status_code, other_id.json()) == (200, first)
    assert first["params"] == wanted["params"]


async def test_artifacts_come_back_as_they_went(client: httpx.AsyncClient, registry: Registry) -> None:
    run = await make_run(client)
    url = f"/api/v1/runs/{run['id']}/artifacts/model/model.txt"
    small, large = b"tree\n" * 10, bytes(range(256)) * 40_000
    for data, status in ((small, 201), (small, 200), (large, 200)):
        digest = hashlib.sha256(data).hexdigest()
        answer = await client.put(url, content=data, headers={"X-Content-SHA256": digest})
        assert answer.status_code == status, answer.text
        assert answer.json()["sha256"] == digest
        got = await client.get(url)
        assert got.content == data
        assert got.headers["etag"] == f'"{digest}"'
    listed = (await client.get(f"/api/v1/runs/{run['id']}/artifacts")).json()
    assert [item["path"] for item in listed["items"]] == ["model/model.txt"]
    await registry.app.state.parts.blobs.collect()
    assert [path.stat().st_size for path in registry.blob_files()] == [len(large)]


async def test_metrics_logs_and_the_end(client: httpx.AsyncClient) -> None:
    run = await make_run(client)
    base = f"/api/v1/runs/{run['id']}"
    points = [{"name": "auc", "step": step, "value": step / 10} for step in (0, 2, 1)]
    assert (await client.post(f"{base}/metrics", json={"points": points})).status_code == 204
    late = {"points": [{"name": "auc", "step": 1, "value": 0.7}]}
    assert (await client.post(f"{base}/metrics", json=late)).status_code == 204
    series = (await client.get(f"{base}/metrics")).json()["items"]
    assert [(p["step"], p["value"]) for p in series[0]["points"]] == [(0, 0.0), (1, 0.7), (2, 0.2)]
    lines = [{"seq": n, "at": "2026-01-01T00:00:00Z", "message": f"line {n}"} for n in range(5)]
    for some in (lines[:3], lines[1:]):
        assert (await client.post(f"{base}/logs", json={"lines": some})).status_code == 204
    page = (await client.get(f"{base}/logs", params={"limit": 3})).json()
    rest = (await client.get(f"{base}/logs", params={"cursor": page["next_cursor"]})).json()
    assert [line["message"] for line in page["items"] + rest["items"]] == [f"line {n}" for n in range(5)]
    assert rest["next_cursor"] is None

    ended = await client.post(f"{base}/finish", json={"state": "completed"})
    assert (ended.status_code, ended.json()["state"], ended.json()["metrics"]) == (200, "completed", {"auc": 0.2})
    assert (await client.post(f"{base}/finish", json={"state": "completed"})).json() == ended.json()
    assert (await client.post(f"{base}/finish", json={"state": "failed"})).status_code == 409
    assert (await client.post(f"{base}/metrics", json=late)).status_code == 204
    late["points"][0]["value"] = 0.8
    assert (await client.post(f"{base}/metrics", json=late)).status_code == 409
    assert (await client.post(f"{base}/logs", json={"lines": lines})).status_code == 204
    lines[0]["seq"] = 9
    assert (await client.post(f"{base}/logs", json={"lines": lines})).status_code == 409
