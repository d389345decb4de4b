"""Makes the calls of the outbox, again and again until the registry has taken them."""

import asyncio
from datetime import datetime

from melonkube.contracts.runs import RunFinish, RunState
from melonkube.kit.db import Database
from melonkube.kit.errors import MelonError, PassedOn
from melonkube.kit.logs import get_logger
from melonkube.tuner.events.bell import OUTBOX, Bell, rung
from melonkube.tuner.metrics import TunerMetrics
from melonkube.tuner.outbox import repository
from melonkube.tuner.registry import RegistryClient
from melonkube.tuner.tables import OutboxRow

log = get_logger("melonkube.tuner.outbox")

_BATCH = 100
_IDLE_SECONDS = 5.0
_SETTLED = {404, 409}
"""The run is not there (its worker never came to make it), or has ended otherwise: nothing is left to do."""


class OutboxRelay:
    """One task per process. Several replicas may send the same call; the registry takes a repeat as the first."""

    def __init__(self, db: Database, registry: RegistryClient, bell: Bell, metrics: TunerMetrics) -> None:
        self._db = db
        self._registry = registry
        self._bell = bell
        self._metrics = metrics

    async def run(self) -> None:
        """Send what is due until cancelled."""
        with self._bell.listen(OUTBOX) as bell:
            while True:
                bell.clear()
                try:
                    pause = await self.send_due()
                except Exception as error:
                    log.warning("the outbox could not be read", error=str(error))
                    pause = 1.0
                    await asyncio.sleep(pause)
                    continue
                await rung(bell, pause)

    async def send_due(self) -> float:
        """Make the calls that are due; return how long there is nothing more to do."""
        async with self._db.read() as session:
            now = await self._db.now(session)
            rows = await repository.due(session, now, _BATCH)
        for row in rows:
            await self._send(row, now)
        async with self._db.read() as session:
            count, first = await repository.next_due(session)
            now = await self._db.now(session)
        self._metrics.outbox.set(count)
        if first is None:
            return _IDLE_SECONDS
        return min(_IDLE_SECONDS, max(0.0, (first - now).total_seconds()))

    async def _send(self, row: OutboxRow, now: datetime) -> None:
        try:
            if row.kind == repository.DELETE_RUN:
                await self._registry.delete_run(row.workspace_id, row.run_id)
            else:
                state = RunState(row.state or RunState.LOST)
                finish = RunFinish.model_validate({"state": state, "reason": row.reason})
                await self._registry.finish_run(row.workspace_id, row.run_id, finish)
        except PassedOn as error:
            if error.http_status not in _SETTLED:
                await self._postpone(row, now, error)
                return
        except MelonError as error:
            await self._postpone(row, now, error)
            return
        async with self._db.write() as session:
            await repository.done(session, row.id)

    async def _postpone(self, row: OutboxRow, now: datetime, error: MelonError) -> None:
        log.warning("the registry has not taken a call yet", kind=row.kind, run_id=row.run_id, error=error.detail)
        async with self._db.write() as session:
            await repository.postpone(session, row.id, row.attempts, now)
