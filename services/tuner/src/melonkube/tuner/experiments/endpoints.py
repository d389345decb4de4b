"""``/api/v1/experiments`` and ``/api/v1/suggestions``."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from melonkube.contracts.base import Page
from melonkube.contracts.experiments import (
    Experiment,
    ExperimentCreate,
    ExperimentState,
    Suggestion,
    SuggestionRequest,
)
from melonkube.contracts.ids import Id
from melonkube.kit.auth import User
from melonkube.kit.errors import Conflict, InUse, NameTaken, NotFound, UpstreamUnavailable, problem_responses
from melonkube.kit.idempotency import IdempotencyKey
from melonkube.kit.paging import Cursor, Limit
from melonkube.tuner.experiments.control import ExperimentFinished, ExperimentService
from melonkube.tuner.experiments.create import Asked, ExperimentMaker

router = APIRouter(prefix="/api/v1", tags=["experiments"])


async def _service(request: Request) -> ExperimentService:
    service: ExperimentService = request.app.state.tuner.experiments
    return service


async def _maker(request: Request) -> ExperimentMaker:
    maker: ExperimentMaker = request.app.state.tuner.maker
    return maker


ServiceDep = Annotated[ExperimentService, Depends(_service)]
MakerDep = Annotated[ExperimentMaker, Depends(_maker)]


@router.post(
    "/experiments",
    status_code=201,
    responses={
        200: {"model": Experiment, "description": "The same call, with the same key, made it before."},
        **problem_responses(NotFound, NameTaken, Conflict, UpstreamUnavailable),
    },
)
async def create_experiment(
    body: ExperimentCreate, user: User, maker: MakerDep, response: Response, idempotency_key: IdempotencyKey = None
) -> Experiment:
    """Start a search. Only the data set and the target are needed; all else is inferred from the data."""
    experiment, new = await maker.create(Asked(user.workspace_id, body, idempotency_key))
    response.headers["Location"] = f"/api/v1/experiments/{experiment.id}"
    if not new:
        response.status_code = 200
    return experiment


@router.get("/experiments")
async def list_experiments(
    user: User,
    service: ServiceDep,
    limit: Limit = 50,
    cursor: Cursor = None,
    dataset_id: Annotated[Id | None, Query(description="Only those of this data set version.")] = None,
    state: Annotated[list[ExperimentState] | None, Query(description="Only those in one of these states.")] = None,
    name: Annotated[str | None, Query(max_length=128, description="Only the one of this name.")] = None,
) -> Page[Experiment]:
    """The experiments, newest first."""
    return await service.page(
        user.workspace_id, limit=limit, cursor=cursor, dataset_id=dataset_id, states=state or [], name=name
    )


@router.get("/experiments/{experiment_id}", responses=problem_responses(NotFound))
async def get_experiment(experiment_id: Id, user: User, service: ServiceDep) -> Experiment:
    """An experiment as it stands."""
    return await service.get(user.workspace_id, experiment_id)


@router.delete("/experiments/{experiment_id}", status_code=204, responses=problem_responses(NotFound, InUse))
async def delete_experiment(experiment_id: Id, user: User, service: ServiceDep) -> None:
    """Delete an experiment that has ended, with its trials and their runs."""
    await service.delete(user.workspace_id, experiment_id)


@router.post("/experiments/{experiment_id}/stop", responses=problem_responses(NotFound, ExperimentFinished))
async def stop_experiment(experiment_id: Id, user: User, service: ServiceDep) -> Experiment:
    """End the search at once. A winner is still scored on the holdout; a second stop ends that too."""
    return await service.stop(user.workspace_id, experiment_id)


@router.post("/experiments/{experiment_id}/pause", responses=problem_responses(NotFound, ExperimentFinished))
async def pause_experiment(experiment_id: Id, user: User, service: ServiceDep) -> Experiment:
    """Start no further trial; those that run finish."""
    return await service.pause(user.workspace_id, experiment_id)


@router.post("/experiments/{experiment_id}/resume", responses=problem_responses(NotFound, ExperimentFinished))
async def resume_experiment(experiment_id: Id, user: User, service: ServiceDep) -> Experiment:
    """Go on with a paused experiment."""
    return await service.resume(user.workspace_id, experiment_id)


@router.post("/suggestions", responses=problem_responses(NotFound, Conflict, UpstreamUnavailable))
async def suggest_experiment(body: SuggestionRequest, user: User, maker: MakerDep) -> Suggestion:
    """What would be inferred for a data set and a target: what a form starts from. Makes nothing."""
    return await maker.suggest(user.workspace_id, body)
