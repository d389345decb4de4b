"""Before the first trial it is known whether pods can run and reach this machine, or what is wrong."""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest
import uvicorn

from melonkube.contracts.ids import new_id
from melonkube.tuner.executors.kubernetes import manifests
from melonkube.tuner.executors.kubernetes.api import KubeApi
from melonkube.tuner.executors.kubernetes.executor import KubernetesExecutor
from melonkube.tuner.executors.kubernetes.preflight import fly
from melonkube.tuner.executors.protocol import CannotStart, WorkerExit, WorkerOrder
from melonkube.tuner.settings import KubernetesSettings, Settings
from tests.cluster.kubectl import Kubectl

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(200)]

ADDRESS = os.environ.get("MELON_TEST_ADVERTISE_ADDRESS", "")
IMAGE = (
    os.environ.get("MELON_TEST_IMAGE_PREFIX", "melonkube/") + "trainer:" + os.environ.get("MELON_TEST_IMAGE_TAG", "dev")
)


@pytest.fixture
async def door() -> AsyncIterator[str]:
    """A server on this machine that answers 404 to everything, as the workers' door does to who is no worker."""
    if not ADDRESS:
        pytest.skip("MELON_TEST_ADVERTISE_ADDRESS is no address of this machine that pods reach")

    async def app(scope: dict[str, str], _receive: object, send: object) -> None:
        assert callable(send)
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    server = uvicorn.Server(uvicorn.Config(app, host=ADDRESS, port=0, lifespan="off", log_config=None))
    task = asyncio.create_task(server.serve())
    for _ in range(200):
        if server.started:
            break
        await asyncio.sleep(0.05)
    yield f"http://{ADDRESS}:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await task


def own(namespace: str, **more: object) -> KubernetesSettings:
    return KubernetesSettings.model_validate(
        {"namespace": namespace, "image": IMAGE, "cpu": 0.05, "memory_bytes": 128 << 20, **more}
    )


async def said(namespace: str, settings: KubernetesSettings, address: str) -> str | None:
    api = await KubeApi.connect()
    try:
        return await fly(api, namespace, settings, (address, address))
    finally:
        await api.close()


async def test_all_is_well(kubectl: Kubectl, namespace: str, door: str) -> None:
    assert await said(namespace, own(namespace), door) is None
    assert kubectl("-n", namespace, "get", "pods", "-o", "name", "--field-selector=status.phase!=Succeeded") == ""


@pytest.mark.parametrize(
    ("settings", "address", "says"),
    [
        ({"image": "melonkube/nothing:0"}, "", "melonkube/nothing:0 cannot be pulled"),
        ({"image": "python:3.11-slim-bookworm"}, "", "does not hold MelonKube's trainer"),
        ({"node_selector": {"disk": "none"}}, "", "No node takes the worker"),
        ({}, "http://127.0.0.1:9", "does not reach http://127.0.0.1:9"),
    ],
    ids=["image", "another", "node", "address"],
)
async def test_what_is_wrong_is_said(
    kubectl: Kubectl, namespace: str, door: str, settings: dict[str, object], address: str, says: str
) -> None:
    assert says in (await said(namespace, own(namespace, **settings), address or door) or "")


async def test_what_a_killed_tuner_left_is_removed(kubectl: Kubectl, namespace: str, door: str) -> None:
    api = await KubeApi.connect()
    try:
        abandoned = manifests.preflight(own(namespace), "abandoned", (door, door))
        await api.call("POST", f"/api/v1/namespaces/{namespace}/pods", body=abandoned)
        assert await fly(api, namespace, own(namespace), (door, door)) is None
    finally:
        await api.close()
    assert "abandoned" not in kubectl("-n", namespace, "get", "pods", "-o", "name")


async def test_a_namespace_that_is_not_there(kubectl: Kubectl, door: str) -> None:
    assert "not found" in (await said(f"nowhere-{new_id()[-8:]}", own("x"), door) or "")


async def test_no_worker_is_made_before(kubectl: Kubectl, namespace: str, door: str) -> None:
    settings = Settings(kubernetes=own(namespace, preflight=True, tuner_url="http://127.0.0.1:9", registry_url=door))
    executor = KubernetesExecutor(settings)

    async def ended(_end: WorkerExit) -> None:
        raise AssertionError("no worker was made")

    await executor.open(ended, lambda: None)
    try:
        assert (await executor.info()).problem
        order = WorkerOrder(executor.name_worker(new_id(), 1, 1), "ws", new_id(), "token", "auto")
        with pytest.raises(CannotStart, match=r"does not reach http://127\.0\.0\.1:9"):
            await executor.start(order, ended)
        assert "does not reach" in ((await executor.info()).problem or "")
        assert kubectl("-n", namespace, "get", "jobs", "-o", "name") == ""
    finally:
        await executor.close(1.0)
