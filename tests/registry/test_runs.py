"""Runs: what they keep, what they refuse, and to whom they answer."""

from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from melonkube.contracts.ids import new_id
from melonkube.contracts.runs import MetricPoint
from melonkube.registry.runs.domain import last_points, unique_points
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


def form(*files: tuple[str, bytes]) -> list[tuple[str, tuple[str, bytes]]]:
    return [(path, (path.rsplit("/", 1)[-1], data)) for path, data in files]


@pytest.mark.parametrize("state", ["lost", "stopped", "failed"])
async def test_the_tuner_alone_writes_an_ended_attempt_off(
    client: httpx.AsyncClient, registry: Registry, state: str
) -> None:
    tuner = await registry.client(scope="service")
    end = {"state": state, "reason": "it was over before the trial's end"}
    attempt = await make_run(client, trial_id=new_id(), attempt=1)
    own = await make_run(client)
    for run in (attempt, own):
        assert (await client.post(f"/api/v1/runs/{run['id']}/finish", json={"state": "completed"})).status_code == 200
        assert (await client.post(f"/api/v1/runs/{run['id']}/finish", json=end)).status_code == 409
    assert (await tuner.post(f"/api/v1/runs/{own['id']}/finish", json=end)).status_code == 409
    for _ in range(2):
        written = (await tuner.post(f"/api/v1/runs/{attempt['id']}/finish", json=end)).json()
        assert (written["state"], written["reason"]) == (state, end["reason"])
    for who in (client, tuner):
        assert (await who.post(f"/api/v1/runs/{attempt['id']}/finish", json={"state": "completed"})).status_code == 409


async def test_nothing_is_added_to_a_run_that_has_ended(client: httpx.AsyncClient) -> None:
    run = await make_run(client)
    base = f"/api/v1/runs/{run['id']}"
    await client.put(f"{base}/artifacts/a", content=b"x")
    await client.post(f"{base}/finish", json={"state": "lost", "reason": "its worker is gone"})
    assert (await client.get(base)).json()["reason"] == "its worker is gone"
    assert (await client.put(f"{base}/artifacts/a", content=b"x")).status_code == 200
    for path, data in (("a", b"y"), ("b", b"x")):
        answer = await client.put(f"{base}/artifacts/{path}", content=data)
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert (await client.get(f"{base}/artifacts/a")).content == b"x"


async def test_a_worker_touches_runs_of_its_own_experiment_alone(client: httpx.AsyncClient, registry: Registry) -> None:
    experiment_id, dataset_id = new_id(), new_id()
    worker = await registry.client(scope="worker", experiment_id=experiment_id, dataset_id=dataset_id)
    own = await make_run(worker, experiment_id=experiment_id, trial_id=new_id(), attempt=1)
    other = await make_run(client, experiment_id=new_id())
    bare = await make_run(client)
    for fields in ({"experiment_id": other["experiment_id"]}, {}, {"id": other["id"], "experiment_id": experiment_id}):
        answer = await worker.post("/api/v1/runs", json=fields)
        assert answer.status_code in (404, 409)
    wrong = await worker.post("/api/v1/runs", json={"experiment_id": experiment_id, "dataset_id": new_id()})
    assert wrong.status_code == 404
    batch = {"points": [{"name": "auc", "step": 0, "value": 1}]}
    for run, ok in ((own, True), (other, False), (bare, False)):
        base = f"/api/v1/runs/{run['id']}"
        for answer in (
            await worker.get(base),
            await worker.post(f"{base}/metrics", json=batch),
            await worker.get(f"{base}/metrics"),
            await worker.post(f"{base}/logs", json={"lines": []}),
            await worker.get(f"{base}/logs"),
            await worker.put(f"{base}/artifacts/a", content=b"x"),
            await worker.post(f"{base}/artifacts", files=form(("b", b"x"))),
            await worker.get(f"{base}/artifacts"),
            await worker.get(f"{base}/artifacts/a"),
            await worker.post(f"{base}/finish", json={"state": "completed"}),
        ):
            assert (answer.status_code < 300) is ok, answer.text
            assert ok or answer.status_code == 404
    assert (await worker.get("/api/v1/runs")).status_code == 403
    assert (await worker.delete(f"/api/v1/runs/{own['id']}")).status_code == 403


async def test_another_workspace_sees_nothing(client: httpx.AsyncClient, registry: Registry) -> None:
    run = await make_run(client)
    stranger = await registry.client(workspace_id=new_id())
    assert (await stranger.get(f"/api/v1/runs/{run['id']}")).status_code == 404
    assert (await stranger.get("/api/v1/runs")).json()["items"] == []
    taken = await stranger.post("/api/v1/runs", json={"id": run["id"]})
    assert (taken.status_code, taken.json()["code"]) == (409, "conflict")


async def test_runs_by_experiment_in_pages(client: httpx.AsyncClient, service: httpx.AsyncClient) -> None:
    experiment_id = new_id()
    made = [(await make_run(client, experiment_id=experiment_id))["id"] for _ in range(5)]
    await make_run(client)
    seen: list[str] = []
    params = {"limit": "2", "experiment_id": experiment_id}
    while True:
        page = (await client.get("/api/v1/runs", params=params)).json()
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
    assert seen == made[::-1]
    assert len((await client.get("/api/v1/runs")).json()["items"]) == 6
    assert (await service.delete(f"/internal/experiments/{experiment_id}/runs")).status_code == 204
    assert len((await client.get("/api/v1/runs")).json()["items"]) == 1


async def test_a_run_of_a_trial_goes_with_its_experiment(client: httpx.AsyncClient, service: httpx.AsyncClient) -> None:
    run = await make_run(client, experiment_id=new_id(), trial_id=new_id(), attempt=1)
    held = await client.delete(f"/api/v1/runs/{run['id']}")
    assert (held.status_code, held.json()["code"]) == (409, "in_use")
    assert (await service.delete(f"/api/v1/runs/{run['id']}")).status_code == 204


async def test_deleting_a_run_removes_what_only_it_held(client: httpx.AsyncClient, registry: Registry) -> None:
    runs = [await make_run(client) for _ in range(2)]
    for run, own in zip(runs, (b"one", b"two"), strict=True):
        base = f"/api/v1/runs/{run['id']}"
        await client.post(f"{base}/artifacts", files=form(("own", own), ("shared", b"shared")))
        await client.post(f"{base}/metrics", json={"points": [{"name": "auc", "step": 0, "value": 1}]})
        line = {"seq": 0, "at": "2026-01-01T00:00:00Z", "message": "x"}
        await client.post(f"{base}/logs", json={"lines": [line]})
    assert len(registry.blob_files()) == 3
    assert (await client.delete(f"/api/v1/runs/{runs[0]['id']}")).status_code == 204
    await registry.app.state.parts.blobs.collect()
    assert sorted(path.read_bytes() for path in registry.blob_files()) == [b"shared", b"two"]
    assert (await client.get(f"/api/v1/runs/{runs[1]['id']}/artifacts/shared")).content == b"shared"


async def test_what_is_not_valid_is_named(client: httpx.AsyncClient) -> None:
    run = await make_run(client)
    cases: list[tuple[str, dict[str, Any]]] = [
        ("", {"id": "NOT-AN-ID"}),
        ("", {"params": {"a": [1]}}),
        ("", {"surprise": 1}),
        ("", {"tags": {"a": "\x00"}}),
        ("", {"attempt": 0}),
        ("/metrics", {"points": [{"name": "a", "step": -1, "value": 1}]}),
        ("/metrics", {"points": [{"name": "a", "step": 1, "value": "x"}]}),
        ("/metrics", {"points": [{"name": "", "step": 1, "value": 1}]}),
        ("/metrics", {"points": [{"name": "a", "step": 2**63, "value": 1}]}),
        ("/logs", {"lines": [{"seq": 0, "at": "yesterday", "message": "x"}]}),
        ("/logs", {"lines": [{"seq": 0, "at": "2026-01-01T00:00:00", "message": "x"}]}),
        ("/logs", {"lines": [{"seq": 2**63, "at": "2026-01-01T00:00:00Z", "message": "x"}]}),
        ("/finish", {"state": "running"}),
    ]
    for url, wanted in cases:
        answer = await client.post(f"/api/v1/runs/{run['id']}{url}" if url else "/api/v1/runs", json=wanted)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), wanted


async def test_an_unknown_data_set_makes_no_run(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/runs", json={"dataset_id": new_id()})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await client.get("/api/v1/runs")).json()["items"] == []


@given(
    st.lists(
        st.builds(MetricPoint, name=st.sampled_from("ab"), step=st.integers(0, 5), value=st.floats(0, 1)), max_size=9
    )
)
def test_the_last_point_is_the_one_of_the_highest_step(points: list[MetricPoint]) -> None:
    expected: dict[str, MetricPoint] = {}
    for point in points:
        known = expected.get(point.name)
        if known is None or point.step >= known.step:
            expected[point.name] = point
    at_once = last_points({}, points)
    one_by_one: dict[str, Any] = {}
    for point in points:
        one_by_one = last_points(one_by_one, [point])
    assert at_once == one_by_one == {name: [point.step, point.value] for name, point in expected.items()}
    assert last_points({}, unique_points(points)) == at_once
