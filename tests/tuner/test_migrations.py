"""The migrations make what the models say, on both databases."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

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
