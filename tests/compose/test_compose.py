"""The suite as docker-compose.yml runs it: from a table to a prediction, and again on the volumes that are left."""

import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from melonkube.contracts.ids import new_id
from tests.compose.engine import Compose, started
from tests.e2e.api import Api, table

pytestmark = [pytest.mark.compose, pytest.mark.timeout(900)]

INSTANCE = {"size": 1.5, "weight": 60.0, "city": "서울", "day": "2025-07-01", "member": True}


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def compose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    """A project that is not up yet, with the owner's key and a port."""
    with started(tmp_path_factory.mktemp("compose"), f"melon-{new_id()[-8:]}") as project:
        port = str(_free_port())
        project.environment.update(
            MELON_OWNER_KEY=secrets.token_hex(24), MELON_PORT=port, MELON_HOSTS=f"127.0.0.1:{port}"
        )
        yield project


@contextmanager
def _up(compose: Compose) -> Iterator[Api]:
    """Start it: each service waits for what it needs, the gateway for all others' health, this for the gateway's."""
    compose.compose("up", "--detach", "--no-build")
    gateway = compose.compose("ps", "--quiet", "gateway").strip()
    until = time.monotonic() + 120
    while compose.run("podman", "inspect", "--format", "{{.State.Healthcheck.Status}}", gateway).strip() != "healthy":
        assert time.monotonic() < until, compose.seen()
        time.sleep(0.5)
    client = Api(f"http://127.0.0.1:{compose.environment['MELON_PORT']}")
    client.http.headers["Authorization"] = f"Bearer {compose.environment['MELON_OWNER_KEY']}"
    with client:
        yield client


def test_upload_tune_deploy_predict_and_again_after_down_and_up(compose: Compose) -> None:
    with _up(compose) as api:
        assert httpx.get(f"{api.url}/api/v1/datasets", trust_env=False).status_code == 401
        dataset = api.upload(table(2000, seed=3), "compose")
        experiment = api.tune(dataset["id"], name="compose", budget={"max_trials": 3}, parallelism=2, seed=1)
        done = api.wait(experiment["id"])
        assert (done["state"], done["trials"]["completed"]) == ("completed", 3), done
        assert api.deploy("compose", experiment_id=experiment["id"])["state"] == "ready"
        before = api.predict("compose", INSTANCE)
        assert before["predictions"][0] in ("yes", "no")

    volumes = set(compose.volumes())
    compose.compose("down", "--timeout", "45")
    assert compose.containers("--all") == []
    assert set(compose.volumes()) == volumes
    assert len(volumes) == 5

    with _up(compose) as api:
        assert [each["name"] for each in api.get("/api/v1/datasets")["items"]] == ["compose"]
        after = api.predict("compose", INSTANCE)
        assert (after["digest"], after["probabilities"]) == (before["digest"], before["probabilities"])

    compose.compose("down", "--volumes", "--timeout", "45")
    assert compose.containers("--all") == []
    assert compose.volumes() == []
