"""The database of a service: SQLite (WAL) or PostgreSQL, with reading and writing sessions of different types.

SQLite has one writer connection whose transactions begin with ``BEGIN IMMEDIATE``: a deferred one that turns to
writing fails with BUSY whatever the timeout (sqlite.org/lang_transaction.html). PostgreSQL gets a schema per service.
"""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import asyncpg
from fastapi import Depends, Request
from sqlalchemy import JSON, DateTime, MetaData, Table, event, func, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect, make_url
from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import AsyncAdaptedQueuePool
from sqlalchemy.types import TypeDecorator, TypeEngine

from melonkube.kit.errors import DISK_FULL, InvalidRequest, MelonError, NotReady, StorageFull
from melonkube.kit.settings import ServiceSettings
from melonkube.kit.sqlite import OneTripConnection, connect

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

_WRITER_WAIT_SECONDS = 30.0

_AWAY = (
    ConnectionError,
    socket.gaierror,
    PoolTimeout,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
)
_FULL = ("disk is full", "no space left", "diskfull")
_UNSTORABLE = ("dataerror", "invalid byte sequence", "invalid input for query argument", "out of range")


class Base(DeclarativeBase):
    """Base of a service's tables. Each service makes a subclass with a ``MetaData`` of its own by :func:`metadata`."""

    __abstract__ = True


def table_of(model: type[Base]) -> Table:
    """Return the table of ``model``, for statements that need nothing of the ORM."""
    table = model.__table__
    assert isinstance(table, Table)
    return table


def metadata() -> MetaData:
    """Return a ``MetaData`` whose constraints have names, as batch migrations on SQLite need."""
    return MetaData(naming_convention=NAMING)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC: aware in Python, ``timestamptz`` in PostgreSQL, naive UTC text in SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[datetime]:
        """Return the column type of the dialect."""
        return dialect.type_descriptor(DateTime(timezone=dialect.name == "postgresql"))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return what the driver is given."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the moment that the driver read."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


JsonType = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
"""A JSON column on both databases; Python's None is SQL's NULL."""


class ReadSession(AsyncSession):
    """A session that only reads. Code that writes asks for a :class:`WriteSession`."""


class WriteSession(ReadSession):
    """A session that may write, committed once at its end."""


class Database:
    """Engines and sessions of one service. Owned by the app; not shared between event loops."""

    def __init__(self, url: str, schema: str) -> None:
        """Prepare for ``url`` (``sqlite+aiosqlite:///...`` or ``postgresql+asyncpg://...``); connects on first use."""
        self.url = make_url(url)
        self.schema = schema
        self.sqlite = self.url.get_backend_name() == "sqlite"
        if self.sqlite:
            self._writer = _sqlite_engine(url, writer=True)
            self._reader = _sqlite_engine(url, writer=False)
        else:
            self._writer = self._reader = create_async_engine(
                url,
                pool_size=10,
                max_overflow=10,
                pool_timeout=_WRITER_WAIT_SECONDS,
                pool_pre_ping=True,
                connect_args={"server_settings": {"search_path": schema, "timezone": "UTC"}, "timeout": 10},
            )
        self._read = async_sessionmaker(self._reader, class_=ReadSession, expire_on_commit=False, autoflush=False)
        self._write = async_sessionmaker(self._writer, class_=WriteSession, expire_on_commit=False)

    @classmethod
    def from_settings(cls, settings: ServiceSettings, service: str) -> "Database":
        """Return the database that ``settings`` name: a schema or a file called after the service."""
        if settings.database_url is None:
            folder = settings.data_dir.absolute()
            folder.mkdir(parents=True, exist_ok=True)
            return cls(sqlite_url(folder / f"{service}.db"), service)
        url = make_url(settings.database_url.get_secret_value())
        if url.get_backend_name() == "postgresql":
            url = url.set(drivername="postgresql+asyncpg")
        elif url.get_backend_name() == "sqlite":
            url = url.set(drivername="sqlite+aiosqlite")
        return cls(url.render_as_string(hide_password=False), service)

    @property
    def writer(self) -> AsyncEngine:
        """The engine that writes; migrations use it."""
        return self._writer

    @asynccontextmanager
    async def read(self) -> AsyncIterator[ReadSession]:
        """A session for reading, closed at the end; nothing is committed."""
        async with self._read() as session:
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[WriteSession]:
        """A session for writing: committed at the end, rolled back on an error."""
        async with self._write() as session, session.begin():
            yield session

    async def now(self, session: ReadSession) -> datetime:
        """Return the database's clock, by which leases run. SQLite's is this machine's."""
        if self.sqlite:
            return datetime.now(UTC)
        value: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
        return value.astimezone(UTC)

    async def ping(self) -> None:
        """Ask the database for a sign of life.

        Raises:
            NotReady: It gave none.
        """
        try:
            async with self.read() as session:
                await session.execute(text("SELECT 1"))
        except Exception as error:
            raise NotReady("The database does not answer.") from error

    def problem_of(self, error: BaseException) -> MelonError | None:
        """Return the problem behind an error of the database, None for another's."""
        if database_away(error):
            return NotReady("The database does not answer; try again shortly.", headers={"Retry-After": "2"})
        if not isinstance(error, DBAPIError):
            return None
        said = str(error.orig).lower()
        if any(sign in said for sign in _FULL):
            return StorageFull(DISK_FULL)
        if isinstance(error, DataError) or any(sign in said for sign in _UNSTORABLE):
            return InvalidRequest("The request holds a value that cannot be stored.")
        return None

    async def close(self) -> None:
        """Close every connection."""
        await self._writer.dispose()
        if self._reader is not self._writer:
            await self._reader.dispose()


_AWAY_STATES = ("08", "57P", "53300")
"""SQLSTATE of PostgreSQL: connection exceptions, a server that starts or ends, too many connections (Appendix A)."""


def database_away(error: BaseException) -> bool:
    """Return whether ``error`` says that the database cannot be reached now, so that trying again may help.

    asyncpg's errors come as they are while a connection is made, and inside SQLAlchemy's afterwards.
    """
    if isinstance(error, DBAPIError):
        state = str(getattr(error.orig, "sqlstate", None) or "")
        if error.connection_invalidated or state.startswith(_AWAY_STATES):
            return True
        said = str(error.orig).lower()
        if "full" in said:
            return False
        return isinstance(error, OperationalError | InterfaceError) or "connection" in said
    return isinstance(error, _AWAY)


def sqlite_url(path: Path) -> str:
    """Return the URL of an SQLite file."""
    return f"sqlite+aiosqlite:///{path}"


def _sqlite_engine(url: str, *, writer: bool) -> AsyncEngine:
    path = make_url(url).database or ""

    async def open_connection() -> OneTripConnection:
        connection = connect(path)
        await connection
        return connection

    engine = create_async_engine(
        url,
        async_creator=open_connection,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=1 if writer else 4,
        max_overflow=0,
        pool_timeout=_WRITER_WAIT_SECONDS,
        pool_reset_on_return=None,  # every transaction is ended by its session; the pool need not roll back again
    )

    @event.listens_for(engine.sync_engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")

    return engine


async def _read_session(request: Request) -> AsyncIterator[ReadSession]:
    database: Database = request.app.state.db
    async with database.read() as session:
        yield session


async def _write_session(request: Request) -> AsyncIterator[WriteSession]:
    database: Database = request.app.state.db
    async with database.write() as session:
        yield session


Read = Annotated[ReadSession, Depends(_read_session, scope="function")]
"""A reading session for the length of the endpoint."""

Write = Annotated[WriteSession, Depends(_write_session, scope="function")]
"""A writing session, committed before the answer leaves."""
