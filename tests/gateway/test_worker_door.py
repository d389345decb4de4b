"""The door for workers, with real sockets and processes."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melonkube.contracts.ids import new_id
from melonkube.gateway.worker_door.domain import find_worker_route
from melonkube.kit.tokens import (
    DEFAULT_WORKSPACE,
    SCOPE_SERVICE,
    SCOPE_USER,
    SCOPE_WORKER,
    Principal,
    TokenKey,
    TokenSigner,
)
from tests.gateway.flow import MIB, MeasuredBody
from tests.gateway.process import WorkerDoorProcess, read_until
from tests.gateway.upstream import BLOCK, Upstream

LARGE = 200 * MIB
FILE_LIMIT = LARGE + MIB
CALL_LIMIT = 3 * MIB
RUN = "01900000-0000-7000-8000-00000000d001"
DATASET = "01900000-0000-7000-8000-00000000d002"

CALLS = [
    ("GET", "/worker/v1/setup"),
    ("POST", "/worker/v1/lease"),
    *(("POST", f"/worker/v1/leases/{RUN}/{end}") for end in ("renew", "complete", "evaluated", "fail")),
    ("GET", f"/api/v1/datasets/{DATASET}/parquet"),
    ("POST", "/api/v1/runs"),
    *(("POST", f"/api/v1/runs/{RUN}/{part}") for part in ("metrics", "logs", "finish", "artifacts")),
    ("PUT", f"/api/v1/runs/{RUN}/artifacts/model/model.txt"),
    ("GET", f"/api/v1/runs/{RUN}/artifacts/model/manifest.json"),
    ("GET", f"/api/v1/runs/{RUN}/artifacts/split%20a/%ED%95%9C.parquet"),
]

ELSEWHERE = [
    ("GET", "/"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/sign-in"),
    ("GET", "/api/v1/system"),
    ("GET", "/api/v1/datasets"),
    ("POST", "/api/v1/datasets"),
    ("GET", f"/api/v1/datasets/{DATASET}"),
    ("GET", f"/api/v1/datasets/{DATASET}/preview"),
    ("DELETE", f"/api/v1/datasets/{DATASET}"),
    ("GET", f"/api/v1/datasets/{DATASET}/parquet/"),
    ("GET", "/api/v1/datasets/x/parquet"),
    ("HEAD", f"/api/v1/datasets/{DATASET}/parquet"),
    ("GET", "/api/v1/runs"),
    ("GET", f"/api/v1/runs/{RUN}"),
    ("DELETE", f"/api/v1/runs/{RUN}"),
    ("GET", f"/api/v1/runs/{RUN}/metrics"),
    ("GET", f"/api/v1/runs/{RUN}/logs"),
    ("GET", f"/api/v1/runs/{RUN}/artifacts"),
    ("DELETE", f"/api/v1/runs/{RUN}/artifacts/a"),
    ("PUT", f"/api/v1/runs/{RUN}/artifacts/"),
    ("GET", f"/api/v1/runs/{RUN}/artifacts/../../../models"),
    ("GET", f"/api/v1/runs/{RUN}/artifacts/%2e%2e/%2e%2e/x"),
    ("GET", f"/api/v1/runs/{RUN}/artifacts/a%2F..%2Fb"),
    ("GET", f"/api/v1/runs/{RUN}/artifacts//a"),
    ("GET", f"/api/v1/runs/{RUN}/artifacts/a%00"),
    ("GET", "/api/v1/models"),
    ("GET", "/api/v1/experiments"),
    ("POST", "/api/v1/endpoints/x/predict"),
    ("GET", "/internal/datasets"),
    ("GET", "/worker/v1"),
    ("GET", "/worker/v1/"),
    ("GET", "/worker/v2/setup"),
    ("DELETE", "/worker/v1/lease"),
    ("PUT", "/worker/v1/lease"),
    ("OPTIONS", "/worker/v1/lease"),
    ("GET", "/worker/v1/../../api/v1/experiments"),
    ("GET", "/worker/v1/%2e%2e/%2e%2e/api/v1/experiments"),
    ("GET", "//worker/v1/setup"),
]


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory, any_upstream: Upstream) -> Iterator[WorkerDoorProcess]:
    peers = dict.fromkeys(("registry", "tuner", "serving"), any_upstream.url)
    with WorkerDoorProcess(
        tmp_path_factory.mktemp("door"),
        peers,
        MELON_LIMITS__ARTIFACT_BYTES=str(FILE_LIMIT),
        MELON_WORKER_DOOR__CALL_BYTES=str(CALL_LIMIT),
    ) as process:
        yield process


def token(
    key: TokenKey,
    *scopes: str,
    audience: tuple[str, ...] = ("tuner", "registry"),
    lifetime_seconds: float = 60.0,
) -> str:
    who = Principal("worker:1", DEFAULT_WORKSPACE, frozenset(scopes), new_id(), DATASET)
    return TokenSigner(key).sign(who, audience, lifetime_seconds=lifetime_seconds)


@pytest.fixture
def worker(door: WorkerDoorProcess) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(door.key, SCOPE_WORKER)}"}


def raw(door: WorkerDoorProcess, method: str, path: str, *lines: str) -> bytes:
    """Return the head of a request whose path no client has tidied."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: 10.0.0.1:{door.port}", *lines, "", ""]).encode()


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_a_workers_call_arrives_as_it_was_sent(
    door: WorkerDoorProcess, upstream: Upstream, worker: dict[str, str], method: str, path: str
) -> None:
    upstream.release.set()
    headers = {**worker, "X-Request-Id": "from-a-worker", "If-Range": '"x"', "Cookie": "a=b", "X-Forwarded-For": "1"}
    content = b"" if method == "GET" else b"a body"
    answer = door.http.request(method, f"{path}?a=1", content=content, headers=headers)
    assert answer.status_code == 200, answer.text
    seen = answer.json()
    assert (seen["method"], seen["raw_path"], seen["query"]) == (method, path, "a=1")
    assert seen["body"].encode() == content
    told = dict(seen["headers"])
    assert told["authorization"] == worker["Authorization"]
    assert (told["x-request-id"], told["if-range"]) == ("from-a-worker", '"x"')
    assert not {"cookie", "x-forwarded-for"} & told.keys()


@pytest.mark.parametrize(("method", "path"), ELSEWHERE)
def test_everything_else_is_nothing(
    door: WorkerDoorProcess, upstream: Upstream, worker: dict[str, str], method: str, path: str
) -> None:
    request = raw(door, method, path, f"Authorization: {worker['Authorization']}", "Connection: close")
    status, _, body = door.ask(request).partition(b"\r\n\r\n")
    assert b" 404 " in status.splitlines()[0]
    assert method == "HEAD" or json.loads(body)["code"] == "not_found"


@pytest.mark.parametrize(
    ("path", "audience"), [("/worker/v1/setup", "tuner"), (f"/api/v1/datasets/{DATASET}/parquet", "registry")]
)
def test_a_token_is_checked_for_the_service_it_is_to_go_to(
    door: WorkerDoorProcess, upstream: Upstream, path: str, audience: str
) -> None:
    for given_audience in ("tuner", "registry", "serving"):
        given_token = token(door.key, SCOPE_WORKER, audience=(given_audience,))
        answer = door.http.get(path, headers={"Authorization": f"Bearer {given_token}"})
        assert answer.status_code == (200 if given_audience == audience else 401)


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_no_other_token_passes(door: WorkerDoorProcess, upstream: Upstream, method: str, path: str) -> None:
    stranger = TokenKey.generate()
    refused = [
        (401, {}),
        (401, {"Authorization": "Basic dXNlcjpwYXNz"}),
        (401, {"Authorization": "Bearer no-token"}),
        (401, {"Authorization": f"Bearer {token(stranger, SCOPE_WORKER)}"}),
        (401, {"Authorization": f"Bearer {token(door.key, SCOPE_WORKER, lifetime_seconds=-10)}"}),
        (403, {"Authorization": f"Bearer {token(door.key, SCOPE_USER)}"}),
        (403, {"Authorization": f"Bearer {token(door.key, SCOPE_SERVICE)}"}),
        (403, {"Authorization": f"Bearer {token(door.key, SCOPE_WORKER, SCOPE_SERVICE)}"}),
    ]
    for status, headers in refused:
        answer = door.http.request(method, path, headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_two_tokens_are_none(door: WorkerDoorProcess, upstream: Upstream, worker: dict[str, str]) -> None:
    line = f"Authorization: {worker['Authorization']}"
    assert b" 401 " in door.ask(raw(door, "GET", "/worker/v1/setup", line, line, "Connection: close")).splitlines()[0]


def test_a_web_page_is_refused(door: WorkerDoorProcess, upstream: Upstream, worker: dict[str, str]) -> None:
    answer = door.http.get("/worker/v1/setup", headers={**worker, "Origin": f"http://127.0.0.1:{door.port}"})
    assert (answer.status_code, answer.json()["code"]) == (403, "origin_not_allowed")


def test_nothing_of_a_refused_upload_goes_on(door: WorkerDoorProcess, upstream: Upstream) -> None:
    path = f"/api/v1/runs/{RUN}/artifacts/sink"
    with door.connect(raw(door, "PUT", path, f"Content-Length: {LARGE}") + BLOCK) as connection:
        assert b" 401 " in read_until(connection, b"\r\n").splitlines()[0]
    assert not upstream.arrived.is_set()


@pytest.mark.parametrize("declared", [True, False])
def test_an_upload_streams_at_flat_memory(
    door: WorkerDoorProcess, upstream: Upstream, worker: dict[str, str], declared: bool
) -> None:
    body = MeasuredBody(door.pid, LARGE)
    headers = {**worker, **({"Content-Length": str(LARGE)} if declared else {})}
    answer = door.http.put(f"/api/v1/runs/{RUN}/artifacts/model/sink", content=body, headers=headers)
    assert answer.json() == body.told
    assert body.growth < 40 * MIB


def test_a_download_streams_as_fast_as_it_is_read(
    door: WorkerDoorProcess, upstream: Upstream, worker: dict[str, str]
) -> None:
    path = f"/api/v1/runs/{RUN}/artifacts/source?bytes={LARGE}"
    with door.http.stream("GET", path, headers=worker) as answer:
        pieces = answer.iter_raw()
        size = len(next(pieces))
        # Nobody reads: the service is held up before all of it has been sent.
        assert upstream.held.wait(60)
        assert upstream.sent_bytes < LARGE
        size += sum(map(len, pieces))
    assert size == LARGE


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize(
    ("method", "path", "limit"),
    [
        ("PUT", f"/api/v1/runs/{RUN}/artifacts/sink", FILE_LIMIT),
        ("POST", f"/api/v1/runs/{RUN}/logs", CALL_LIMIT),
        ("POST", "/worker/v1/sink", CALL_LIMIT),
    ],
)
def test_a_body_may_be_as_long_as_its_limit(
    door: WorkerDoorProcess,
    upstream: Upstream,
    worker: dict[str, str],
    method: str,
    path: str,
    limit: int,
    declared: bool,
) -> None:
    def body(size: int) -> Iterator[bytes]:
        for _ in range(size // MIB):
            yield b"x" * MIB
        yield b"x" * (size % MIB)

    for size, status in ((limit, 200), (limit + 1, 413)):
        headers = {**worker, **({"Content-Length": str(size)} if declared else {})}
        answer = door.http.request(method, path, content=body(size), headers=headers)
        assert answer.status_code == status
    assert answer.json()["code"] == "body_too_large"


def test_a_service_that_is_away_is_waited_for(tmp_path: Path) -> None:
    nowhere = dict.fromkeys(("registry", "tuner", "serving"), "http://127.0.0.1:1")
    with WorkerDoorProcess(tmp_path, nowhere, MELON_WORKER_DOOR__CONNECT_ATTEMPTS="1") as alone:
        headers = {"Authorization": f"Bearer {token(alone.key, SCOPE_WORKER)}"}
        answer = alone.http.post("/worker/v1/lease", content=b"{}", headers=headers)
        assert (answer.status_code, answer.headers["retry-after"]) == (502, "2")
        assert alone.stop() == -signal.SIGTERM


def test_a_head_without_end_is_refused(door: WorkerDoorProcess) -> None:
    with door.connect(b"GET /worker/v1/setup HTTP/1.1\r\nX: " + b"y" * 70_000) as connection:
        assert b" 431 " in read_until(connection, b"\r\n").splitlines()[0]


def test_no_token_is_logged(door: WorkerDoorProcess, upstream: Upstream, worker: dict[str, str]) -> None:
    assert door.http.get("/worker/v1/setup", headers=worker).status_code == 200
    assert '"path": "/worker/v1/setup"' in door.log()
    assert worker["Authorization"].removeprefix("Bearer ") not in door.log()


@given(st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH"]), st.text(max_size=60))
def test_no_path_leads_out_of_a_workers_part(method: str, tail: str) -> None:
    for base in ("/", "/worker/v1/", f"/api/v1/runs/{RUN}/artifacts/", "/api/v1/"):
        route = find_worker_route(method, base + tail, 1, 2)
        if route is None:
            continue
        assert not {"", ".", ".."} & set((base + tail).split("/")[1:])
        allowed = "/worker/v1/" if route.service == "tuner" else ("/api/v1/runs", "/api/v1/datasets/")
        assert (base + tail).startswith(allowed)


def test_every_call_of_the_tuners_worker_api_has_a_place_here() -> None:
    from melonkube.tuner.leases.endpoints import router

    routes = [(method, route.path) for route in router.routes for method in route.methods]  # type: ignore[attr-defined]
    assert len(routes) >= 6
    for method, path in routes:
        assert find_worker_route(method, path.replace("{run_id}", RUN), 1, 2) is not None, path
