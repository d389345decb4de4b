"""Shows, before the first trial, that pods can do what workers must: be made, have their image, reach this machine."""

import asyncio
from contextlib import suppress

from melonkube.contracts.ids import new_id
from melonkube.tuner.executors.kubernetes import causes, manifests
from melonkube.tuner.executors.kubernetes.api import ApiFailed, KubeApi
from melonkube.tuner.settings import KubernetesSettings

_LOOK_SECONDS = 0.5
_BEGIN_SECONDS = 60.0
_OBSTACLE_SECONDS = 8.0


async def fly(api: KubeApi, namespace: str, settings: KubernetesSettings, addresses: tuple[str, str]) -> str | None:
    """Run the pod, and remove it; return what is wrong, a sentence, or None."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    name = f"melon-preflight-{new_id()[-12:]}"
    try:
        # Those of a tuner that was killed in the middle.
        left = await api.call("GET", path, {"labelSelector": manifests.preflight_selector(settings)})
        for each in left["items"]:
            await _remove(api, f"{path}/{each['metadata']['name']}")
        await api.call("POST", path, body=manifests.preflight(settings, name, addresses))
    except ApiFailed as error:
        return f"Kubernetes will not have a worker's pod: {error}"
    try:
        return await _watch(api, f"{path}/{name}")
    except ApiFailed as error:
        return f"The cluster does not answer: {error}"
    finally:
        await asyncio.shield(_remove(api, f"{path}/{name}"))


async def _remove(api: KubeApi, path: str) -> None:
    with suppress(ApiFailed):
        await api.call("DELETE", path, body={"gracePeriodSeconds": 0})


async def _watch(api: KubeApi, path: str) -> str | None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    held_since = None
    while True:
        pod = await api.call("GET", path)
        if causes.ended(pod):
            if causes.exit_code(pod) == 0:
                return None
            said = await api.text(f"{path}/log", {"tailLines": "5", "container": manifests.CONTAINER})
            return said.strip() or causes.end(pod, []).reason
        held = causes.obstacle(pod)
        now = loop.time()
        held_since = None if held is None else held_since or now
        if held is not None and held_since is not None and now - held_since > _OBSTACLE_SECONDS:
            return held.reason
        if now - began > _BEGIN_SECONDS:
            return f"A pod of the worker's image did not begin within {_BEGIN_SECONDS:g} s."
        await asyncio.sleep(_LOOK_SECONDS)
