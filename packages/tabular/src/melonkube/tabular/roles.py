"""What a column means and what it is for, inferred from what it holds, without knowing a target.

Pure rules over :class:`~melonkube.tabular.profile.ColumnFacts`; each role that is not ``feature`` comes with a
``reason``. A person may always decide otherwise.
"""

import re

from melonkube.contracts.signature import Column, Dtype, Kind, Range, Role
from melonkube.tabular.profile import ColumnFacts

FEW_ROWS = 20
"""Below this many values uniqueness says nothing."""
UNIQUE_SHARE = 0.95
TEXT_WORDS = 4.0
TEXT_LENGTH = 60.0
TEXT_SHARE = 0.3

_ID_NAME = re.compile(r"(^|[_\s.-])(id|uuid|guid|key|index|idx|번호|아이디|일련번호)$|[a-z]I[dD]$|^Unnamed: 0$")


def infer_column(facts: ColumnFacts) -> Column:
    """Return the column with its kind, its role and the reason for it."""
    profile = facts.profile
    kind = _kind(facts)
    role, reason = _role(facts, kind)
    limits = None
    if profile.min is not None and profile.max is not None:
        limits = Range(min=profile.min, max=profile.max)
    return Column(
        name=profile.name,
        dtype=facts.dtype,
        kind=kind,
        role=role,
        nullable=profile.missing > 0,
        range=limits,
        reason=reason,
    )


def _kind(facts: ColumnFacts) -> Kind:
    if facts.dtype is Dtype.BOOLEAN:
        return Kind.BOOLEAN
    if facts.dtype is Dtype.TIMESTAMP:
        return Kind.DATETIME
    if facts.dtype in (Dtype.INT64, Dtype.FLOAT64):
        return Kind.NUMERIC
    return Kind.TEXT if _is_prose(facts) else Kind.CATEGORICAL


def _is_prose(facts: ColumnFacts) -> bool:
    """Whether texts are sentences rather than labels: long or of several words, and seldom repeated."""
    long = facts.shape.words >= TEXT_WORDS or facts.shape.length >= TEXT_LENGTH
    return long and facts.profile.distinct >= FEW_ROWS and facts.distinct_share > TEXT_SHARE


def _role(facts: ColumnFacts, kind: Kind) -> tuple[Role, str | None]:
    profile = facts.profile
    present = profile.count - profile.missing
    if present == 0:
        return Role.IGNORED, "all_missing"
    if profile.distinct == 1 and profile.missing == 0:
        return Role.IGNORED, "constant"
    if kind is Kind.TEXT:
        return Role.IGNORED, "free_text"
    if kind is Kind.CATEGORICAL and present >= FEW_ROWS and facts.distinct_share >= UNIQUE_SHARE:
        return Role.ID, "unique_text"
    if facts.dtype is Dtype.INT64 and _numbers_the_rows(facts, present):
        return Role.ID, "sequence"
    return Role.FEATURE, None


def _numbers_the_rows(facts: ColumnFacts, present: int) -> bool:
    """Whether integers tell rows apart: one after the other, or each its own under a name that says so."""
    profile = facts.profile
    unique = facts.distinct_share == 1.0
    if not unique or profile.missing or not isinstance(profile.min, float) or not isinstance(profile.max, float):
        return False
    consecutive = profile.max - profile.min == present - 1
    if consecutive and (profile.min in (0.0, 1.0) or present >= 100):
        return present >= 3
    return present >= FEW_ROWS and _ID_NAME.search(profile.name) is not None
