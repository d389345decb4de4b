"""Predict calls by the full path: inline where they are short, else on threads, a bounded number of them at once."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

from melonkube.kit.errors import MelonError, NotReady
from melonkube.serving.predict.full import predict_full
from melonkube.serving.predict.table import Live
from melonkube.serving.settings import PredictSettings

_SMALL_BODY = 32 << 10
_LEAST_FIELD = 4
"""Bytes a field takes at least in JSON: two quotes, a colon, a value."""


class PredictService:
    """Answers predict calls. Owned by the app, used on its loop."""

    def __init__(self, settings: PredictSettings) -> None:
        self._settings = settings
        self._threads = ThreadPoolExecutor(settings.batch_threads, "predict")
        self._waiting = 0

    async def answer(self, live: Live, body: bytes) -> bytes:
        """Return the answer of ``live`` to ``body``.

        Raises:
            MelonError: The body is not what the endpoint takes, or too many large calls are under way.
        """
        began = time.perf_counter()
        try:
            if self._is_short(live, body):
                answer, rows = predict_full(live, body, self._settings.max_rows)
            else:
                answer, rows = await self._on_thread(live, body)
        except MelonError:
            live.stats.rejected += 1
            raise
        live.stats.answered(time.perf_counter() - began, rows)
        return answer

    def _is_short(self, live: Live, body: bytes) -> bool:
        most_rows = 1 + len(body) // (_LEAST_FIELD * len(live.served.signature.features) + 2)
        return len(body) <= _SMALL_BODY and most_rows * live.served.row_seconds <= self._settings.inline_seconds

    async def _on_thread(self, live: Live, body: bytes) -> tuple[bytes, int]:
        if self._waiting >= self._settings.max_waiting:
            raise NotReady(
                "Too many large predict calls are under way; try again shortly.", headers={"Retry-After": "1"}
            )
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, predict_full, live, body, self._settings.max_rows
            )
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """Wait for what is computing, and end the threads."""
        await asyncio.to_thread(self._threads.shutdown)
