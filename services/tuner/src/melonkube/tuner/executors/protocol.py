"""What an executor is: it runs workers and tells how they ended. An entry point ``melonkube.executors`` names a class.

An executor knows nothing of trials: it is told which worker to start for which experiment, and which to end.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from melonkube.contracts.experiments import Cause, ExecutorInfo
from melonkube.contracts.workload import ContainerSpec, WorkerSpec


@dataclass(frozen=True, slots=True)
class WorkerOrder:
    """A worker to be: ``trials`` is how many it may train, as text (``auto`` or a number).

    With a ``container`` it is one trial in an image of the user's.
    """

    worker_id: str
    workspace_id: str
    experiment_id: str
    token: str
    trials: str
    request_id: str | None = None
    spec: WorkerSpec = field(default_factory=WorkerSpec)
    container: ContainerSpec | None = None


@dataclass(frozen=True, slots=True)
class WorkerExit:
    """How a worker ended.

    ``cause`` is null after an end in order; ``reason`` is a sentence, ``tail`` the last lines it wrote.
    """

    worker_id: str
    workspace_id: str
    experiment_id: str
    cause: Cause | None
    reason: str | None
    tail: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Plight:
    """What stands in a worker's way: it cannot begin, or is not heard of."""

    cause: Cause
    reason: str


OnExit = Callable[[WorkerExit], Awaitable[None]]

OnChange = Callable[[], None]
"""Is called when something about some worker changed that :meth:`Executor.plight` may tell."""


class CannotStart(Exception):
    """The worker could not even be started; the message says why."""


class Executor(Protocol):
    """Runs workers. Owned by the app; used on its event loop."""

    name: ClassVar[str]

    @property
    def slots(self) -> int | None:
        """How many workers may run at once; None where nothing bounds them."""
        ...

    @property
    def parallelism(self) -> int | None:
        """How many workers an experiment is given that does not say how many; None: as many as there are slots."""
        ...

    @property
    def outlives(self) -> bool:
        """Whether workers go on when the tuner ends, for the next one to find them."""
        ...

    async def open(self, on_exit: OnExit, on_change: OnChange) -> None:
        """Begin; return when it is known which workers there are already. ``on_exit`` is for those."""
        ...

    def name_worker(self, experiment_id: str, epoch: int, number: int) -> str:
        """Return a worker's id: for one owner's epoch and its count of workers, never the same as another's."""
        ...

    def owns(self, worker_id: str) -> bool:
        """Whether a worker is one that :meth:`workers` would tell if it were alive."""
        ...

    def died_before(self, worker_id: str) -> bool:
        """Whether a worker was an earlier incarnation's of this executor, and so is known to be dead."""
        ...

    def workers(self) -> frozenset[str]:
        """Return the workers that are alive."""
        ...

    def workers_of(self, experiment_id: str) -> frozenset[str]:
        """Return an experiment's workers that are alive."""
        ...

    def experiments(self) -> dict[str, str]:
        """Return the experiments that have workers, with their workspaces."""
        ...

    def plight(self, worker_id: str) -> Plight | None:
        """Return what stands in a worker's way, None if nothing is known to."""
        ...

    def refusal(self, spec: WorkerSpec, container: ContainerSpec | None = None) -> str | None:
        """Return why no worker could ever be as ``spec`` and ``container`` ask, a sentence; None if one could."""
        ...

    async def info(self) -> ExecutorInfo:
        """Return where workers run, and what is left there."""
        ...

    async def forget(self, experiment_id: str) -> None:
        """Drop what is kept for an experiment that has no workers and needs none."""
        ...

    async def start(self, order: WorkerOrder, on_exit: OnExit) -> None:
        """Start a worker; ``on_exit`` is awaited once, when it has ended and not before.

        Raises:
            CannotStart: It could not be started; ``on_exit`` is not called.
        """
        ...

    async def end(self, worker_id: str, grace_seconds: float) -> None:
        """Ask a worker to end, and make it after the grace. Returns when it has ended; unknown workers have."""
        ...

    async def close(self, grace_seconds: float) -> None:
        """End every worker, all at once, in the same way; those that outlive the tuner are let be."""
        ...
