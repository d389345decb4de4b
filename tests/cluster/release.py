"""A release of the chart on a real cluster, as the tests of this folder install and use it.

This machine must reach the cluster's Service addresses. The images are on the nodes under ``MELON_TEST_IMAGE_PREFIX``
and ``MELON_TEST_IMAGE_TAG`` (``melonkube/`` and ``dev``), PostgreSQL's under the name in the chart's values. Where
``MELON_TEST_PREVIOUS_CHART`` and ``MELON_TEST_PREVIOUS_IMAGE_TAG`` name an earlier version, that is installed first,
and upgraded while an experiment runs.
"""

import base64
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import httpx
import yaml

from tests.cluster.kubectl import Kubectl
from tests.cluster.on_pods import SLOW
from tests.deploy.chart import CHART
from tests.e2e.api import Api, table

PREFIX = os.environ.get("MELON_TEST_IMAGE_PREFIX", "melonkube/").rstrip("/")
TAG = os.environ.get("MELON_TEST_IMAGE_TAG", "dev")
PREVIOUS_CHART = os.environ.get("MELON_TEST_PREVIOUS_CHART")
PREVIOUS_TAG = os.environ.get("MELON_TEST_PREVIOUS_IMAGE_TAG")
DNS = os.environ.get("MELON_TEST_DNS")
"""Where pods' questions for names end up, if that is no pod of kube-system: a network, as in 10.0.0.10/32."""
RELEASE = "melonkube"
INSTANCE = {"size": 1.5, "weight": 60.0, "city": "서울", "day": "2025-07-01", "member": True}


@dataclass(frozen=True)
class Installed:
    """A release and how it is reached."""

    kubectl: Kubectl
    namespace: str
    folder: Path
    carried: dict[str, list[int]] = field(default_factory=dict)
    """The experiment that ran while it was upgraded from the previous version, if it was, and what was done by then."""

    worker: ClassVar[dict[str, Any]] = {"cpu": 0.2, "memory_bytes": 512 << 20}

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

    def api(self) -> Api:
        """Return a client with the owner's key."""
        client = Api(self.url)
        client.http.headers["Host"] = f"{RELEASE}-gateway"
        client.http.headers["Authorization"] = f"Bearer {self.secret(f'{RELEASE}-owner')['owner-key']}"
        return client

    def helm(self, *arguments: str) -> str:
        """Run helm and return what it said."""
        done = subprocess.run(
            ["helm", "--namespace", self.namespace, *arguments],
            check=False, text=True, capture_output=True, timeout=400,
        )  # fmt: skip
        seen = "" if done.returncode == 0 else self.kubectl("-n", self.namespace, "get", "pods,events")
        assert done.returncode == 0, f"{done.stderr}\n{seen}"
        return done.stdout

    def values(self, *more: str, chart: Path | str = CHART, tag: str = TAG) -> list[str]:
        """Return chart and values of the tests: small, the images that are there, one node for serving's own risk."""
        placement = self.folder / "placement.yaml"
        placement.write_text(yaml.safe_dump(_placement(self.kubectl)))
        given = (
            f"image.prefix={PREFIX}", f"image.tag={tag}", "workers.cpu=0.2", "workers.memory=512Mi",
            "gateway.autoscaling.maxReplicas=3", "serving.autoscaling.maxReplicas=3",
            *([f"networkPolicy.dns[0].ipBlock.cidr={DNS}"] if DNS else []), *more,
        )  # fmt: skip
        return [
            *(str(chart), "--wait", "--timeout", "5m", "--values", str(placement)),
            *(part for each in given for part in ("--set", each)),
        ]

    def roll(self, *components: str) -> None:
        """Replace every pod of some Deployments; returns when all new ones are ready."""
        names = [f"deployment/{RELEASE}-{component}" for component in components]
        self.kubectl("--namespace", self.namespace, "rollout", "restart", *names)
        self.rolled(*names)

    def rolled(self, *names: str) -> None:
        """Wait until each of these has all its pods, all of them new."""
        for name in names:
            self.kubectl("--namespace", self.namespace, "rollout", "status", name, "--timeout=180s")

    def pods(self, component: str) -> list[dict[str, Any]]:
        """Return a component's pods."""
        found = self.get("pods", "--selector", f"app.kubernetes.io/component={component}")
        return list(found["items"])


def nodes(kubectl: Kubectl) -> list[str]:
    """Return the names of the cluster's nodes, in order."""
    return sorted(each.removeprefix("node/") for each in kubectl("get", "nodes", "--output", "name").split())


def _placement(kubectl: Kubectl) -> dict[str, Any]:
    """Where there are three nodes: serving alone on the last one, so that its loss shows what that costs."""
    there = nodes(kubectl)
    if len(there) < 3:
        return {}

    def affinity(operator: str, *names: str) -> dict[str, Any]:
        term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": operator, "values": list(names)}]}
        return {
            "affinity": {
                "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
            }
        }

    elsewhere = affinity("NotIn", there[-1])
    components = ("gateway", "registry", "tuner", "postgresql")
    return {**{each: elsewhere for each in components}, "serving": affinity("In", *there[-2:])}


def install(release: Installed) -> Installed:
    """Install this version, or the previous one and then, while an experiment runs on it, this one."""
    if not (PREVIOUS_CHART and PREVIOUS_TAG):
        release.helm("install", RELEASE, *release.values())
        return release
    release.helm("install", RELEASE, *release.values(chart=PREVIOUS_CHART, tag=PREVIOUS_TAG))
    with release.api() as api:
        dataset = api.upload(table(12_000, seed=8, hard=True), "carried")
        experiment = api.tune(
            dataset["id"], name="carried", budget={"max_trials": 5_000}, parallelism=2, seed=1,
            worker=release.worker, search_space=SLOW, baseline=False,
        )  # fmt: skip
        for event in api.events(experiment["id"]):
            if event["type"] == "trial" and event["data"]["state"] == "completed":
                break
        release.helm("upgrade", RELEASE, *release.values())
        done = [trial["number"] for trial in api.trials(experiment["id"]) if trial["state"] == "completed"]
        release.carried[experiment["id"]] = done
    return release


def wait_for_every_replica(api: Api, name: str) -> None:
    """Wait until thirty calls in a row were answered, each over a connection of its own."""
    in_a_row, until = 0, time.monotonic() + 120
    while in_a_row < 30:
        assert time.monotonic() < until, "a replica does not answer"
        answer = api.http.post(
            f"/api/v1/endpoints/{name}/predict", json={"instances": [INSTANCE]}, headers={"Connection": "close"}
        )
        in_a_row = in_a_row + 1 if answer.status_code == 200 else 0


@dataclass
class Asking:
    """What came of predict calls that were made all the time."""

    answered: int = 0
    failures: list[str] = field(default_factory=list)
    slowest: float = 0.0


@contextmanager
def predictions(release: Installed, api: Api, name: str, *, askers: int = 1, rows: int = 1) -> Iterator[Asking]:
    """Predict again and again meanwhile, each time over a new connection."""
    seen, over, url = Asking(), threading.Event(), release.url
    headers = dict(api.http.headers)

    def ask() -> None:
        while not over.is_set():
            began = time.monotonic()
            try:
                with httpx.Client(base_url=url, headers=headers, timeout=30.0, trust_env=False) as client:
                    answer = client.post(f"/api/v1/endpoints/{name}/predict", json={"instances": [INSTANCE] * rows})
                if answer.status_code == 200:
                    seen.answered += 1
                else:
                    seen.failures.append(answer.text)
            except httpx.HTTPError as error:
                seen.failures.append(repr(error))
            seen.slowest = max(seen.slowest, time.monotonic() - began)
            if rows == 1:
                time.sleep(0.05)

    threads = [threading.Thread(target=ask) for _ in range(askers)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join()
