"""A namespace of a real cluster, the one that KUBECONFIG names."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from melonkube.contracts.ids import new_id

RESTRICTED = ("enforce", "warn", "audit")

Kubectl = Callable[..., str]


def _kubectl(*arguments: str, stdin: str | None = None, check: bool = True, seconds: float = 180) -> str:
    done = subprocess.run(
        ["kubectl", *arguments], input=stdin, check=False, capture_output=True, text=True, timeout=seconds
    )
    if check and (done.returncode != 0 or "Warning:" in done.stderr):
        raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr or done.stdout}")
    return done.stdout.strip()


@pytest.fixture(scope="session")
def kubectl() -> Kubectl:
    """Runs kubectl and returns what it printed; a warning fails the test as an error does."""
    if "KUBECONFIG" not in os.environ:
        pytest.skip("KUBECONFIG names no cluster")
    for program in ("kubectl", "helm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not on PATH")
    return _kubectl


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


@pytest.fixture(scope="module")
def namespace(kubectl: Kubectl) -> Iterator[str]:
    """A namespace for the services."""
    with restricted_namespace(kubectl, "suite") as name:
        yield name


@pytest.fixture(scope="module")
def worker_namespace(kubectl: Kubectl) -> Iterator[str]:
    """A namespace for workers."""
    with restricted_namespace(kubectl, "workers") as name:
        yield name
