"""From the environment to a working worker, and from its end, or a signal, to that of the process."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Collection

from melonkube.trainer.worker.assignments import Assignments
from melonkube.trainer.worker.logs import configure_logs
from melonkube.trainer.worker.settings import WorkerSettings
from melonkube.trainer.worker.worker import Worker


def work(signals: Collection[signal.Signals], make: Callable[..., Assignments] = Assignments) -> None:
    """Work until there is an end to it; does not return.

    Args:
        signals: Blocked in every thread; the first gives the trial back, a second ends the process at once.
        make: Makes what does the assignments.
    """
    try:
        settings = WorkerSettings.from_environment()
    except ValueError as error:
        sys.exit(str(error))
    worker = Worker(settings, make)
    configure_logs(settings.worker_id, settings.request_id, settings.log_level, worker.recorder)
    threading.Thread(target=_await_signals, args=(worker, signals), name="signals", daemon=True).start()
    _end(worker.run())


def _await_signals(worker: Worker, signals: Collection[signal.Signals]) -> None:
    signal.sigwait(signals)
    if worker.leave():
        _end(0)
    signal.sigwait(signals)
    _end(1)


def _end(code: int) -> None:
    """End at once: an orderly exit would wait for calls that other threads have under way."""
    logging.shutdown()
    os._exit(code)
