"""Artifacts of runs: how they come, what no path may be, and what is not kept."""

import hashlib
import pickle
import posixpath
from collections.abc import AsyncIterator
from contextlib import suppress

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from melonkube.contracts.ids import new_id
from melonkube.kit.errors import InvalidRequest
from melonkube.registry.runs.domain import UnsafeArtifact, check_path, refuse_unsafe
from melonkube.registry.settings import LimitSettings
from tests.registry.conftest import Registry, StartRegistry
from tests.registry.test_runs import form, make_run


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


async def test_small_files_go_in_one_call(client: httpx.AsyncClient, registry: Registry) -> None:
    run = await make_run(client)
    base = f"/api/v1/runs/{run['id']}/artifacts"
    files = [("model/model.txt", b"tree"), ("model/manifest.json", b"{}"), ("empty", b""), ("same", b"tree")]
    answer = await client.post(base, files=form(*files))
    assert answer.status_code == 200, answer.text
    assert [(a["path"], a["sha256"]) for a in answer.json()["items"]] == [
        (path, hashlib.sha256(data).hexdigest()) for path, data in files
    ]
    for path, data in files:
        assert (await client.get(f"{base}/{path}")).content == data
    assert (await client.get(f"{base}/model/manifest.json")).headers["content-type"] == "application/json"
    assert len(registry.blob_files()) == 3
    changed = await client.post(base, files=form(("same", b"new"), ("model/model.txt", b"tree")))
    assert changed.status_code == 200
    assert (await client.get(f"{base}/same")).content == b"new"
    await client.post(f"/api/v1/runs/{run['id']}/finish", json={"state": "completed"})
    assert (await client.post(base, files=form(("same", b"new"), ("empty", b"")))).status_code == 200
    late = await client.post(base, files=form(("empty", b""), ("late", b"x")))
    assert (late.status_code, late.json()["code"]) == (409, "conflict")
    assert (await client.get(f"{base}/late")).status_code == 404


async def test_what_small_files_cannot_be(client: httpx.AsyncClient, registry: Registry) -> None:
    run = await make_run(client)
    base = f"/api/v1/runs/{run['id']}/artifacts"
    cases: list[tuple[list[tuple[str, bytes]], int, str]] = [
        ([("a", b"x"), ("a", b"y")], 422, "invalid_request"),
        ([("a", b"x"), ("../b", b"y")], 422, "invalid_request"),
        ([("a", b"x"), ("b.pkl", b"y")], 422, "unsafe_artifact"),
        ([("a", b"x"), ("b", b"\x80\x04\x95")], 422, "unsafe_artifact"),
        ([("a", b"x" * (3 << 20)), ("b", b"y" * (2 << 20))], 413, "body_too_large"),
        ([(f"f{n}", b"") for n in range(101)], 422, "invalid_request"),
    ]
    for files, status, code in cases:
        answer = await client.post(base, files=form(*files))
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    announced = {"X-Content-SHA256": hashlib.sha256(b"other").hexdigest()}
    answer = await client.post(base, files=form(("a", b"x"), ("b", b"y")), headers=announced)
    assert (answer.status_code, answer.json()["code"]) == (422, "checksum_mismatch")
    assert (await client.post(base, json={})).status_code == 415
    assert (await client.post(f"/api/v1/runs/{new_id()}/artifacts", files=form(("a", b"x")))).status_code == 404
    assert (await client.get(base)).json()["items"] == []
    assert registry.blob_files() == []


@pytest.mark.parametrize(
    "path",
    [
        "", "../up", "a/../b", "a//b", "./a", "a/.", "a\\b", " a", "a ", "a/ b", "x" * 513, "tab\there", "new\nline",
        "zero\x00", "/absolute", "a/",
    ],
)  # fmt: skip
def test_paths_that_are_none(path: str) -> None:
    with pytest.raises(InvalidRequest, match="path"):
        check_path(path)


@given(st.text())
def test_a_path_that_is_taken_stays_below_its_run(path: str) -> None:
    with suppress(InvalidRequest):
        assert posixpath.normpath(f"/run/{check_path(path)}") == f"/run/{path}"


async def test_a_path_that_is_none_is_told(client: httpx.AsyncClient) -> None:
    run = await make_run(client)
    for path in ("%2e%2e/up", "a/%2e%2e/b", "a//b", "%2Fabsolute", "zero%00"):
        url = httpx.URL("http://registry").copy_with(raw_path=f"/api/v1/runs/{run['id']}/artifacts/{path}".encode())
        for answer in (await client.put(url, content=b"x"), await client.get(url)):
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), path


async def test_paths_of_any_script(client: httpx.AsyncClient) -> None:
    run = await make_run(client)
    url = f"/api/v1/runs/{run['id']}/artifacts/그림/손실 곡선 (1).png"
    assert (await client.put(url, content=b"\x89PNG")).status_code == 201
    got = await client.get(url)
    assert got.headers["content-type"] == "image/png"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert "filename*=UTF-8''%EC%86%90" in got.headers["content-disposition"]


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("model.pkl", b""),
        ("model.PICKLE", b"x"),
        ("a/model.joblib", b"x"),
        ("model.joblib.gz", b"x"),
        ("net.pt", b"x"),
        *(("model.txt", pickle.dumps({"a": [1, 2]}, protocol)) for protocol in range(6)),
        *(("model.txt", pickle.dumps(print, protocol)) for protocol in range(6)),
        ("model.bin", b"PK\x03\x04" + b"\x00" * 26 + b"archive/data.pkl" + b"\x00" * 4000),
    ],
)
def test_pickles_are_told(path: str, data: bytes) -> None:
    with pytest.raises(UnsafeArtifact):
        refuse_unsafe(path, data)


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("model.txt", b"tree\nversion=v4\n"),
        ("a.csv", b"c,d\n1,2\n"),
        ("a.txt", b"(apple)\n"),
        ("a.json", b"{}"),
        ("a.zip", b"PK\x03\x04 and so on"),
        ("a.parquet", b"PAR1"),
        ("empty", b""),
    ],
)
def test_what_is_no_pickle_is_taken(path: str, data: bytes) -> None:
    refuse_unsafe(path, data)


async def test_pickles_are_not_kept(client: httpx.AsyncClient, registry: Registry) -> None:
    run = await make_run(client)
    for path, data in (("model.pkl", b"x"), ("model.txt", pickle.dumps({}))):
        answer = await client.put(f"/api/v1/runs/{run['id']}/artifacts/{path}", content=data)
        assert (answer.status_code, answer.json()["code"]) == (422, "unsafe_artifact")
    assert registry.blob_files() == []


async def test_a_pickle_hidden_by_size_is_not_kept(client: httpx.AsyncClient, registry: Registry) -> None:
    run = await make_run(client)

    async def slowly() -> AsyncIterator[bytes]:
        yield b"\x80"
        yield b"\x04\x95"
        for _ in range(10):
            yield b"x" * (1 << 20)

    answer = await client.put(f"/api/v1/runs/{run['id']}/artifacts/model.txt", content=slowly())
    assert (answer.status_code, answer.json()["code"]) == (422, "unsafe_artifact")
    assert registry.blob_files() == []


async def test_an_artifact_whose_digest_differs_is_not_kept(client: httpx.AsyncClient, registry: Registry) -> None:
    run = await make_run(client)
    url = f"/api/v1/runs/{run['id']}/artifacts/a.txt"
    for data in (b"small", b"large" * (1 << 20)):
        answer = await client.put(url, content=data, headers={"X-Content-SHA256": "0" * 64})
        assert (answer.status_code, answer.json()["code"]) == (422, "checksum_mismatch")
    assert (await client.put(url, content=b"x", headers={"X-Content-SHA256": "short"})).status_code == 422
    assert registry.blob_files() == []


async def test_an_artifact_over_the_limit_is_not_kept(start_registry: StartRegistry) -> None:
    registry = await start_registry(limits=LimitSettings(artifact_bytes=5 << 20))
    client = await registry.client()
    run = await make_run(client)
    url = f"/api/v1/runs/{run['id']}/artifacts/a.bin"
    assert (await client.put(url, content=b"x" * (5 << 20))).status_code == 201
    answer = await client.put(url, content=b"y" * ((5 << 20) + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert len(registry.blob_files()) == 1
