"""Runs: parameters, metric series, logs and artifacts of one training."""

import hashlib
import mimetypes
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from melonkube.contracts.base import Scalar
from melonkube.contracts.ids import new_id
from melonkube.contracts.runs import (
    Artifact,
    LogBatch,
    LogEntry,
    LogLine,
    MetricBatch,
    MetricList,
    MetricPoint,
    MetricSeries,
    Run,
    RunCreate,
    RunFinish,
    RunState,
)
from melonkube.sdk._base import Resource
from melonkube.sdk._bodies import build, encode
from melonkube.sdk._download import download
from melonkube.sdk._exceptions import InvalidInput
from melonkube.sdk._paging import Pages
from melonkube.sdk._transport import Call, quote_name, quote_path
from melonkube.sdk._upload import CHUNK, FileBody, Progress, opened

if TYPE_CHECKING:
    from melonkube.sdk.tracking import ActiveRun

_BASE = "/api/v1/runs"
FOLLOW_SECONDS = 1.0
"""How often a log that is followed is read again."""


class Runs(Resource):
    """What was recorded of a training: by a worker, or by a notebook through ``start_run``."""

    def start_run(
        self,
        name: str | None = None,
        *,
        params: Mapping[str, Scalar] | None = None,
        tags: Mapping[str, str] | None = None,
        dataset_id: str | None = None,
    ) -> "ActiveRun":
        """Begin a run of your own and record into it; use it as a context manager.

        Leaving the block ends the run: ``completed``, ``failed`` when an exception leaves it, ``stopped`` when that
        is Ctrl-C.

        Args:
            name: A name for people.
            params: What it was trained with.
            tags: Further texts to find it by.
            dataset_id: The data set it was trained on, for the lineage of models made of it.
        """
        from melonkube.sdk.tracking import ActiveRun

        given = {"id": new_id(), "name": name, "params": params, "tags": tags, "dataset_id": dataset_id}
        return ActiveRun(self, self.create(build(RunCreate, given)), self._transport.clock)

    def create(self, request: RunCreate) -> Run:
        """Make a run; made again with the same ``id``, or the same trial and attempt, it answers what is there."""
        natural = request.id is not None or (request.trial_id is not None and request.attempt is not None)
        return self._post(Run, _BASE, request, repeatable=natural)

    def get(self, run_id: str) -> Run:
        """Return a run, with the last value of each of its metrics."""
        return self._get(Run, self._path(run_id))

    def delete(self, run_id: str) -> None:
        """Delete a run with what was recorded.

        Raises:
            Conflict: A model version was made of it.
        """
        self._delete(self._path(run_id))

    def finish(self, run_id: str, state: RunState | str = RunState.COMPLETED, reason: str | None = None) -> Run:
        """End a run; safe to repeat with the same state."""
        body = build(RunFinish, {"state": state, "reason": reason})
        return self._post(Run, self._path(run_id, "finish"), body, repeatable=True)

    def metrics(self, run_id: str) -> tuple[MetricSeries, ...]:
        """Return all series of a run."""
        return tuple(self._get(MetricList, self._path(run_id, "metrics")).items)

    def add_metrics(self, run_id: str, points: Iterable[MetricPoint]) -> None:
        """Add points, up to 10,000; one sent again with the same name and step replaces the earlier."""
        body = build(MetricBatch, {"points": [*points]})
        self._transport.send(Call("POST", self._path(run_id, "metrics"), json=encode(body), repeatable=True))

    def logs(self, run_id: str) -> Pages[LogEntry]:
        """Return the lines of a run's log, oldest first."""
        return Pages(self._transport, LogEntry, self._path(run_id, "logs"))

    def follow_logs(self, run_id: str) -> Iterator[LogEntry]:
        """Yield the lines of a run's log as they come, until the run has ended."""
        pages = self.logs(run_id)
        cursor: str | None = None
        last = -1
        while True:
            ended = self.get(run_id).state is not RunState.RUNNING
            while True:
                page = pages.page(cursor)
                for entry in page.items:
                    if entry.seq > last:
                        last = entry.seq
                        yield entry
                if page.next_cursor is None:
                    break
                cursor = page.next_cursor
            if ended:
                return
            self._transport.clock.sleep(FOLLOW_SECONDS)

    def add_logs(self, run_id: str, lines: Iterable[LogLine]) -> None:
        """Add lines, up to 5,000; one sent again with the same ``seq`` is kept once."""
        body = build(LogBatch, {"lines": [*lines]})
        self._transport.send(Call("POST", self._path(run_id, "logs"), json=encode(body), repeatable=True))

    def artifacts(self, run_id: str) -> Pages[Artifact]:
        """Return the files of a run."""
        return Pages(self._transport, Artifact, self._path(run_id, "artifacts"))

    def put_artifact(
        self,
        run_id: str,
        path: str,
        source: str | os.PathLike[str] | bytes | BinaryIO,
        *,
        progress: Progress | None = None,
    ) -> Artifact:
        """Store a file with a run, streamed from disk and checked by its SHA-256 on arrival.

        Args:
            run_id: Which.
            path: Its name there, with ``/`` between its parts.
            source: A path, the bytes themselves, or a file open for reading bytes that can seek.
            progress: Called with the bytes sent and in all.
        """
        address = self._path(run_id, "artifacts", quote_path(path))
        kind = {"Content-Type": mimetypes.guess_type(path)[0] or "application/octet-stream"}
        if isinstance(source, bytes):
            headers = {**kind, "X-Content-SHA256": hashlib.sha256(source).hexdigest()}
            return self._transport.fetch(Artifact, Call("PUT", address, content=source, headers=headers))
        with opened(source) as file:
            body = FileBody(file, progress)
            if not body.replayable:
                raise InvalidInput("This file cannot be read twice; give its content as bytes or a path.")
            start = file.tell()
            digest = hashlib.sha256()
            while chunk := file.read(CHUNK):
                digest.update(chunk)
            file.seek(start)
            headers = {**kind, **body.length_headers(), "X-Content-SHA256": digest.hexdigest()}
            return self._transport.fetch(Artifact, Call("PUT", address, content=body, headers=headers))

    def read_artifact(self, run_id: str, path: str) -> bytes:
        """Return a file of a run; for a large one see ``download_artifact``."""
        return self._transport.send(Call("GET", self._path(run_id, "artifacts", quote_path(path)))).content

    def download_artifact(
        self, run_id: str, path: str, target: str | os.PathLike[str], *, progress: Progress | None = None
    ) -> Path:
        """Write a file of a run to ``target``."""
        call = Call("GET", self._path(run_id, "artifacts", quote_path(path)))
        return download(self._transport, call, Path(target), progress=progress)

    def list(self, experiment_id: str | None = None) -> Pages[Run]:
        """Return the runs, newest first; of one experiment if it is given."""
        return Pages(self._transport, Run, _BASE, {"experiment_id": experiment_id})

    @staticmethod
    def _path(run_id: str, *rest: str) -> str:
        return "/".join((_BASE, quote_name(run_id), *rest))
