"""SQL of models. Every statement is of one workspace."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select

from melonkube.kit.db import ReadSession, WriteSession
from melonkube.registry.blobs.repository import upsert
from melonkube.registry.models.models import (
    AliasChangeRow,
    AliasRow,
    ChangeCounterRow,
    ModelRow,
    ModelVersionRow,
    ReferenceRow,
)


class ModelRepository:
    """Rows of models, versions, aliases, references and alias changes."""

    async def get(self, session: ReadSession, workspace_id: str, name: str, *, lock: bool = False) -> ModelRow | None:
        """Return a model; whoever changes anything of it takes the ``lock`` first."""
        statement = select(ModelRow).where(ModelRow.workspace_id == workspace_id, ModelRow.name == name)
        if lock:
            statement = statement.with_for_update()
        found: ModelRow | None = await session.scalar(statement)
        return found

    async def page(self, session: ReadSession, workspace_id: str, *, before: str | None, limit: int) -> list[ModelRow]:
        """Return models, the newest first, older than ``before``."""
        statement = select(ModelRow).where(ModelRow.workspace_id == workspace_id).order_by(ModelRow.id.desc())
        if before is not None:
            statement = statement.where(ModelRow.id < before)
        return list(await session.scalars(statement.limit(limit)))

    async def version_numbers(
        self, session: ReadSession, workspace_id: str, model_ids: Sequence[str]
    ) -> dict[str, list[int]]:
        """Return the numbers of the versions of models."""
        found = await session.execute(
            select(ModelVersionRow.model_id, ModelVersionRow.version).where(
                ModelVersionRow.workspace_id == workspace_id, ModelVersionRow.model_id.in_(model_ids)
            )
        )
        numbers: dict[str, list[int]] = defaultdict(list)
        for model_id, version in found:
            numbers[model_id].append(version)
        return numbers

    async def versions(
        self, session: ReadSession, workspace_id: str, model_id: str, *, before: int | None, limit: int
    ) -> list[ModelVersionRow]:
        """Return versions, the newest first, older than ``before``."""
        statement = (
            select(ModelVersionRow)
            .where(ModelVersionRow.workspace_id == workspace_id, ModelVersionRow.model_id == model_id)
            .order_by(ModelVersionRow.version.desc())
            .limit(limit)
        )
        if before is not None:
            statement = statement.where(ModelVersionRow.version < before)
        return list(await session.scalars(statement))

    async def version(
        self, session: ReadSession, workspace_id: str, model_id: str, version: int
    ) -> ModelVersionRow | None:
        """Return one version."""
        found: ModelVersionRow | None = await session.scalar(
            select(ModelVersionRow).where(
                ModelVersionRow.workspace_id == workspace_id,
                ModelVersionRow.model_id == model_id,
                ModelVersionRow.version == version,
            )
        )
        return found

    async def same_version(
        self, session: ReadSession, workspace_id: str, model_id: str, run_id: str, digest: str
    ) -> ModelVersionRow | None:
        """Return the version that was made of the same bundle of the same run."""
        found: ModelVersionRow | None = await session.scalar(
            select(ModelVersionRow).where(
                ModelVersionRow.workspace_id == workspace_id,
                ModelVersionRow.model_id == model_id,
                ModelVersionRow.run_id == run_id,
                ModelVersionRow.digest == digest,
            )
        )
        return found

    async def aliases(self, session: ReadSession, workspace_id: str, model_ids: Sequence[str]) -> list[AliasRow]:
        """Return the aliases of models, by name."""
        return list(
            await session.scalars(
                select(AliasRow)
                .where(AliasRow.workspace_id == workspace_id, AliasRow.model_id.in_(model_ids))
                .order_by(AliasRow.alias)
            )
        )

    async def alias(self, session: ReadSession, workspace_id: str, model_id: str, alias: str) -> AliasRow | None:
        """Return one alias."""
        found: AliasRow | None = await session.scalar(
            select(AliasRow).where(
                AliasRow.workspace_id == workspace_id, AliasRow.model_id == model_id, AliasRow.alias == alias
            )
        )
        return found

    async def remove_version(self, session: WriteSession, row: ModelVersionRow) -> None:
        """Delete a version."""
        await session.execute(
            delete(ModelVersionRow).where(
                ModelVersionRow.workspace_id == row.workspace_id,
                ModelVersionRow.model_id == row.model_id,
                ModelVersionRow.version == row.version,
            )
        )

    async def remove(self, session: WriteSession, row: ModelRow) -> None:
        """Delete a model with its versions and aliases."""
        for table, column in (
            (AliasRow, AliasRow.model_id),
            (ModelVersionRow, ModelVersionRow.model_id),
            (ModelRow, ModelRow.id),
        ):
            await session.execute(delete(table).where(table.workspace_id == row.workspace_id, column == row.id))

    # Who depends on models.

    async def references(self, session: ReadSession, workspace_id: str, model_id: str) -> list[ReferenceRow]:
        """Return what depends on a model."""
        return list(
            await session.scalars(
                select(ReferenceRow)
                .where(ReferenceRow.workspace_id == workspace_id, ReferenceRow.model_id == model_id)
                .order_by(ReferenceRow.holder)
            )
        )

    async def set_reference(
        self,
        session: WriteSession,
        workspace_id: str,
        holder: str,
        model_id: str,
        version: int | None,
        alias: str | None,
    ) -> None:
        """Note what a holder depends on, in place of what it did before."""
        values = {"model_id": model_id, "version": version, "alias": alias}
        await session.execute(
            upsert(session, ReferenceRow)
            .values(workspace_id=workspace_id, holder=holder, **values)
            .on_conflict_do_update(index_elements=["workspace_id", "holder"], set_=values)
        )

    async def drop_reference(self, session: WriteSession, workspace_id: str, holder: str) -> None:
        """Note that a holder depends on nothing."""
        await session.execute(
            delete(ReferenceRow).where(ReferenceRow.workspace_id == workspace_id, ReferenceRow.holder == holder)
        )

    # Alias changes.

    async def add_change(
        self, session: WriteSession, workspace_id: str, model: str, alias: str, version: int | None
    ) -> None:
        """Note where an alias points now, under the next number.

        The counter's row stays locked until the commit, so that a follower never sees a number before a lower one.
        """
        counted = (
            upsert(session, ChangeCounterRow)
            .values(workspace_id=workspace_id, value=1)
            .on_conflict_do_update(index_elements=["workspace_id"], set_={"value": ChangeCounterRow.value + 1})
            .returning(ChangeCounterRow.value)
        )
        values = {"seq": (await session.execute(counted)).scalar_one(), "version": version}
        await session.execute(
            upsert(session, AliasChangeRow)
            .values(workspace_id=workspace_id, model=model, alias=alias, **values)
            .on_conflict_do_update(index_elements=["workspace_id", "model", "alias"], set_=values)
        )

    async def changes(
        self, session: ReadSession, workspace_id: str, after: int, limit: int
    ) -> tuple[list[AliasChangeRow], int]:
        """Return the changes after a number, in order, and the number of the last change of all."""
        last = await session.scalar(select(ChangeCounterRow.value).where(ChangeCounterRow.workspace_id == workspace_id))
        rows = await session.scalars(
            select(AliasChangeRow)
            .where(AliasChangeRow.workspace_id == workspace_id, AliasChangeRow.seq > after)
            .order_by(AliasChangeRow.seq)
            .limit(limit)
        )
        return list(rows), last or 0

    async def touch_alias(
        self, session: WriteSession, model: ModelRow, alias: str, version: int, now: datetime
    ) -> None:
        """Point an alias at a version."""
        values = {"version": version, "updated_at": now}
        await session.execute(
            upsert(session, AliasRow)
            .values(model_id=model.id, alias=alias, workspace_id=model.workspace_id, **values)
            .on_conflict_do_update(index_elements=["model_id", "alias"], set_=values)
        )
