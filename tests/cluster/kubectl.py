"""kubectl, and namespaces of the cluster that KUBECONFIG names."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from melonkube.contracts.ids import new_id

RESTRICTED = ("enforce", "warn", "audit")

Kubectl = Callable[..., str]


def run_kubectl(
    *arguments: str, stdin: str | None = None, check: bool = True, warnings: bool = False, seconds: float = 180
) -> str:
    """Run kubectl and return what it printed.

    Raises:
        AssertionError: It failed, or warned where it may not.
    """
    done = subprocess.run(
        ["kubectl", *arguments], input=stdin, check=False, capture_output=True, text=True, timeout=seconds
    )
    if check and (done.returncode != 0 or ("Warning:" in done.stderr and not warnings)):
        raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr or done.stdout}")
    return done.stdout.strip()


@contextmanager
def restricted_namespace(kubectl: Kubectl, purpose: str) -> Iterator[str]:
    """A new namespace that takes only pods of the restricted standard; removed at the end, with all that is in it."""
    name = f"melon-{purpose}-{new_id()[-8:]}"
    kubectl("create", "namespace", name)
    try:
        kubectl("label", "namespace", name, *(f"pod-security.kubernetes.io/{mode}=restricted" for mode in RESTRICTED))
        yield name
    finally:
        kubectl("delete", "namespace", name, "--wait=false", check=False)
