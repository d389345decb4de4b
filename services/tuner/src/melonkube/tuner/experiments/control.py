"""What people do with an experiment that is there: look at it, pause, resume, stop and delete it."""

from collections.abc import Sequence

from melonkube.contracts.base import Page
from melonkube.contracts.errors import ErrorCode
from melonkube.contracts.experiments import Experiment, ExperimentState
from melonkube.kit.db import Database
from melonkube.kit.errors import Conflict, InUse
from melonkube.kit.paging import decode_cursor, encode_cursor
from melonkube.tuner.engine.ledger import Ledger, Ledgers
from melonkube.tuner.events.bell import Bell
from melonkube.tuner.experiments import repository
from melonkube.tuner.experiments.domain import Ending, ExperimentEvent, Phase
from melonkube.tuner.experiments.views import experiment_view
from melonkube.tuner.leases.settle import conclude, end_search, stop_running
from melonkube.tuner.registry import RegistryClient

STOPPED_BY_USER = "Stopped by the user."


class ExperimentFinished(Conflict):
    """The experiment has ended: nothing follows."""

    code = ErrorCode.EXPERIMENT_FINISHED


class ExperimentService:
    """Reads and steers experiments. Safe for concurrent use."""

    def __init__(self, db: Database, ledgers: Ledgers, bell: Bell, registry: RegistryClient) -> None:
        self._db = db
        self._ledgers = ledgers
        self._bell = bell
        self._registry = registry

    async def get(self, workspace_id: str, experiment_id: str) -> Experiment:
        """Return an experiment as it stands.

        Raises:
            NotFound: It is not there.
        """
        async with self._db.read() as session:
            row = await repository.get(session, workspace_id, experiment_id)
            spec = await self._ledgers.spec(session, row)
            return experiment_view(row, spec, await self._db.now(session))

    async def page(
        self,
        workspace_id: str,
        *,
        limit: int,
        cursor: str | None,
        dataset_id: str | None,
        states: Sequence[ExperimentState],
        name: str | None,
    ) -> Page[Experiment]:
        """Return one page of experiments, newest first."""
        key = decode_cursor(cursor, str)
        async with self._db.read() as session:
            rows = await repository.page(
                session,
                workspace_id,
                limit=limit + 1,
                before=None if key is None else key[0],
                dataset_id=dataset_id,
                states=[state.value for state in states],
                name=name,
            )
            now = await self._db.now(session)
            items = [experiment_view(row, await self._ledgers.spec(session, row), now) for row in rows[:limit]]
        following = encode_cursor(items[-1].id) if len(rows) > limit else None
        return Page[Experiment](items=items, next_cursor=following)

    async def pause(self, workspace_id: str, experiment_id: str) -> Experiment:
        """Hand out nothing more; running trials finish.

        Raises:
            ExperimentFinished: It has ended.
            Conflict: Its search is over already.
        """
        async with self._ledgers.open(experiment_id, workspace_id) as ledger:
            _check_going(ledger, "pause")
            if ledger.row.phase == Phase.EVALUATING:
                raise Conflict("The search is over and the winner is being scored; there is nothing to pause.")
            await ledger.advance(ExperimentEvent.PAUSE)
            return await self._view(ledger)

    async def resume(self, workspace_id: str, experiment_id: str) -> Experiment:
        """Go on with a paused experiment; one that is not paused is left as it is.

        Raises:
            ExperimentFinished: It has ended.
        """
        async with self._ledgers.open(experiment_id, workspace_id) as ledger:
            _check_going(ledger, "resume")
            await ledger.advance(ExperimentEvent.RESUME)
            await conclude(ledger)
            return await self._view(ledger)

    async def stop(self, workspace_id: str, experiment_id: str) -> Experiment:
        """End the search now: running trials end as stopped. If there is a winner it is still scored on the holdout.

        A second stop ends that too. A stopped experiment is left as it is.

        Raises:
            ExperimentFinished: It has ended otherwise.
        """
        async with self._ledgers.open(experiment_id, workspace_id) as ledger:
            if ledger.state is not ExperimentState.STOPPED:
                _check_going(ledger, "stop")
                if ledger.row.phase == Phase.EVALUATING:
                    await stop_running(ledger, STOPPED_BY_USER)
                    await ledger.advance(ExperimentEvent.STOP, STOPPED_BY_USER)
                else:
                    await end_search(ledger, Ending.STOP, STOPPED_BY_USER)
            return await self._view(ledger)

    async def delete(self, workspace_id: str, experiment_id: str) -> None:
        """Delete an experiment with its trials and their runs.

        Raises:
            NotFound: It is not there.
            InUse: It has not ended.
            PassedOn: A model version depends on one of its runs.
        """
        async with self._db.read() as session:
            row = await repository.get(session, workspace_id, experiment_id)
        if not ExperimentState(row.state).final:
            raise InUse(f"The experiment is {row.state}; stop it first, then delete it.")
        await self._registry.delete_runs(workspace_id, experiment_id)
        async with self._db.write() as session:
            await repository.remove(session, workspace_id, experiment_id)
        self._bell.ring(experiment_id)

    async def _view(self, ledger: Ledger) -> Experiment:
        await ledger.flush()
        return experiment_view(ledger.row, ledger.spec, ledger.now)


def _check_going(ledger: Ledger, wish: str) -> None:
    if ledger.state.final:
        raise ExperimentFinished(f"The experiment is {ledger.state}: there is nothing to {wish}.")
