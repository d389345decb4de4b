"""Migrations as a program of their own, on both databases and on none."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from melonkube.kit.db import Database, database_away
from melonkube.kit.migrations import migrate, migrate_when_there
from tests.conftest import MakeDatabase


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return subprocess.run(
        [sys.executable, "-m", "melonkube.kit.migrate", *arguments],
        env={**environment, "MELON_DATA_DIR": str(folder)},
        check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize("service", ["registry", "tuner", "serving"])
async def test_the_program_makes_the_tables_and_does_nothing_the_second_time(service: str, tmp_path: Path) -> None:
    for _ in range(2):
        done = run(service, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "up to date" in done.stderr
    database = Database(f"sqlite+aiosqlite:///{tmp_path / service}.db", service)
    async with database.read() as session:
        assert (await session.execute(text("SELECT count(*) FROM alembic_version"))).scalar_one() == 1
    await database.close()


async def test_a_newer_database_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'serving.db'}", "serving")
    await migrate(database, "serving")
    async with database.write() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await database.close()
    done = run("serving", folder=tmp_path)
    assert done.returncode == 1
    assert "made by a newer MelonKube" in done.stderr


def test_a_wrong_call_says_what_is_right(tmp_path: Path) -> None:
    done = run(folder=tmp_path)
    assert (done.returncode, "usage:" in done.stderr) == (2, True)


async def test_a_database_that_is_away_is_waited_for_no_longer_than_asked() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    database = Database(f"postgresql+asyncpg://melon:melon@127.0.0.1:{port}/melon", "serving")
    with pytest.raises(Exception) as raised:  # noqa: PT011 - the driver's own, of several types
        await migrate_when_there(database, "serving", within=0.3)
    assert database_away(raised.value)
    await database.close()


async def test_a_database_that_is_there_is_migrated(make_database: MakeDatabase) -> None:
    await migrate_when_there(await make_database("registry"), "registry")
