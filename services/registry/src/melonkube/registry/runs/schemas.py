"""Rows of runs as the wire has them."""

from itertools import groupby

from melonkube.contracts.runs import Artifact, LogEntry, MetricList, MetricSeries, Run, SeriesPoint
from melonkube.registry.runs.models import ArtifactRow, LogRow, MetricRow, RunRow


def run_of(row: RunRow) -> Run:
    """Return the wire form of a run."""
    return Run.model_validate(
        {
            "id": row.id,
            "name": row.name,
            "state": row.state,
            "reason": row.reason,
            "experiment_id": row.experiment_id,
            "trial_id": row.trial_id,
            "trial_number": row.trial_number,
            "attempt": row.attempt,
            "dataset_id": row.dataset_id,
            "params": row.params,
            "tags": row.tags,
            "metrics": {name: point[1] for name, point in row.latest.items()},
            "created_at": row.created_at,
            "finished_at": row.finished_at,
        }
    )


def artifact_of(row: ArtifactRow) -> Artifact:
    """Return the wire form of an artifact."""
    return Artifact(
        path=row.path,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        content_type=row.content_type,
        created_at=row.created_at,
    )


def series_of(rows: list[MetricRow]) -> MetricList:
    """Return series from points that are in the order of name and step."""
    return MetricList(
        items=[
            MetricSeries(name=name, points=[SeriesPoint(step=p.step, value=p.value, at=p.at) for p in points])
            for name, points in groupby(rows, key=lambda row: row.name)
        ]
    )


def log_of(row: LogRow) -> LogEntry:
    """Return the wire form of a log line."""
    return LogEntry(seq=row.seq, at=row.at, level=row.level, message=row.message)
