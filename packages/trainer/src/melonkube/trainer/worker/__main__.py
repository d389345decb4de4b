"""The worker as a process: ``python -m melonkube.trainer.worker``."""

import logging
import os
import signal
import sys
import threading

from melonkube.trainer.worker.logs import configure_logs
from melonkube.trainer.worker.settings import WorkerSettings
from melonkube.trainer.worker.worker import Worker

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def main() -> None:
    """Work until told to end. SIGTERM and SIGINT give the trial back; a second one ends the process at once."""
    # Signals are taken by a thread that waits for them: a handler would run between two steps of a lock's holder.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        settings = WorkerSettings.from_environment()
    except ValueError as error:
        sys.exit(str(error))
    worker = Worker(settings)
    configure_logs(settings.worker_id, settings.request_id, settings.log_level, worker.recorder)
    threading.Thread(target=_await_signals, args=(worker,), name="signals", daemon=True).start()
    code = worker.run()
    logging.shutdown()
    # Not sys.exit: it would wait for calls that other threads have under way, and none of them matters any more.
    os._exit(code)


def _await_signals(worker: Worker) -> None:
    signal.sigwait(_SIGNALS)
    if worker.leave():
        logging.shutdown()
        os._exit(0)
    signal.sigwait(_SIGNALS)
    os._exit(1)


if __name__ == "__main__":
    main()
