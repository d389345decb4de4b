"""Alembic, run from Python: each service has a history of its own in its ``migrations`` folder.

``melonkube.<service>.migrations`` holds ``env.py`` (three lines, see :func:`run_env`) and ``versions/``. A revision may
say ``lives_with = "0001"``: programs made for that revision, or a later one, still work on the database that it leaves.
By default that is the revision before it, since migrations widen first and narrow a version later.
"""

import asyncio
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

from alembic import command, context
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, MetaData, String, Table, inspect, select, text

from melonkube.kit.db import Database, database_away
from melonkube.kit.logs import get_logger

log = get_logger("melonkube.migrations")

_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 5.0


COMPATIBILITY_TABLE = "schema_compatibility"
"""Beside Alembic's own table: the oldest revision whose programs work on the database as it is, in ``oldest``."""


class NewerDatabase(RuntimeError):
    """The database was made by a newer version of the service, and this one cannot work on it."""


def alembic_config(service: str) -> Config:
    """Return Alembic's configuration for ``melonkube.<service>``."""
    config = Config()
    location = Path(str(files(f"melonkube.{service}"))) / "migrations"
    config.set_main_option("script_location", str(location).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


async def migrate(database: Database, service: str) -> None:
    """Bring the database to this version's schema; safe to call by several replicas at once.

    A PostgreSQL database that a newer version made is left as it is and used, if that version said that this one still
    can: while pods are replaced those of both work on it. A data directory is one version's.

    Raises:
        NewerDatabase: It is too far ahead of this version.
    """
    config = alembic_config(service)
    script = ScriptDirectory.from_config(config)

    def upgrade(connection: Connection) -> None:
        if not database.sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": f"melonkube.{service}"})
            connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{database.schema}"'))
        current = MigrationContext.configure(connection).get_current_heads()
        known = {revision.revision for revision in script.walk_revisions()}
        unknown = [head for head in current if head not in known]
        if not unknown:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            if not database.sqlite:
                _write_oldest(connection, database, _oldest(script))
        elif not database.sqlite and _read_oldest(connection, database) in known:
            log.info("the database was made by a newer version, which this one can live with", revision=unknown[0])
        else:
            raise NewerDatabase(
                f"The database of {service} is at revision {unknown[0]}, which this version does not know: "
                "it was made by a newer MelonKube. Start that version, or give another data directory."
            )

    async with database.writer.begin() as connection:
        await connection.run_sync(upgrade)


def is_of_models(name: str | None, kind: str, _parents: object) -> bool:
    """Return whether Alembic should look for a thing of the database in the models."""
    return (kind, name) != ("table", COMPATIBILITY_TABLE)


def _oldest(script: ScriptDirectory) -> str:
    """Return the oldest revision whose programs work on a database at the head."""
    head = script.get_revision("head")
    assert head is not None, "there is always a first revision"
    before = head.down_revision if isinstance(head.down_revision, str) else head.revision
    return str(getattr(head.module, "lives_with", before))


def _compatibility(database: Database) -> Table:
    return Table(COMPATIBILITY_TABLE, MetaData(schema=database.schema), Column("oldest", String(32), nullable=False))


def _write_oldest(connection: Connection, database: Database, oldest: str) -> None:
    table = _compatibility(database)
    table.create(connection, checkfirst=True)
    connection.execute(table.delete())
    connection.execute(table.insert().values(oldest=oldest))


def _read_oldest(connection: Connection, database: Database) -> str | None:
    table = _compatibility(database)
    if not inspect(connection).has_table(table.name, schema=table.schema):
        return None
    return connection.execute(select(table.c.oldest)).scalar()


async def migrate_when_there(database: Database, service: str, within: float | None = None) -> None:
    """Do as :func:`migrate` does, waiting for a database that is away.

    Args:
        database: What to bring up to date.
        service: Whose it is.
        within: For how many seconds to wait, None for as long as it takes.

    Raises:
        NewerDatabase: It is ahead of this version.
        Exception: The database's own, if it refuses, or is away for longer.
    """
    until = None if within is None else time.monotonic() + within
    pause = _FIRST_PAUSE_SECONDS
    while True:
        try:
            await migrate(database, service)
            return
        except Exception as error:
            if not database_away(error) or (until is not None and time.monotonic() > until):
                raise
            log.warning("the database does not answer yet", reason=repr(error)[:300])
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def run_env(target_metadata: MetaData) -> None:
    """Run the migrations over the connection that :func:`migrate` or a test put into the configuration."""
    connection: Connection | None = context.config.attributes.get("connection")
    if connection is None:
        raise RuntimeError("run migrations through melonkube.kit.migrations.migrate")
    options: dict[str, Any] = {
        "connection": connection,
        "target_metadata": target_metadata,
        "render_as_batch": True,
        "include_name": is_of_models,
        "compare_type": True,
        "compare_server_default": connection.dialect.name == "postgresql",
        "transaction_per_migration": False,
    }
    context.configure(**options)
    with context.begin_transaction():
        context.run_migrations()


def write_revision(database: Database, service: str, message: str) -> None:
    """Write a new revision from the difference between the models and ``database`` (which must be at head)."""
    config = alembic_config(service)

    async def run() -> None:
        async with database.writer.begin() as connection:

            def revise(sync: Connection) -> None:
                config.attributes["connection"] = sync
                command.revision(config, message=message, autogenerate=True)

            await connection.run_sync(revise)
        await database.close()

    asyncio.run(run())
