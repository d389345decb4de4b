"""HTTP of samples."""

from fastapi import APIRouter, Response

from melonkube.contracts.base import Page
from melonkube.contracts.datasets import Dataset, Sample
from melonkube.kit.auth import User
from melonkube.kit.errors import NotFound, StorageFull, problem_responses
from melonkube.registry.dependencies import Parts

router = APIRouter(prefix="/api/v1/samples", tags=["samples"])


@router.get("")
async def list_samples(parts: Parts, user: User) -> Page[Sample]:
    """Data sets that come with the installation, all on one page."""
    return Page(items=[Sample.model_validate(sample.model_dump()) for sample in await parts.samples.all()])


@router.post(
    "/{name}",
    status_code=201,
    responses={
        200: {"model": Dataset, "description": "The sample is among the data sets already."},
        **problem_responses(NotFound, StorageFull),
    },
)
async def use_sample(name: str, response: Response, parts: Parts, user: User) -> Dataset:
    """Make a data set of a sample."""
    dataset, made = await parts.samples.use(user.workspace_id, name)
    response.status_code = 201 if made else 200
    return dataset
