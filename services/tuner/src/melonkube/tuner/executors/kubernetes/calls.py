"""What the executor asks of one namespace: few calls a worker, at its beginning and its end."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from melonkube.kit.logs import get_logger
from melonkube.tuner.executors.kubernetes import manifests
from melonkube.tuner.executors.kubernetes.api import ApiFailed, KubeApi
from melonkube.tuner.executors.kubernetes.manifests import Object
from melonkube.tuner.executors.protocol import WorkerOrder
from melonkube.tuner.settings import KubernetesSettings

log = get_logger("melonkube.tuner.kubernetes")

TAIL_LINES = 50
_TRIES = 5
_FIRST_PAUSE = 0.2
_PODS_SECONDS = 10.0


class WorkerCalls:
    """Makes and deletes what workers consist of. Used on the executor's event loop.

    Args:
        api: The cluster.
        namespace: Where workers run.
        own: The installation's settings.
    """

    def __init__(self, api: KubeApi, namespace: str, own: KubernetesSettings) -> None:
        self.api = api
        self.namespace = namespace
        self._own = own
        self._tokens: dict[str, str] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._all_pods: tuple[float, list[Object]] = (-1e9, [])

    def path(self, kind: str) -> str:
        """Return the address of a collection."""
        group = "/apis/batch/v1" if kind == "jobs" else "/api/v1"
        return f"{group}/namespaces/{self.namespace}/{kind}"

    async def make(self, order: WorkerOrder, addresses: tuple[str, str], grace_seconds: float) -> None:
        """Make a worker's Job; one that is there already was made by a call whose answer was lost.

        Raises:
            ApiFailed: The cluster will not have it, or cannot be reached.
        """
        await self._hold_token(order)
        body = manifests.job(self._own, order, addresses, grace_seconds)
        await self._persist("POST", self.path("jobs"), body, settled=("AlreadyExists",))

    async def delete_job(self, worker_id: str) -> None:
        """Delete a Job, in the foreground: when it is gone, so is a pod that was not seen yet.

        Raises:
            ApiFailed: It could not be asked for.
        """
        with _done_if_missing():
            await self.api.call("DELETE", f"{self.path('jobs')}/{worker_id}", body={"propagationPolicy": "Foreground"})

    async def delete_pod(self, pod: Object, grace_seconds: float) -> None:
        """Delete a pod, and no other of its name; without a grace by force.

        Raises:
            ApiFailed: It could not be asked for.
        """
        path = f"{self.path('pods')}/{pod['metadata']['name']}"
        body = {"gracePeriodSeconds": round(grace_seconds), "preconditions": {"uid": pod["metadata"]["uid"]}}
        with _done_if_missing():
            await self.api.call("DELETE", path, body=body)

    async def forget(self, experiment_id: str) -> None:
        """Drop an experiment's Secret, if the cluster answers."""
        self._tokens.pop(experiment_id, None)
        self._locks.pop(experiment_id, None)
        with suppress(ApiFailed):
            await self.api.call("DELETE", f"{self.path('secrets')}/{manifests.secret_name(self._own, experiment_id)}")

    async def forget_all(self) -> None:
        """Drop the Secrets that were made here."""
        await asyncio.gather(*(self.forget(each) for each in list(self._tokens)))

    async def tail(self, pod: Object, container: str) -> list[str]:
        """Return the last lines a container of a worker wrote; none where they cannot be had any more."""
        path = f"{self.path('pods')}/{pod['metadata']['name']}/log"
        try:
            said = await self.api.text(path, {"tailLines": str(TAIL_LINES), "container": container})
        except ApiFailed as error:
            log.info("the last lines cannot be read", pod=pod["metadata"]["name"], reason=str(error))
            return []
        return [line.replace("\0", "").rstrip()[:2000] for line in said.splitlines()][-TAIL_LINES:]

    async def pods_everywhere(self) -> list[Object] | None:
        """Return the pods of all namespaces, as of some seconds ago; None where that is not allowed."""
        now = asyncio.get_running_loop().time()
        if now - self._all_pods[0] < _PODS_SECONDS:
            return self._all_pods[1]
        found: list[Object] = []
        query = {"fieldSelector": "status.phase!=Succeeded,status.phase!=Failed", "limit": "500"}
        try:
            while True:
                page = await self.api.call("GET", "/api/v1/pods", query)
                found += page["items"]
                token = page["metadata"].get("continue")
                if not token:
                    break
                query = {**query, "continue": token}
        except ApiFailed:
            return None
        self._all_pods = (now, found)
        return found

    async def _hold_token(self, order: WorkerOrder) -> None:
        """Have the experiment's Secret hold its newest token."""
        async with self._locks.setdefault(order.experiment_id, asyncio.Lock()):
            if self._tokens.get(order.experiment_id) == order.token:
                return
            body = manifests.secret(self._own, order.experiment_id, order.workspace_id, order.token)
            try:
                await self._persist("POST", self.path("secrets"), body)
            except ApiFailed as error:
                if error.reason != "AlreadyExists":
                    raise
                path = f"{self.path('secrets')}/{body['metadata']['name']}"
                await self._persist("PATCH", path, {"data": body["data"]})
            self._tokens[order.experiment_id] = order.token

    async def _persist(self, method: str, path: str, body: Object, settled: tuple[str, ...] = ()) -> None:
        """Call until there is an answer, a few times; ``settled`` are refusals that mean it is done."""
        pause = _FIRST_PAUSE
        for left in reversed(range(_TRIES)):
            try:
                await self.api.call(method, path, body=body)
                return
            except ApiFailed as error:
                if error.reason in settled:
                    return
                if not error.passing or not left:
                    raise
            await asyncio.sleep(pause)
            pause *= 2


@contextmanager
def _done_if_missing() -> Iterator[None]:
    """Take it for done when what is to be deleted is not there, or is another of the name already."""
    try:
        yield
    except ApiFailed as error:
        if error.status not in (404, 409):
            raise
