"""Takes experiments that nobody owns, and lets an owner care for each."""

import asyncio
from datetime import timedelta

from melonkube.contracts.experiments import Cause, TrialState
from melonkube.kit.errors import NotFound
from melonkube.kit.logs import get_logger
from melonkube.tuner.engine import repository
from melonkube.tuner.engine.owner import Owner, OwnerTools
from melonkube.tuner.events import repository as events
from melonkube.tuner.events.bell import NEW, rung
from melonkube.tuner.executors.protocol import Executor
from melonkube.tuner.leases.handout import OPEN
from melonkube.tuner.leases.settle import lose, trial_of
from melonkube.tuner.tables import LeaseRow

log = get_logger("melonkube.tuner.keeper")

_SWEEP_SECONDS = 600.0
_LONGEST_PAUSE = 5.0
_DIED_WITH_US = "The tuner ended, and its workers with it."


class Keeper:
    """One task per process.

    Args:
        tools: What the owners work with.
        executor: Says which workers died with an earlier process of this replica.
        replica: Name of this replica, the same after a restart: its own experiments it takes at once.
        event_days: How long events are kept.
    """

    def __init__(self, tools: OwnerTools, executor: Executor, replica: str, event_days: float) -> None:
        self._tools = tools
        self._executor = executor
        self._replica = replica
        self._event_age = timedelta(days=event_days)
        self._owners: dict[str, Owner] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._mourned = False
        self._swept = 0.0

    async def run(self) -> None:
        """Take experiments until cancelled; then let all of them go."""
        tick = pause = self._tools.owner.tick_seconds
        try:
            with self._tools.ledgers.bell.listen(NEW) as bell:
                while True:
                    bell.clear()
                    try:
                        await self._look()
                        pause = tick
                    except Exception as error:
                        log.warning("experiments could not be looked for", error=repr(error))
                        await asyncio.sleep(pause)
                        pause = min(_LONGEST_PAUSE, pause * 2)
                        continue
                    await rung(bell, tick)
        finally:
            await self._let_go()

    async def _look(self) -> None:
        if not self._mourned:
            await self._mourn()
            self._mourned = True
        await self._claim()
        self._measure()
        loop = asyncio.get_running_loop()
        if loop.time() - self._swept > _SWEEP_SECONDS or self._swept == 0.0:
            self._swept = loop.time()
            async with self._tools.db.write() as session:
                await events.sweep(session, await self._tools.db.now(session) - self._event_age)

    async def _mourn(self) -> None:
        """End the attempts of workers that died with an earlier process of this replica, without waiting for a lease.

        That is no fault of their trials, and not held against them.
        """
        async with self._tools.db.read() as session:
            leases = [each for each in await repository.all_held(session) if self._executor.died_before(each.worker_id)]
        for lease in leases:
            try:
                async with self._tools.ledgers.open(lease.experiment_id, lease.workspace_id) as ledger:
                    row = await ledger.session.get(LeaseRow, lease.id)
                    if row is not None and row.state == OPEN:
                        self._tools.metrics.lost.labels(Cause.RELEASED.value).inc()
                        await lose(ledger, row, await trial_of(ledger, row), Cause.RELEASED, _DIED_WITH_US)
            except NotFound:
                continue

    async def _claim(self) -> None:
        async with self._tools.db.read() as session:
            now = await self._tools.db.now(session)
            rows = await repository.claimable(session, self._replica, now)
        for row in rows:
            if row.id in self._tasks:
                continue
            async with self._tools.db.write() as session:
                now = await self._tools.db.now(session)
                epoch = await repository.claim(session, row, self._replica, now, self._tools.owner.seconds)
            if epoch is not None:
                log.info("experiment taken", experiment_id=row.id, epoch=epoch)
                self._start(row.workspace_id, row.id, epoch)

    def _start(self, workspace_id: str, experiment_id: str, epoch: int) -> None:
        owner = self._owners[experiment_id] = Owner(self._tools, workspace_id, experiment_id, epoch)
        task = self._tasks[experiment_id] = asyncio.create_task(owner.run(), name=f"owner {experiment_id}")

        def ended(done: asyncio.Task[None]) -> None:
            self._owners.pop(experiment_id, None)
            self._tasks.pop(experiment_id, None)
            if not done.cancelled() and (error := done.exception()) is not None:
                log.error("an owner failed", experiment_id=experiment_id, exc_info=error)

        task.add_done_callback(ended)

    def _measure(self) -> None:
        metrics = self._tools.metrics
        rows = [owner.row for owner in self._owners.values() if owner.row is not None]
        metrics.owned.set(len(self._owners))
        metrics.depth.set(sum(row.suggested - row.numbered for row in rows))
        for state, total in {
            TrialState.QUEUED: sum(row.queued for row in rows),
            TrialState.RUNNING: sum(row.running for row in rows),
            TrialState.COMPLETED: sum(row.completed for row in rows),
            TrialState.PRUNED: sum(row.pruned for row in rows),
            TrialState.FAILED: sum(row.failed for row in rows),
            TrialState.STOPPED: sum(row.stopped for row in rows),
        }.items():
            metrics.trials.labels(state.value).set(total)

    async def _let_go(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            async with asyncio.timeout(2.0), self._tools.db.write() as session:
                await repository.release(session, self._replica)
        except Exception as error:
            log.warning("the experiments could not be let go; their leases run out", error=repr(error))
