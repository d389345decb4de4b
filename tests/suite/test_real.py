"""The real services under the supervisor."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from melonkube.kit.db import Database, sqlite_url
from melonkube.kit.migrations import migrate
from melonkube.suite.embedded import Suite, SuiteFailed
from tests.support.suite import collect_logs, running_suite

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    with running_suite(tmp_path_factory.mktemp("real suite"), workers=1) as running:
        yield running


def test_everything_is_ready_and_knows_its_place(suite: Suite) -> None:
    assert httpx.get(f"{suite.url}/readyz").json() == {"status": "ready"}
    system = httpx.get(f"{suite.url}/api/v1/system").json()
    assert all(service["ready"] for service in system["services"])
    assert (system["workers"], system["data_dir"]) == (1, str(suite.data_dir))
    assert httpx.get(f"{suite.url}/api/v1/samples").json()["items"]


@pytest.mark.parametrize("name", ["registry", "tuner", "serving", "gateway"])
def test_a_call_during_a_crash_is_late_and_not_lost(suite: Suite, name: str) -> None:
    paths = {"registry": "datasets", "tuner": "experiments", "serving": "endpoints", "gateway": "system"}
    url = f"{suite.url}/api/v1/{paths[name]}"
    assert httpx.get(url).status_code == 200
    before = suite.pids()[name]
    os.kill(before, signal.SIGKILL)
    assert httpx.get(url, timeout=60).status_code == 200
    assert suite.pids()[name] != before


def test_services_answer_nobody_without_a_token(suite: Suite) -> None:
    for name, path in (("registry", "datasets"), ("tuner", "experiments"), ("serving", "endpoints")):
        answer = httpx.get(f"{suite.service_url(name)}/api/v1/{path}")
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def make_newer(path: Path) -> None:
    database = Database(sqlite_url(path), "registry")
    await migrate(database, "registry")
    async with database.write() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await database.close()


def test_a_database_made_by_a_newer_version_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "registry").mkdir()
    asyncio.run(make_newer(tmp_path / "registry" / "registry.db"))
    with pytest.raises(SuiteFailed, match="The registry service cannot start: The database of registry is at revision"):
        Suite(tmp_path, workers=0).start()
    assert "9999" in collect_logs(tmp_path)
