"""What an experiment needs and the user did not say, inferred from the data set. Pure."""

from collections.abc import Mapping

from melonkube.contracts.errors import ErrorCode, ProblemItem
from melonkube.contracts.experiments import TASK_METRICS, ColumnOverride, Metric
from melonkube.contracts.signature import Column, Dtype, Kind, Role, Task

KINDS: Mapping[Dtype, tuple[Kind, ...]] = {
    Dtype.BOOLEAN: (Kind.BOOLEAN, Kind.CATEGORICAL),
    Dtype.INT64: (Kind.NUMERIC, Kind.CATEGORICAL),
    Dtype.FLOAT64: (Kind.NUMERIC, Kind.CATEGORICAL),
    Dtype.STRING: (Kind.CATEGORICAL, Kind.TEXT),
    Dtype.TIMESTAMP: (Kind.DATETIME,),
}
"""What a column may be taken for, by how it is stored."""

CHOSEN = "chosen"
MAX_DEPTH = 32


def pointer(*parts: str) -> str:
    """Return the JSON pointer to a place in the request (RFC 6901)."""
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


def choose_columns(
    columns: list[Column], target: str, overrides: Mapping[str, ColumnOverride]
) -> tuple[list[Column], list[ProblemItem]]:
    """Return the columns with their roles in this experiment, and every fault of the request about them.

    Overrides win over what was inferred from the data; the target is the target whatever was said of it.
    """
    faults: list[ProblemItem] = []
    known = {column.name: column for column in columns}
    if target not in known:
        faults.append(_fault(ErrorCode.TARGET_UNKNOWN, pointer("target"), f"There is no column {target!r}.", columns))
    for name in overrides:
        if name not in known:
            faults.append(
                _fault(ErrorCode.COLUMN_UNKNOWN, pointer("columns", name), f"There is no column {name!r}.", columns)
            )
    chosen: list[Column] = []
    for column in columns:
        if column.name == target:
            chosen.append(column.model_copy(update={"role": Role.TARGET, "reason": None}))
            continue
        taken, fault = _override(column, overrides.get(column.name))
        chosen.append(taken)
        if fault is not None:
            faults.append(fault)
    if not faults and not any(column.role is Role.FEATURE for column in chosen):
        faults.append(
            ProblemItem(
                pointer=pointer("columns"),
                code=ErrorCode.NO_FEATURES,
                detail="No column is left to learn from; give at least one the role feature.",
            )
        )
    return chosen, faults


def _override(column: Column, override: ColumnOverride | None) -> tuple[Column, ProblemItem | None]:
    if override is None or (override.kind is None and override.role is None):
        return column, None
    kind = override.kind or column.kind
    place = pointer("columns", column.name, "kind" if override.kind is not None else "role")
    if kind not in KINDS[column.dtype]:
        possible = ", ".join(KINDS[column.dtype])
        return column, ProblemItem(
            pointer=place,
            code=ErrorCode.COLUMN_KIND_IMPOSSIBLE,
            detail=f"{column.name!r} is stored as {column.dtype} and can only be: {possible}.",
        )
    role = override.role or (column.role if override.kind is None else _role_of(column, kind))
    if role is Role.FEATURE and kind is Kind.TEXT:
        return column, ProblemItem(
            pointer=place,
            code=ErrorCode.COLUMN_KIND_IMPOSSIBLE,
            detail=f"{column.name!r} is free text, which cannot be learned from; make it categorical, or leave it out.",
        )
    return column.model_copy(update={"kind": kind, "role": role, "reason": CHOSEN}), None


def _role_of(column: Column, kind: Kind) -> Role:
    """Return the role of a column whose kind the user chose: free text taken for a category becomes a feature."""
    if column.kind is Kind.TEXT and kind is Kind.CATEGORICAL:
        return Role.FEATURE
    return Role.IGNORED if kind is Kind.TEXT else column.role


def _fault(code: ErrorCode, place: str, said: str, columns: list[Column]) -> ProblemItem:
    shown = ", ".join(column.name for column in columns[:20]) + (", ..." if len(columns) > 20 else "")
    return ProblemItem(pointer=place, code=code, detail=f"{said} The data set has: {shown}.")


def choose_metric(task: Task, asked: Metric | None) -> tuple[Metric, ProblemItem | None]:
    """Return the metric to optimise, and the fault if the task does not have it."""
    possible = TASK_METRICS[task]
    if asked is None or asked in possible:
        return asked or possible[0], None
    return possible[0], ProblemItem(
        pointer=pointer("metric"),
        code=ErrorCode.METRIC_NOT_FOR_TASK,
        detail=f"{asked} does not measure {task}; choose one of: {', '.join(possible)}.",
    )


def choose_parallelism(asked: int | None, slots: int | None, usual: int | None = None) -> int:
    """Return how many trials run at once: what was asked for, else the usual, no more than there are slots.

    Where no slot is this service's own, workers come from elsewhere and nothing bounds them.
    """
    if not slots:
        return asked or usual or 1
    return min(asked or usual or slots, slots)


def choose_depth(parallelism: int) -> int:
    """Return how many suggestions are kept ahead: one for each worker, should all come at once."""
    return min(parallelism, MAX_DEPTH)


def default_stem(dataset: str, target: str) -> str:
    """Return the stem of an experiment's default name, fit for a name."""
    return f"{_clean(dataset)}-{_clean(target)}"[:120].strip() or "experiment"


def _clean(text: str) -> str:
    kept = "".join(" " if char in "/\\" or ord(char) < 32 or ord(char) == 127 else char for char in text)
    return " ".join(kept.split())


def numbered(stem: str, taken: set[str]) -> str:
    """Return ``stem``, or with the first of ``-2``, ``-3``, ... that is not taken."""
    if stem not in taken:
        return stem
    number = 2
    while f"{stem}-{number}" in taken:
        number += 1
    return f"{stem}-{number}"
