"""Of a real cluster, the one that KUBECONFIG names: namespaces, a release of the chart, a suite with trials there."""

import os
import shutil
import time
from collections.abc import Iterator

import pytest

from melonkube.suite.embedded import Suite
from tests.cluster import on_pods
from tests.cluster.kubectl import Kubectl, restricted_namespace, run_kubectl
from tests.cluster.release import Installed, install, wait_for_every_replica
from tests.e2e.api import Api, table


@pytest.fixture(scope="session")
def kubectl() -> Kubectl:
    """Runs kubectl and returns what it printed; a warning fails the test as an error does."""
    if "KUBECONFIG" not in os.environ:
        pytest.skip("KUBECONFIG names no cluster")
    for program in ("kubectl", "helm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not on PATH")
    return run_kubectl


@pytest.fixture(scope="module")
def namespace(kubectl: Kubectl) -> Iterator[str]:
    """A namespace for the services."""
    with restricted_namespace(kubectl, "suite") as name:
        yield name


@pytest.fixture(scope="session")
def worker_namespace(kubectl: Kubectl) -> Iterator[str]:
    """A namespace for workers."""
    with restricted_namespace(kubectl, "workers") as name:
        yield name


@pytest.fixture(scope="session")
def installed(kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """The suite with its own PostgreSQL, in a namespace that takes restricted pods alone; one for all test files."""
    with restricted_namespace(kubectl, "release") as name:
        yield install(Installed(kubectl, name, tmp_path_factory.mktemp("release")))


@pytest.fixture(scope="session")
def released(installed: Installed) -> Iterator[Api]:
    """Its API for who has the owner's key."""
    with installed.api() as client:
        yield client


@pytest.fixture(scope="session")
def deployed(installed: Installed, released: Api) -> str:
    """An endpoint with the winner of an experiment whose trials ran as Jobs."""
    dataset = released.upload(table(3000, seed=3), "chart")
    experiment = released.tune(
        dataset["id"], name="chart", budget={"max_trials": 4}, parallelism=2, seed=1, worker=installed.worker
    )
    done = released.wait(experiment["id"])
    assert (done["state"], done["trials"]["completed"]) == ("completed", 4), done
    endpoint = released.deploy("chart", experiment_id=experiment["id"])
    assert endpoint["state"] == "ready"
    wait_for_every_replica(released, "chart")
    return "chart"


@pytest.fixture(scope="module")
def trial_namespace() -> Iterator[str]:
    """A namespace for pods of trials."""
    if "KUBECONFIG" not in os.environ:
        pytest.skip("KUBECONFIG names no cluster")
    if not on_pods.ADDRESS:
        pytest.skip("MELON_TEST_ADVERTISE_ADDRESS is no address of this machine that pods reach")
    with restricted_namespace(on_pods.kubectl, "trials") as name:
        yield name


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
