"""A namespace of a real cluster, the one that KUBECONFIG names, and a suite whose trials are pods there."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from melonkube.contracts.ids import new_id
from melonkube.suite.embedded import Suite
from tests.cluster import on_pods
from tests.e2e.api import Api, table

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


@pytest.fixture(scope="module")
def trial_namespace() -> Iterator[str]:
    """A namespace for pods of trials."""
    if "KUBECONFIG" not in os.environ:
        pytest.skip("KUBECONFIG names no cluster")
    if not on_pods.ADDRESS:
        pytest.skip("MELON_TEST_ADVERTISE_ADDRESS is no address of this machine that pods reach")
    name = f"melon-trials-{new_id()[-8:]}"
    on_pods.kubectl("create", "namespace", name)
    on_pods.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    yield name
    on_pods.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def suite(trial_namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """The suite on this machine, its workers there."""
    environment = {
        "MELON_EXECUTOR": "kubernetes",
        "MELON_ADVERTISE_ADDRESS": on_pods.ADDRESS,
        "MELON_KUBERNETES__NAMESPACE": trial_namespace,
        "MELON_KUBERNETES__IMAGE": on_pods.IMAGE,
        "MELON_KUBERNETES__CPU": "0.1",
        "MELON_KUBERNETES__MEMORY_BYTES": str(512 << 20),
        "MELON_KUBERNETES__PENDING_SECONDS": "20",
    }
    with Suite(tmp_path_factory.mktemp("cluster suite"), workers=None, port=0, environment=environment) as running:
        yield running


@pytest.fixture(scope="module")
def api(suite: Suite) -> Iterator[Api]:
    """A client of that suite."""
    with Api(suite.url) as client:
        yield client


@pytest.fixture(scope="module")
def dataset(api: Api) -> str:
    """A data set there."""
    return str(api.upload(table(12_000, seed=41, hard=True), "on pods")["id"])


@pytest.fixture
def nothing_is_left(trial_namespace: str) -> Iterator[None]:
    """Checks that a test leaves no Job, pod or Secret."""
    yield
    until = time.monotonic() + 60
    while (
        left := on_pods.kubectl("-n", trial_namespace, "get", "jobs,pods,secrets", "-o", "name")
    ) and time.monotonic() < until:
        time.sleep(0.5)
    assert left == ""
