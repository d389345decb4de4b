"""When a service that ended is started again. Pure."""

from dataclasses import dataclass


@dataclass(slots=True)
class RestartPolicy:
    """Doubles the wait after each end that comes too soon, and gives up on a service that cannot start.

    Args:
        first_seconds: The wait after the first end.
        longest_seconds: The longest wait.
        stable_seconds: A service that ran as long begins anew with the first wait.
        hopeless_after: How often in a row a service may end by itself before it was ready. One killed by a signal
            did not end by itself: that says nothing about its configuration.
    """

    first_seconds: float = 0.1
    longest_seconds: float = 5.0
    stable_seconds: float = 30.0
    hopeless_after: int = 5
    _soon: int = 0
    _unready: int = 0

    def ended(self, *, uptime: float, ready: bool, by_signal: bool) -> float | None:
        """Return the seconds to wait, before jitter; None when it is hopeless."""
        if ready:
            self._unready = 0
        elif not by_signal:
            self._unready += 1
        if self._unready >= self.hopeless_after:
            return None
        if uptime >= self.stable_seconds:
            self._soon = 0
        wait = min(self.longest_seconds, self.first_seconds * 2.0**self._soon)
        self._soon += 1
        return wait
