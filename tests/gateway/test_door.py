"""Who comes in: Host and Origin, the owner's key, the heads of requests."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from melonkube.gateway.door.exposure import Exposed, check_exposure
from melonkube.gateway.door.hosts import (
    HostNotAllowed,
    OriginNotAllowed,
    OwnNames,
    check_host,
    check_origin,
    parse_authority,
)
from melonkube.gateway.door.keys import OwnerKey
from melonkube.gateway.settings import GatewaySettings
from tests.gateway.process import GatewayProcess, read_until
from tests.gateway.upstream import Upstream

KEY = "a key of the owner's own"
NAMES = OwnNames.of(["melon.example", "box:9000"])
PORT = 8080


@pytest.mark.parametrize(
    "host",
    [
        "localhost:8080",
        "127.0.0.1:8080",
        "[::1]:8080",
        "LOCALHOST:8080",
        "melon.example",
        "Melon.Example:443",
        "box:9000",
    ],
)
def test_hosts_that_are_ours(host: str) -> None:
    check_host([host], NAMES, PORT)


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [""],
        ["evil.example"],
        ["evil.example:8080"],
        ["localhost"],
        ["localhost:9090"],
        ["localhost.evil.example:8080"],
        ["127.0.0.1.evil.example:8080"],
        ["127.0.0.2:8080"],
        ["0.0.0.0:8080"],
        ["[::]:8080"],
        ["localhost:8080@evil.example"],
        ["evil@localhost:8080"],
        ["localhost:8080 "],
        ["localhost:8080:8080"],
        ["localhost:99999"],
        ["melon.example:8080"],
        ["box"],
        ["box:9001"],
        ["localhost:8080", "localhost:8080"],
    ],
)
def test_hosts_that_are_not_ours(hosts: list[str]) -> None:
    with pytest.raises(HostNotAllowed):
        check_host(hosts, NAMES, PORT)


@pytest.mark.parametrize("host", ["localhost", "localhost:80", "127.0.0.1"])
def test_on_the_customary_port_the_host_comes_without(host: str) -> None:
    check_host([host], NAMES, 80)


@given(st.text(max_size=40))
def test_no_text_is_taken_for_a_host_of_ours(text: str) -> None:
    authority = parse_authority(text)
    if authority is None or not NAMES.has(authority, PORT):
        with pytest.raises(HostNotAllowed):
            check_host([text], NAMES, PORT)
    else:
        assert authority[0] in {"localhost", "127.0.0.1", "[::1]", "melon.example", "box"}


OWN = "http://localhost:8080"
API = "/api/v1/datasets"


@pytest.mark.parametrize(
    ("method", "path", "origins", "sites"),
    [
        ("POST", API, [], []),
        ("GET", API, [], []),
        ("POST", API, [OWN], ["same-origin"]),
        ("POST", API, ["https://melon.example"], ["same-origin"]),
        ("POST", API, ["http://box:9000"], []),
        ("GET", API, [], ["same-origin"]),
        ("GET", API, [], ["none"]),
        ("GET", "/", [], ["cross-site"]),
        ("GET", "/experiments/x", [], ["same-site"]),
        ("POST", "/sign-in", [OWN], ["same-origin"]),
    ],
)
def test_calls_of_our_page_and_of_programs(method: str, path: str, origins: list[str], sites: list[str]) -> None:
    check_origin(method, path, origins, sites, NAMES, PORT)


@pytest.mark.parametrize(
    ("method", "path", "origins", "sites"),
    [
        ("POST", API, ["http://evil.example"], []),
        ("POST", API, ["null"], []),
        ("POST", API, [""], []),
        ("POST", API, ["http://localhost:3000"], ["same-site"]),
        ("POST", API, ["http://localhost"], []),
        ("POST", API, ["ftp://localhost:8080"], []),
        ("POST", API, [OWN + "/"], []),
        ("POST", API, ["http://localhost:8080@evil.example"], []),
        ("POST", API, ["http://[::1"], []),
        ("POST", API, [OWN, "http://evil.example"], []),
        ("POST", API, [], ["cross-site"]),
        ("POST", API, [], ["same-site"]),
        ("POST", API, [OWN], ["cross-site"]),
        ("POST", "/sign-in", ["http://evil.example"], []),
        ("DELETE", API + "/x", ["http://evil.example"], ["cross-site"]),
        ("PUT", API, ["http://evil.example"], []),
        ("GET", API, ["http://evil.example"], []),
        ("GET", API, [], ["cross-site"]),
        ("GET", API, [], ["same-site"]),
        ("GET", "/api/openapi.json", [], ["cross-site"]),
        ("OPTIONS", API, ["http://evil.example"], []),
    ],
)
def test_calls_of_other_pages(method: str, path: str, origins: list[str], sites: list[str]) -> None:
    with pytest.raises(OriginNotAllowed):
        check_origin(method, path, origins, sites, NAMES, PORT)


@pytest.mark.parametrize("entry", ["http://melon.example", "*", "melon.example/x", "a b", "x:0", "x:70000"])
def test_a_host_setting_that_cannot_be_right_is_named(entry: str) -> None:
    with pytest.raises(ValidationError, match="is not a host name"):
        GatewaySettings.model_validate({"hosts": [entry]})


def test_dns_rebinding_reaches_nothing(gateway: GatewayProcess, upstream: Upstream) -> None:
    # The browser believes that the attacker's name is at our address; all it sends is consistent with that name.
    rebound = {
        "Host": f"evil.example:{gateway.port}",
        "Origin": f"http://evil.example:{gateway.port}",
        "Sec-Fetch-Site": "same-origin",
    }
    for method, path in (
        ("GET", "/"),
        ("GET", "/api/v1/runs/x"),
        ("POST", "/api/v1/datasets/sink"),
        ("GET", "/metrics"),
    ):
        answer = gateway.http.request(method, path, headers=rebound)
        assert (answer.status_code, answer.json()["code"]) == (403, "host_not_allowed")
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert not upstream.arrived.is_set()


def test_another_page_drives_nothing(gateway: GatewayProcess, upstream: Upstream) -> None:
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        answer = gateway.http.post("/api/v1/datasets/sink", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "origin_not_allowed")
    assert not upstream.arrived.is_set()


def test_our_own_page_and_the_names_of_the_setting_come_in(gateway: GatewayProcess, upstream: Upstream) -> None:
    own = {"Origin": gateway.url, "Sec-Fetch-Site": "same-origin"}
    assert gateway.http.post("/api/v1/runs", headers=own).status_code == 200
    named = {"Host": "melon.example", "Origin": "https://melon.example"}
    assert gateway.http.post("/api/v1/runs", headers=named).status_code == 200


def test_no_answer_may_act_as_a_page_or_be_read_by_one(gateway: GatewayProcess, upstream: Upstream) -> None:
    for path in ("/api/v1/runs/x", "/api/v1/system", "/api/v1/nothing", "/healthz"):
        headers = gateway.http.get(path).headers
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'; sandbox"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers


# The owner's key


def test_a_session_ends_and_cannot_be_made_up() -> None:
    owner = OwnerKey(KEY, session_seconds=60)
    session = owner.new_session(now=1000.0)
    assert owner.is_session(session, now=1059.0)
    assert not owner.is_session(session, now=1060.0)
    end, _, mac = session.partition(".")
    assert not owner.is_session(f"{int(end) + 1}.{mac}", now=1000.0)
    assert not OwnerKey(KEY + "!", 60).is_session(session, now=1000.0)


@given(st.text(max_size=100))
def test_no_text_is_a_session_or_the_key(text: str) -> None:
    owner = OwnerKey(KEY, session_seconds=60)
    assert not owner.is_session(text, now=0.0)
    assert owner.matches(text) == (text == KEY)
    assert not owner.admits([text, f"Bearer x{text}"], [text, f"melon_session={text}"], now=0.0)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1"])
def test_loopback_needs_no_key(address: str) -> None:
    check_exposure(address, GatewaySettings())


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.1.4", "::", "203.0.113.7"])
@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({}, "MELON_GATEWAY__OWNER_KEY .* and MELON_GATEWAY__HOSTS"),
        ({"owner_key": KEY}, "MELON_GATEWAY__HOSTS"),
        ({"hosts": ["melon.example"]}, "MELON_GATEWAY__OWNER_KEY"),
    ],
)
def test_beyond_loopback_key_and_names_are_needed(address: str, settings: dict[str, object], missing: str) -> None:
    with pytest.raises(Exposed, match=missing):
        check_exposure(address, GatewaySettings.model_validate(settings))
    check_exposure(address, GatewaySettings.model_validate({"owner_key": KEY, "hosts": ["melon.example"]}))


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValidationError):
        GatewaySettings.model_validate({"owner_key": "short"})


def test_with_a_key_nothing_but_health_and_sign_in_is_open(tmp_path: Path, upstream: Upstream, page_dir: Path) -> None:
    with GatewayProcess(
        tmp_path, {"registry": upstream.url}, MELON_GATEWAY__OWNER_KEY=KEY, MELON_WEB_DIR=str(page_dir)
    ) as gateway:
        for path in ("/api/v1/runs/x", "/api/v1/system", "/metrics", "/assets/app-1.js", "/openapi.json"):
            answer = gateway.http.get(path)
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
            assert answer.headers["www-authenticate"] == "Bearer"
        wrong = {"Authorization": f"Bearer {KEY}x"}
        assert gateway.http.get("/api/v1/runs/x", headers=wrong).status_code == 401
        assert gateway.http.get("/healthz").status_code == 200

        by_key = gateway.http.get("/api/v1/runs/x", headers={"Authorization": f"Bearer {KEY}"})
        assert by_key.status_code == 200
        assert KEY not in by_key.text

        page = gateway.http.get("/experiments", headers={"Accept": "text/html"})
        assert (page.status_code, page.headers["location"]) == (303, "/sign-in")
        assert "소유자 키" in gateway.http.get("/sign-in", headers={"Accept-Language": "ko-KR,ko"}).text

        refused = gateway.http.post("/sign-in", data={"key": "not it"})
        assert refused.status_code == 401
        assert "That is not the key." in refused.text
        assert "set-cookie" not in refused.headers

        signed_in = gateway.http.post("/sign-in", data={"key": KEY})
        assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/")
        cookie = signed_in.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
        session = {"Cookie": cookie.partition(";")[0]}
        seen = gateway.http.get("/api/v1/runs/x", headers=session)
        assert seen.status_code == 200
        assert not any(name == "cookie" for name, _ in seen.json()["headers"])
        assert gateway.http.get("/", headers=session).status_code == 200
        foreign = {**session, "Origin": "http://evil.example"}
        assert gateway.http.post("/api/v1/runs", headers=foreign).status_code == 403

        gateway.http.cookies.clear()
        signed_out = gateway.http.post("/sign-out", headers=session)
        assert signed_out.headers["location"] == "/sign-in"
        assert 'melon_session=""' in signed_out.headers["set-cookie"]
        assert gateway.http.post("/sign-in", content=b"key=" + b"x" * 10_000).status_code == 413


def test_the_cookie_is_for_tls_alone_where_the_page_came_by_tls(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path, {}, MELON_GATEWAY__OWNER_KEY=KEY, MELON_GATEWAY__HOSTS="melon.example") as gateway:
        headers = {"Host": "melon.example", "Origin": "https://melon.example"}
        answer = gateway.http.post("/sign-in", data={"key": KEY}, headers=headers)
        assert "Secure" in answer.headers["set-cookie"].split("; ")


def test_where_no_key_is_asked_there_is_no_sign_in(gateway: GatewayProcess) -> None:
    assert gateway.http.post("/sign-in", data={"key": KEY}).status_code == 405


# Heads of requests


def test_a_head_that_is_too_large_is_refused(gateway: GatewayProcess) -> None:
    start = f"GET /healthz HTTP/1.1\r\nHost: localhost:{gateway.port}\r\n".encode()
    for filler in (b"X-A: " + b"a" * 66_000, b"X-A: b\r\n" * 8_250):
        answer = gateway.ask(start + filler)
        assert answer.startswith(b"HTTP/1.1 431"), answer
        assert b"application/problem+json" in answer
        assert b"x-request-id" in answer


def test_a_body_does_not_count_as_a_head(gateway: GatewayProcess, upstream: Upstream) -> None:
    for _ in range(3):
        assert gateway.http.post("/api/v1/datasets/sink", content=bytes(500_000)).json()["size"] == 500_000


@pytest.mark.parametrize("request_text", [b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"])
def test_what_is_not_http_is_a_problem_too(gateway: GatewayProcess, request_text: bytes) -> None:
    answer = gateway.ask(request_text)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b'"code":"invalid_request"' in answer


def test_a_request_without_a_host_is_refused(gateway: GatewayProcess) -> None:
    answer = gateway.ask(b"GET /api/v1/runs/x HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 403")
    assert b"host_not_allowed" in answer


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: local"])
def test_a_head_that_takes_too_long_is_given_up(tmp_path: Path, sent: bytes) -> None:
    with GatewayProcess(tmp_path, {}, MELON_GATEWAY__HEAD_SECONDS="0.3") as gateway:
        answer = gateway.ask(sent)
        assert answer.startswith(b"HTTP/1.1 408")
        assert b'"code":"invalid_request"' in answer


def test_the_next_head_on_a_connection_has_its_time_too(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path, {}, MELON_GATEWAY__HEAD_SECONDS="0.3") as gateway:
        whole = f"GET /healthz HTTP/1.1\r\nHost: localhost:{gateway.port}\r\n\r\n".encode()
        answer = gateway.ask(whole + whole[:20])
        assert answer.count(b"HTTP/1.1 200") == 1
        assert answer.count(b"HTTP/1.1 408") <= 1
        with gateway.connect(whole) as connection:
            assert b"alive" in read_until(connection, b"}")
            connection.sendall(whole[:20])
            assert read_until(connection, b"}").startswith(b"HTTP/1.1 408")


def test_nothing_is_written_into_an_answer_that_is_on_its_way(tmp_path: Path, upstream: Upstream) -> None:
    with GatewayProcess(tmp_path, {"tuner": upstream.url}) as gateway:
        events = f"GET /api/v1/experiments/x/events HTTP/1.1\r\nHost: localhost:{gateway.port}\r\n\r\n".encode()
        with gateway.connect(events) as connection:
            got = read_until(connection, b"first")
            connection.sendall(b"\x00 no request")
            got += b"".join(iter(lambda: connection.recv(65536), b""))
        assert got.count(b"HTTP/1.1") == 1
