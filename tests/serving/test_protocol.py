"""The fast path's place in uvicorn, over real sockets: it answers as the full path does, or steps aside unnoticed."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from melonkube.contracts.ids import new_id
from melonkube.serving.predict import fast
from melonkube.serving.predict.protocol import make_protocol
from tests.serving.bundles import make_bundle
from tests.serving.conftest import Running

PATH = "/api/v1/endpoints/e/predict"


class Wire:
    """A raw connection to a server with the fast path, and a count of what the full path was given."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str, full: list[str]) -> None:
        self.reader = reader
        self.writer = writer
        self.token = token
        self.full = full

    def request(self, body: bytes, *, method: str = "POST", path: str = PATH, headers: str = "") -> bytes:
        head = f"{method} {path} HTTP/1.1\r\nHost: serving\r\nAuthorization: Bearer {self.token}\r\n"
        return (
            head + f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        ).encode() + body

    async def send(self, *parts: bytes) -> None:
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:] if line)}
        return int(lines[0].split()[1]), headers, await self.reader.readexactly(int(headers["content-length"]))

    async def ask(self, body: bytes, **options: Any) -> tuple[int, dict[str, str], bytes]:
        await self.send(self.request(body, **options))
        return await self.answer()


Connect = Callable[[], Any]


@pytest.fixture
async def connect(serving: Running, make_token: Callable[..., str]) -> AsyncIterator[Connect]:
    serving.registry.add("m", make_bundle())
    await serving.deploy("e", model="m", version=1)
    full: list[str] = []

    async def counting(scope: Any, receive: Any, send: Any) -> None:
        full.append(scope["path"])
        await serving.app(scope, receive, send)

    config = uvicorn.Config(counting, lifespan="off", log_config=None, server_header=False, date_header=False)
    config.load()
    protocol = make_protocol(serving.app.state.fast)
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: protocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    opened: list[asyncio.StreamWriter] = []

    async def open_() -> Wire:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        opened.append(writer)
        wire = Wire(reader, writer, make_token("serving"), full)
        wire.state = state  # type: ignore[attr-defined]
        return wire

    yield open_
    for writer in opened:
        writer.close()
    server.close()
    await server.wait_closed()


@pytest.fixture
async def wire(connect: Connect) -> Wire:
    found: Wire = await connect()
    return found


def body_of(*rows: Any) -> bytes:
    return json.dumps({"instances": list(rows)}).encode()


ROWS = make_bundle().instances


async def test_an_ordinary_request_is_answered_beside_the_framework(wire: Wire, serving: Running) -> None:
    for rows in (ROWS[:1], ROWS[1:2], ROWS[:7]):
        status, headers, content = await wire.ask(body_of(*rows))
        assert status == 200
        assert headers["content-type"] == "application/json"
        assert wire.full == []
        expected = await serving.predict("e", *rows)
        assert content == expected.content


async def test_request_ids_are_kept_or_made(wire: Wire) -> None:
    _, headers, _ = await wire.ask(body_of(ROWS[0]), headers="X-Request-Id: mine-1\r\n")
    assert headers["x-request-id"] == "mine-1"
    _, headers, _ = await wire.ask(body_of(ROWS[0]), headers="X-Request-Id: not one\r\n")
    assert len(headers["x-request-id"]) == 36
    _, other, _ = await wire.ask(body_of(ROWS[0]))
    assert other["x-request-id"] != headers["x-request-id"]
    assert wire.full == []


async def test_answers_are_counted_by_both_paths_alike(wire: Wire, serving: Running) -> None:
    await wire.ask(body_of(*ROWS[:3]))
    await serving.predict("e", ROWS[0])
    text = (await serving.client.get("/metrics")).text
    assert 'melonkube_predict_rows_total{endpoint="e",workspace="00000000-0000-7000-8000-000000000001"} 4.0' in text
    count = 'http_server_request_duration_seconds_count{method="POST",route="/api/v1/endpoints/{name}/predict"'
    assert f'{count},status="200"}} 2.0' in text


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (body_of({}), 422, "invalid_instances"),
        (body_of({**ROWS[0], "age": "old"}), 422, "invalid_instances"),
        (b"{", 422, "invalid_request"),
        (b"", 422, "invalid_request"),
    ],
)
async def test_a_bad_request_is_left_to_the_full_path(wire: Wire, body: bytes, status: int, code: str) -> None:
    found, headers, content = await wire.ask(body)
    assert (found, headers["content-type"]) == (status, "application/problem+json")
    assert json.loads(content)["code"] == code
    assert wire.full == [PATH]
    assert (await wire.ask(body_of(ROWS[0])))[0] == 200
    assert wire.full == [PATH]


async def test_warnings_come_from_the_full_path(wire: Wire) -> None:
    status, _, content = await wire.ask(body_of({**ROWS[0], "직업": "new", "label": "no"}))
    assert status == 200
    assert len(json.loads(content)["warnings"]) == 2
    assert wire.full == [PATH]


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"path": "/api/v1/endpoints/none/predict"}, 404),
        ({"path": PATH + "?x=1"}, 200),
        ({"path": "/api/v1/endpoints/%65/predict"}, 200),
        ({"method": "GET"}, 405),
        ({"method": "PUT"}, 405),
        ({"headers": "Connection: close\r\n"}, 200),
        ({"headers": "Content-Encoding: gzip\r\n"}, 415),
        ({"headers": "Content-Type: text/plain\r\n"}, 200),
    ],
)
async def test_what_is_out_of_the_ordinary_steps_aside(wire: Wire, options: dict[str, str], status: int) -> None:
    found, _, _ = await wire.ask(body_of(ROWS[0]), **options)
    assert found == status
    assert len(wire.full) == 1


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic eDp5", "bearer {token}", "Bearer \xff"])
async def test_the_token_is_checked(wire: Wire, header: str) -> None:
    body = body_of(ROWS[0])
    head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    if header:
        head += f"authorization: {header.format(token=wire.token)}\r\n"
    await wire.send((head + "\r\n").encode("latin-1") + body)
    status, _, _ = await wire.answer()
    assert status == (200 if "{token}" in header else 401)
    assert len(wire.full) == 1


async def test_another_workspace_and_another_scope_get_nothing(wire: Wire, make_token: Callable[..., str]) -> None:
    for token, status in (
        (make_token("serving", workspace_id=new_id()), 404),
        (make_token("serving", scope="worker"), 403),
        (make_token("registry"), 401),
    ):
        wire.token = token
        assert (await wire.ask(body_of(ROWS[0])))[0] == status


async def test_a_request_in_pieces_is_one_request(wire: Wire) -> None:
    whole = wire.request(body_of(ROWS[0]))
    for size in (1, 7, 100):
        await wire.send(*(whole[start : start + size] for start in range(0, len(whole), size)))
        assert (await wire.answer())[0] == 200
    assert wire.full == []


async def test_a_chunked_body_is_taken(wire: Wire) -> None:
    body = body_of(ROWS[0])
    head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {wire.token}\r\n"
    head += "content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:100], body[100:])) + b"0\r\n\r\n"
    await wire.send(head.encode() + chunks)
    assert (await wire.answer())[0] == 200


async def test_a_large_body_is_handed_over_whole(wire: Wire) -> None:
    rows = [dict(ROWS[n % len(ROWS)]) for n in range(600)]
    body = body_of(*rows)
    assert len(body) > fast.MAX_BODY
    status, _, content = await wire.ask(body)
    assert status == 200
    assert len(json.loads(content)["predictions"]) == 600
    assert wire.full == [PATH]
    assert (await wire.ask(body_of(ROWS[0])))[0] == 200


async def test_pipelined_requests_are_answered_in_order(wire: Wire) -> None:
    good, bad = wire.request(body_of(ROWS[0])), wire.request(body_of({}))
    schema = wire.request(b"", method="GET", path="/api/v1/endpoints/e/schema")
    await wire.send(good + bad + good + good + schema + good)
    assert [(await wire.answer())[0] for _ in range(6)] == [200, 422, 200, 200, 200, 200]
    assert (await wire.ask(body_of(ROWS[0])))[0] == 200


async def test_who_waits_for_100_continue_is_told_so(wire: Wire) -> None:
    body = body_of(ROWS[0])
    whole = wire.request(body, headers="Expect: 100-continue\r\n")
    await wire.send(whole[: -len(body)])
    assert await wire.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    await wire.send(body)
    assert (await wire.answer())[0] == 200


async def test_http_1_0_is_answered_and_closed(wire: Wire) -> None:
    whole = wire.request(body_of(ROWS[0]), headers="Connection: keep-alive\r\n").replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    await wire.send(whole)
    status, headers, _ = await wire.answer()
    assert (status, headers["connection"]) == (200, "close")
    assert await wire.reader.read() == b""


async def test_what_is_no_http_is_400(wire: Wire) -> None:
    await wire.send(b"\x16\x03\x01 hello\r\n\r\n")
    assert (await wire.answer())[0] == 400


async def test_a_client_that_goes_away_half_way_harms_nobody(connect: Connect) -> None:
    leaving, staying = await connect(), await connect()
    await leaving.send(leaving.request(body_of(ROWS[0]))[:-10])
    leaving.writer.close()
    await leaving.writer.wait_closed()
    assert (await staying.ask(body_of(ROWS[0])))[0] == 200


async def test_a_shutdown_lets_a_half_sent_request_finish(wire: Wire) -> None:
    whole = wire.request(body_of(ROWS[0]))
    await wire.send(whole[:-10])
    await asyncio.sleep(0.05)  # until the server has read it
    for protocol in list(wire.state.connections):  # type: ignore[attr-defined]
        protocol.shutdown()
    await wire.send(whole[-10:])
    status, headers, _ = await wire.answer()
    assert (status, headers["connection"]) == (200, "close")
    assert await wire.reader.read() == b""


async def test_an_idle_connection_is_closed_by_a_shutdown(wire: Wire) -> None:
    assert (await wire.ask(body_of(ROWS[0])))[0] == 200
    for protocol in list(wire.state.connections):  # type: ignore[attr-defined]
        protocol.shutdown()
    assert await wire.reader.read() == b""


async def test_idle_connections_are_closed_and_busy_ones_are_not(connect: Connect, serving: Running) -> None:
    wires = [await connect() for _ in range(4)]
    _, fast_one, slow_one, half = wires
    await slow_one.ask(body_of({}))
    await fast_one.ask(body_of(ROWS[0]))
    whole = half.request(body_of(ROWS[0]))
    await half.send(whole[:-10])
    protocols = [await protocol_of(wire) for wire in wires]
    await asyncio.sleep(0.05)  # until the server has read the half
    assert protocols[3]._lives is not None
    for protocol in protocols:
        assert protocol.timeout_keep_alive_task is not None
        protocol.timeout_keep_alive_handler()  # too early: nothing happens
    assert [protocol.transport.is_closing() for protocol in protocols] == [False] * 4
    for protocol in protocols:
        protocol._began -= protocol.timeout_keep_alive
        protocol.timeout_keep_alive_handler()
    assert [protocol.transport.is_closing() for protocol in protocols] == [True, True, True, False]
    await half.send(whole[-10:])
    assert (await half.answer())[0] == 200
    assert protocols[3].timeout_keep_alive_task is not None
    for wire in wires[:3]:
        assert await wire.reader.read() == b""


async def protocol_of(wire: Wire) -> Any:
    """The server's side of a connection."""
    address = wire.writer.get_extra_info("sockname")
    while True:
        for protocol in wire.state.connections:  # type: ignore[attr-defined]
            if protocol.client == tuple(address):
                return protocol
        await asyncio.sleep(0.001)


async def test_no_request_fails_while_versions_are_swapped(connect: Connect, serving: Running) -> None:
    """Constant load over several connections through 40 swaps between two models, one of them unreadable fast."""
    bundles = [make_bundle(seed=0), make_bundle(seed=1)]
    serving.registry.add("m", bundles[1])
    expected = {}
    for version, made in enumerate(bundles, 1):
        await serving.deploy("e", model="m", version=version)
        expected[made.digest] = (await serving.predict("e", ROWS[0])).json()["probabilities"]
    stop = asyncio.Event()
    seen: dict[str, int] = {}

    async def load(wire: Wire, body: bytes) -> None:
        while not stop.is_set():
            status, _, content = await wire.ask(body)
            assert status == 200, content
            answer = json.loads(content)
            assert answer["probabilities"][:1] == expected[answer["digest"]]
            seen[answer["digest"]] = seen.get(answer["digest"], 0) + 1
            await asyncio.sleep(0)

    large = body_of(*[ROWS[0]] * 400)
    bodies = [body_of(ROWS[0])] * 3 + [body_of({**ROWS[0], "label": "x"}), large]
    async with asyncio.TaskGroup() as group:
        for body in bodies:
            group.create_task(load(await connect(), body))
        for swap in range(40):
            await serving.deploy("e", model="m", version=1 + swap % 2)
        stop.set()
    assert set(seen) == {made.digest for made in bundles}
    assert min(seen.values()) > 40
