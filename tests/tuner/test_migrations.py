"""The migrations make what the models say, on both databases."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from melonkube.kit.settings import TokenSettings
from melonkube.tuner.app import create_app
from melonkube.tuner.settings import Settings
from melonkube.tuner.tables import TunerBase
from tests.conftest import MakeDatabase


async def test_the_schema_is_the_models(make_database: MakeDatabase) -> None:
    database = await make_database("tuner")

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found: list[object] = compare_metadata(context, TunerBase.metadata)
        return found

    async with database.writer.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_a_file_that_is_no_database_ends_the_start(tmp_path: Path, token_settings: TokenSettings) -> None:
    (tmp_path / "tuner.db").write_bytes(b"anything but a database" * 100)
    app = create_app(Settings(data_dir=tmp_path, tokens=token_settings, warm_search=False))
    with pytest.raises(DatabaseError, match="not a database"):
        async with app.router.lifespan_context(app):
            raise AssertionError("it must not wait for what no waiting mends")
