"""SQL of serving. Every query of a request begins with the workspace; the reconciler alone reads across them."""

from datetime import datetime, timedelta

from sqlalchemy import Select, delete, select, update

from melonkube.contracts.ids import new_id
from melonkube.kit.db import ReadSession, WriteSession
from melonkube.serving.endpoints.domain import Active, Desired, Key
from melonkube.serving.endpoints.models import EndpointRow, ReleaseRow


class EndpointReader:
    """Reads endpoints."""

    def __init__(self, session: ReadSession) -> None:
        self._session = session

    async def get(self, key: Key) -> Desired | None:
        """Return an endpoint."""
        row = (await self._session.execute(_scoped(key))).scalar_one_or_none()
        return None if row is None else _desired(row)

    async def page(self, workspace_id: str, after: str | None, limit: int) -> list[Desired]:
        """Return endpoints by name, those after ``after``."""
        statement = select(EndpointRow).where(EndpointRow.workspace_id == workspace_id)
        if after is not None:
            statement = statement.where(EndpointRow.name > after)
        rows = (await self._session.execute(statement.order_by(EndpointRow.name).limit(limit))).scalars()
        return [_desired(row) for row in rows]

    async def all(self) -> list[Desired]:
        """Return every endpoint of every workspace, the longest unchanged first."""
        rows = (await self._session.execute(select(EndpointRow).order_by(EndpointRow.updated_at))).scalars()
        return [_desired(row) for row in rows]

    async def releases(self, now: datetime) -> list[Key]:
        """Return the endpoints whose references are to be given up by ``now``."""
        statement = select(ReleaseRow).where(ReleaseRow.not_before <= now).order_by(ReleaseRow.not_before)
        rows = (await self._session.execute(statement)).scalars()
        return [Key(row.workspace_id, row.name) for row in rows]


class EndpointWriter(EndpointReader):
    """Writes endpoints."""

    def __init__(self, session: WriteSession) -> None:
        super().__init__(session)
        self._write = session

    async def put(
        self,
        key: Key,
        *,
        model: str,
        version: int | None,
        alias: str | None,
        experiment_id: str | None,
        now: datetime,
    ) -> tuple[Desired, bool]:
        """Write what an endpoint shall answer with; return it, and whether it is new."""
        row = (await self._write.execute(_scoped(key).with_for_update())).scalar_one_or_none()
        new = row is None
        if row is None:
            row = EndpointRow(
                id=new_id(),
                workspace_id=key.workspace_id,
                name=key.name,
                generation=0,
                active_generation=0,
                created_at=now,
            )
            self._write.add(row)
        row.model, row.version, row.alias, row.experiment_id = model, version, alias, experiment_id
        row.generation += 1
        row.updated_at = now
        await self._write.flush()
        return _desired(row), new

    async def remove(self, key: Key) -> bool:
        """Delete an endpoint; return whether it was there."""
        statement = delete(EndpointRow).where(
            EndpointRow.workspace_id == key.workspace_id, EndpointRow.name == key.name
        )
        result = await self._write.execute(statement.returning(EndpointRow.id))
        return result.first() is not None

    async def note_active(self, desired: Desired, active: Active) -> None:
        """Remember what answers now, unless a later PUT's version already does or the endpoint is gone."""
        await self._write.execute(
            update(EndpointRow)
            .where(
                EndpointRow.workspace_id == desired.key.workspace_id,
                EndpointRow.id == desired.id,
                EndpointRow.active_generation <= active.generation,
            )
            .values(
                active_model=active.model,
                active_version=active.version,
                active_digest=active.digest,
                active_generation=active.generation,
            )
        )

    async def plan_release(self, key: Key, at: datetime) -> None:
        """Note that an endpoint's references are to be given up from ``at`` on, unless it is there then."""
        await self._write.merge(ReleaseRow(workspace_id=key.workspace_id, name=key.name, not_before=at))

    async def cancel_release(self, key: Key) -> None:
        """Drop that note."""
        await self._write.execute(
            delete(ReleaseRow).where(ReleaseRow.workspace_id == key.workspace_id, ReleaseRow.name == key.name)
        )


RELEASE_GRACE = timedelta(minutes=2)
"""How long a PUT may take between its note of a release and its end."""


def _scoped(key: Key) -> Select[EndpointRow]:
    return select(EndpointRow).where(EndpointRow.workspace_id == key.workspace_id, EndpointRow.name == key.name)


def _desired(row: EndpointRow) -> Desired:
    active = None
    if row.active_model is not None and row.active_version is not None and row.active_digest is not None:
        active = Active(row.active_model, row.active_version, row.active_digest, row.active_generation)
    return Desired(
        id=row.id,
        key=Key(row.workspace_id, row.name),
        model=row.model,
        version=row.version,
        alias=row.alias,
        experiment_id=row.experiment_id,
        generation=row.generation,
        active=active,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
