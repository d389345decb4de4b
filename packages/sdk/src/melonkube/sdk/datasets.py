"""Data sets and samples."""

import mimetypes
import os
from pathlib import Path
from typing import BinaryIO

import httpx

from melonkube.contracts.datasets import Dataset, DatasetState, Preview, Profile, Sample
from melonkube.contracts.ids import new_id
from melonkube.sdk._base import Resource
from melonkube.sdk._download import download
from melonkube.sdk._exceptions import DatasetFailed, InvalidInput, WaitTimeout
from melonkube.sdk._paging import Pages
from melonkube.sdk._transport import Call, quote_name
from melonkube.sdk._upload import FileBody, MultipartFile, Progress, opened

_BASE = "/api/v1/datasets"
# The server answers when it has read the whole table, which takes as long as it takes.
_UPLOAD_TIMEOUT = httpx.Timeout(60.0, connect=5.0, read=3600.0, pool=None)


class Datasets(Resource):
    """Tables. An ``id`` names one immutable version of a named data set."""

    def upload(
        self,
        source: str | os.PathLike[str] | BinaryIO,
        name: str | None = None,
        *,
        file_name: str | None = None,
        progress: Progress | None = None,
        wait: bool = True,
        idempotency_key: str | None = None,
    ) -> Dataset:
        """Upload a CSV, TSV or Parquet file, streamed from disk at flat memory.

        The same bytes under the same name give back the version that is there. A broken connection is tried again
        from the start when the source can seek; the server makes the data set once.

        Args:
            source: A path, or a file open for reading bytes.
            name: Name of the data set; by default the file's name without its ending.
            file_name: The file's name as the server shall see it; by default that of ``source``.
            progress: Called with the bytes sent and in all (None when that is not known).
            wait: Whether to return only when the table is read (``ready``); else at once, ``parsing``.
            idempotency_key: A key of your own, to repeat the call from another process.

        Raises:
            InvalidRequest: The file is empty, ragged, not what its name says, ...
            FileNotFoundError: There is no such file; any other ``OSError`` of reading it likewise.
        """
        with opened(source) as file:
            shown = file_name or _name_of(source)
            content = FileBody(file, progress)
            body = MultipartFile(
                {} if name is None else {"name": name},
                content,
                shown,
                mimetypes.guess_type(shown)[0] or "application/octet-stream",
            )
            headers = {**body.headers(), "Idempotency-Key": idempotency_key or new_id()}
            if not wait:
                headers["Prefer"] = "respond-async"
            call = Call(
                "POST", _BASE, content=body, headers=headers, repeatable=content.replayable, timeout=_UPLOAD_TIMEOUT
            )
            dataset = self._transport.fetch(Dataset, call)
        if wait and dataset.state is not DatasetState.READY:
            return self.wait(dataset.id)
        return dataset

    def get(self, dataset_id: str) -> Dataset:
        """Return a data set version."""
        return self._get(Dataset, self._path(dataset_id))

    def wait(self, dataset_id: str, timeout: float | None = None) -> Dataset:
        """Return the data set when it is ready.

        Args:
            dataset_id: Which.
            timeout: Seconds to wait at most; None waits as long as it takes.

        Raises:
            DatasetFailed: It could not be read.
            WaitTimeout: It is still being read.
        """
        clock = self._transport.clock
        until = None if timeout is None else clock.monotonic() + timeout
        pause = 0.1
        while True:
            dataset = self.get(dataset_id)
            if dataset.state is DatasetState.READY:
                return dataset
            if dataset.state is DatasetState.FAILED:
                detail = dataset.problem.detail if dataset.problem else "The file could not be read."
                raise DatasetFailed(f"Data set {dataset.name!r} could not be read: {detail}", dataset.problem)
            if until is not None and clock.monotonic() + pause > until:
                raise WaitTimeout(f"Data set {dataset.name!r} is still being read after {timeout:g} s.")
            clock.sleep(pause)
            pause = min(pause * 1.5, 2.0)

    def preview(self, dataset_id: str, limit: int = 50) -> Preview:
        """Return the first rows."""
        return self._get(Preview, self._path(dataset_id, "preview"), limit=limit)

    def profile(self, dataset_id: str) -> Profile:
        """Return what each column holds: missing, distinct, quantiles, histogram, most frequent values."""
        return self._get(Profile, self._path(dataset_id, "profile"))

    def delete(self, dataset_id: str) -> None:
        """Delete a version.

        Raises:
            Conflict: An experiment depends on it.
        """
        self._delete(self._path(dataset_id))

    def download(self, dataset_id: str, path: str | os.PathLike[str], *, progress: Progress | None = None) -> Path:
        """Write the uploaded file, byte for byte, to ``path``; checked by its SHA-256."""
        sha256 = self.get(dataset_id).sha256
        call = Call("GET", self._path(dataset_id, "content"))
        return download(self._transport, call, Path(path), sha256=sha256, progress=progress)

    def download_parquet(
        self, dataset_id: str, path: str | os.PathLike[str], *, progress: Progress | None = None
    ) -> Path:
        """Write the typed Parquet copy, which trials read, to ``path``; checked by its SHA-256."""
        dataset = self.get(dataset_id)
        if dataset.parquet_sha256 is None:
            raise InvalidInput(f"Data set {dataset.name!r} has no Parquet copy: it is {dataset.state}.")
        call = Call("GET", self._path(dataset_id, "parquet"))
        return download(self._transport, call, Path(path), sha256=dataset.parquet_sha256, progress=progress)

    def find(self, name: str, version: int | None = None) -> Dataset | None:
        """Return a version of the data set of that name, by default the newest; None if there is none."""
        found = [item for item in self.list(name=name) if item.name == name and version in (None, item.version)]
        return max(found, key=lambda item: item.version, default=None)

    def list(self, name: str | None = None) -> Pages[Dataset]:
        """Return the data set versions, newest first; of one name if it is given."""
        return Pages(self._transport, Dataset, _BASE, {"name": name})

    @staticmethod
    def _path(dataset_id: str, *rest: str) -> str:
        return "/".join((_BASE, quote_name(dataset_id), *rest))


class Samples(Resource):
    """Data sets that come with the installation."""

    def load(self, name: str) -> Dataset:
        """Make a data set of a sample, or return the one that was made of it before."""
        path = f"/api/v1/samples/{quote_name(name)}"
        return self._transport.fetch(Dataset, Call("POST", path, repeatable=True, timeout=_UPLOAD_TIMEOUT))

    def list(self) -> Pages[Sample]:
        """Return the samples."""
        return Pages(self._transport, Sample, "/api/v1/samples")


def _name_of(source: str | os.PathLike[str] | BinaryIO) -> str:
    if isinstance(source, str | os.PathLike):
        return Path(source).name
    name = getattr(source, "name", None)
    return Path(name).name if isinstance(name, str) and not name.startswith("<") else "upload"
