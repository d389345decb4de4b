"""What an executor is: it runs workers and tells how they ended. An entry point ``melonkube.executors`` names a class.

An executor knows nothing of trials: it is told which worker to start for which experiment, and which to end.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from melonkube.contracts.experiments import Cause


@dataclass(frozen=True, slots=True)
class WorkerOrder:
    """A worker to be: ``trials`` is how many it may train, as text (``auto`` or a number)."""

    worker_id: str
    workspace_id: str
    experiment_id: str
    token: str
    trials: str
    request_id: str | None = None


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


OnExit = Callable[[WorkerExit], Awaitable[None]]


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
    def prefix(self) -> str:
        """Beginning of the ids of this incarnation's workers."""
        ...

    def died_before(self, worker_id: str) -> bool:
        """Whether a worker was an earlier incarnation's of this executor, and so is known to be dead."""
        ...

    def workers(self) -> frozenset[str]:
        """Return the workers that are alive."""
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
        """End every worker, all at once, in the same way."""
        ...
