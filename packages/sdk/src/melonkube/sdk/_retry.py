"""When a call is sent again, and how long to wait before it. Pure.

A call is *repeatable* when sending it twice does no more than sending it once: reads, PUT and DELETE, and a POST
that is declared so (a prediction) or carries an ``Idempotency-Key``. Others are sent again only when they
certainly never arrived.
"""

import random
from dataclasses import dataclass

RETRIED_STATUSES = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff with full jitter.

    Attributes:
        attempts: How often a call is sent at most; 1 never repeats.
        first_seconds: Upper bound of the first wait; doubled each time.
        longest_seconds: Upper bound of any wait, of a ``Retry-After`` too.
    """

    attempts: int = 4
    first_seconds: float = 0.25
    longest_seconds: float = 8.0

    def ceiling(self, attempt: int) -> float:
        """Return the longest wait after attempt number ``attempt`` (from 1)."""
        return float(min(self.longest_seconds, self.first_seconds * 2.0 ** min(attempt - 1, 32)))

    def delay(self, attempt: int, retry_after: float | None = None, rng: random.Random | None = None) -> float:
        """Return how long to wait after attempt number ``attempt`` (from 1), in seconds.

        The server's ``Retry-After`` is a lower bound, as far as ``longest_seconds`` allows.
        """
        wait = (rng or _RNG).uniform(0.0, self.ceiling(attempt))
        if retry_after is not None:
            wait = max(wait, min(retry_after, self.longest_seconds))
        return wait


_RNG = random.SystemRandom()


def parse_retry_after(value: str | None) -> float | None:
    """Return the seconds in a ``Retry-After`` header; None for no header, a date or nonsense."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None
