"""``python -m melonkube.kit.child PARENT_PID MODULE [ARG ...]``: runs a module that dies with its parent.

For programs that are not services and know nothing of the kit, such as the trainer's worker.
"""

import runpy
import signal
import sys

from melonkube.kit.process import die_with


def main() -> None:
    """Bind this process to its parent, then become the module.

    An interrupt from the terminal reaches the whole process group; it is the parent's to answer, which then ends
    this process in order.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent, module = int(sys.argv[1]), sys.argv[2]
    sys.argv = sys.argv[2:]
    die_with(parent)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
