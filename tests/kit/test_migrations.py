"""Each service's migrations: what they make, and what of a newer version's database an older one can live with."""

from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, text

from melonkube.kit.db import Database
from melonkube.kit.migrations import NewerDatabase, is_of_models, migrate
from melonkube.registry.database import RegistryBase
from melonkube.serving.endpoints.models import ServingBase
from melonkube.tuner.tables import TunerBase
from tests.conftest import MakeDatabase

MODELS = {"registry": RegistryBase.metadata, "tuner": TunerBase.metadata, "serving": ServingBase.metadata}


@pytest.mark.parametrize("service", MODELS)
async def test_they_make_what_the_models_say(service: str, make_database: MakeDatabase) -> None:
    database = await make_database(service)
    assert await differences(database, MODELS[service]) == []


async def differences(database: Database, models: MetaData) -> list[Any]:
    def find(connection: Connection) -> list[Any]:
        options = {
            "compare_type": True,
            "compare_server_default": not database.sqlite,
            "include_name": is_of_models,
        }
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), models))

    async with database.writer.connect() as connection:
        return await connection.run_sync(find)


async def upgraded_by_a_newer_version(database: Database, oldest: str) -> None:
    """Leave the database as a version would that has one revision more, with which ``oldest`` can live."""
    async with database.write() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = 'later'"))
        if not database.sqlite:
            await session.execute(text("UPDATE schema_compatibility SET oldest = :oldest"), {"oldest": oldest})


async def revision(database: Database) -> str:
    async with database.read() as session:
        return str((await session.execute(text("SELECT version_num FROM alembic_version"))).scalar_one())


async def test_a_newer_database_that_it_can_live_with_is_used_as_it_is(make_database: MakeDatabase) -> None:
    database = await make_database("registry")
    if database.sqlite:
        pytest.skip("a data directory is one version's")
    await upgraded_by_a_newer_version(database, oldest=await revision(database))
    await migrate(database, "registry")
    assert await revision(database) == "later"
    assert await differences(database, MODELS["registry"]) == []


async def test_one_that_is_too_new_is_refused_and_left_as_it_is(make_database: MakeDatabase) -> None:
    database = await make_database("registry")
    await upgraded_by_a_newer_version(database, oldest="sooner")
    with pytest.raises(NewerDatabase, match="at revision later"):
        await migrate(database, "registry")
    assert await revision(database) == "later"


async def test_one_that_does_not_say_is_refused(make_database: MakeDatabase) -> None:
    database = await make_database("registry")
    await upgraded_by_a_newer_version(database, oldest="sooner")
    if not database.sqlite:
        async with database.write() as session:
            await session.execute(text("DROP TABLE schema_compatibility"))
    with pytest.raises(NewerDatabase):
        await migrate(database, "registry")


async def test_what_the_older_version_leaves_the_newer_takes_up_again(make_database: MakeDatabase) -> None:
    database = await make_database("tuner")
    await migrate(database, "tuner")
    if not database.sqlite:
        async with database.read() as session:
            said = (await session.execute(text("SELECT oldest FROM schema_compatibility"))).scalars().all()
        assert said == [await revision(database)]
