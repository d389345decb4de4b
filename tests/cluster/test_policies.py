"""The chart's NetworkPolicies at work: who reaches whom, on a cluster that enforces them."""

import json
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.cluster.kubectl import Kubectl, restricted_namespace
from tests.cluster.on_pods import IMAGE
from tests.cluster.release import INSTANCE, RELEASE, Installed
from tests.e2e.api import Api, table

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

LISTEN = "import http.server as h; h.ThreadingHTTPServer(('', 8080), h.SimpleHTTPRequestHandler).serve_forever()"
REACH = """
import concurrent.futures, json, socket, sys
def reached(each):
    try:
        socket.create_connection(each, 3).close()
    except OSError:
        return False
    return True
addresses = json.loads(sys.argv[1])
with concurrent.futures.ThreadPoolExecutor(len(addresses)) as threads:
    print(json.dumps(list(threads.map(reached, addresses))))
"""
DENY = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "deny"},
    "spec": {"podSelector": {}, "policyTypes": ["Ingress"]},
}

Address = tuple[str, int]
PARTS = ("gateway", "registry", "tuner", "serving", "postgresql")


def _pod(kubectl: Kubectl, namespace: str, name: str, component: str | None = None) -> Address:
    """Make a pod that answers on a port, labelled as a part of the release but for readiness; return its address."""
    own = {"app.kubernetes.io/name": "melonkube", "app.kubernetes.io/instance": RELEASE}
    closed = {
        "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip
    labels = {**own, "app.kubernetes.io/component": component} if component else {"app": name}
    container = {
        "name": "probe", "image": IMAGE, "command": ["python", "-c", LISTEN], "securityContext": closed,
        "startupProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1, "failureThreshold": 60},
    }  # fmt: skip
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False},
    }
    kubectl("-n", namespace, "apply", "-f", "-", stdin=json.dumps(pod))
    kubectl("-n", namespace, "wait", "--for=condition=Ready", f"pod/{name}", "--timeout=120s")
    return kubectl("-n", namespace, "get", "pod", name, "-o", "jsonpath={.status.podIP}"), 8080


def _reached(kubectl: Kubectl, namespace: str, source: str, addresses: list[Address]) -> list[bool]:
    """Return which addresses a pod can open a connection to."""
    said = kubectl("-n", namespace, "exec", source, "--", "python", "-c", REACH, json.dumps(addresses))
    return [bool(each) for each in json.loads(said)]


def _enforced(kubectl: Kubectl, namespace: str) -> bool:
    """Say whether a policy that lets nobody in does so within some seconds."""
    listening = _pod(kubectl, namespace, "listening")
    _pod(kubectl, namespace, "asking")
    kubectl("-n", namespace, "apply", "-f", "-", stdin=json.dumps(DENY))
    for _ in range(15):
        if not _reached(kubectl, namespace, "asking", [listening])[0]:
            return True
        time.sleep(1)
    return False


@pytest.fixture(scope="module")
def elsewhere(kubectl: Kubectl, installed: Installed) -> Iterator[str]:
    """A namespace that is not the release's."""
    with restricted_namespace(kubectl, "elsewhere") as name, restricted_namespace(kubectl, "denied") as denied:
        if not _enforced(kubectl, denied):
            pytest.skip("nothing on this cluster enforces NetworkPolicies")
        yield name


@pytest.fixture(scope="module")
def homes(kubectl: Kubectl, installed: Installed, elsewhere: str) -> dict[str, str]:
    """The namespace of each probe; the worker's is where workers are now, which is where their policy is."""
    chosen = f"app.kubernetes.io/component=worker,app.kubernetes.io/instance={RELEASE}"
    policies = json.loads(kubectl("get", "networkpolicies", "-A", "-l", chosen, "-o", "json"))["items"]
    own = installed.namespace
    (workers,) = [each["metadata"]["namespace"] for each in policies if own in json.dumps(each["spec"]["egress"])]
    return {"worker": workers, "migrations": own, "stranger": own, "elsewhere": elsewhere}


@pytest.fixture(scope="module")
def places(kubectl: Kubectl, installed: Installed, homes: dict[str, str]) -> dict[str, Address]:
    """What may be reached: a pod of each part and others' pods, the cluster's API and its names."""
    found = {}
    for component in PARTS:
        port = 5432 if component == "postgresql" else 8080
        found[component] = (str(installed.pods(component)[0]["status"]["podIP"]), port)
    for service, namespace, port in (("kubernetes", "default", 443), ("kube-dns", "kube-system", 53)):
        address = kubectl("-n", namespace, "get", "service", service, "-o", "jsonpath={.spec.clusterIP}")
        found[service] = (address, port)
    chosen = ("-n", "default", "get", "endpointslices", "-l", "kubernetes.io/service-name=kubernetes", "-o", "json")
    api = json.loads(kubectl(*chosen))["items"][0]
    found["node"] = (api["endpoints"][0]["addresses"][0], api["ports"][0]["port"])
    for name, namespace in homes.items():
        found[name] = _pod(kubectl, namespace, f"probe-{name}", name if name in ("worker", "migrations") else None)
    return found


REACHES = {
    "probe-worker": {"registry", "tuner", "kube-dns"},
    "probe-stranger": {"gateway", "kubernetes", "node", "kube-dns", "elsewhere", "stranger", "migrations"},
    "probe-migrations": {
        "gateway",
        "postgresql",
        "kubernetes",
        "node",
        "kube-dns",
        "elsewhere",
        "stranger",
        "migrations",
    },
    "probe-elsewhere": {"gateway", "kubernetes", "node", "kube-dns", "elsewhere", "stranger", "migrations"},
    f"deployment/{RELEASE}-gateway": {"gateway", "registry", "tuner", "serving"},
    f"deployment/{RELEASE}-registry": {"gateway", "postgresql"},
    f"deployment/{RELEASE}-tuner": {"gateway", "registry", "postgresql", "kubernetes"},
    f"deployment/{RELEASE}-serving": {"gateway", "registry", "tuner", "postgresql"},
}
"""Of each pod, the places it reaches. The services' ways out are not limited, so others' pods are left out there."""


@pytest.mark.parametrize("source", REACHES)
def test_who_reaches_whom(
    source: str, kubectl: Kubectl, installed: Installed, homes: dict[str, str], places: dict[str, Address]
) -> None:
    limited = source.startswith("probe-")
    own = source.partition(f"{RELEASE}-")[2]
    asked = {name: each for name, each in places.items() if limited or name in (*PARTS, "kubernetes", "worker")}
    # A pod always reaches itself, and the services may reach the cluster's API though all but the tuner have no token.
    asked = {name: each for name, each in asked.items() if name not in (own, source.removeprefix("probe-"))}
    expected = {name: name in REACHES[source] or (not limited and name == "kubernetes") for name in asked}
    namespace = homes.get(source.removeprefix("probe-"), installed.namespace)
    until = time.monotonic() + 60
    while True:
        # Rules come some seconds after a pod.
        seen = dict(zip(asked, _reached(kubectl, namespace, source, list(asked.values())), strict=True))
        if seen == expected or time.monotonic() > until:
            break
        time.sleep(1)
    assert seen == expected


def test_the_database_reaches_nobody(installed: Installed, places: dict[str, Address]) -> None:
    (database,) = [each["metadata"]["name"] for each in installed.pods("postgresql")]
    for name in ("registry", "kubernetes", "kube-dns", "elsewhere"):
        host, port = places[name]
        ask = ("timeout", "3", "bash", "-c", f"exec 3<>/dev/tcp/{host}/{port} && echo reached")
        assert installed.kubectl("-n", installed.namespace, "exec", database, "--", *ask, check=False) == "", name


def test_metrics_are_read_by_whom_the_values_name_alone(
    kubectl: Kubectl, installed: Installed, elsewhere: str, places: dict[str, Address]
) -> None:
    measured = ("registry", "tuner", "serving")
    assert _reached(kubectl, elsewhere, "probe-elsewhere", [places[each] for each in measured]) == [False] * 3
    peer = "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.kubernetes\\.io/metadata\\.name"
    installed.helm("upgrade", RELEASE, *installed.values(f"{peer}={elsewhere}"))
    # An upgrade may have replaced any of their pods.
    services: list[Address] = []
    for each in measured:
        spec = installed.get("service", f"{RELEASE}-{each}")["spec"]
        services.append((spec["clusterIP"], spec["ports"][0]["port"]))
    until = time.monotonic() + 60
    while not all(_reached(kubectl, elsewhere, "probe-elsewhere", services)) and time.monotonic() < until:
        time.sleep(1)
    assert _reached(kubectl, elsewhere, "probe-elsewhere", services) == [True] * 3
    read = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=5).status)"
    for host, port in services:
        said = kubectl(
            "-n", elsewhere, "exec", "probe-elsewhere", "--", "python", "-c", read, f"http://{host}:{port}/metrics"
        )
        assert said == "200"


def test_trials_and_predictions_go_on_under_policies(
    installed: Installed, released: Api, deployed: str, elsewhere: str
) -> None:
    assert released.predict(deployed, INSTANCE)
    command = ["sh", "-c", "echo auc=0.{{params.n}}"]
    experiment = released.tune(
        released.upload(table(2000, seed=9), "in a container")["id"], name="contained", metric="auc", seed=1,
        search_space={"n": {"type": "int", "low": 1, "high": 9}}, budget={"max_trials": 2}, parallelism=2,
        container={"image": IMAGE, "command": command}, worker=installed.worker,
    )  # fmt: skip
    done = released.wait(experiment["id"])
    assert (done["state"], done["trials"]["completed"]) == ("completed", 2), done
    assert (
        httpx.get(f"{installed.url}/healthz", headers={"Host": f"{RELEASE}-gateway"}, trust_env=False).status_code
        == 200
    )
