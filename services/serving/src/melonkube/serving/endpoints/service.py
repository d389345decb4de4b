"""Use cases of endpoints: put, read, delete."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

from sqlalchemy.exc import IntegrityError

from melonkube.contracts.endpoints import Endpoint, EndpointPut, EndpointSchema, EndpointState
from melonkube.contracts.errors import ErrorCode
from melonkube.kit.db import Database
from melonkube.kit.errors import Conflict, NotFound, NotReady
from melonkube.serving.converge.reconciler import Reconciler
from melonkube.serving.endpoints.domain import Desired, Key, Progress, describe
from melonkube.serving.endpoints.repository import RELEASE_GRACE, EndpointReader, EndpointWriter
from melonkube.serving.peers import Registry, Tuner, holder
from melonkube.serving.predict.table import Live, LiveTable


class NoCompletedTrial(Conflict):
    """The experiment has no winner yet."""

    code = ErrorCode.NO_COMPLETED_TRIAL


class EndpointNotReady(NotReady):
    """The endpoint is there, and nothing answers for it yet."""

    code = ErrorCode.ENDPOINT_NOT_READY


class EndpointNotFound(NotFound):
    """No endpoint of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no endpoint {name[:80]!r}; GET /api/v1/endpoints lists what there is.")


class EndpointService:
    """Owns no state; safe for concurrent use on the app's loop.

    Args:
        database: Where endpoints are written.
        registry: Where models are.
        tuner: Where experiments are.
        reconciler: Keeps endpoints at what is written.
        table: What answers.
        wait_seconds: How long a call may wait for a model that is being loaded.
    """

    def __init__(
        self,
        database: Database,
        registry: Registry,
        tuner: Tuner,
        reconciler: Reconciler,
        table: LiveTable,
        wait_seconds: float,
    ) -> None:
        self._database = database
        self._registry = registry
        self._tuner = tuner
        self._reconciler = reconciler
        self._table = table
        self._wait_seconds = wait_seconds

    async def put(self, key: Key, asked: EndpointPut) -> tuple[Endpoint, bool]:
        """Write what an endpoint shall answer with; return it, and whether it is new.

        The reference at the registry is taken before anything is written, so that what was promised cannot be
        deleted; a note made before that gives it up again should this end in between.

        Raises:
            NoCompletedTrial: The experiment has no winner.
            PassedOn: The registry or the tuner refused, such as for an unknown model.
            UpstreamUnavailable: One of them does not answer.
        """
        model, version, alias = await self._resolve(key.workspace_id, asked)
        async with self._reconciler.locks.hold(key):
            now = datetime.now(UTC)
            async with self._database.write() as session:
                writer = EndpointWriter(session)
                if await writer.get(key) is None:
                    await writer.plan_release(key, now + RELEASE_GRACE)
            current = self._reconciler.keeper(key)
            if current is not None:
                await current.hold_answering()
            await self._registry.refer(key.workspace_id, holder(key.name), model=model, version=version, alias=alias)
            try:
                desired, new = await self._write(key, model, version, alias, asked.experiment_id)
            except IntegrityError:  # another replica made it at this moment; now it is there to be changed
                desired, new = await self._write(key, model, version, alias, asked.experiment_id)
            keeper = self._reconciler.ask(desired)
        return describe(desired, keeper.active, keeper.progress), new

    async def _resolve(self, workspace_id: str, asked: EndpointPut) -> tuple[str, int | None, str | None]:
        if asked.experiment_id is not None:
            experiment = await self._tuner.experiment(workspace_id, asked.experiment_id)
            if experiment.best is None:
                raise NoCompletedTrial(
                    f"The experiment {experiment.name!r} has no completed trial yet; wait for its first, then deploy."
                )
            made = await self._registry.register(workspace_id, experiment.name, experiment.best.run_id)
            return made.model, made.version, None
        model = asked.model or ""
        if asked.version is not None:
            await self._registry.version(workspace_id, model, asked.version)
            return model, asked.version, None
        alias = asked.alias or ""
        await self._registry.alias(workspace_id, model, alias)
        return model, None, alias

    async def _write(
        self, key: Key, model: str, version: int | None, alias: str | None, experiment_id: str | None
    ) -> tuple[Desired, bool]:
        async with self._database.write() as session:
            writer = EndpointWriter(session)
            written = await writer.put(
                key,
                model=model,
                version=version,
                alias=alias,
                experiment_id=experiment_id,
                now=datetime.now(UTC),
            )
            await writer.cancel_release(key)
        return written

    async def get(self, key: Key) -> Endpoint:
        """Return an endpoint.

        Raises:
            EndpointNotFound: There is none.
        """
        async with self._database.read() as session:
            desired = await EndpointReader(session).get(key)
        if desired is None:
            raise EndpointNotFound(key.name)
        return self._describe(desired)

    async def page(self, workspace_id: str, after: str | None, limit: int) -> list[Endpoint]:
        """Return endpoints by name, those after ``after``."""
        async with self._database.read() as session:
            return [
                self._describe(desired) for desired in await EndpointReader(session).page(workspace_id, after, limit)
            ]

    async def delete(self, key: Key) -> None:
        """Delete an endpoint and give up its hold on the model, in the background if the registry is away.

        Raises:
            EndpointNotFound: There is none.
        """
        async with self._reconciler.locks.hold(key):
            async with self._database.write() as session:
                writer = EndpointWriter(session)
                if not await writer.remove(key):
                    raise EndpointNotFound(key.name)
                await writer.plan_release(key, datetime.now(UTC))
            self._reconciler.drop(key)
        await self._reconciler.release_soon(key)

    async def live(self, key: Key) -> Live:
        """Return what answers for an endpoint now. Asks the database only if nothing does.

        Another replica may have made the endpoint a moment ago, and answer already: then this one loads the model
        first, as long as that does not take long.

        Raises:
            EndpointNotFound: There is no such endpoint.
            EndpointNotReady: Nothing answers for it yet.
        """
        live = self._table.get(key.workspace_id, key.name)
        if live is not None:
            return live
        keeper = await self._reconciler.look(key)
        if keeper is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._wait_seconds):
                    await keeper.rested.wait()
        live = self._table.get(key.workspace_id, key.name)
        if live is not None:
            return live
        endpoint = await self.get(key)
        reason = f": {endpoint.target.reason}" if endpoint.target.reason else ""
        if endpoint.state is EndpointState.FAILED:
            raise EndpointNotReady(f"The endpoint {key.name!r} cannot answer{reason}. Put another version.")
        raise EndpointNotReady(
            f"The endpoint {key.name!r} is loading its model{reason}; try again shortly.", headers={"Retry-After": "1"}
        )

    async def schema(self, key: Key) -> EndpointSchema:
        """Return what to send to an endpoint.

        Raises:
            EndpointNotFound: There is no such endpoint.
            EndpointNotReady: Nothing answers for it yet.
        """
        live = await self.live(key)
        return EndpointSchema(
            name=key.name,
            model=live.model,
            version=live.version,
            signature=live.served.signature,
            input_example=live.served.input_example,
        )

    def _describe(self, desired: Desired) -> Endpoint:
        keeper = self._reconciler.keeper(desired.key)
        if keeper is None or keeper.desired.id != desired.id:
            return describe(desired, None, Progress())
        return describe(desired, keeper.active, keeper.progress)
