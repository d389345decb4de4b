"""Runs every benchmark but that of Kubernetes, which needs a cluster: ``python -m benchmarks``."""

import subprocess
import sys

NAMES = ("serving", "handover", "experiment")


def main() -> int:
    """Run each in a process of its own; the exit code is the number of those that failed."""
    failed = 0
    for name in NAMES:
        print(f"\n== {name}", flush=True)
        failed += subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
