"""The chart on a real cluster: installed, or upgraded from the previous version, and used with the owner's key."""

import json
import time

import httpx
import pytest

from tests.cluster.release import INSTANCE, RELEASE, Installed
from tests.e2e.api import Api

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

AFTERWARDS = 6
"""So many trials must be completed after an upgrade to show that the experiment goes on."""


def test_an_experiment_that_ran_while_all_was_upgraded_went_on(installed: Installed, released: Api) -> None:
    if not installed.carried:
        pytest.skip("MELON_TEST_PREVIOUS_CHART and MELON_TEST_PREVIOUS_IMAGE_TAG name no earlier version")
    ((experiment, before),) = installed.carried.items()
    assert before
    after = set[int]()
    for event in released.events(experiment):
        if event["type"] == "trial" and event["data"]["state"] == "completed":
            after |= {event["data"]["number"]} - set(before)
            if len(after) == AFTERWARDS:
                released.http.post(f"/api/v1/experiments/{experiment}/stop").raise_for_status()
    done = released.get(f"/api/v1/experiments/{experiment}")
    trials = released.trials(experiment)
    assert (done["state"], done["trials"]["failed"]) == ("stopped", 0), done
    assert [trial["number"] for trial in trials] == list(range(1, len(trials) + 1))
    assert {trial["number"] for trial in trials if trial["state"] == "completed"} >= after | set(before)
    assert {trial["state"] for trial in trials} <= {"completed", "stopped"}
    assert done["best"]["holdout_value"] > 0.8


def test_schemas_were_brought_up_to_date_before_the_upgrade(installed: Installed) -> None:
    if not installed.carried:
        pytest.skip("MELON_TEST_PREVIOUS_CHART and MELON_TEST_PREVIOUS_IMAGE_TAG name no earlier version")
    hooks = installed.helm("get", "hooks", RELEASE)
    assert "melonkube.kit.migrate" in hooks
    assert "Succeeded" in installed.helm("status", RELEASE, "--output", "yaml")


def test_every_pod_runs_and_none_had_to_be_started_again(installed: Installed) -> None:
    services = "app.kubernetes.io/component in (gateway,registry,tuner,serving,postgresql)"
    pods = {pod["metadata"]["name"]: pod for pod in installed.get("pods", "--selector", services)["items"]}
    assert len(pods) >= 7
    for name, pod in pods.items():
        (status,) = pod["status"]["containerStatuses"]
        assert status["ready"], name
        assert status["restartCount"] == 0, name


def test_the_helm_test_passes(installed: Installed) -> None:
    assert "Phase:          Succeeded" in installed.helm("test", RELEASE, "--timeout", "2m")


def test_the_door_is_shut_without_the_key_and_under_other_names(installed: Installed, released: Api) -> None:
    own, key = {"Host": f"{RELEASE}-gateway"}, {"Authorization": released.http.headers["Authorization"]}
    with httpx.Client(base_url=installed.url, trust_env=False) as anyone:
        assert anyone.get("/api/v1/datasets", headers=own).status_code == 401
        assert anyone.get("/api/v1/datasets", headers={**own, "Authorization": "Bearer wrong"}).status_code == 401
        assert anyone.get("/api/v1/datasets", headers={"Host": "elsewhere.example", **key}).status_code == 403
        page = anyone.get("/", headers={**own, "Accept": "text/html"})
        assert (page.status_code, page.headers["location"]) == (303, "/sign-in")


def test_the_page_and_the_samples_are_in_the_images(released: Api) -> None:
    page = released.http.get("/", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert "<div id=" in page.text
    assert {each["name"] for each in released.get("/api/v1/samples")["items"]} >= {"flights"}
    system = released.get("/api/v1/system")
    assert all(each["ready"] for each in system["services"])


def test_services_answer_no_one_without_a_token(installed: Installed) -> None:
    for service, path in (
        ("registry", "/api/v1/datasets"),
        ("tuner", "/api/v1/experiments"),
        ("serving", "/api/v1/endpoints"),
    ):
        spec = installed.get("service", f"{RELEASE}-{service}")["spec"]
        address = f"http://{spec['clusterIP']}:{spec['ports'][0]['port']}{path}"
        try:
            assert httpx.get(address, trust_env=False).status_code == 401
        except (httpx.ConnectError, httpx.ConnectTimeout):
            # Where NetworkPolicies are enforced, this machine is not even let in.
            assert installed.get("networkpolicy", f"{RELEASE}-{service}")


def test_upload_tune_deploy_predict(released: Api, deployed: str) -> None:
    answer = released.predict(deployed, INSTANCE)
    assert answer["predictions"][0] in ("yes", "no")


def test_an_upgrade_keeps_the_keys_and_moves_the_workers(
    installed: Installed, released: Api, deployed: str, worker_namespace: str
) -> None:
    names = [f"{RELEASE}-{each}" for each in ("tokens", "owner", "postgresql")]
    before = [installed.secret(name) for name in names]
    installed.helm("upgrade", RELEASE, *installed.values(f"workers.namespace={worker_namespace}"))
    assert [installed.secret(name) for name in names] == before
    (dataset,) = [each for each in released.get("/api/v1/datasets")["items"] if each["name"] == "chart"]
    experiment = released.tune(
        dataset["id"], name="moved", budget={"max_trials": 2}, parallelism=1, worker=installed.worker
    )
    jobs = 0
    until = time.monotonic() + 60
    while not jobs and time.monotonic() < until:
        jobs = len(json.loads(installed.kubectl("-n", worker_namespace, "get", "jobs", "-o", "json"))["items"])
    assert jobs == 1
    assert released.wait(experiment["id"])["state"] == "completed"
    assert released.predict(deployed, INSTANCE)["predictions"]
