"""Makes an experiment: the split fixed, the registry's run with it made, then the experiment itself, or nothing."""

import asyncio
import hashlib
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from secrets import randbelow

from sqlalchemy.exc import IntegrityError

from melonkube.contracts.errors import ErrorCode, ProblemItem
from melonkube.contracts.experiments import (
    CONTAINER,
    DIRECTIONS,
    TASK_METRICS,
    Budget,
    Experiment,
    ExperimentCreate,
    SplitSummary,
    Suggestion,
    SuggestionRequest,
)
from melonkube.contracts.ids import new_id
from melonkube.contracts.models import TAG_EXPERIMENT_NAME, TAG_SEED
from melonkube.contracts.runs import RunCreate
from melonkube.kit.context import request_id
from melonkube.kit.db import Database
from melonkube.kit.errors import InvalidRequest, MelonError
from melonkube.kit.idempotency import fingerprint, recall, remember
from melonkube.tabular.split import Split, make_split, write_split
from melonkube.tuner.engine.ledger import Ledger, Ledgers
from melonkube.tuner.events.bell import NEW, Bell
from melonkube.tuner.executors.protocol import Executor
from melonkube.tuner.experiments import repository
from melonkube.tuner.experiments.containers import container_faults
from melonkube.tuner.experiments.domain import resolve_budget
from melonkube.tuner.experiments.draft import Draft, Drafter, Wish
from melonkube.tuner.experiments.inference import choose_depth, choose_parallelism, default_stem, numbered, pointer
from melonkube.tuner.experiments.spec import SPLIT_PATH, ExperimentSpec
from melonkube.tuner.experiments.views import experiment_view
from melonkube.tuner.outbox import repository as outbox
from melonkube.tuner.registry import RegistryClient
from melonkube.tuner.tables import IdempotencyKeyRow

_ABANDONED_AFTER = timedelta(minutes=10)
"""A run whose experiment was not made by then is deleted: this process died in between."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request and whose it is."""

    workspace_id: str
    request: ExperimentCreate
    key: str | None

    @property
    def print(self) -> str:
        """What the request asks for, as a digest."""
        return fingerprint("create_experiment", self.request.model_dump_json())


class ExperimentMaker:
    """Makes experiments and the suggestions a form starts from. Safe for concurrent use."""

    def __init__(
        self,
        db: Database,
        ledgers: Ledgers,
        bell: Bell,
        drafter: Drafter,
        registry: RegistryClient,
        executor: Executor,
    ) -> None:
        self._db = db
        self._ledgers = ledgers
        self._bell = bell
        self._drafter = drafter
        self._registry = registry
        self._executor = executor

    async def suggest(self, workspace_id: str, request: SuggestionRequest) -> Suggestion:
        """Return what would be chosen, without making anything."""
        wish = Wish(request.dataset_id, request.target, request.task, columns=request.columns)
        draft = await self._drafter.draft(workspace_id, wish)
        return Suggestion(
            task=draft.report.task,
            metric=draft.metric,
            metrics=list(TASK_METRICS[draft.report.task]),
            columns=draft.columns,
            search_space=draft.search_space,
            budget=resolve_budget(Budget()),
            parallelism=choose_parallelism(None, self._executor.slots, self._executor.parallelism),
            warnings=draft.report.warnings,
        )

    async def create(self, asked: Asked) -> tuple[Experiment, bool]:
        """Make an experiment; return it, and whether it is new.

        Raises:
            InvalidRequest: The request cannot be; every fault is named.
            NameTaken: Another experiment has the name.
            Conflict: The Idempotency-Key was used for something else.
        """
        known = await self._recall(asked)
        if known is not None:
            return known, False
        request = asked.request
        refusal = self._executor.refusal(request.worker, request.container)
        if refusal is not None:
            place = pointer("worker" if request.container is None else "container")
            raise InvalidRequest(
                refusal,
                code=ErrorCode.UNSCHEDULABLE,
                errors=[ProblemItem(pointer=place, code=ErrorCode.UNSCHEDULABLE, detail=refusal)],
            )
        draft = await self._drafter.draft(
            asked.workspace_id,
            Wish(
                request.dataset_id,
                request.target,
                request.task,
                request.metric,
                request.trainer if request.container is None else CONTAINER,
                request.algorithm,
                request.search_space,
                request.columns,
                tuple(container_faults(request)),
            ),
        )
        seed = request.seed if request.seed is not None else randbelow(2**31)
        split, content = await _divide(draft, request, seed)
        spec = self._spec(asked, draft, split, hashlib.sha256(content).hexdigest(), seed)
        note = await self._announce(asked, spec)
        try:
            await self._store_split(spec, content)
            return await self._insert(asked, spec, draft, note), True
        except BaseException as error:
            await asyncio.shield(self._undo(spec, note))
            if isinstance(error, IntegrityError):
                return await self._lost_race(asked, spec)
            raise

    async def _recall(self, asked: Asked) -> Experiment | None:
        """Return what the same call made before."""
        async with self._db.write() as session:
            made = await recall(session, IdempotencyKeyRow, asked.workspace_id, asked.key, asked.print)
            if made is not None:
                row = await repository.get(session, asked.workspace_id, made)
                spec = await self._ledgers.spec(session, row)
                return experiment_view(row, spec, await self._db.now(session))
            name = asked.request.name
            if name is not None and name in await repository.names_like(session, asked.workspace_id, name):
                raise repository.name_taken(name)
        return None

    def _spec(self, asked: Asked, draft: Draft, split: Split, split_sha256: str, seed: int) -> ExperimentSpec:
        request, dataset = asked.request, draft.dataset
        parallelism = choose_parallelism(request.parallelism, self._executor.slots, self._executor.parallelism)
        return ExperimentSpec(
            id=new_id(),
            workspace_id=asked.workspace_id,
            name=request.name or default_stem(dataset.name, request.target),
            dataset_id=dataset.id,
            dataset_name=dataset.name,
            dataset_version=dataset.version,
            dataset_sha256=dataset.sha256,
            parquet_sha256=dataset.parquet_sha256 or "",
            parquet_bytes=dataset.parquet_bytes or 0,
            target=request.target,
            task=draft.report.task,
            metric=draft.metric,
            direction=DIRECTIONS[draft.metric],
            trainer=draft.trainer.name,
            algorithm=request.algorithm,
            search_space=draft.search_space,
            fixed=draft.fixed,
            columns=draft.columns,
            classes=draft.report.classes,
            split=SplitSummary(
                method=split.method,
                seed=seed,
                train=len(split.train),
                validation=len(split.validation),
                holdout=len(split.holdout),
                excluded=split.excluded,
            ),
            split_sha256=split_sha256,
            seed=seed,
            parallelism=parallelism,
            depth=choose_depth(parallelism),
            trials_per_worker=request.trials_per_worker,
            baseline_params=(draft.trainer.baseline_params() or None) if request.baseline else None,
            budget=resolve_budget(request.budget),
            worker=request.worker,
            container=request.container,
            run_id=new_id(),
            request_id=request_id.get(),
        )

    async def _announce(self, asked: Asked, spec: ExperimentSpec) -> str:
        """Note, before anything is made elsewhere, what must go again should this process die."""
        async with self._db.write() as session:
            until = await self._db.now(session) + _ABANDONED_AFTER
            return outbox.intend_delete(session, asked.workspace_id, spec.run_id, until)

    async def _store_split(self, spec: ExperimentSpec, content: bytes) -> None:
        run = RunCreate(
            id=spec.run_id,
            name=spec.name,
            experiment_id=spec.id,
            dataset_id=spec.dataset_id,
            tags={TAG_EXPERIMENT_NAME: spec.name, TAG_SEED: str(spec.seed)},
        )
        await self._registry.create_run(spec.workspace_id, run)
        await self._registry.put_artifact(spec.workspace_id, spec.run_id, SPLIT_PATH, content, spec.split_sha256)

    async def _insert(self, asked: Asked, spec: ExperimentSpec, draft: Draft, note: str) -> Experiment:
        async with self._db.write() as session:
            await repository.lock_names(session, spec.workspace_id)
            now = await self._db.now(session)
            if asked.request.name is None:
                taken = await repository.names_like(session, spec.workspace_id, spec.name)
                spec = spec.model_copy(update={"name": numbered(spec.name, taken)})
            row = repository.add(session, spec, list(draft.report.warnings), now)
            await session.flush()
            repository.add_spec(session, spec)
            await remember(session, IdempotencyKeyRow, spec.workspace_id, asked.key, asked.print, spec.id, now)
            await outbox.done(session, note)
            ledger = Ledger(session, row, spec, now)
            ledger.announce()
            await ledger.flush()
            view = experiment_view(row, spec, now)
        self._bell.ring(NEW)
        return view

    async def _undo(self, spec: ExperimentSpec, note: str) -> None:
        """Delete the run again; where that fails now, the note sees to it later."""
        with suppress(MelonError):
            await self._registry.delete_run(spec.workspace_id, spec.run_id)
            async with self._db.write() as session:
                await outbox.done(session, note)

    async def _lost_race(self, asked: Asked, spec: ExperimentSpec) -> tuple[Experiment, bool]:
        """Answer a call that another one, made at the same moment, was quicker than."""
        known = await self._recall(asked)
        if known is not None:
            return known, False
        raise repository.name_taken(spec.name)


async def _divide(draft: Draft, request: ExperimentCreate, seed: int) -> tuple[Split, bytes]:
    def work() -> tuple[Split, bytes]:
        split = make_split(draft.labels, draft.report.task, seed, request.split.validation, request.split.holdout)
        with tempfile.TemporaryDirectory(prefix="melon-split-") as folder:
            path = Path(folder) / SPLIT_PATH
            write_split(split, path)
            return split, path.read_bytes()

    return await asyncio.to_thread(work)
