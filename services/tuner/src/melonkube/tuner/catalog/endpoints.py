"""``/api/v1/algorithms``, ``/trainers`` and ``/executor``: what an experiment can name, and where it runs."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from melonkube.contracts.base import Page
from melonkube.contracts.experiments import AlgorithmInfo, ExecutorInfo, TrainerInfo
from melonkube.kit.auth import User
from melonkube.kit.errors import NotReady, problem_responses
from melonkube.tuner.catalog.registry import Catalog, trainer_info
from melonkube.tuner.executors.protocol import Executor
from melonkube.tuner.search.client import SearchGone, SearchProcess

router = APIRouter(prefix="/api/v1", tags=["catalog"])


async def _catalog(request: Request) -> Catalog:
    catalog: Catalog = request.app.state.tuner.catalog
    return catalog


async def _search(request: Request) -> SearchProcess:
    search: SearchProcess = request.app.state.tuner.search
    return search


async def _executor(request: Request) -> Executor:
    executor: Executor = request.app.state.tuner.executor
    return executor


@router.get("/algorithms", responses=problem_responses(NotReady))
async def list_algorithms(_user: User, search: Annotated[SearchProcess, Depends(_search)]) -> Page[AlgorithmInfo]:
    """The search algorithms an experiment can name."""
    try:
        described = await search.describe()
    except SearchGone as error:
        raise NotReady("The search process does not answer; try again shortly.") from error
    return Page[AlgorithmInfo](items=[AlgorithmInfo(name=name, description=text) for name, text in described])


@router.get("/trainers")
async def list_trainers(_user: User, catalog: Annotated[Catalog, Depends(_catalog)]) -> Page[TrainerInfo]:
    """The trainers an experiment can name, with every parameter their search space may hold."""
    return Page[TrainerInfo](items=[trainer_info(spec) for spec in catalog.trainers.values()])


@router.get("/executor")
async def get_executor(_user: User, executor: Annotated[Executor, Depends(_executor)]) -> ExecutorInfo:
    """Where workers run, how many there may be and are; on a cluster, its nodes and what they have left."""
    return await executor.info()
