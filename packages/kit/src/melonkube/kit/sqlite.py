"""SQLite with one trip to its thread a statement.

aiosqlite gives each connection a thread and goes there for the cursor, the statement, its rows and the cursor's end:
four times for a SELECT. A transaction of ten small statements is mostly these trips, so here a statement, its rows
and its cursor are one. Rows are read as a whole, as SQLAlchemy does anyway but for server-side cursors.
"""

import sqlite3
from collections.abc import Iterable
from typing import Any

import aiosqlite

_CACHED_STATEMENTS = 512


class OneTripCursor:
    """What SQLAlchemy's adapter asks of an aiosqlite cursor. Used by one task at a time."""

    def __init__(self, connection: "OneTripConnection") -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1

    async def __aenter__(self) -> "OneTripCursor":
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def execute(self, sql: str, parameters: Iterable[Any] = ()) -> "OneTripCursor":
        """Run a statement and read its rows."""
        await self._connection.run(self._run, sql, parameters, many=False)
        return self

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> "OneTripCursor":
        """Run a statement once for each of ``parameters``."""
        await self._connection.run(self._run, sql, parameters, many=True)
        return self

    def _run(self, sql: str, parameters: Any, *, many: bool) -> None:
        connection = self._connection.plain
        cursor = connection.executemany(sql, parameters) if many else connection.execute(sql, parameters)
        try:
            self._rows = cursor.fetchall() if cursor.description is not None else []
            self.description, self.rowcount, self.lastrowid = cursor.description, cursor.rowcount, cursor.lastrowid
        finally:
            cursor.close()

    async def fetchall(self) -> list[Any]:
        """Return the rows that are left."""
        rows, self._rows = self._rows, []
        return rows

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        """Return up to ``size`` of the rows that are left."""
        size = self.arraysize if size is None else size
        rows, self._rows = self._rows[:size], self._rows[size:]
        return rows

    async def fetchone(self) -> Any:
        """Return the next row, None after the last."""
        rows = await self.fetchmany(1)
        return rows[0] if rows else None

    async def close(self) -> None:
        """Forget the rows."""
        self._rows = []


class OneTripConnection(aiosqlite.Connection):
    """A connection whose cursors are :class:`OneTripCursor`."""

    def cursor(self) -> Any:
        """Return a cursor; nothing is asked of the thread yet."""
        return OneTripCursor(self)

    @property
    def plain(self) -> sqlite3.Connection:
        """The connection itself, for use in its thread alone."""
        return self._conn

    async def run(self, function: Any, *arguments: Any, **named: Any) -> Any:
        """Run ``function`` in the connection's thread."""
        return await self._execute(function, *arguments, **named)  # type: ignore[no-untyped-call]


def connect(path: str) -> OneTripConnection:
    """Return a connection to the database file ``path``, to be awaited."""

    def open_file() -> sqlite3.Connection:
        return sqlite3.connect(path, cached_statements=_CACHED_STATEMENTS)

    connection = OneTripConnection(open_file, iter_chunk_size=64)
    connection._thread.daemon = True
    return connection
