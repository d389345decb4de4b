"""SQLite with one trip a statement behaves as the driver it is made of."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from melonkube.kit.db import Database, sqlite_url
from melonkube.kit.sqlite import connect


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    made = Database(sqlite_url(tmp_path / "a folder" / "x.db"), "x")
    (tmp_path / "a folder").mkdir()
    async with made.write() as session:
        await session.execute(text("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT UNIQUE)"))
    yield made
    await made.close()


async def test_rows_counts_and_what_was_returned(database: Database) -> None:
    async with database.write() as session:
        await session.execute(text("INSERT INTO t VALUES (:a, :b)"), [{"a": n, "b": str(n)} for n in range(5)])
        updated = await session.execute(text("UPDATE t SET b = b || 'x' WHERE a > 2"))
        assert updated.rowcount == 2  # type: ignore[attr-defined]
        gone = await session.execute(text("DELETE FROM t WHERE a = 4 RETURNING a, b"))
        assert gone.one() == (4, "4x")
    async with database.read() as session:
        rows = (await session.execute(text("SELECT a, b FROM t ORDER BY a"))).all()
        assert [tuple(row) for row in rows] == [(0, "0"), (1, "1"), (2, "2"), (3, "3x")]
        assert (await session.execute(text("SELECT a FROM t WHERE a > 9"))).all() == []


@pytest.mark.parametrize("name", ["%41", "a#b", "a?b=c", "a b", "한글", "a@b:c"])
async def test_a_folder_whose_name_means_something_in_urls(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    made = Database(sqlite_url(tmp_path / name / "x.db"), "x")
    async with made.write() as session:
        await session.execute(text("CREATE TABLE t (a INTEGER)"))
    await made.close()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name / "x.db").is_file()


async def test_a_stream_of_rows(database: Database) -> None:
    async with database.write() as session:
        await session.execute(text("INSERT INTO t VALUES (:a, :b)"), [{"a": n, "b": str(n)} for n in range(250)])
    async with database.read() as session:
        result = await session.stream(text("SELECT a FROM t ORDER BY a"))
        assert [row.a async for row in result] == list(range(250))


async def test_errors_are_the_drivers_and_undo_the_transaction(database: Database) -> None:
    async with database.write() as session:
        await session.execute(text("INSERT INTO t VALUES (1, 'one')"))
    with pytest.raises(IntegrityError):
        async with database.write() as session:
            await session.execute(text("INSERT INTO t VALUES (2, 'two')"))
            await session.execute(text("INSERT INTO t VALUES (3, 'one')"))
    with pytest.raises(OperationalError):
        async with database.read() as session:
            await session.execute(text("SELECT * FROM nowhere"))
    async with database.read() as session:
        assert (await session.execute(text("SELECT count(*) FROM t"))).scalar_one() == 1


async def test_writers_take_turns(database: Database) -> None:
    async def write(number: int) -> None:
        async with database.write() as session:
            count = (await session.execute(text("SELECT count(*) FROM t"))).scalar_one()
            await session.execute(text("INSERT INTO t VALUES (:a, :b)"), {"a": count, "b": str(number)})

    await asyncio.gather(*(write(number) for number in range(20)))
    async with database.read() as session:
        assert (await session.execute(text("SELECT count(*), max(a) FROM t"))).one() == (20, 19)


async def test_rows_one_by_one_and_in_parts(tmp_path: Path) -> None:
    connection = connect(str(tmp_path / "plain.db"))
    await connection
    try:
        async with connection.cursor() as cursor:
            await cursor.execute("SELECT value FROM json_each('[1,2,3,4,5]')")
            assert await cursor.fetchone() == (1,)
            assert await cursor.fetchmany(2) == [(2,), (3,)]
            assert await cursor.fetchall() == [(4,), (5,)]
            assert await cursor.fetchone() is None
    finally:
        await connection.close()
