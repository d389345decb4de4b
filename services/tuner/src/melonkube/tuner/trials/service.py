"""Reads trials."""

from collections.abc import Sequence
from enum import StrEnum

from melonkube.contracts.base import Page
from melonkube.contracts.experiments import Trial, TrialDetail, TrialState
from melonkube.kit.db import Database
from melonkube.kit.errors import InvalidRequest, NotFound
from melonkube.kit.paging import decode_cursor, encode_cursor
from melonkube.tuner.engine.ledger import Ledgers
from melonkube.tuner.experiments import repository as experiments
from melonkube.tuner.trials import repository
from melonkube.tuner.trials.repository import Place
from melonkube.tuner.trials.views import trial_detail, trial_view


class TrialSort(StrEnum):
    """Orders of a list of trials: ``value`` puts the best first."""

    NUMBER = "number"
    NEWEST = "-number"
    VALUE = "value"


class TrialService:
    """Reads trials. Safe for concurrent use."""

    def __init__(self, db: Database, ledgers: Ledgers) -> None:
        self._db = db
        self._ledgers = ledgers

    async def page(
        self,
        workspace_id: str,
        experiment_id: str,
        *,
        sort: TrialSort,
        states: Sequence[TrialState],
        limit: int,
        cursor: str | None,
    ) -> Page[Trial]:
        """Return one page of an experiment's trials.

        Raises:
            NotFound: The experiment is not there.
            InvalidRequest: The cursor is of another list.
        """
        after = _place(cursor, sort)
        wanted = [state.value for state in states]
        async with self._db.read() as session:
            row = await experiments.get(session, workspace_id, experiment_id)
            if sort is TrialSort.VALUE:
                spec = await self._ledgers.spec(session, row)
                rows = await repository.by_value(
                    session,
                    workspace_id,
                    experiment_id,
                    states=wanted,
                    after=after,
                    direction=spec.direction,
                    limit=limit + 1,
                )
            else:
                rows = await repository.by_number(
                    session,
                    workspace_id,
                    experiment_id,
                    states=wanted,
                    after=after,
                    descending=sort is TrialSort.NEWEST,
                    limit=limit + 1,
                )
        items = [trial_view(each) for each in rows[:limit]]
        following = None
        if len(rows) > limit:
            last = items[-1]
            following = encode_cursor(sort.value, last.number, "" if last.value is None else repr(last.value))
        return Page[Trial](items=items, next_cursor=following)

    async def detail(self, workspace_id: str, experiment_id: str, number: int) -> TrialDetail:
        """Return a trial with its attempts and intermediate values.

        Raises:
            NotFound: The experiment or the trial is not there.
        """
        async with self._db.read() as session:
            await experiments.get(session, workspace_id, experiment_id)
            row = await repository.one(session, workspace_id, experiment_id, number)
            if row is None:
                raise NotFound(f"The experiment has no trial {number}.")
            leases = await repository.leases(session, workspace_id, row.id)
            points = await repository.points(session, workspace_id, row.run_id) if row.run_id else []
        return trial_detail(row, leases, points)


def _place(cursor: str | None, sort: TrialSort) -> Place | None:
    key = decode_cursor(cursor, str, int, str)
    if key is None:
        return None
    order, number, value = key
    try:
        place = Place(number, float(value) if value and sort is TrialSort.VALUE else None)
    except ValueError as error:
        raise InvalidRequest("cursor is not one this list gave; begin again without it.") from error
    if order != sort.value:
        raise InvalidRequest("cursor is of a list in another order; begin again without it.")
    return place
