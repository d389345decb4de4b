"""What workers ask for: setup, leases, renewals, results. Every call is safe to repeat."""

import time
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from sqlalchemy import bindparam, select

from melonkube.contracts.experiments import Cause, TrialState
from melonkube.contracts.ids import new_id
from melonkube.contracts.worker import (
    Assignment,
    CompleteRequest,
    EvaluationResult,
    FailRequest,
    FinishAnswer,
    LeaseAnswer,
    LeaseRequest,
    RenewAnswer,
    RenewRequest,
    Report,
    Verdict,
    WorkerSetup,
)
from melonkube.kit.db import Database
from melonkube.kit.errors import InvalidRequest, NotFound
from melonkube.kit.tokens import Principal
from melonkube.tuner.engine.ledger import Ledger, Ledgers, not_found
from melonkube.tuner.events.bell import Bell, rung
from melonkube.tuner.experiments.spec import SPLIT_PATH
from melonkube.tuner.leases import settle
from melonkube.tuner.leases.handout import OPEN, Nothing, hand_out
from melonkube.tuner.metrics import TunerMetrics
from melonkube.tuner.settings import LeaseSettings
from melonkube.tuner.tables import ExperimentRow, LeaseRow, ReportRow, TrialRow
from melonkube.tuner.trials.domain import TrialEvent

_LOOK_AGAIN_SECONDS = 2.0
"""Another replica's change rings no bell here."""

_LEASE = (
    select(LeaseRow, TrialRow)
    .outerjoin(TrialRow, TrialRow.id == LeaseRow.trial_id)
    .where(
        LeaseRow.workspace_id == bindparam("workspace"),
        LeaseRow.experiment_id == bindparam("experiment"),
        LeaseRow.id == bindparam("lease"),
    )
)


class Roster(Protocol):
    """What the executor's side knows of workers."""

    def retiring(self, worker_id: str) -> bool:
        """Whether the worker's slot is wanted elsewhere."""
        ...

    def leased(self, worker_id: str) -> None:
        """Note that the worker has been given work: it can start."""
        ...


class TokenIssuer(Protocol):
    """Makes workers' tokens."""

    def issue(self, worker_id: str, workspace_id: str, experiment_id: str, dataset_id: str) -> str:
        """Return a token that is at most half way through its life."""
        ...


@dataclass(frozen=True, slots=True)
class Caller:
    """A worker as its token tells of it."""

    principal: Principal
    token: str

    @property
    def experiment_id(self) -> str:
        """The experiment the token is good for."""
        if self.principal.experiment_id is None:
            raise NotFound("The token names no experiment.")
        return self.principal.experiment_id


class LeaseService:
    """Answers workers. One per process; safe for concurrent use on the event loop."""

    def __init__(
        self,
        db: Database,
        ledgers: Ledgers,
        bell: Bell,
        roster: Roster,
        tokens: TokenIssuer,
        settings: LeaseSettings,
        metrics: TunerMetrics,
        artifact_bytes: int,
    ) -> None:
        self._db = db
        self._ledgers = ledgers
        self._bell = bell
        self._roster = roster
        self._tokens = tokens
        self._settings = settings
        self._metrics = metrics
        self._artifact_bytes = artifact_bytes
        self._closed = False

    def close(self) -> None:
        """Let nobody wait any more: who waits is answered that there is nothing now."""
        self._closed = True
        self._bell.ring_all()

    async def setup(self, caller: Caller) -> WorkerSetup:
        """Return what holds for all trials of the worker's experiment."""
        async with self._db.read() as session:
            row = (
                await session.execute(
                    select(ExperimentRow).where(
                        ExperimentRow.workspace_id == caller.principal.workspace_id,
                        ExperimentRow.id == caller.experiment_id,
                    )
                )
            ).scalar_one_or_none()
            if row is None:
                raise not_found(caller.experiment_id)
            spec = await self._ledgers.spec(session, row)
        return WorkerSetup(
            experiment_id=spec.id,
            experiment_name=spec.name,
            dataset_id=spec.dataset_id,
            dataset_name=spec.dataset_name,
            dataset_version=spec.dataset_version,
            dataset_sha256=spec.dataset_sha256,
            parquet_sha256=spec.parquet_sha256,
            parquet_bytes=spec.parquet_bytes,
            target=spec.target,
            task=spec.task,
            metric=spec.metric,
            direction=spec.direction,
            trainer=spec.trainer,
            columns=spec.columns,
            classes=spec.classes,
            split_run_id=spec.run_id,
            split_path=SPLIT_PATH,
            split_sha256=spec.split_sha256,
            seed=spec.seed,
            fixed=spec.fixed,
            container=spec.container,
            artifact_bytes=self._artifact_bytes,
            heartbeat_seconds=self._settings.heartbeat_seconds,
            lease_seconds=self._settings.seconds,
        )

    async def lease(self, caller: Caller, request: LeaseRequest) -> LeaseAnswer:
        """Give the worker work, waiting for some to appear."""
        return await self._next(caller, request.worker_id, request.wait_seconds)

    async def renew(self, caller: Caller, run_id: str, request: RenewRequest) -> RenewAnswer:
        """Prolong a lease by a whole term from now, and take the reports."""
        async with self._open(caller) as ledger:
            lease, trial = await self._lease(ledger, run_id)
            verdict = Verdict.CONTINUE
            if lease.worker_id != request.worker_id or lease.state != OPEN:
                verdict = Verdict.STOP if lease.cause == Cause.STOPPED else Verdict.LOST
            else:
                lease.expires_at = ledger.now + timedelta(seconds=self._settings.seconds)
                if trial is not None:
                    self._take_reports(ledger, lease, trial, request.reports)
                    if trial.state == TrialState.LEASED:
                        ledger.move(trial, TrialEvent.RUN)
        return RenewAnswer(verdict=verdict, token=self._token(caller, request.worker_id))

    async def complete(self, caller: Caller, run_id: str, request: CompleteRequest) -> FinishAnswer:
        """Take a trial's result and hand over the next in the same transaction."""
        began = time.perf_counter()
        async with self._open(caller) as ledger:
            lease, trial = await self._lease(ledger, run_id)
            fresh = lease.state == OPEN and lease.worker_id == request.worker_id
            if fresh:
                if trial is None:
                    raise InvalidRequest("This lease is for scoring: send its result to /evaluated.")
                self._take_reports(ledger, lease, trial, request.reports)
                await self._end(ledger, lease, trial, request)
            accepted = lease.accepted and lease.worker_id == request.worker_id
            offer = await self._following(ledger, request, fresh=fresh)
        self._metrics.handover.observe(time.perf_counter() - began)
        return await self._finish(caller, request.worker_id, request.wait_seconds, accepted, offer)

    async def _end(self, ledger: Ledger, lease: LeaseRow, trial: TrialRow, request: CompleteRequest) -> None:
        if request.state == "pruned":
            trial.value = request.value
            trial.metrics = request.metrics
            await settle.end_without_result(ledger, lease, trial, TrialEvent.PRUNE)
        elif request.state == "stopped":
            await settle.end_without_result(ledger, lease, trial, TrialEvent.STOP)
        elif request.value is None:
            await settle.lose(ledger, lease, trial, Cause.CODE_ERROR, "The trial was completed without a value.")
            lease.accepted = True
        else:
            await settle.complete(ledger, lease, trial, request.value, request.metrics)

    async def evaluated(self, caller: Caller, run_id: str, request: EvaluationResult) -> FinishAnswer:
        """Take the scores on the holdout."""
        async with self._open(caller) as ledger:
            lease, _ = await self._lease(ledger, run_id)
            fresh = lease.state == OPEN and lease.worker_id == request.worker_id
            if fresh:
                if lease.trial_id is not None:
                    raise InvalidRequest("This lease is for a trial: send its result to /complete.")
                await settle.scored(ledger, lease, request.values, request.reason)
            accepted = lease.accepted and lease.worker_id == request.worker_id
            offer = await self._following(ledger, request, fresh=fresh)
        return await self._finish(caller, request.worker_id, request.wait_seconds, accepted, offer)

    async def fail(self, caller: Caller, run_id: str, request: FailRequest) -> FinishAnswer:
        """Take note of an attempt without a result."""
        async with self._open(caller) as ledger:
            lease, trial = await self._lease(ledger, run_id)
            fresh = lease.state == OPEN and lease.worker_id == request.worker_id
            if fresh:
                await settle.lose(ledger, lease, trial, Cause(request.cause), request.reason or None)
                lease.accepted = True
            accepted = lease.accepted and lease.worker_id == request.worker_id
            offer = await self._following(ledger, request, fresh=fresh)
        return await self._finish(caller, request.worker_id, request.wait_seconds, accepted, offer)

    def _open(self, caller: Caller) -> AbstractAsyncContextManager[Ledger]:
        return self._ledgers.open(caller.experiment_id, caller.principal.workspace_id)

    async def _lease(self, ledger: Ledger, run_id: str) -> tuple[LeaseRow, TrialRow | None]:
        """Return a lease with its trial, which is None for the scoring."""
        found = (
            await ledger.session.execute(
                _LEASE, {"workspace": ledger.row.workspace_id, "experiment": ledger.row.id, "lease": run_id}
            )
        ).one_or_none()
        if found is None:
            raise NotFound(f"There is no lease {run_id} in this worker's experiment.")
        return found[0], found[1]

    def _take_reports(self, ledger: Ledger, lease: LeaseRow, trial: TrialRow, reports: list[Report]) -> None:
        if not reports:
            return
        newest = max(reports, key=lambda report: report.step)
        ledger.session.add(
            ReportRow(
                id=new_id(),
                workspace_id=ledger.row.workspace_id,
                run_id=lease.id,
                points=[[report.step, report.value] for report in reports],
            )
        )
        if trial.last_step is None or newest.step > trial.last_step:
            trial.last_step, trial.last_value = newest.step, newest.value
            ledger.report(trial, newest.step, newest.value)

    async def _following(
        self, ledger: Ledger, request: CompleteRequest | EvaluationResult | FailRequest, *, fresh: bool
    ) -> Assignment | Nothing:
        """Return the worker's next work in the same transaction, unless it is about to end."""
        released = isinstance(request, FailRequest) and request.cause is Cause.RELEASED
        if released or not request.want_next:
            return Nothing.EXIT
        return await self._offer(ledger, request.worker_id, fresh=fresh)

    async def _offer(self, ledger: Ledger, worker_id: str, *, fresh: bool) -> Assignment | Nothing:
        offer = await hand_out(
            ledger,
            worker_id,
            lease_seconds=self._settings.seconds,
            retiring=self._roster.retiring(worker_id),
            fresh=fresh,
        )
        if not isinstance(offer, Nothing):
            self._roster.leased(worker_id)
        return offer

    async def _finish(
        self, caller: Caller, worker_id: str, wait: float, accepted: bool, offer: Assignment | Nothing
    ) -> FinishAnswer:
        if offer is Nothing.WAIT and wait > 0:
            following = await self._next(caller, worker_id, wait)
        else:
            following = self._answer(caller, worker_id, offer)
        return FinishAnswer(accepted=accepted, next=following)

    async def _next(self, caller: Caller, worker_id: str, wait: float) -> LeaseAnswer:
        until = time.monotonic() + wait
        with self._bell.listen(caller.experiment_id) as bell:
            while True:
                bell.clear()
                async with self._open(caller) as ledger:
                    offer = await self._offer(ledger, worker_id, fresh=False)
                left = until - time.monotonic()
                if offer is not Nothing.WAIT or left <= 0 or self._closed:
                    return self._answer(caller, worker_id, offer)
                await rung(bell, min(left, _LOOK_AGAIN_SECONDS))

    def _answer(self, caller: Caller, worker_id: str, offer: Assignment | Nothing) -> LeaseAnswer:
        token = self._token(caller, worker_id)
        if isinstance(offer, Nothing):
            return LeaseAnswer(exit=offer is Nothing.EXIT, token=token)
        return LeaseAnswer(assignment=offer, token=token)

    def _token(self, caller: Caller, worker_id: str) -> str | None:
        principal = caller.principal
        token = self._tokens.issue(worker_id, principal.workspace_id, caller.experiment_id, principal.dataset_id or "")
        return None if token == caller.token else token
