"""What serving asks of the registry and the tuner."""

from typing import TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from melonkube.contracts.experiments import Experiment
from melonkube.contracts.models import Alias, AliasChanges, ModelVersion, ModelVersionCreate
from melonkube.kit.client import PeerClient
from melonkube.kit.errors import MelonError, PassedOn, UpstreamUnavailable

T = TypeVar("T", bound=BaseModel)

_OUTAGE_BELOW_500 = (401, 403, 408, 425, 429)
"""Refusals that say nothing about what was asked for, and pass."""


def is_outage(error: MelonError) -> bool:
    """Whether the error of a call says that trying again will help."""
    return error.http_status >= 500 or error.http_status in _OUTAGE_BELOW_500


def _parse(kind: type[T], answer: httpx.Response) -> T:
    try:
        return kind.model_validate_json(answer.content)
    except ValidationError as error:
        raise UpstreamUnavailable(
            f"Another service answered {answer.request.url.path} with something that is not a {kind.__name__}."
        ) from error


def _model(name: str) -> str:
    return f"/api/v1/models/{quote(name, safe='')}"


class Registry:
    """Calls to the registry. All raise ``PassedOn`` or ``UpstreamUnavailable``."""

    def __init__(self, client: PeerClient) -> None:
        self.client = client

    async def version(self, workspace_id: str, model: str, version: int) -> ModelVersion:
        """Return a model version."""
        answer = await self.client.call(workspace_id, "GET", f"{_model(model)}/versions/{version}")
        return _parse(ModelVersion, answer)

    async def register(self, workspace_id: str, model: str, run_id: str) -> ModelVersion:
        """Return the version made of a run's bundle, made now if it is not there."""
        body = ModelVersionCreate(run_id=run_id).model_dump(mode="json")
        answer = await self.client.call(workspace_id, "POST", f"{_model(model)}/versions", json=body)
        return _parse(ModelVersion, answer)

    async def alias(self, workspace_id: str, model: str, alias: str) -> Alias:
        """Return an alias."""
        answer = await self.client.call(workspace_id, "GET", f"{_model(model)}/aliases/{quote(alias, safe='')}")
        return _parse(Alias, answer)

    async def changes(self, workspace_id: str, after: int, wait_seconds: float) -> AliasChanges:
        """Wait for aliases to move."""
        answer = await self.client.call(
            workspace_id, "GET", "/internal/changes", params={"after": after, "wait": wait_seconds}
        )
        return _parse(AliasChanges, answer)

    async def refer(
        self, workspace_id: str, holder: str, *, model: str, version: int | None = None, alias: str | None = None
    ) -> None:
        """Say that ``holder`` depends on a version or an alias, so that it cannot be deleted."""
        body = {"model": model, "version": version} if version is not None else {"model": model, "alias": alias}
        await self.client.call(workspace_id, "PUT", f"/internal/references/{quote(holder, safe=':')}", json=body)

    async def release(self, workspace_id: str, holder: str) -> None:
        """Say that ``holder`` depends on nothing any more."""
        try:
            await self.client.call(workspace_id, "DELETE", f"/internal/references/{quote(holder, safe=':')}")
        except PassedOn as error:
            if error.http_status != 404:
                raise


class Tuner:
    """Calls to the tuner."""

    def __init__(self, client: PeerClient) -> None:
        self.client = client

    async def experiment(self, workspace_id: str, experiment_id: str) -> Experiment:
        """Return an experiment."""
        answer = await self.client.call(workspace_id, "GET", f"/api/v1/experiments/{experiment_id}")
        return _parse(Experiment, answer)


def holder(name: str) -> str:
    """Return the name under which an endpoint holds what was asked of it."""
    return f"endpoint:{name}"


def answering_holder(name: str) -> str:
    """Return the name under which an endpoint holds the version that answers, while another was asked for."""
    return f"endpoint:{name} (answering)"
