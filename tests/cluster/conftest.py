"""A namespace of a real cluster, the one that KUBECONFIG names, and a release of the chart on it."""

import os
import shutil
from collections.abc import Iterator

import pytest

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
