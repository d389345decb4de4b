"""Workers as Jobs: one Job is one incarnation of a worker. What is known of them comes from shared informers alone.

A Job never repeats its pod; its successor is made by the fleet when the worker has ended or its lease was lost,
because the Job controller waits for the pod of a lost node, which nobody ends. Workers outlive the tuner: a new one
finds the Jobs that are there and goes on with them.
"""

import asyncio
import hashlib
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar

from melonkube.contracts.experiments import Cause, ExecutorInfo
from melonkube.contracts.workload import ContainerSpec, WorkerSpec
from melonkube.kit.logs import get_logger
from melonkube.tuner.executors.kubernetes import causes, manifests, nodes
from melonkube.tuner.executors.kubernetes.api import ApiFailed, KubeApi
from melonkube.tuner.executors.kubernetes.calls import WorkerCalls
from melonkube.tuner.executors.kubernetes.informer import Informer
from melonkube.tuner.executors.kubernetes.manifests import EXPERIMENT, WORKER, WORKSPACE, Object
from melonkube.tuner.executors.kubernetes.preflight import fly
from melonkube.tuner.executors.protocol import CannotStart, OnChange, OnExit, Plight, WorkerExit, WorkerOrder
from melonkube.tuner.settings import Settings

log = get_logger("melonkube.tuner.kubernetes")

_TEND_SECONDS = 1.0
_FORCE_SECONDS = 3.0
"""A pod that is still there so long after its grace is removed by force."""
_FORCE_AGAIN_SECONDS = 10.0
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 10.0
_NO_POD_SECONDS = 15.0
_PREFLIGHT_SECONDS = 90.0
_PROVE_AGAIN_SECONDS = 60.0
_NOT_TRIED = "It is being tried whether pods can run and reach this machine."
_OUTSIDE = (Cause.WORKER_KILLED, Cause.PREEMPTED)


@dataclass
class _Worker:
    worker_id: str
    workspace_id: str
    experiment_id: str
    began: float
    on_exit: OnExit
    pod: Object | None = None
    job: bool = False
    asked_to_end: bool = False
    ending: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    forced: float = 0.0


class KubernetesExecutor:
    """Jobs in one namespace, told from other installations' by their labels."""

    name: ClassVar[str] = "kubernetes"

    def __init__(self, settings: Settings) -> None:
        self._own = settings.kubernetes
        self._grace = settings.worker.release_seconds + 2.0
        self._addresses = (
            (self._own.tuner_url or settings.peers.tuner).rstrip("/"),
            (self._own.registry_url or settings.peers.registry).rstrip("/"),
        )
        installation = hashlib.sha256(self._own.installation.encode()).hexdigest()[:6]
        self._prefix = f"melon-{installation}-"
        self._workers: dict[str, _Worker] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._finishing: set[asyncio.Task[None]] = set()
        self._closed = False
        self._problem: str | None = None
        self._prove_again = asyncio.Event()
        self._proven = asyncio.Event()
        self._calls: WorkerCalls | None = None
        self._on_exit: OnExit | None = None
        self._on_change: OnChange = lambda: None
        self._jobs: Informer | None = None
        self._pods: Informer | None = None
        self._nodes: Informer | None = None

    @property
    def slots(self) -> int | None:
        """How many workers may run at once."""
        return self._own.max_workers

    @property
    def parallelism(self) -> int | None:
        """How many workers an experiment is given that does not say how many."""
        return self._own.parallelism

    @property
    def outlives(self) -> bool:
        """Whether workers go on when the tuner ends."""
        return not self._own.end_with_tuner

    async def open(self, on_exit: OnExit, on_change: OnChange) -> None:
        """Connect, and return when it is known which workers there are.

        Raises:
            NoCluster: No cluster is configured.
        """
        self._on_exit, self._on_change = on_exit, on_change
        api = await KubeApi.connect()
        calls = self._calls = WorkerCalls(api, self._own.namespace or api.namespace, self._own)
        chosen = manifests.selector(self._own)
        self._jobs = Informer(api, calls.path("jobs"), chosen, self._job_changed)
        self._pods = Informer(api, calls.path("pods"), chosen, self._pod_changed)
        self._nodes = Informer(api, "/api/v1/nodes", "", lambda _node, _gone: None)
        # Pods first: whoever adopts a Job looks for its pod.
        self._tasks = [asyncio.create_task(self._pods.run(), name="pods")]
        await self._pods.synced.wait()
        self._tasks += [
            asyncio.create_task(self._jobs.run(), name="jobs"),
            asyncio.create_task(self._nodes.run(), name="nodes"),
            asyncio.create_task(self._tend(), name="tend"),
        ]
        await asyncio.gather(self._jobs.synced.wait(), self._nodes.synced.wait())
        if self._own.preflight:
            self._problem = _NOT_TRIED
            self._tasks.append(asyncio.create_task(self._prove(), name="preflight"))
        log.info("cluster", address=api.address, namespace=calls.namespace, workers=len(self._workers))

    def name_worker(self, experiment_id: str, epoch: int, number: int) -> str:
        """Return the name of a worker: of its Job, too. Never given twice, as an epoch is not."""
        return f"{self._prefix}{experiment_id.replace('-', '')[-16:]}-{epoch}-{number}"

    def owns(self, worker_id: str) -> bool:
        """Whether a worker is this executor's."""
        return worker_id.startswith(self._prefix)

    def died_before(self, worker_id: str) -> bool:
        """Whether a worker died with an earlier process: none does."""
        return False

    def workers(self) -> frozenset[str]:
        """Return the workers that are alive."""
        return frozenset(self._workers)

    def workers_of(self, experiment_id: str) -> frozenset[str]:
        """Return an experiment's workers that are alive."""
        return frozenset(name for name, each in self._workers.items() if each.experiment_id == experiment_id)

    def experiments(self) -> dict[str, str]:
        """Return the experiments that have anything here, with their workspaces."""
        return {each.experiment_id: each.workspace_id for each in self._workers.values()}

    def plight(self, worker_id: str) -> Plight | None:
        """Return why a worker cannot begin, or is not heard of; None if nothing is known against it."""
        worker = self._workers.get(worker_id)
        if worker is None:
            return None
        if worker.pod is None:
            if asyncio.get_running_loop().time() - worker.began < _NO_POD_SECONDS:
                return None
            return Plight(
                Cause.UNSCHEDULABLE,
                "Kubernetes has made no pod for the worker: a quota, an admission rule or a queue holds it back.",
            )
        node = self._node_of(worker.pod)
        if node is not None and not nodes.is_ready(node):
            return Plight(Cause.NODE_LOST, f"The node {node['metadata']['name']} was lost.")
        found = causes.obstacle(worker.pod)
        return None if found is None else Plight(found.cause, found.reason)

    def refusal(self, spec: WorkerSpec, container: ContainerSpec | None = None) -> str | None:
        """Return why no worker could ever run as asked, None if one could or it cannot be known."""
        if self._own.autoscaled or self._nodes is None or self._nodes.forbidden or not self._nodes.synced.is_set():
            return None
        return nodes.misfit(self._own, spec, list(self._nodes.objects.values()), beside=container is not None)

    async def info(self) -> ExecutorInfo:
        """Return what runs where."""
        found = None
        if self._nodes is not None and not self._nodes.forbidden:
            pods = await self._cluster.pods_everywhere()
            if pods is None:
                pods = [each.pod for each in self._workers.values() if each.pod is not None]
            on_node: dict[str, list[Object]] = defaultdict(list)
            for pod in pods:
                on_node[_node_name(pod)].append(pod)
            ours = Counter(_node_name(each.pod) for each in self._workers.values() if each.pod is not None)
            by_name = {node["metadata"]["name"]: node for node in self._nodes.objects.values()}
            found = [
                nodes.describe(by_name[name], on_node[name], ours[name], self._own.gpu_resource)
                for name in sorted(by_name)
            ]
        return ExecutorInfo(
            name=self.name,
            slots=self.slots,
            busy=len(self._workers),
            namespace=None if self._calls is None else self._calls.namespace,
            nodes=found,
            problem=self._problem,
        )

    async def start(self, order: WorkerOrder, on_exit: OnExit) -> None:
        """Make a worker's Job. A repeat after an answer that was lost finds the one that was made.

        Raises:
            CannotStart: The cluster will not have it, or cannot be reached.
        """
        if self._closed:
            raise CannotStart("The executor is closed.")
        if self._problem is not None:
            self._prove_again.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(_PREFLIGHT_SECONDS):
                    await self._proven.wait()
            if self._problem is not None:
                raise CannotStart(self._problem)
        now = asyncio.get_running_loop().time()
        worker = _Worker(order.worker_id, order.workspace_id, order.experiment_id, now, on_exit)
        self._workers[order.worker_id] = worker
        try:
            await self._cluster.make(order, self._addresses, self._grace)
        except ApiFailed as error:
            if not worker.ended.is_set() and not worker.job:
                del self._workers[order.worker_id]
            raise CannotStart(f"Kubernetes will not have the worker: {error}") from error
        worker.job = True
        log.info("worker made", worker_id=order.worker_id, experiment_id=order.experiment_id)

    async def end(self, worker_id: str, grace_seconds: float) -> None:
        """Delete a worker's Job and pod; by force after the grace. Returns when both are gone."""
        worker = self._workers.get(worker_id)
        if worker is None:
            return
        worker.asked_to_end = True
        node = None if worker.pod is None else self._node_of(worker.pod)
        grace = grace_seconds if node is None or nodes.is_ready(node) else 0.0
        pause = _FIRST_PAUSE
        while not worker.ended.is_set():
            try:
                if worker.pod is not None:
                    await self._cluster.delete_pod(worker.pod, grace)
                await self._cluster.delete_job(worker_id)
            except ApiFailed as error:
                log.warning("worker cannot be deleted yet", worker_id=worker_id, reason=str(error))
                await asyncio.sleep(pause)
                pause = min(_LONGEST_PAUSE, pause * 2)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(grace + _FORCE_SECONDS):
                    await worker.ended.wait()
            grace = 0.0

    async def forget(self, experiment_id: str) -> None:
        """Drop what an experiment that needs no workers any more has left."""
        if self._calls is not None:
            await self._calls.forget(experiment_id)

    async def close(self, grace_seconds: float) -> None:
        """Let the workers be, or end them if they are to end with the tuner; then disconnect."""
        self._closed = True
        if not self.outlives:
            await asyncio.gather(*(self.end(worker_id, grace_seconds) for worker_id in list(self._workers)))
            while self._finishing:
                await asyncio.wait(list(self._finishing))
            if self._calls is not None:
                await self._calls.forget_all()
        tasks = [*self._tasks, *self._finishing]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._calls is not None:
            await self._calls.api.close()

    # What the cluster tells.

    def _job_changed(self, job: Object, gone: bool) -> None:
        worker = self._known(job, adopt=not gone)
        if worker is None:
            return
        worker.job = not gone
        if gone and worker.pod is None:
            self._finish(worker)

    def _pod_changed(self, pod: Object, gone: bool) -> None:
        worker = self._known(pod, adopt=False)
        if worker is None:
            return
        worker.pod = pod
        if gone or causes.ended(pod):
            self._finish(worker)
        self._on_change()

    def _known(self, each: Object, *, adopt: bool) -> _Worker | None:
        """Return the worker an object belongs to; a Job of an unknown one was made by an earlier tuner."""
        given = each["metadata"].get("labels", {})
        worker_id = given.get(WORKER, "")
        worker = self._workers.get(worker_id)
        if worker is not None or not adopt or self._on_exit is None or not self.owns(worker_id):
            return worker
        if each["metadata"].get("deletionTimestamp"):
            return None
        now = asyncio.get_running_loop().time()
        worker = _Worker(worker_id, given.get(WORKSPACE, ""), given.get(EXPERIMENT, ""), now, self._on_exit)
        self._workers[worker_id] = worker
        pods = self._pods.objects.values() if self._pods is not None else ()
        worker.pod = next((pod for pod in pods if pod["metadata"].get("labels", {}).get(WORKER) == worker_id), None)
        log.info("worker adopted", worker_id=worker_id, experiment_id=worker.experiment_id)
        if worker.pod is not None and causes.ended(worker.pod):
            self._finish(worker)
        return worker

    def _finish(self, worker: _Worker) -> None:
        if worker.ending:
            return
        worker.ending = True
        task = asyncio.create_task(self._settle(worker), name=f"settle {worker.worker_id}")
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)

    async def _settle(self, worker: _Worker) -> None:
        """Tell how a worker ended, then remove its Job: in this order, so that a crash in between tells it again."""
        tail: list[str] = []
        found = causes.End(Cause.WORKER_KILLED, "The worker's Job was deleted from outside.")
        if worker.pod is not None:
            speaker = causes.speaker(worker.pod)
            tail = [] if speaker is None else await self._cluster.tail(worker.pod, speaker)
            found = causes.end(worker.pod, tail)
        cause, reason = found.cause, found.reason
        if worker.asked_to_end and cause in _OUTSIDE:
            cause, reason = Cause.RELEASED, None
        del self._workers[worker.worker_id]
        worker.ended.set()
        log.info("worker ended", worker_id=worker.worker_id, cause=cause)
        try:
            await worker.on_exit(
                WorkerExit(worker.worker_id, worker.workspace_id, worker.experiment_id, cause, reason, tail)
            )
        except Exception:
            log.exception("what follows a worker's end failed", worker_id=worker.worker_id)
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._cluster.delete_job(worker.worker_id)
                return
            except ApiFailed as error:
                log.warning("a Job cannot be deleted yet", worker_id=worker.worker_id, reason=str(error))
                await asyncio.sleep(pause)
                pause = min(_LONGEST_PAUSE, pause * 2)

    async def _tend(self) -> None:
        """Remove by force the pods that their node, being lost, does not end."""
        while True:
            await asyncio.sleep(_TEND_SECONDS)
            now = asyncio.get_running_loop().time()
            for worker in list(self._workers.values()):
                pod = worker.pod
                if pod is None or _overdue_seconds(pod) <= _FORCE_SECONDS or now - worker.forced < _FORCE_AGAIN_SECONDS:
                    continue
                worker.forced = now
                log.warning("a pod does not end, so it is removed by force", worker_id=worker.worker_id)
                with suppress(ApiFailed):
                    await self._cluster.delete_pod(pod, 0.0)

    @property
    def _cluster(self) -> WorkerCalls:
        if self._calls is None:
            raise ApiFailed(0, "Unreachable", "The executor has not been opened.")
        return self._calls

    async def _prove(self) -> None:
        """Send preflight pods until one comes through: at once when a worker is wanted, else now and then."""
        while True:
            self._prove_again.clear()
            self._proven.clear()
            self._problem = await fly(self._cluster.api, self._cluster.namespace, self._own, self._addresses)
            self._proven.set()
            self._on_change()
            if self._problem is None:
                log.info("preflight", image=self._own.image, addresses=self._addresses)
                return
            log.error("preflight failed", reason=self._problem)
            with suppress(TimeoutError):
                async with asyncio.timeout(_PROVE_AGAIN_SECONDS):
                    await self._prove_again.wait()

    def _node_of(self, pod: Object) -> Object | None:
        name = _node_name(pod)
        return None if self._nodes is None or not name else self._nodes.objects.get(f"/{name}")


def _node_name(pod: Object) -> str:
    return str(pod.get("spec", {}).get("nodeName", ""))


def _overdue_seconds(pod: Object) -> float:
    """Return by how much a pod that is being deleted is over its grace; negative or zero while it is not."""
    due = pod["metadata"].get("deletionTimestamp")
    if due is None:
        return 0.0
    return (datetime.now(UTC) - datetime.fromisoformat(due)).total_seconds()
