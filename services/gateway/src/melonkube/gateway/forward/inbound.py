"""A request's body as it arrives, and the moment its client goes away."""

import asyncio
from collections.abc import AsyncIterator

from starlette.types import Receive

from melonkube.contracts.errors import ErrorCode
from melonkube.kit.errors import BodyTooLarge, MelonError


class StalledBody(MelonError):
    """The client stopped in the middle of its body."""

    status = 408
    code = ErrorCode.INVALID_REQUEST


class ClientGone(Exception):
    """The client went away before its body was complete."""


def check_body(size: int, limit: int | None) -> None:
    """Let a body of ``size`` bytes pass; without a limit, any.

    Raises:
        BodyTooLarge: It is over the limit.
    """
    if limit is not None and size > limit:
        raise BodyTooLarge(f"The body of this call may have {limit:,} bytes.")


class Inbound:
    """The one reader of a request.

    ASGI's ``receive`` gives first the body and then, whenever it comes, the disconnect; it must have one caller at a
    time. While the body is read, that is :meth:`stream`; afterwards :meth:`gone`.

    Args:
        receive: ASGI's.
        idle_seconds: How long the client may stop in the middle of the body.
        limit: How many bytes the body may have, None for any number.
    """

    def __init__(self, receive: Receive, idle_seconds: float, limit: int | None = None) -> None:
        self._receive = receive
        self._idle_seconds = idle_seconds
        self._limit = limit
        self._size = 0
        self._body_over = asyncio.Event()
        self.fault: MelonError | None = None
        """Why :meth:`stream` gave up, if it did."""

    async def stream(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives.

        Raises:
            ClientGone: The client went away.
            StalledBody: It stopped sending.
            BodyTooLarge: It sends more than it may.
        """
        more = True
        while more:
            try:
                async with asyncio.timeout(self._idle_seconds):
                    message = await self._receive()
            except TimeoutError:
                self.fault = StalledBody("The body of the request stopped arriving; send it again.")
                raise self.fault from None
            if message["type"] == "http.disconnect":
                self._body_over.set()
                raise ClientGone
            more = message.get("more_body", False)
            self._size += len(message.get("body", b""))
            try:
                check_body(self._size, self._limit)
            except BodyTooLarge as error:
                self.fault = error
                raise
            if message.get("body"):
                yield message["body"]
        self._body_over.set()

    async def read(self) -> bytes:
        """Return the whole body, which is known to be small."""
        return b"".join([chunk async for chunk in self.stream()])

    async def gone(self) -> None:
        """Return when the client has gone away, once its body has been read."""
        await self._body_over.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass
