"""A request for an experiment, checked against its data set and filled in: the ground of both a form and a search."""

import asyncio
from dataclasses import dataclass, field

from melonkube.contracts.base import Scalar
from melonkube.contracts.datasets import Dataset, DatasetState
from melonkube.contracts.errors import ErrorCode, ProblemItem
from melonkube.contracts.experiments import ColumnOverride, Metric
from melonkube.contracts.signature import Column, Kind, Role, Task
from melonkube.contracts.space import FixedParameter, SearchSpace
from melonkube.kit.errors import Conflict, InvalidRequest
from melonkube.tabular.targets import ArrowColumn, TargetError, TargetReport, describe_target
from melonkube.trainer.spec import TrainerSpec
from melonkube.tuner.catalog.registry import Catalog
from melonkube.tuner.experiments.inference import choose_columns, choose_metric, pointer
from melonkube.tuner.registry import RegistryClient


@dataclass(frozen=True, slots=True)
class Wish:
    """The part of a request that the data decides on; None is for the data to choose."""

    dataset_id: str
    target: str
    task: Task | None = None
    metric: Metric | None = None
    trainer: str = "lightgbm"
    algorithm: str = "tpe"
    search_space: SearchSpace | None = None
    columns: dict[str, ColumnOverride] = field(default_factory=dict)
    faults: tuple[ProblemItem, ...] = ()
    """Those that were found without the data."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What the wish comes to. ``labels`` is the target column."""

    dataset: Dataset
    columns: list[Column]
    labels: ArrowColumn
    report: TargetReport
    metric: Metric
    trainer: TrainerSpec
    search_space: SearchSpace
    fixed: dict[str, Scalar]


class Drafter:
    """Makes drafts. Safe for concurrent use."""

    def __init__(self, registry: RegistryClient, catalog: Catalog) -> None:
        self._registry = registry
        self._catalog = catalog

    async def draft(self, workspace_id: str, wish: Wish) -> Draft:
        """Return what ``wish`` comes to.

        Raises:
            InvalidRequest: It cannot be; every fault is named at once.
            Conflict: The data set is not ready.
            PassedOn: The registry knows no such data set.
            UpstreamUnavailable: The registry does not answer.
        """
        dataset = await self._registry.dataset(workspace_id, wish.dataset_id)
        _check_ready(dataset)
        columns, faults = choose_columns(dataset.columns, wish.target, wish.columns)
        faults = [*wish.faults, *faults]
        trainer = self._catalog.trainers.get(wish.trainer)
        if trainer is None:
            faults.append(_unknown("trainer", wish.trainer, list(self._catalog.trainers), ErrorCode.TRAINER_UNKNOWN))
        elif wish.search_space is not None:
            faults.extend(trainer.validate_space(wish.search_space))
        if wish.algorithm not in self._catalog.algorithms:
            faults.append(
                _unknown("algorithm", wish.algorithm, list(self._catalog.algorithms), ErrorCode.ALGORITHM_UNKNOWN)
            )
        target = next((column for column in columns if column.role is Role.TARGET), None)
        labels, report = None, None
        if target is not None:
            table = await self._registry.columns(workspace_id, dataset.id, [target.name])
            labels = table.column(target.name)
            try:
                report = await asyncio.to_thread(describe_target, labels, target.dtype, wish.task)
            except TargetError as error:
                faults.append(ProblemItem(pointer=pointer("target"), code=error.code, detail=error.detail))
        metric = wish.metric
        if report is not None:
            metric, fault = choose_metric(report.task, wish.metric)
            faults.extend([] if fault is None else [fault])
            if trainer is not None and report.task not in trainer.tasks:
                detail = f"{trainer.name} cannot learn {report.task}; choose another trainer or another target."
                faults.append(ProblemItem(pointer=pointer("trainer"), code=ErrorCode.TRAINER_UNKNOWN, detail=detail))
        if faults:
            raise invalid(faults)
        assert target is not None
        assert labels is not None
        assert report is not None
        assert metric is not None
        assert trainer is not None
        features = sum(column.role is Role.FEATURE for column in columns)
        rows = len(labels) - report.missing
        space = wish.search_space or trainer.default_space(rows, features, report.task)
        kind = Kind.NUMERIC if report.task is Task.REGRESSION else target.kind
        columns = [each.model_copy(update={"kind": kind}) if each is target else each for each in columns]
        fixed = _fixed(space, trainer.fixed_params())
        return Draft(dataset, columns, labels, report, metric, trainer, space, fixed)


def _fixed(space: SearchSpace, defaults: dict[str, Scalar]) -> dict[str, Scalar]:
    """Return what holds for the whole experiment: the trainer's defaults, the user's values over them."""
    given = {name: one.value for name, one in space.items() if name in defaults and isinstance(one, FixedParameter)}
    return defaults | given


def _check_ready(dataset: Dataset) -> None:
    if dataset.state is DatasetState.PARSING:
        raise Conflict(
            "The data set is still being read; try again when its state is ready.", code=ErrorCode.DATASET_NOT_READY
        )
    if dataset.state is DatasetState.FAILED:
        why = f" ({dataset.problem.detail})" if dataset.problem is not None else ""
        raise InvalidRequest(f"The data set could not be read{why}; upload it again.", code=ErrorCode.DATASET_FAILED)


def _unknown(field_name: str, asked: str, known: list[str], code: ErrorCode) -> ProblemItem:
    return ProblemItem(
        pointer=pointer(field_name),
        code=code,
        detail=f"There is no {field_name} {asked!r}; there are: {', '.join(known)}.",
    )


def invalid(faults: list[ProblemItem]) -> InvalidRequest:
    """Return the error that names every fault; its code is theirs, where they share one."""
    codes = {fault.code for fault in faults}
    code = ErrorCode(codes.pop()) if len(codes) == 1 else ErrorCode.INVALID_REQUEST
    shown = " ".join(fault.detail for fault in faults[:3])
    more = f" And {len(faults) - 3} more." if len(faults) > 3 else ""
    return InvalidRequest(shown + more, code=code, errors=faults)
