"""Makes a call to a replica of a service, and once more to another one where that is safe."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass, field

import aiohttp
from prometheus_client import Counter
from yarl import URL

from melonkube.gateway.forward.replicas import NoReplica, Replicas
from melonkube.gateway.forward.settings import ForwardSettings

CONNECT_FAILED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, NoReplica)
CONNECTION_LOST = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)
FAULTS = (aiohttp.ClientError, ConnectionError, TimeoutError, NoReplica)
"""Everything that a call may end with instead of an answer."""

Body = bytes | AsyncIterator[bytes] | None


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it goes to a replica.

    Args:
        service: The service's name.
        method: HTTP's.
        target: Path and query, as they were sent.
        headers: All of them.
        body: Returns the body, anew for each time it is sent.
        expect_continue: Whether the client waits for ``100 Continue``.
        repeatable: Whether it may be sent again when a connection breaks.
        hedged: Whether it may be sent to another replica, too, when one is slow to answer.
        tried: The replicas it went to.
    """

    service: str
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: Callable[[], Body]
    expect_continue: bool
    repeatable: bool
    hedged: bool
    tried: list[str] = field(default_factory=list)


class Caller:
    """Makes calls. Owned by the forwarder; used on its event loop.

    Args:
        session: The HTTP client.
        replicas: Those of each service.
        settings: How long things may take.
        repeated: Counts what was sent again, by service and reason.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        replicas: Mapping[str, Replicas],
        settings: ForwardSettings,
        repeated: Counter,
    ) -> None:
        self._session = session
        self._replicas = replicas
        self._settings = settings
        self._repeated = repeated

    async def make(self, call: Call) -> aiohttp.ClientResponse:
        """Return the beginning of the answer.

        Raises:
            Exception: One of :data:`FAULTS`.
        """
        if not call.repeatable:
            return await self._reach(call, ())
        async with asyncio.timeout(self._settings.answer_seconds):
            await self._replicas[call.service].know()
            if call.hedged and self._replicas[call.service].many:
                return await self._hedge(call)
            try:
                return await self._reach(call, ())
            except CONNECTION_LOST as error:
                if not _broke_off(error):
                    raise
                self._replicas[call.service].set_aside(call.tried[-1])
                self._count(call, "connection_lost")
                return await self._reach(call, call.tried)

    async def _reach(self, call: Call, avoid: Collection[str]) -> aiohttp.ClientResponse:
        """Send the call to a replica that takes the connection: one that does not is set aside, and another tried."""
        replicas = self._replicas[call.service]
        attempt = 0
        while True:
            attempt += 1
            address = ""
            try:
                address = await replicas.choose(avoid)
                call.tried.append(address)
                return await self._session.request(
                    call.method,
                    URL(address + call.target, encoded=True),
                    data=call.body(),
                    headers=call.headers,
                    allow_redirects=False,
                    expect100=call.expect_continue,
                )
            except CONNECT_FAILED:
                if address:
                    replicas.set_aside(address)
                if attempt >= self._settings.connect_attempts:
                    raise
                self._count(call, "no_connection")
                if not replicas.others(avoid):
                    await asyncio.sleep(0.1 * 2**attempt * random.uniform(0.5, 1.0))  # noqa: S311 - only spreads load

    async def _hedge(self, call: Call) -> aiohttp.ClientResponse:
        """Send the call to one replica, and to another one where the first breaks off, or says nothing for long.

        The first answer counts. A machine that is cut off lets connections hang: nothing else would tell.
        """
        replicas = self._replicas[call.service]
        running = {asyncio.create_task(self._reach(call, ()))}
        patience: float | None = self._settings.hedge_seconds
        repeated = False
        answer: aiohttp.ClientResponse | None = None
        try:
            while True:
                done, running = await asyncio.wait(running, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
                fault: BaseException | None = None
                for task in done:
                    fault = task.exception()
                    if fault is None and answer is None:
                        answer = task.result()
                    elif fault is None:
                        task.result().close()
                if answer is not None:
                    return answer
                if fault is not None:
                    if running:
                        continue
                    if repeated or not _broke_off(fault):
                        raise fault
                if fault is None and not replicas.others(call.tried):
                    patience = None
                    continue
                replicas.set_aside(call.tried[-1])
                self._count(call, "no_answer" if fault is None else "connection_lost")
                patience, repeated = None, True
                running.add(asyncio.create_task(self._reach(call, tuple(call.tried))))
        finally:
            await _abandon(running)

    def _count(self, call: Call, why: str) -> None:
        self._repeated.labels(call.service, why).inc()


def _broke_off(fault: BaseException) -> bool:
    """Whether a connection was lost that had been made; aiohttp's errors of connecting are of the same kind."""
    return isinstance(fault, CONNECTION_LOST) and not isinstance(fault, CONNECT_FAILED)


async def _abandon(tasks: Collection[asyncio.Task[aiohttp.ClientResponse]]) -> None:
    """End calls whose answer is not wanted any more."""
    for task in tasks:
        task.cancel()
    for end in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(end, aiohttp.ClientResponse):
            end.close()
