"""The chart on a real cluster: installed, used by a person with the owner's key, rolled over, upgraded.

This machine must reach the cluster's Service addresses. The images are on the nodes under ``MELON_TEST_IMAGE_PREFIX``
and ``MELON_TEST_IMAGE_TAG`` (``melonkube/`` and ``dev``), PostgreSQL's under the name in the chart's values.
"""

import base64
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.cluster.conftest import Kubectl
from tests.deploy.chart import CHART
from tests.e2e.api import Api, table

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

PREFIX = os.environ.get("MELON_TEST_IMAGE_PREFIX", "melonkube/").rstrip("/")
TAG = os.environ.get("MELON_TEST_IMAGE_TAG", "dev")
RELEASE = "melonkube"
WORKER = {"cpu": 0.2, "memory_bytes": 512 << 20}
INSTANCE = {"size": 1.5, "weight": 60.0, "city": "서울", "day": "2025-07-01", "member": True}


@dataclass(frozen=True)
class Installed:
    """A release and how it is reached."""

    kubectl: Kubectl
    namespace: str

    def get(self, *arguments: str) -> Any:
        """Return what ``kubectl get`` answers."""
        return json.loads(self.kubectl("--namespace", self.namespace, "get", *arguments, "--output", "json"))

    def secret(self, name: str) -> dict[str, str]:
        """Return a Secret's entries."""
        return {key: base64.b64decode(value).decode() for key, value in self.get("secret", name)["data"].items()}

    @property
    def url(self) -> str:
        """Where the gateway's Service answers."""
        spec = self.get("service", f"{RELEASE}-gateway")["spec"]
        return f"http://{spec['clusterIP']}:{spec['ports'][0]['port']}"

    def helm(self, *arguments: str) -> str:
        """Run helm and return what it said."""
        done = subprocess.run(
            ["helm", "--namespace", self.namespace, *arguments],
            check=False, text=True, capture_output=True, timeout=400,
        )  # fmt: skip
        seen = "" if done.returncode == 0 else self.kubectl("-n", self.namespace, "get", "pods,events")
        assert done.returncode == 0, f"{done.stderr}\n{seen}"
        return done.stdout

    def values(self, *more: str) -> list[str]:
        """Return the values of the tests: small, and the images that are there."""
        given = (
            f"image.prefix={PREFIX}", f"image.tag={TAG}", "workers.cpu=0.2", "workers.memory=512Mi",
            "gateway.autoscaling.maxReplicas=3", "serving.autoscaling.maxReplicas=3", *more,
        )  # fmt: skip
        return [str(CHART), "--wait", "--timeout", "5m", *(part for each in given for part in ("--set", each))]

    def roll(self, *components: str) -> None:
        """Replace every pod of some Deployments; returns when all new ones are ready."""
        names = [f"deployment/{RELEASE}-{component}" for component in components]
        self.kubectl("--namespace", self.namespace, "rollout", "restart", *names)
        for name in names:
            self.kubectl("--namespace", self.namespace, "rollout", "status", name, "--timeout=180s")


@pytest.fixture(scope="module")
def installed(kubectl: Kubectl, namespace: str) -> Installed:
    """The suite with its own PostgreSQL, in a namespace that takes restricted pods alone."""
    release = Installed(kubectl, namespace)
    release.helm("install", RELEASE, *release.values())
    return release


@pytest.fixture(scope="module")
def api(installed: Installed) -> Iterator[Api]:
    """The API for who has the owner's key."""
    with Api(installed.url) as client:
        client.http.headers["Host"] = f"{RELEASE}-gateway"
        client.http.headers["Authorization"] = f"Bearer {installed.secret(f'{RELEASE}-owner')['owner-key']}"
        yield client


@pytest.fixture(scope="module")
def deployed(api: Api) -> str:
    """An endpoint with the winner of an experiment whose trials ran as Jobs."""
    dataset = api.upload(table(3000, seed=3), "chart")
    experiment = api.tune(dataset["id"], name="chart", budget={"max_trials": 4}, parallelism=2, seed=1, worker=WORKER)
    done = api.wait(experiment["id"])
    assert (done["state"], done["trials"]["completed"]) == ("completed", 4), done
    endpoint = api.deploy("chart", experiment_id=experiment["id"])
    assert endpoint["state"] == "ready"
    _wait_for_every_replica(api, "chart")
    return "chart"


def _wait_for_every_replica(api: Api, name: str) -> None:
    """Wait until thirty calls in a row were answered: each replica looks every five seconds for what is new."""
    in_a_row, until = 0, time.monotonic() + 30
    while in_a_row < 30:
        assert time.monotonic() < until, "a replica does not answer"
        answer = api.http.post(
            f"/api/v1/endpoints/{name}/predict", json={"instances": [INSTANCE]}, headers={"Connection": "close"}
        )
        in_a_row = in_a_row + 1 if answer.status_code == 200 else 0


def test_every_pod_runs_and_none_had_to_be_started_again(installed: Installed) -> None:
    pods = {pod["metadata"]["name"]: pod for pod in installed.get("pods")["items"]}
    assert len(pods) >= 7
    for name, pod in pods.items():
        (status,) = pod["status"]["containerStatuses"]
        assert status["ready"], name
        assert status["restartCount"] == 0, name


def test_the_helm_test_passes(installed: Installed) -> None:
    assert "Phase:          Succeeded" in installed.helm("test", RELEASE, "--timeout", "2m")


def test_the_door_is_shut_without_the_key_and_under_other_names(installed: Installed, api: Api) -> None:
    own, key = {"Host": f"{RELEASE}-gateway"}, {"Authorization": api.http.headers["Authorization"]}
    with httpx.Client(base_url=installed.url, trust_env=False) as anyone:
        assert anyone.get("/api/v1/datasets", headers=own).status_code == 401
        assert anyone.get("/api/v1/datasets", headers={**own, "Authorization": "Bearer wrong"}).status_code == 401
        assert anyone.get("/api/v1/datasets", headers={"Host": "elsewhere.example", **key}).status_code == 403
        page = anyone.get("/", headers={**own, "Accept": "text/html"})
        assert (page.status_code, page.headers["location"]) == (303, "/sign-in")


def test_the_page_and_the_samples_are_in_the_images(api: Api) -> None:
    page = api.http.get("/", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert "<div id=" in page.text
    assert {each["name"] for each in api.get("/api/v1/samples")["items"]} >= {"flights"}
    system = api.get("/api/v1/system")
    assert all(each["ready"] for each in system["services"])


def test_services_answer_no_one_without_a_token(installed: Installed) -> None:
    for service, path in (
        ("registry", "/api/v1/datasets"),
        ("tuner", "/api/v1/experiments"),
        ("serving", "/api/v1/endpoints"),
    ):
        spec = installed.get("service", f"{RELEASE}-{service}")["spec"]
        address = f"http://{spec['clusterIP']}:{spec['ports'][0]['port']}{path}"
        assert httpx.get(address, trust_env=False).status_code == 401


def test_upload_tune_deploy_predict(api: Api, deployed: str) -> None:
    answer = api.predict(deployed, INSTANCE)
    assert answer["predictions"][0] in ("yes", "no")


def _ask(url: str, headers: dict[str, str], over: threading.Event, answers: list[int | str]) -> None:
    """Predict again and again, each time over a new connection, and note what came."""
    while not over.is_set():
        try:
            with httpx.Client(base_url=url, headers=headers, timeout=20.0, trust_env=False) as client:
                answer = client.post("/api/v1/endpoints/chart/predict", json={"instances": [INSTANCE]})
                answers.append(answer.status_code if answer.status_code == 200 else answer.text)
        except httpx.HTTPError as error:
            answers.append(repr(error))
        time.sleep(0.05)


@pytest.mark.parametrize(
    "components",
    [("serving", "gateway"), ("gateway", "registry", "serving", "tuner")],
    ids=["what answers them", "all at once, as an upgrade does"],
)
def test_predictions_go_on_while_pods_are_replaced(
    installed: Installed, api: Api, deployed: str, components: tuple[str, ...]
) -> None:
    over, answers = threading.Event(), list[int | str]()
    asking = threading.Thread(target=_ask, args=(installed.url, dict(api.http.headers), over, answers))
    asking.start()
    try:
        installed.roll(*components)
        time.sleep(2)
    finally:
        over.set()
        asking.join()
    assert len(answers) > 50
    assert [each for each in answers if each != 200] == []


def test_a_pod_that_cannot_get_its_models_replaces_none(installed: Installed, api: Api, deployed: str) -> None:
    own = ("--namespace", installed.namespace)
    installed.kubectl(*own, "scale", f"deployment/{RELEASE}-registry", "--replicas=0")
    installed.kubectl(*own, "wait", "--for=delete", "pod", "--selector", "app.kubernetes.io/component=registry")
    try:
        installed.kubectl(*own, "rollout", "restart", f"deployment/{RELEASE}-serving")
        until = time.monotonic() + 20
        while time.monotonic() < until:
            assert api.predict(deployed, INSTANCE)["predictions"]
            time.sleep(0.2)
    finally:
        installed.kubectl(*own, "scale", f"deployment/{RELEASE}-registry", "--replicas=1")
    installed.kubectl(*own, "rollout", "status", f"deployment/{RELEASE}-serving", "--timeout=180s")
    _wait_for_every_replica(api, deployed)


def test_nothing_is_lost_when_registry_and_database_come_back_elsewhere(
    installed: Installed, api: Api, deployed: str
) -> None:
    selector = "app.kubernetes.io/component in (registry,postgresql,tuner)"
    installed.kubectl("--namespace", installed.namespace, "delete", "pods", "--selector", selector)
    # Loaded models answer without any of the three.
    assert api.predict(deployed, INSTANCE)["predictions"]
    for kind in ("deployment/melonkube-registry", "deployment/melonkube-tuner", "statefulset/melonkube-postgresql"):
        installed.kubectl("--namespace", installed.namespace, "rollout", "status", kind, "--timeout=180s")
    (dataset,) = [each for each in api.get("/api/v1/datasets")["items"] if each["name"] == "chart"]
    assert api.http.get(f"/api/v1/datasets/{dataset['id']}/content").content == table(3000, seed=3)


def test_an_upgrade_keeps_the_keys_and_moves_the_workers(
    installed: Installed, api: Api, deployed: str, worker_namespace: str
) -> None:
    names = [f"{RELEASE}-{each}" for each in ("tokens", "owner", "postgresql")]
    before = [installed.secret(name) for name in names]
    installed.helm("upgrade", RELEASE, *installed.values(f"workers.namespace={worker_namespace}"))
    assert [installed.secret(name) for name in names] == before
    (dataset,) = [each for each in api.get("/api/v1/datasets")["items"] if each["name"] == "chart"]
    experiment = api.tune(dataset["id"], name="moved", budget={"max_trials": 2}, parallelism=1, worker=WORKER)
    jobs = 0
    until = time.monotonic() + 60
    while not jobs and time.monotonic() < until:
        jobs = len(json.loads(installed.kubectl("-n", worker_namespace, "get", "jobs", "-o", "json"))["items"])
    assert jobs == 1
    assert api.wait(experiment["id"])["state"] == "completed"
    assert api.predict(deployed, INSTANCE)["predictions"]


def test_what_is_left_when_it_is_removed_serves_the_next_one(installed: Installed, api: Api, deployed: str) -> None:
    owner = installed.secret(f"{RELEASE}-owner")
    installed.helm("uninstall", RELEASE, "--wait", "--timeout", "3m")
    assert {each["metadata"]["name"] for each in installed.get("persistentvolumeclaims")["items"]} == {
        f"{RELEASE}-registry",
        f"data-{RELEASE}-postgresql-0",
    }
    assert installed.get("deployments,statefulsets,jobs,roles,networkpolicies")["items"] == []
    installed.helm("install", RELEASE, *installed.values())
    assert installed.secret(f"{RELEASE}-owner") == owner
    with Api(installed.url) as again:
        again.http.headers.update({name: api.http.headers[name] for name in ("Host", "Authorization")})
        _wait_for_every_replica(again, deployed)
