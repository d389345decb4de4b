"""The parts of the registry, made once for each app, and how endpoints get at them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from melonkube.contracts.errors import ErrorCode
from melonkube.kit.errors import MelonError

if TYPE_CHECKING:
    from melonkube.registry.blobs.service import BlobService
    from melonkube.registry.blobs.store import ObjectStore
    from melonkube.registry.datasets.parsing import Parsing
    from melonkube.registry.datasets.service import DatasetService
    from melonkube.registry.models.changes import Changes
    from melonkube.registry.models.service import ModelService
    from melonkube.registry.models.versions import VersionService
    from melonkube.registry.runs.service import RunService
    from melonkube.registry.samples.service import SampleService
    from melonkube.registry.settings import Settings


@dataclass(frozen=True, slots=True)
class RegistryParts:
    """What endpoints call."""

    settings: "Settings"
    store: "ObjectStore"
    blobs: "BlobService"
    parsing: "Parsing"
    datasets: "DatasetService"
    runs: "RunService"
    models: "ModelService"
    versions: "VersionService"
    changes: "Changes"
    samples: "SampleService"


async def _parts(request: Request) -> RegistryParts:
    parts: RegistryParts = request.app.state.parts
    return parts


Parts = Annotated[RegistryParts, Depends(_parts)]
"""The parts of the app that answers."""


class ClientClosed(MelonError):
    """The client went away before its request was read; nobody gets this answer."""

    code = ErrorCode.CLIENT_CLOSED
