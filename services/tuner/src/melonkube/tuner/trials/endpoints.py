"""``/api/v1/experiments/{id}/trials``."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request

from melonkube.contracts.base import Page
from melonkube.contracts.experiments import Trial, TrialDetail, TrialState
from melonkube.contracts.ids import Id
from melonkube.kit.auth import User
from melonkube.kit.errors import NotFound, problem_responses
from melonkube.kit.paging import Cursor, Limit
from melonkube.tuner.trials.service import TrialService, TrialSort

router = APIRouter(
    prefix="/api/v1/experiments/{experiment_id}/trials", tags=["trials"], responses=problem_responses(NotFound)
)


async def _service(request: Request) -> TrialService:
    service: TrialService = request.app.state.tuner.trials
    return service


ServiceDep = Annotated[TrialService, Depends(_service)]


@router.get("")
async def list_trials(
    experiment_id: Id,
    user: User,
    service: ServiceDep,
    sort: Annotated[
        TrialSort, Query(description="`number`, `-number` (newest first) or `value` (best first, those without last).")
    ] = TrialSort.NUMBER,
    state: Annotated[list[TrialState] | None, Query(description="Only those in one of these states.")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Trial]:
    """The trials of an experiment."""
    return await service.page(
        user.workspace_id, experiment_id, sort=sort, states=state or [], limit=limit, cursor=cursor
    )


@router.get("/{number}")
async def get_trial(
    experiment_id: Id, number: Annotated[int, Path(ge=1, le=2**31 - 1)], user: User, service: ServiceDep
) -> TrialDetail:
    """A trial with its attempts and intermediate values."""
    return await service.detail(user.workspace_id, experiment_id, number)
