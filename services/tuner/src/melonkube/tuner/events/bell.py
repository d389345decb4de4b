"""Wakes whoever waits for a change of an experiment, within this process."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

NEW = "new"
"""Rung when an experiment is made."""

OUTBOX = "outbox"
"""Rung when there is a call for the registry."""


class Bell:
    """One bell for each experiment, by its id, and some for other matters. Used on the event loop alone.

    A change made by another replica rings no bell here: whoever waits also looks now and then.
    """

    def __init__(self) -> None:
        self._listeners: dict[str, set[asyncio.Event]] = {}

    @contextmanager
    def listen(self, key: str) -> Iterator[asyncio.Event]:
        """Yield an event that is set by each ring for ``key``; clear it before looking."""
        event = asyncio.Event()
        self._listeners.setdefault(key, set()).add(event)
        try:
            yield event
        finally:
            listeners = self._listeners[key]
            listeners.discard(event)
            if not listeners:
                del self._listeners[key]

    def ring(self, key: str) -> None:
        """Wake those who listen for ``key``."""
        for event in self._listeners.get(key, ()):
            event.set()

    def ring_all(self) -> None:
        """Wake everybody."""
        for listeners in self._listeners.values():
            for event in listeners:
                event.set()


async def rung(event: asyncio.Event, timeout: float) -> bool:
    """Wait until ``event`` is set, at most ``timeout`` seconds; return whether it is."""
    try:
        async with asyncio.timeout(timeout):
            await event.wait()
    except TimeoutError:
        return False
    return True
