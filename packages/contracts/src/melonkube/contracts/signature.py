"""Columns, and the signature of a model: what it takes and what it answers."""

from enum import StrEnum

from melonkube.contracts.base import Answer, Scalar


class Dtype(StrEnum):
    """How a column is stored in the Parquet copy."""

    BOOLEAN = "boolean"
    INT64 = "int64"
    FLOAT64 = "float64"
    STRING = "string"
    TIMESTAMP = "timestamp"
    """Microseconds since the epoch, UTC; a date is its midnight."""


class Kind(StrEnum):
    """What a column means to a model."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    BOOLEAN = "boolean"
    DATETIME = "datetime"
    TEXT = "text"


class Role(StrEnum):
    """What a column is used for."""

    FEATURE = "feature"
    TARGET = "target"
    ID = "id"
    IGNORED = "ignored"


class Task(StrEnum):
    """What is predicted."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"


class Range(Answer):
    """Smallest and largest value seen; numbers, or RFC 3339 text for datetimes."""

    min: float | str
    max: float | str


class Column(Answer):
    """A column as the wire names it.

    ``categories`` (categorical columns of a signature only) are texts in the order of their codes: code i
    is ``categories[i]``. ``reason`` says why a column was given its role, as a stable code:
    ``constant``, ``all_missing``, ``unique_text``, ``sequence``, ``free_text``, ``chosen``.
    """

    name: str
    dtype: Dtype
    kind: Kind
    role: Role = Role.FEATURE
    nullable: bool = False
    categories: list[str] | None = None
    range: Range | None = None
    reason: str | None = None


class Signature(Answer):
    """What a model takes and answers.

    ``features`` are in the order of the model's input. ``classes`` are the label's own values in the order
    of the model's outputs (null for regression). ``ignored`` are columns of the training data that were
    left out: a predict call may carry them.
    """

    task: Task
    target: Column
    features: list[Column]
    classes: list[Scalar] | None = None
    ignored: list[str] = []
