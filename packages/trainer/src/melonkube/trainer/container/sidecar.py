"""The program beside a trial in an image of the user's: ``python -m melonkube.trainer.container.sidecar``."""

import signal

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def main() -> None:
    """Hold the trial and hand it in. Signals are blocked first, as in a worker of ours."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    from melonkube.trainer.container.watching import watch

    watch(SIGNALS)


if __name__ == "__main__":
    main()
