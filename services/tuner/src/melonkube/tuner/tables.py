"""The tuner's tables, all of them, in one ``MetaData``."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Float, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from melonkube.kit.db import Base, JsonType, UtcDateTime, metadata
from melonkube.kit.idempotency import IdempotencyRow

_ID = String(36)


class TunerBase(Base):
    """Base of the tuner's tables."""

    __abstract__ = True
    metadata = metadata()


class ExperimentRow(TunerBase):
    """An experiment's changing part: narrow, locked by every transaction that changes anything of the experiment.

    The counters follow the trials in the same transaction. ``numbered`` is the number of the newest trial,
    ``suggested`` that of the newest suggestion. ``active_since`` is set while time counts. The ``owner_*`` columns
    are the lease of the replica that searches; each of its writes carries the epoch.
    """

    __tablename__ = "experiments"
    __table_args__ = (
        UniqueConstraint("workspace_id", "name"),
        Index("ix_experiments_state", "state"),
    )

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    workspace_id: Mapped[str] = mapped_column(_ID)
    name: Mapped[str] = mapped_column(String(128))
    dataset_id: Mapped[str] = mapped_column(_ID)
    run_id: Mapped[str] = mapped_column(_ID)
    state: Mapped[str] = mapped_column(String(16))
    phase: Mapped[str | None] = mapped_column(String(16))
    ending: Mapped[str | None] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(Text)
    warnings: Mapped[list[str]] = mapped_column(JsonType)
    suggested: Mapped[int] = mapped_column(Integer)
    numbered: Mapped[int] = mapped_column(Integer)
    queued: Mapped[int] = mapped_column(Integer)
    running: Mapped[int] = mapped_column(Integer)
    completed: Mapped[int] = mapped_column(Integer)
    pruned: Mapped[int] = mapped_column(Integer)
    failed: Mapped[int] = mapped_column(Integer)
    stopped: Mapped[int] = mapped_column(Integer)
    trial_seconds: Mapped[float] = mapped_column(Float)
    best: Mapped[dict[str, Any] | None] = mapped_column(JsonType)
    baseline: Mapped[dict[str, Any] | None] = mapped_column(JsonType)
    scoring_errors: Mapped[int] = mapped_column(Integer)
    scoring_losses: Mapped[int] = mapped_column(Integer)
    active_seconds: Mapped[float] = mapped_column(Float)
    active_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_event: Mapped[int] = mapped_column(Integer)
    owner_id: Mapped[str | None] = mapped_column(String(128))
    owner_epoch: Mapped[int] = mapped_column(Integer)
    owner_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ExperimentSpecRow(TunerBase):
    """An experiment's part that never changes, read once and kept."""

    __tablename__ = "experiment_specs"

    experiment_id: Mapped[str] = mapped_column(_ID, ForeignKey("experiments.id", ondelete="CASCADE"), primary_key=True)
    workspace_id: Mapped[str] = mapped_column(_ID)
    spec: Mapped[dict[str, Any]] = mapped_column(JsonType)


class SuggestionRow(TunerBase):
    """Parameters worked out ahead. Handed out, it becomes the trial of its number."""

    __tablename__ = "suggestions"

    experiment_id: Mapped[str] = mapped_column(_ID, ForeignKey("experiments.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    workspace_id: Mapped[str] = mapped_column(_ID)
    source: Mapped[str] = mapped_column(String(64))
    params: Mapped[dict[str, Any]] = mapped_column(JsonType)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class TrialRow(TunerBase):
    """A trial. ``changed`` is the sequence number of the event that told of its last change."""

    __tablename__ = "trials"
    __table_args__ = (
        UniqueConstraint("experiment_id", "number"),
        Index("ix_trials_experiment_id_state", "experiment_id", "state"),
        Index("ix_trials_experiment_id_value", "experiment_id", "value"),
        Index("ix_trials_experiment_id_changed", "experiment_id", "changed"),
    )

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    workspace_id: Mapped[str] = mapped_column(_ID)
    experiment_id: Mapped[str] = mapped_column(_ID, ForeignKey("experiments.id", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16))
    source: Mapped[str] = mapped_column(String(64))
    params: Mapped[dict[str, Any]] = mapped_column(JsonType)
    value: Mapped[float | None] = mapped_column(Float)
    metrics: Mapped[dict[str, float]] = mapped_column(JsonType)
    attempt: Mapped[int] = mapped_column(Integer)
    losses: Mapped[int] = mapped_column(Integer)
    out_of_memory: Mapped[int] = mapped_column(Integer)
    run_id: Mapped[str | None] = mapped_column(_ID)
    worker_id: Mapped[str | None] = mapped_column(String(128))
    cause: Mapped[str | None] = mapped_column(String(32))
    reason: Mapped[str | None] = mapped_column(Text)
    last_step: Mapped[int | None] = mapped_column(Integer)
    last_value: Mapped[float | None] = mapped_column(Float)
    changed: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class LeaseRow(TunerBase):
    """One attempt by one worker, named by the run it writes; ``trial_id`` is null for the scoring on the holdout.

    Rows stay when the attempt is over: a repeat of a call is answered from them.
    """

    __tablename__ = "leases"
    __table_args__ = (
        Index("ix_leases_experiment_id_state", "experiment_id", "state"),
        Index("ix_leases_worker_id_state", "worker_id", "state"),
        Index("ix_leases_trial_id", "trial_id"),
    )

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    workspace_id: Mapped[str] = mapped_column(_ID)
    experiment_id: Mapped[str] = mapped_column(_ID, ForeignKey("experiments.id", ondelete="CASCADE"))
    trial_id: Mapped[str | None] = mapped_column(_ID, ForeignKey("trials.id", ondelete="CASCADE"))
    attempt: Mapped[int] = mapped_column(Integer)
    worker_id: Mapped[str] = mapped_column(String(128))
    state: Mapped[str] = mapped_column(String(8))
    outcome: Mapped[str | None] = mapped_column(String(16))
    accepted: Mapped[bool] = mapped_column()
    cause: Mapped[str | None] = mapped_column(String(32))
    reason: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    trial: Mapped[TrialRow | None] = relationship(lazy="raise", passive_deletes=True)
    """Never loaded: it tells the session to insert a trial before its lease."""


class ReportRow(TunerBase):
    """Intermediate values that came with one call: ``points`` is a list of ``[step, value]``."""

    __tablename__ = "reports"
    __table_args__ = (Index("ix_reports_run_id", "run_id"),)

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    workspace_id: Mapped[str] = mapped_column(_ID)
    run_id: Mapped[str] = mapped_column(_ID, ForeignKey("leases.id", ondelete="CASCADE"))
    points: Mapped[list[list[float]]] = mapped_column(JsonType)


class EventRow(TunerBase):
    """An event, written in the transaction of the change; ``seq`` is given under the experiment's lock."""

    __tablename__ = "events"
    __table_args__ = (Index("ix_events_at", "at"),)

    experiment_id: Mapped[str] = mapped_column(_ID, ForeignKey("experiments.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    workspace_id: Mapped[str] = mapped_column(_ID)
    type: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    data: Mapped[dict[str, Any]] = mapped_column(JsonType)


class OutboxRow(TunerBase):
    """A call the registry must receive. Outlives its experiment; removed when the registry has taken it."""

    __tablename__ = "outbox"
    __table_args__ = (Index("ix_outbox_due_at", "due_at"),)

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    workspace_id: Mapped[str] = mapped_column(_ID)
    kind: Mapped[str] = mapped_column(String(16))
    run_id: Mapped[str] = mapped_column(_ID)
    state: Mapped[str | None] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(BigInteger)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)


class IdempotencyKeyRow(IdempotencyRow, TunerBase):
    """``Idempotency-Key`` of the calls that made experiments."""

    __tablename__ = "idempotency_keys"
