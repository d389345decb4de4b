"""The worker as a process: ``python -m melonkube.trainer.worker``."""

import signal

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def main() -> None:
    """Work until told to end. SIGTERM and SIGINT give the trial back; a second one ends the process at once.

    The signals are blocked and taken by a thread that waits for them, because a handler would run between two steps
    of a lock's holder. Libraries start threads of their own as they are imported, and a thread has the mask of its
    maker: so the signals are blocked before anything else is imported.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    from melonkube.trainer.worker.process import work

    work(SIGNALS)


if __name__ == "__main__":
    main()
