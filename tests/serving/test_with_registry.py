"""Serving and the real registry, both whole, in this process."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from asgi_lifespan import LifespanManager

from melonkube.contracts.ids import new_id
from melonkube.kit.settings import TokenSettings
from melonkube.registry.app import create_app
from melonkube.registry.settings import Settings as RegistrySettings
from tests.serving.bundles import Made, make_bundle
from tests.serving.conftest import Start


class Shelf:
    """A client of the registry that registers bundles."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def run(self, made: Made) -> str:
        run_id = new_id()
        (await self.client.post("/api/v1/runs", json={"id": run_id, "params": {"num_leaves": 7}})).raise_for_status()
        for name, content in made.files.items():
            path = f"/api/v1/runs/{run_id}/artifacts/model/{name}"
            (await self.client.put(path, content=content)).raise_for_status()
        finish = await self.client.post(f"/api/v1/runs/{run_id}/finish", json={"state": "completed"})
        finish.raise_for_status()
        return run_id

    async def register(self, model: str, made: Made) -> int:
        answer = await self.client.post(f"/api/v1/models/{model}/versions", json={"run_id": await self.run(made)})
        answer.raise_for_status()
        assert answer.json()["digest"] == made.digest
        version: int = answer.json()["version"]
        return version

    async def point(self, model: str, alias: str, version: int) -> None:
        answer = await self.client.put(f"/api/v1/models/{model}/aliases/{alias}", json={"version": version})
        answer.raise_for_status()


@pytest.fixture
async def registry_app(tmp_path: Path, token_settings: TokenSettings) -> AsyncIterator[Any]:
    app = create_app(RegistrySettings(data_dir=tmp_path / "registry", database_url=None, tokens=token_settings))
    async with LifespanManager(app, startup_timeout=60, shutdown_timeout=60):
        yield app


@pytest.fixture
async def shelf(registry_app: Any, make_token: Callable[..., str]) -> AsyncIterator[Shelf]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=registry_app),
        base_url="http://registry",
        headers={"Authorization": f"Bearer {make_token('registry')}"},
    ) as client:
        yield Shelf(client)


async def test_an_endpoint_lives_its_life_over_the_real_registry(start: Start, registry_app: Any, shelf: Shelf) -> None:
    running = await start()
    running.registry.gate._inner = httpx.ASGITransport(app=registry_app)
    first, second = make_bundle("binary", 0), make_bundle("binary", 1)
    for made in (first, second):
        await shelf.register("고객 이탈", made)
    await shelf.point("고객 이탈", "champion", 1)
    pinned = await running.deploy("pinned", model="고객 이탈", version=2)
    assert pinned["digest"] == second.digest
    follower = await running.deploy("follower", model="고객 이탈", alias="champion")
    assert follower["digest"] == first.digest
    answer = await running.predict("pinned", dict(first.instances[0]))
    assert answer.json()["digest"] == second.digest

    await shelf.point("고객 이탈", "champion", 2)
    await running.until("follower", version=2, target_state="ready")
    assert (await shelf.client.delete("/api/v1/models/고객 이탈/versions/1")).status_code == 204
    for path in ("versions/2", "aliases/champion"):
        refused = await shelf.client.delete(f"/api/v1/models/고객 이탈/{path}")
        assert refused.status_code == 409
        assert refused.json()["code"] == "in_use"
    await shelf.client.delete("/api/v1/models/고객 이탈/aliases/none")

    for name in ("pinned", "follower"):
        assert (await running.client.delete(f"/api/v1/endpoints/{name}")).status_code == 204
    await running.reconciler.release_due()
    assert (await shelf.client.delete("/api/v1/models/고객 이탈/aliases/champion")).status_code == 204
    assert (await shelf.client.delete("/api/v1/models/고객 이탈/versions/2")).status_code == 204


async def test_deploying_an_experiment_registers_its_winner_once(start: Start, registry_app: Any, shelf: Shelf) -> None:
    running = await start()
    running.registry.gate._inner = httpx.ASGITransport(app=registry_app)
    made, experiment = make_bundle("multiclass"), new_id()
    running.tuner.experiments[experiment] = ("search one", await shelf.run(made))
    for _ in range(2):
        endpoint = await running.deploy("e", experiment_id=experiment)
        assert (endpoint["model"], endpoint["version"], endpoint["digest"]) == ("search one", 1, made.digest)
    versions = (await shelf.client.get("/api/v1/models/search one/versions")).json()["items"]
    assert len(versions) == 1
    refused = await shelf.client.delete("/api/v1/models/search one/versions/1")
    assert refused.status_code == 409
    assert "'e'" in refused.json()["detail"]


async def test_what_the_registry_refuses_reaches_the_client(start: Start, registry_app: Any) -> None:
    running = await start()
    running.registry.gate._inner = httpx.ASGITransport(app=registry_app)
    for body in ({"model": "none", "version": 1}, {"model": "none", "alias": "a"}):
        answer = await running.client.put("/api/v1/endpoints/e", json=body)
        assert answer.status_code == 404
        assert answer.json()["code"] == "not_found"
