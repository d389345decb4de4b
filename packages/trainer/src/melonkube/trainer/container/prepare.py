"""The program before a trial in an image of the user's: ``python -m melonkube.trainer.container.prepare``."""

import signal

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def main() -> None:
    """Lease a trial and put it in place, or score the winner. Signals are blocked first, as in a worker of ours."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    from melonkube.trainer.container.preparing import prepare

    prepare(SIGNALS)


if __name__ == "__main__":
    main()
