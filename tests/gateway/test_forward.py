"""Forwarding, with real sockets and processes."""

import json
import socket
import threading
from pathlib import Path

import httpx
import psutil
import pytest

from melonkube.kit.tokens import DEFAULT_WORKSPACE, TokenVerifier
from tests.gateway.flow import MIB, MeasuredBody
from tests.gateway.process import GatewayProcess, read_until
from tests.gateway.upstream import BLOCK, Dropper, Upstream

LARGE = 300 * MIB


def head(gateway: GatewayProcess, method: str, path: str, *lines: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: localhost:{gateway.port}", *lines, "", ""]).encode()


def test_a_call_arrives_as_it_was_sent(gateway: GatewayProcess, upstream: Upstream) -> None:
    answer = gateway.http.patch(
        "/api/v1/models/%ED%95%9C%20a%2Fb/versions?b=2&a=%20x&a=",
        content=b"a body",
        headers=[(b"x-other", "한".encode())],
    )
    seen = answer.json()
    assert seen["method"] == "PATCH"
    assert seen["raw_path"] == "/api/v1/models/%ED%95%9C%20a%2Fb/versions"
    assert seen["query"] == "b=2&a=%20x&a="
    assert seen["body"] == "a body"
    assert ["x-other", "한"] in seen["headers"]


def test_headers_that_are_not_the_services_business_stay_here(gateway: GatewayProcess, upstream: Upstream) -> None:
    answer = gateway.http.get(
        "/api/v1/runs/x",
        headers={
            "Authorization": "Bearer forged",
            "Cookie": "melon_session=1",
            "X-Forwarded-For": "1.2.3.4",
            "X-Forwarded-Proto": "https",
            "Forwarded": "for=1.2.3.4",
            "X-Real-IP": "1.2.3.4",
            "Connection": "keep-alive, X-Named",
            "X-Named": "1",
            "TE": "trailers",
            "Upgrade": "h2c",
        },
    )
    seen = {name: value for name, value in answer.json()["headers"]}
    assert seen.keys() <= {"host", "accept", "accept-encoding", "user-agent", "authorization", "x-request-id"}
    assert seen["host"] == upstream.url.removeprefix("http://")
    principal = TokenVerifier(gateway.key, "registry").verify(seen["authorization"].removeprefix("Bearer "))
    assert (principal.workspace_id, principal.scopes) == (DEFAULT_WORKSPACE, frozenset({"user"}))
    assert answer.headers["x-own"] == "kept"
    assert "x-secret" not in answer.headers
    assert "keep-alive" not in answer.headers


@pytest.mark.parametrize(
    ("path", "service"),
    [("datasets", "registry"), ("experiments/x/trials", "tuner"), ("endpoints/x/schema", "serving")],
)
def test_each_service_gets_a_token_of_its_own(
    gateway: GatewayProcess, upstream: Upstream, path: str, service: str
) -> None:
    headers = dict(gateway.http.get(f"/api/v1/{path}").json()["headers"])
    TokenVerifier(gateway.key, service).verify(headers["authorization"].removeprefix("Bearer "))


def test_nothing_is_added_to_a_bare_request(gateway: GatewayProcess, upstream: Upstream) -> None:
    with gateway.connect(head(gateway, "GET", "/api/v1/runs/x")) as connection:
        seen = json.loads(read_until(connection, b"}").partition(b"\r\n\r\n")[2])
    assert {name for name, _ in seen["headers"]} == {"host", "authorization", "x-request-id"}


def test_the_request_id_goes_through_and_comes_back(gateway: GatewayProcess, upstream: Upstream) -> None:
    answer = gateway.http.get("/api/v1/runs/x", headers={"X-Request-Id": "from-the-browser"})
    assert dict(answer.json()["headers"])["x-request-id"] == "from-the-browser"
    assert answer.headers.get_list("x-request-id") == ["from-the-browser"]
    made = gateway.http.get("/api/v1/runs/x")
    assert dict(made.json()["headers"])["x-request-id"] == made.headers["x-request-id"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE", "POST", "PUT"])
def test_calls_without_a_body(gateway: GatewayProcess, upstream: Upstream, method: str) -> None:
    answer = gateway.http.request(method, "/api/v1/runs/x")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert bool(answer.content) == (method != "HEAD")


def test_an_answer_without_a_body(gateway: GatewayProcess, upstream: Upstream) -> None:
    answer = gateway.http.get("/api/v1/runs/x/unchanged")
    assert (answer.status_code, answer.headers["etag"]) == (304, '"x"')


@pytest.mark.parametrize("declared", [True, False])
def test_a_large_body_streams_at_flat_memory(gateway: GatewayProcess, upstream: Upstream, declared: bool) -> None:
    body = MeasuredBody(gateway.pid, LARGE)
    headers = {"Content-Length": str(LARGE)} if declared else {}
    answer = gateway.http.post("/api/v1/datasets/sink", content=body, headers=headers)
    assert answer.json() == body.told
    assert body.growth < 32 * MIB


def test_a_large_answer_streams_at_flat_memory(gateway: GatewayProcess, upstream: Upstream) -> None:
    process = psutil.Process(gateway.pid)
    before = peak = process.memory_info().rss
    size = 0
    with gateway.http.stream("GET", f"/api/v1/datasets/x/source?bytes={LARGE}") as answer:
        for piece in answer.iter_raw():
            size += len(piece)
            peak = max(peak, process.memory_info().rss)
    assert size == LARGE
    assert peak - before < 32 * MIB


def test_a_slow_reader_holds_the_sender(gateway: GatewayProcess, upstream: Upstream) -> None:
    with gateway.http.stream("GET", f"/api/v1/datasets/x/source?bytes={LARGE}") as answer:
        pieces = answer.iter_raw()
        size = len(next(pieces))
        assert upstream.held.wait(60)
        assert upstream.sent_bytes < 64 * MIB
        size += sum(len(piece) for piece in pieces)
    assert size == LARGE


def test_an_event_arrives_at_once_and_leaving_ends_the_call(gateway: GatewayProcess, upstream: Upstream) -> None:
    with gateway.http.stream("GET", "/api/v1/experiments/x/events") as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        pieces = answer.iter_raw()
        assert next(pieces) == b"id: 1\ndata: first\n\n"
        assert not upstream.client_gone.is_set()
    assert upstream.client_gone.wait(60)


def test_a_client_that_leaves_while_it_waits_ends_the_call(gateway: GatewayProcess, upstream: Upstream) -> None:
    with gateway.connect(head(gateway, "GET", "/api/v1/runs/x/silent")):
        assert upstream.arrived.wait(60)
    assert upstream.client_gone.wait(60)


def test_a_client_that_leaves_while_it_sends_ends_the_call(gateway: GatewayProcess, upstream: Upstream) -> None:
    request = head(gateway, "POST", "/api/v1/datasets/sink", f"Content-Length: {LARGE}")
    with gateway.connect(request + BLOCK):
        assert upstream.arrived.wait(60)
    assert upstream.client_gone.wait(60)


def test_a_client_that_leaves_a_small_body_half_sent_reaches_nobody(
    gateway: GatewayProcess, upstream: Upstream
) -> None:
    with gateway.connect(head(gateway, "POST", "/api/v1/datasets/sink", "Content-Length: 100") + b"half"):
        pass
    assert gateway.http.get("/api/v1/runs/x").status_code == 200
    assert not upstream.arrived.is_set()


def test_continue_is_said_when_the_service_says_it(gateway: GatewayProcess, upstream: Upstream) -> None:
    request = head(gateway, "POST", "/api/v1/datasets/sink", "Content-Length: 5", "Expect: 100-continue")
    with gateway.connect(request) as connection:
        assert read_until(connection, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"hello")
        answer = read_until(connection, b"}")
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'"size": 5' in answer


def test_a_refusal_comes_before_the_body(gateway: GatewayProcess, upstream: Upstream) -> None:
    request = head(gateway, "POST", "/api/v1/datasets/refuse", f"Content-Length: {LARGE}", "Expect: 100-continue")
    with gateway.connect(request) as connection:
        assert read_until(connection, b"}").startswith(b"HTTP/1.1 413")


def test_a_refusal_in_the_middle_of_the_body_arrives(gateway: GatewayProcess, upstream: Upstream) -> None:
    request = head(gateway, "POST", "/api/v1/datasets/refuse", "Transfer-Encoding: chunked")
    with gateway.connect(request + b"5\r\nhello\r\n") as connection:
        assert read_until(connection, b"}").startswith(b"HTTP/1.1 413")


def test_an_answer_that_breaks_off_is_not_passed_off_as_whole(gateway: GatewayProcess, upstream: Upstream) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        gateway.http.get("/api/v1/runs/x/cut")


def test_metrics_tell_the_route_and_not_the_id(gateway: GatewayProcess, upstream: Upstream) -> None:
    gateway.http.post("/api/v1/endpoints/some-name/predict", json={})
    metrics = gateway.http.get("/metrics").text
    assert 'route="/api/v1/endpoints/{name}/predict",status="200"' in metrics
    assert "some-name" not in metrics


@pytest.mark.parametrize(("method", "path"), [("POST", "/api/v1/endpoints/a/predict"), ("GET", "/api/v1/endpoints/a")])
def test_a_call_that_is_safe_to_repeat_is_repeated_once(tmp_path: Path, method: str, path: str) -> None:
    dropper = Dropper(drops=1)
    with GatewayProcess(tmp_path, {"serving": dropper.url}) as gateway:
        answer = gateway.http.request(method, path, content=b"rows" if method == "POST" else None)
        assert (answer.status_code, answer.json()) == (200, {})
    dropper.close()
    assert len(dropper.requests) == 2
    assert dropper.requests[0] == dropper.requests[1]


def test_predict_is_repeated_only_once(tmp_path: Path) -> None:
    dropper = Dropper(drops=9)
    with GatewayProcess(tmp_path, {"serving": dropper.url}) as gateway:
        answer = gateway.http.post("/api/v1/endpoints/a/predict", content=b"rows")
        assert (answer.status_code, answer.json()["code"]) == (502, "upstream_unavailable")
        assert 'repeated_calls_total{service="serving",why="connection_lost"} 1.0' in gateway.http.get("/metrics").text
    dropper.close()
    assert len(dropper.requests) == 2


def test_a_call_that_changes_something_is_never_repeated(tmp_path: Path) -> None:
    dropper = Dropper(drops=9)
    with GatewayProcess(tmp_path, {"tuner": dropper.url}) as gateway:
        answer = gateway.http.post("/api/v1/experiments", json={"a": 1})
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (502, "upstream_unavailable")
        assert "not known" in problem["detail"]
        assert problem["request_id"] == answer.headers["x-request-id"]
    dropper.close()
    assert len(dropper.requests) == 1


def test_a_service_that_is_away_is_a_problem(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with GatewayProcess(tmp_path, {"registry": address}) as gateway:
        answer = gateway.http.post("/api/v1/datasets", content=b"x" * 100)
        assert (answer.status_code, answer.json()["code"]) == (502, "upstream_unavailable")
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["retry-after"] == "2"


def test_a_connection_is_tried_again_until_the_service_listens(tmp_path: Path, any_upstream: Upstream) -> None:
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    answers: list[httpx.Response] = []
    with GatewayProcess(tmp_path, {"registry": address}, MELON_GATEWAY__CONNECT_ATTEMPTS="9") as gateway:
        call = threading.Thread(target=lambda: answers.append(gateway.http.post("/api/v1/datasets", content=b"once")))
        call.start()
        with httpx.Client(base_url=gateway.url) as other:
            while 'why="no_connection"' not in other.get("/metrics").text:
                pass
        closed.listen()
        connection, _ = closed.accept()
        with connection:
            request = read_until(connection, b"once")
            connection.sendall(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n")
            call.join()
    closed.close()
    assert request.count(b"POST /api/v1/datasets") == 1
    assert [answer.status_code for answer in answers] == [201]


def test_a_body_that_stops_is_given_up(tmp_path: Path, upstream: Upstream) -> None:
    with GatewayProcess(tmp_path, {"registry": upstream.url}, MELON_GATEWAY__IDLE_BODY_SECONDS="0.2") as gateway:
        for length in (100, LARGE):
            request = head(gateway, "POST", "/api/v1/datasets/sink", f"Content-Length: {length}")
            with gateway.connect(request + b"half") as connection:
                answer = read_until(connection, b"}")
            assert answer.startswith(b"HTTP/1.1 408"), answer
            assert b'"code":"invalid_request"' in answer


def test_a_service_that_never_begins_its_answer_is_given_up(tmp_path: Path, upstream: Upstream) -> None:
    with GatewayProcess(tmp_path, {"registry": upstream.url}, MELON_GATEWAY__ANSWER_SECONDS="0.2") as gateway:
        answer = gateway.http.get("/api/v1/runs/x/silent")
        assert (answer.status_code, answer.json()["code"]) == (502, "upstream_unavailable")
        assert upstream.client_gone.wait(60)


def test_the_end_of_the_gateway_ends_event_streams_and_not_other_calls(tmp_path: Path, upstream: Upstream) -> None:
    with GatewayProcess(tmp_path, {"tuner": upstream.url, "registry": upstream.url}) as gateway:
        with (
            gateway.http.stream("GET", "/api/v1/experiments/x/events") as events,
            gateway.connect(head(gateway, "POST", "/api/v1/datasets/sink", f"Content-Length: {2 * MIB}")) as upload,
        ):
            pieces = events.iter_raw()
            assert next(pieces)
            upload.sendall(bytes(MIB))
            assert upstream.arrived.wait(60)
            stopping = threading.Thread(target=gateway.stop)
            stopping.start()
            assert list(pieces) == []
            upload.sendall(bytes(MIB))
            assert read_until(upload, b"}").startswith(b"HTTP/1.1 200")
        stopping.join()
        assert "Cancel" not in gateway.log()
