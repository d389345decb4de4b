"""The lease: kept alive by a thread of its own, which carries reports one way and verdicts the other."""

import logging
import threading
import time
from collections.abc import Callable

import httpx

from melonkube.contracts.worker import RenewAnswer, RenewRequest, Report, Verdict
from melonkube.trainer.worker.http import PASSING, Api, Refused, Token, TokenRefused, backoff

log = logging.getLogger("melonkube.worker.lease")

REPORT_SECONDS = 1.0
"""Reports are gathered for so long before they are sent; the first heartbeat, too, comes after so long."""


class Lease:
    """One assignment as the worker holds it. Thread-safe.

    Attributes:
        run_id: Names it.
        over: Set when nothing that is done for it matters any more: it is lost, or the worker must end.
    """

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.over = threading.Event()
        self._lock = threading.Lock()
        self._verdict = Verdict.CONTINUE
        self._waiting: list[Report] = []
        self._sent: list[Report] = []

    @property
    def verdict(self) -> Verdict:
        """What the tuner last answered; never back to ``continue`` once it was something else."""
        return self._verdict

    @property
    def lost(self) -> bool:
        """Whether it is another's, or over."""
        return self._verdict is Verdict.LOST

    def obey(self, verdict: Verdict) -> None:
        """Take a verdict; the first that ends the trial stands, but for ``lost``, which overrules."""
        with self._lock:
            if self._verdict is Verdict.CONTINUE or verdict is Verdict.LOST:
                self._verdict = verdict
        if verdict is Verdict.LOST:
            self.over.set()

    def report(self, report: Report) -> None:
        """Add an intermediate value, to be sent with the next heartbeat."""
        with self._lock:
            self._waiting.append(report)

    @property
    def waiting(self) -> bool:
        """Whether there is something to send."""
        return bool(self._waiting)

    def take(self) -> list[Report]:
        """Return what is to be sent now; it counts as sent only after :meth:`delivered`."""
        with self._lock:
            self._sent, self._waiting = self._sent + self._waiting, []
            return list(self._sent)

    def delivered(self) -> None:
        """Forget what was taken."""
        with self._lock:
            self._sent = []

    def undelivered(self) -> list[Report]:
        """Return what has surely not arrived, or may not have."""
        with self._lock:
            return self._sent + self._waiting


class Heartbeat:
    """Renews the lease at hand, however long an answer takes or stays away.

    Args:
        api: The tuner.
        token: Replaced when an answer brings a fresh one.
        worker_id: The worker's name.
        interval_seconds: Time between renewals.
        on_refused: Called when the tuner does not take the token.
    """

    def __init__(
        self,
        api: Api,
        token: Token,
        worker_id: str,
        interval_seconds: float,
        on_refused: Callable[[TokenRefused], None],
    ) -> None:
        self._api = api
        self._token = token
        self._worker_id = worker_id
        self._interval = interval_seconds
        self._changed = threading.Condition()
        self._lease: Lease | None = None
        self._due = 0.0
        self._may_report = 0.0
        self._failures = 0
        self._closing = False
        self._on_refused = on_refused
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()

    def hold(self, lease: Lease) -> None:
        """Keep ``lease`` alive from now on."""
        with self._changed:
            self._lease = lease
            self._failures = 0
            self._may_report = time.monotonic() + REPORT_SECONDS
            self._due = time.monotonic() + min(REPORT_SECONDS, self._interval)
            self._changed.notify()

    def report(self, lease: Lease, report: Report) -> None:
        """Send an intermediate value before long."""
        first = not lease.waiting
        lease.report(report)
        if first:
            with self._changed:
                self._changed.notify()

    def drop(self) -> None:
        """Keep nothing alive."""
        with self._changed:
            self._lease = None
            self._changed.notify()

    def close(self, seconds: float) -> bool:
        """End the thread; return whether it ended within ``seconds``, which a call under way may prevent."""
        with self._changed:
            self._closing = True
            self._lease = None
            self._changed.notify()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (lease := self._next()) is not None:
            self._renew(lease)

    def _next(self) -> Lease | None:
        with self._changed:
            while not self._closing:
                lease = self._lease
                if lease is None:
                    self._changed.wait()
                    continue
                due = min(self._due, self._may_report) if lease.waiting else self._due
                left = due - time.monotonic()
                if left <= 0:
                    return lease
                self._changed.wait(left)
            return None

    def _renew(self, lease: Lease) -> None:
        request = RenewRequest(worker_id=self._worker_id, reports=lease.take())
        try:
            answered = self._api.once(
                "POST", f"/worker/v1/leases/{lease.run_id}/renew", content=request.model_dump_json().encode()
            )
            answer = RenewAnswer.model_validate_json(answered.content)
        except TokenRefused as refused:
            self.drop()
            self._on_refused(refused)
        except Refused as refused:
            if refused.status in PASSING or refused.status >= 500:
                self._try_later(lease, refused)
            else:
                log.warning("the lease is lost", extra={"reason": str(refused)})
                lease.obey(Verdict.LOST)
                self._forget(lease)
        except httpx.TransportError as error:
            self._try_later(lease, error)
        else:
            self._renewed(lease, answer)

    def _renewed(self, lease: Lease, answer: RenewAnswer) -> None:
        lease.delivered()
        self._token.replace(answer.token)
        lease.obey(answer.verdict)
        with self._changed:
            if self._failures:
                log.info("tuner answers again")
            self._failures = 0
            self._due = time.monotonic() + self._interval
            self._may_report = time.monotonic() + REPORT_SECONDS
        if answer.verdict is Verdict.LOST:
            self._forget(lease)

    def _try_later(self, lease: Lease, error: Exception) -> None:
        with self._changed:
            if lease is not self._lease:
                return
            if self._failures == 0:
                log.warning("tuner does not answer, training on", extra={"reason": str(error)})
            self._due = self._may_report = time.monotonic() + backoff(self._failures)
            self._failures += 1

    def _forget(self, lease: Lease) -> None:
        with self._changed:
            if self._lease is lease:
                self._lease = None
