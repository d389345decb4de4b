"""The API server takes what the chart renders without a warning; the tuner has the rights it needs and no more."""

import json
from collections.abc import Iterator

import pytest
import yaml

from tests.cluster.kubectl import Kubectl, run_kubectl
from tests.deploy.chart import RELEASE, VARIATIONS, manifest

pytestmark = pytest.mark.cluster

FOREIGN = {"ServiceMonitor": "servicemonitors.monitoring.coreos.com"}
"""Kinds of operators that a cluster need not have, and their definitions; looked at where it has them."""

RIGHTS = {"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}


def _objects(variation: str, namespace: str, *arguments: str) -> list[dict[str, object]]:
    text = manifest(variation, *arguments, namespace=namespace)
    there = run_kubectl("get", "customresourcedefinitions", "--output", "name")
    unknown = {kind for kind, definition in FOREIGN.items() if definition not in there}
    return [each for each in yaml.safe_load_all(text) if each and each["kind"] not in unknown]


def _as_list(objects: list[dict[str, object]]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


@pytest.mark.parametrize("variation", VARIATIONS)
def test_the_server_takes_every_object_without_a_warning(
    kubectl: Kubectl, namespace: str, worker_namespace: str, variation: str
) -> None:
    moved = ["--set", f"workers.namespace={worker_namespace}"] if variation == "pool" else []
    objects = _objects(variation, namespace, *moved)
    said = kubectl("apply", "--dry-run=server", "--validate=strict", "--filename", "-", stdin=_as_list(objects))
    assert len(said.splitlines()) == len(objects)


@pytest.fixture(scope="module")
def near(kubectl: Kubectl, namespace: str) -> str:
    """The rights of a release whose workers run beside it, and the tuner's account."""
    rights = [each for each in _objects("default", namespace) if each["kind"] in RIGHTS]
    kubectl("apply", "--filename", "-", stdin=_as_list(rights))
    return f"system:serviceaccount:{namespace}:{RELEASE}-melonkube-tuner"


@pytest.fixture(scope="module")
def far(kubectl: Kubectl, namespace: str, worker_namespace: str) -> Iterator[str]:
    """The rights of one whose workers run elsewhere and that may see the nodes, and the tuner's account."""
    arguments = ("--set", f"workers.namespace={worker_namespace},fullnameOverride=far")
    rights = [each for each in _objects("pool", namespace, *arguments) if each["kind"] in RIGHTS]
    kubectl("apply", "--filename", "-", stdin=_as_list(rights))
    yield f"system:serviceaccount:{namespace}:far-tuner"
    kubectl("delete", "clusterrole,clusterrolebinding", f"{namespace}-far-tuner")


NEEDED = [
    *(("jobs.batch", verb) for verb in ("create", "get", "list", "watch", "delete")),
    *(("pods", verb) for verb in ("get", "list", "watch", "delete")),
    ("pods/log", "get"),
    *(("secrets", verb) for verb in ("create", "get", "patch", "delete")),
]

NEVER = [
    ("pods", "create"),
    ("pods/exec", "create"),
    ("pods/attach", "create"),
    ("pods/portforward", "create"),
    ("pods/ephemeralcontainers", "patch"),
    ("secrets", "list"),
    ("secrets", "watch"),
    ("jobs.batch", "patch"),
    ("jobs.batch", "deletecollection"),
    ("configmaps", "get"),
    ("serviceaccounts", "get"),
    ("serviceaccounts/token", "create"),
    ("deployments.apps", "get"),
    ("roles.rbac.authorization.k8s.io", "create"),
    ("rolebindings.rbac.authorization.k8s.io", "create"),
    ("events", "create"),
    ("persistentvolumeclaims", "get"),
    ("networkpolicies.networking.k8s.io", "delete"),
]

OF_THE_CLUSTER = [("nodes", "get"), ("nodes", "list"), ("nodes", "watch")]
NEVER_OF_THE_CLUSTER = [
    ("nodes", "patch"),
    ("nodes/proxy", "get"),
    ("namespaces", "list"),
    ("clusterroles.rbac.authorization.k8s.io", "create"),
    ("persistentvolumes", "get"),
]


def _may(kubectl: Kubectl, account: str, resource: str, verb: str, *where: str) -> bool:
    resource, _, sub = resource.partition("/")
    named = [f"--subresource={sub}"] if sub else []
    said = kubectl("auth", "can-i", verb, resource, *named, "--as", account, *where, check=False)
    answer = said.splitlines()[-1].split()[0]
    assert answer in ("yes", "no"), said
    return answer == "yes"


def test_a_tuner_beside_its_workers(kubectl: Kubectl, namespace: str, worker_namespace: str, near: str) -> None:
    here = ("--namespace", namespace)
    assert [each for each in NEEDED if not _may(kubectl, near, *each, *here)] == []
    assert [each for each in NEVER if _may(kubectl, near, *each, *here)] == []
    assert [each for each in NEEDED if _may(kubectl, near, *each, "--namespace", worker_namespace)] == []
    whole = [*OF_THE_CLUSTER, *NEVER_OF_THE_CLUSTER, ("pods", "list")]
    assert [each for each in whole if _may(kubectl, near, *each, "--all-namespaces")] == []


def test_a_tuner_away_from_its_workers(kubectl: Kubectl, namespace: str, worker_namespace: str, far: str) -> None:
    there = ("--namespace", worker_namespace)
    assert [each for each in NEEDED if not _may(kubectl, far, *each, *there)] == []
    assert [each for each in NEVER if _may(kubectl, far, *each, *there)] == []
    # In the release's own namespace, where the owner's key is, it may only list pods, as in every other.
    own = [each for each in NEEDED if _may(kubectl, far, *each, "--namespace", namespace)]
    assert own == [("pods", "list")]
    whole = [*OF_THE_CLUSTER, ("pods", "list")]
    assert [each for each in whole if not _may(kubectl, far, *each, "--all-namespaces")] == []
    never = [*NEVER_OF_THE_CLUSTER, ("pods", "delete"), ("secrets", "get"), ("pods/log", "get")]
    assert [each for each in never if _may(kubectl, far, *each, "--all-namespaces")] == []


@pytest.mark.parametrize("component", ["gateway", "registry", "serving", "postgresql"])
def test_the_others_may_nothing(kubectl: Kubectl, namespace: str, near: str, component: str) -> None:
    account = near.replace("-tuner", f"-{component}")
    assert [each for each in NEEDED if _may(kubectl, account, *each, "--namespace", namespace)] == []
