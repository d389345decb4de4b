"""What an endpoint is, without any input or output."""

from dataclasses import dataclass
from datetime import datetime

from melonkube.contracts.endpoints import Endpoint, EndpointState, EndpointTarget


@dataclass(frozen=True, slots=True)
class Key:
    """Names an endpoint."""

    workspace_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Active:
    """The version that answers, or answered last."""

    model: str
    version: int
    digest: str
    generation: int


@dataclass(frozen=True, slots=True)
class Desired:
    """What was asked for, as the database has it; ``active`` is what answered last.

    ``id`` tells an endpoint from a later one of the same name.
    """

    id: str
    key: Key
    model: str
    version: int | None
    alias: str | None
    experiment_id: str | None
    generation: int
    active: Active | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Progress:
    """How far this process is with one generation: ``version`` as far as it is known."""

    generation: int = 0
    version: int | None = None
    state: EndpointState = EndpointState.LOADING
    reason: str | None = None


def describe(desired: Desired, live: Active | None, progress: Progress) -> Endpoint:
    """Return an endpoint as the wire has it.

    Args:
        desired: What was asked for.
        live: What answers in this process.
        progress: How far it is with what was asked for; of an older generation it says nothing.
    """
    if progress.generation != desired.generation:
        progress = Progress(desired.generation, desired.version)
    if live is not None:
        state = EndpointState.READY
    elif progress.state is EndpointState.FAILED:
        state = EndpointState.FAILED
    else:
        state = EndpointState.LOADING
    return Endpoint(
        name=desired.key.name,
        state=state,
        model=live.model if live else None,
        version=live.version if live else None,
        digest=live.digest if live else None,
        generation=desired.generation,
        observed_generation=live.generation if live else 0,
        target=EndpointTarget(
            model=desired.model,
            version=desired.version if desired.version is not None else progress.version,
            alias=desired.alias,
            state=progress.state,
            reason=progress.reason,
        ),
        experiment_id=desired.experiment_id,
        created_at=desired.created_at,
        updated_at=desired.updated_at,
    )
