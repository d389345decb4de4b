"""Several replicas behind one name: refusing ones, silent ones, ones that break off. Real sockets on 127.0.0.0/8."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
from prometheus_client import Counter

from melonkube.gateway.forward.calls import Call, Caller
from melonkube.gateway.forward.replicas import NoReplica, Replicas, Rota
from melonkube.gateway.forward.settings import ForwardSettings

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s"

Behave = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Stage:
    """Servers at several addresses of one port, and calls made to them by name."""

    port: int
    calls: Caller
    counter: Counter
    asked: dict[str, int] = field(default_factory=dict)
    known: list[str] = field(default_factory=list)

    async def predict(self, *, repeatable: bool = True, hedged: bool = True) -> str:
        """Make a call; return which address answered."""
        call = Call("serving", "POST", "/x?y=1", [("A", "1")], lambda: b"rows", False, repeatable, hedged)
        answer = await self.calls.make(call)
        return (await answer.read()).decode()

    def counted(self, why: str) -> float:
        """Return how many calls were sent again for a reason."""
        return float(self.counter.labels("serving", why)._value.get())


@asynccontextmanager
async def stage(behaviours: dict[str, str], **settings: float) -> AsyncIterator[Stage]:
    """Open servers: ``answer``, ``silent`` (takes the call and says nothing), ``break`` (closes), ``refuse``."""
    servers: list[asyncio.Server] = []
    probe = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
    port = probe.sockets[0].getsockname()[1]
    probe.close()
    await probe.wait_closed()
    counter = Counter("again", "Sent again.", ("service", "why"), registry=None)
    given = ForwardSettings.model_validate({"hedge_seconds": 0.05, "connect_seconds": 0.5, **settings})
    known = sorted(behaviours)

    async def resolve(host: str, asked_port: int) -> Collection[str]:
        assert (host, asked_port) == ("serving-pods", port)
        if not known:
            raise OSError("no such name")
        return list(known)

    replicas = Replicas(f"http://serving-pods:{port}", given, resolve)
    over = asyncio.Event()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, sock_connect=0.5)) as session:
        found = Stage(port, Caller(session, {"serving": replicas}, given, counter), counter, known=known)

        def behave(address: str, how: str) -> Behave:
            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                while await reader.readuntil(b"\r\n\r\nrows"):
                    found.asked[address] = found.asked.get(address, 0) + 1
                    if how == "break":
                        break
                    if how == "silent":
                        await over.wait()
                        break
                    writer.write(ANSWER % (len(address), address.encode()))
                writer.close()

            async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                try:
                    await serve(reader, writer)
                except (asyncio.IncompleteReadError, ConnectionError):
                    writer.close()

            return guarded

        for address, how in behaviours.items():
            if how != "refuse":
                servers.append(await asyncio.start_server(behave(address, how), address, port))
        try:
            yield found
        finally:
            over.set()
            await replicas.close()
            for server in servers:
                server.close()


async def test_calls_go_to_all_replicas_in_turn() -> None:
    async with stage({"127.0.0.1": "answer", "127.0.0.2": "answer", "127.0.0.3": "answer"}) as found:
        answered = [await found.predict() for _ in range(30)]
    assert {address: answered.count(address) for address in set(answered)} == dict.fromkeys(found.known, 10)


@pytest.mark.parametrize("hedged", [True, False])
async def test_a_replica_that_refuses_costs_no_call_and_is_left_out(hedged: bool) -> None:
    async with stage({"127.0.0.1": "answer", "127.0.0.2": "refuse", "127.0.0.3": "refuse"}) as found:
        assert {await found.predict(hedged=hedged) for _ in range(30)} == {"127.0.0.1"}
        assert found.counted("no_connection") == 2


async def test_a_call_that_changes_something_is_sent_on_only_where_no_connection_was_made() -> None:
    async with stage({"127.0.0.1": "answer", "127.0.0.2": "refuse"}) as found:
        assert {await found.predict(repeatable=False, hedged=False) for _ in range(10)} == {"127.0.0.1"}
    async with stage({"127.0.0.1": "break"}) as found:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await found.predict(repeatable=False, hedged=False)
        assert found.asked == {"127.0.0.1": 1}


async def test_a_replica_that_says_nothing_is_asked_once_and_then_left_out() -> None:
    async with stage({"127.0.0.1": "answer", "127.0.0.2": "silent"}) as found:
        assert {await found.predict() for _ in range(30)} == {"127.0.0.1"}
        assert found.asked["127.0.0.2"] == 1
        assert found.counted("no_answer") == 1


async def test_only_what_may_be_computed_twice_is_sent_twice() -> None:
    async with stage({"127.0.0.1": "silent", "127.0.0.2": "silent"}, answer_seconds=0.3) as found:
        with pytest.raises(TimeoutError):
            await found.predict(hedged=False)
        assert sum(found.asked.values()) == 1


async def test_a_slow_replica_still_counts_where_there_is_no_other() -> None:
    async with stage({"127.0.0.1": "silent", "127.0.0.2": "silent"}, answer_seconds=0.5) as found:
        with pytest.raises(TimeoutError):
            await found.predict()
        assert found.asked == {"127.0.0.1": 1, "127.0.0.2": 1}
        assert found.counted("no_answer") == 1


async def test_a_replica_that_breaks_off_costs_no_call() -> None:
    async with stage({"127.0.0.1": "answer", "127.0.0.2": "break"}) as found:
        assert {await found.predict() for _ in range(30)} == {"127.0.0.1"}
        assert found.counted("connection_lost") == 1


async def test_a_call_is_repeated_only_once() -> None:
    async with stage({"127.0.0.1": "break", "127.0.0.2": "break"}) as found:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await found.predict()
        assert sum(found.asked.values()) == 2


async def test_all_that_fail_are_tried_rather_than_none() -> None:
    async with stage({"127.0.0.1": "refuse", "127.0.0.2": "refuse"}, connect_attempts=3) as found:
        with pytest.raises(aiohttp.ClientConnectorError):
            await found.predict()
        assert found.counted("no_connection") == 2


async def test_a_name_without_an_address_is_an_error_until_it_has_one() -> None:
    async with stage({"127.0.0.1": "answer"}, connect_attempts=2, resolve_seconds=0.01) as found:
        found.known.clear()
        with pytest.raises(NoReplica):
            await found.predict()
        found.known.append("127.0.0.1")
        await asyncio.sleep(0.02)
        assert await found.predict() == "127.0.0.1"
        # The resolver fails again: what was known holds on.
        found.known.clear()
        await asyncio.sleep(0.02)
        assert await found.predict() == "127.0.0.1"


@pytest.mark.parametrize("base", ["http://127.0.0.1:81", "http://[::1]:81", "https://serving.example:443"])
async def test_an_address_is_not_asked_for(base: str) -> None:
    async def never(_host: str, _port: int) -> Collection[str]:
        raise AssertionError

    replicas = Replicas(base, ForwardSettings(), never)
    assert await replicas.choose() == base
    assert not replicas.many
    assert not replicas.others([base])


def test_the_rota_comes_back_to_who_failed() -> None:
    rota = Rota(10.0)
    rota.know(["b", "a"])
    assert [rota.choose(0.0) for _ in range(4)] == ["b", "a", "b", "a"]
    rota.set_aside("a", 0.0)
    assert {rota.choose(9.9) for _ in range(4)} == {"b"}
    assert rota.choose(9.9, avoid=["b"]) == "a"
    assert {rota.choose(10.0) for _ in range(4)} == {"a", "b"}
    rota.set_aside("a", 20.0)
    rota.know(["c"])
    rota.know(["a", "c"])
    assert rota.good(21.0) == ["a", "c"], "what comes back after it was gone is new"
    assert rota.choose(21.0, avoid=["a", "c"]) in ("a", "c")
    rota.know([])
    assert rota.choose(22.0) is None
