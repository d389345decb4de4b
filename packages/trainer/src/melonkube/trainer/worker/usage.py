"""What training uses of the machine, as series of its run."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import psutil

from melonkube.contracts.runs import CPU_SERIES, MEMORY_SERIES

SAMPLE_SECONDS = 10.0

Write = Callable[[str, int, float, datetime], None]
"""Takes a point of a series: name, step, value, moment."""


class Usage:
    """Measures this process while the block runs: every ten seconds, and at the end.

    ``system.cpu_cores`` is how many cores were busy on average since the last point, over all threads;
    ``system.memory_bytes`` is the resident memory at that moment. A step is a whole second since the block began.

    Args:
        write: Takes each point, on a thread of the meter's own but for the last.
        every: Seconds between points.
        clock: Seconds that only grow.
    """

    def __init__(
        self, write: Write, every: float = SAMPLE_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write = write
        self._every = every
        self._clock = clock
        self._process = psutil.Process()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="usage", daemon=True)
        self._began = self._last = clock()
        self._busy = time.process_time()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._sample()

    def _run(self) -> None:
        while not self._over.wait(self._every):
            self._sample()

    def _sample(self) -> None:
        now, busy, at = self._clock(), time.process_time(), datetime.now(UTC)
        step = int(now - self._began)
        if now > self._last:
            self._write(CPU_SERIES, step, (busy - self._busy) / (now - self._last), at)
        self._write(MEMORY_SERIES, step, float(self._process.memory_info().rss), at)
        self._last, self._busy = now, busy
