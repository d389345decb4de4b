"""What one can do with models, their aliases and those who depend on them."""

from collections import defaultdict
from datetime import UTC, datetime

from melonkube.contracts.ids import new_id
from melonkube.contracts.models import Alias, Model, ModelCreate
from melonkube.kit.db import Database, ReadSession
from melonkube.kit.errors import InUse, NameTaken, NotFound
from melonkube.registry.datasets.repository import one_at_a_time
from melonkube.registry.models.changes import Changes
from melonkube.registry.models.models import ModelRow, ReferenceRow
from melonkube.registry.models.repository import ModelRepository
from melonkube.registry.models.schemas import ReferencePut, alias_of, model_of


class ModelService:
    """Models of a workspace. Owned by the app."""

    def __init__(self, database: Database, repository: ModelRepository, changes: Changes) -> None:
        self._db = database
        self._repository = repository
        self._changes = changes

    async def create(self, workspace_id: str, wanted: ModelCreate) -> Model:
        """Make a model.

        Raises:
            NameTaken: There is one of that name.
        """
        async with self._db.write() as session:
            await one_at_a_time(session, "model", workspace_id, wanted.name)
            if await self._repository.get(session, workspace_id, wanted.name) is not None:
                raise NameTaken(f"There is a model '{wanted.name}' already; take another name.")
            row = new_model(workspace_id, wanted.name, wanted.description)
            session.add(row)
            return model_of(row, [], {})

    async def page(self, workspace_id: str, *, before: str | None, limit: int) -> list[tuple[str, Model]]:
        """Return models with their ids, the newest first."""
        async with self._db.read() as session:
            rows = await self._repository.page(session, workspace_id, before=before, limit=limit)
            return [(row.id, model) for row, model in zip(rows, await self._complete(session, rows), strict=True)]

    async def get(self, workspace_id: str, name: str) -> Model:
        """Return a model.

        Raises:
            NotFound: There is none of that name.
        """
        async with self._db.read() as session:
            row = await demand_model(self._repository, session, workspace_id, name)
            return (await self._complete(session, [row]))[0]

    async def _complete(self, session: ReadSession, rows: list[ModelRow]) -> list[Model]:
        if not rows:
            return []
        ids = [row.id for row in rows]
        numbers = await self._repository.version_numbers(session, rows[0].workspace_id, ids)
        aliases: dict[str, dict[str, int]] = defaultdict(dict)
        for alias in await self._repository.aliases(session, rows[0].workspace_id, ids):
            aliases[alias.model_id][alias.alias] = alias.version
        return [model_of(row, numbers.get(row.id, []), aliases[row.id]) for row in rows]

    async def delete(self, workspace_id: str, name: str) -> None:
        """Delete a model with its versions and aliases.

        Raises:
            InUse: Something depends on it.
        """
        async with self._db.write() as session:
            row = await demand_model(self._repository, session, workspace_id, name, lock=True)
            holders = await self._repository.references(session, workspace_id, row.id)
            if holders:
                raise InUse(f"{named(holders)} on model '{name}'; delete or repoint that first.")
            for alias in await self._repository.aliases(session, workspace_id, [row.id]):
                await self._repository.add_change(session, workspace_id, name, alias.alias, None)
            await self._repository.remove(session, row)
        self._changes.notify()

    # Aliases.

    async def aliases(self, workspace_id: str, name: str) -> list[Alias]:
        """Return the aliases of a model, by name."""
        async with self._db.read() as session:
            row = await demand_model(self._repository, session, workspace_id, name)
            return [alias_of(name, alias) for alias in await self._repository.aliases(session, workspace_id, [row.id])]

    async def alias(self, workspace_id: str, name: str, alias: str) -> Alias:
        """Return one alias.

        Raises:
            NotFound: The model has none of that name.
        """
        async with self._db.read() as session:
            row = await demand_model(self._repository, session, workspace_id, name)
            found = await self._repository.alias(session, workspace_id, row.id, alias)
        if found is None:
            raise NotFound(f"Model '{name}' has no alias '{alias}'.")
        return alias_of(name, found)

    async def put_alias(self, workspace_id: str, name: str, alias: str, version: int) -> Alias:
        """Point an alias at a version; followers are told if it moved.

        Raises:
            NotFound: The model has no such version.
        """
        async with self._db.write() as session:
            row = await demand_model(self._repository, session, workspace_id, name, lock=True)
            if await self._repository.version(session, workspace_id, row.id, version) is None:
                raise NotFound(f"Model '{name}' has no version {version}.")
            before = await self._repository.alias(session, workspace_id, row.id, alias)
            if before is not None and before.version == version:
                return alias_of(name, before)
            now = datetime.now(UTC)
            await self._repository.touch_alias(session, row, alias, version, now)
            await self._repository.add_change(session, workspace_id, name, alias, version)
        self._changes.notify()
        return Alias(model=name, alias=alias, version=version, updated_at=now)

    async def delete_alias(self, workspace_id: str, name: str, alias: str) -> None:
        """Delete an alias.

        Raises:
            NotFound: The model has none of that name.
            InUse: Something follows it.
        """
        async with self._db.write() as session:
            row = await demand_model(self._repository, session, workspace_id, name, lock=True)
            found = await self._repository.alias(session, workspace_id, row.id, alias)
            if found is None:
                raise NotFound(f"Model '{name}' has no alias '{alias}'.")
            holders = [
                holder
                for holder in await self._repository.references(session, workspace_id, row.id)
                if holder.alias == alias
            ]
            if holders:
                raise InUse(f"{named(holders)} on alias '{alias}' of '{name}'; delete or repoint that first.")
            await session.delete(found)
            await self._repository.add_change(session, workspace_id, name, alias, None)
        self._changes.notify()

    # Who depends on models.

    async def put_reference(self, workspace_id: str, holder: str, wanted: ReferencePut) -> None:
        """Note that ``holder`` depends on a version or an alias, and on nothing else.

        Raises:
            NotFound: There is no such version or alias.
        """
        async with self._db.write() as session:
            row = await demand_model(self._repository, session, workspace_id, wanted.model, lock=True)
            if wanted.version is not None:
                if await self._repository.version(session, workspace_id, row.id, wanted.version) is None:
                    raise NotFound(f"Model '{wanted.model}' has no version {wanted.version}.")
            elif await self._repository.alias(session, workspace_id, row.id, wanted.alias or "") is None:
                raise NotFound(f"Model '{wanted.model}' has no alias '{wanted.alias}'.")
            await self._repository.set_reference(session, workspace_id, holder, row.id, wanted.version, wanted.alias)

    async def drop_reference(self, workspace_id: str, holder: str) -> None:
        """Note that ``holder`` depends on nothing; safe to repeat."""
        async with self._db.write() as session:
            await self._repository.drop_reference(session, workspace_id, holder)


def new_model(workspace_id: str, name: str, description: str) -> ModelRow:
    """Return the row of a model without versions."""
    return ModelRow(
        id=new_id(),
        workspace_id=workspace_id,
        name=name,
        description=description,
        last_version=0,
        created_at=datetime.now(UTC),
    )


async def demand_model(
    repository: ModelRepository, session: ReadSession, workspace_id: str, name: str, *, lock: bool = False
) -> ModelRow:
    """Return a model.

    Raises:
        NotFound: There is none of that name.
    """
    row = await repository.get(session, workspace_id, name, lock=lock)
    if row is None:
        raise NotFound(f"There is no model '{name}'.")
    return row


def named(holders: list[ReferenceRow]) -> str:
    """Return who depends, as the beginning of a sentence: ``endpoint 'churn' depends``."""
    kind, _, name = holders[0].holder.partition(":")
    first = f"{kind.capitalize()} '{name}'" if name else f"'{kind}'"
    more = len(holders) - 1
    return f"{first} and {more} more depend" if more else f"{first} depends"
