"""Reads a file into a typed copy, in a process of its own: ``python -m melonkube.registry.datasets.job``.

One JSON object a line on standard input for each file, one a line on standard output in answer. It ends at once when
its input does, that is, with the registry; memory that a large file took never stays with the service.
"""

import errno
import hashlib
import json
import os
import queue
import signal
import sys
import threading
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from melonkube.contracts.base import rfc3339
from melonkube.contracts.errors import ErrorCode
from melonkube.tabular.faults import TableError
from melonkube.tabular.profile import profile_parquet
from melonkube.tabular.read import copy_to_parquet
from melonkube.tabular.roles import infer_column

PREVIEW_ROWS = 200
_PREVIEW_BYTES = 1 << 20
_CELL_CHARACTERS = 1000


@dataclass(frozen=True, slots=True)
class Task:
    """A file to read (``source``, given as ``file_name``) and where to write its typed copy (``target``)."""

    source: str
    file_name: str
    target: str
    max_columns: int


def run(task: Task) -> dict[str, Any]:
    """Read a file; return what was found, or ``{"error": {"code", "detail"}}``."""
    try:
        return _read(task)
    except TableError as error:
        return {"error": {"code": error.code.value, "detail": error.detail}}
    except FileNotFoundError:
        return {
            "error": {
                "code": ErrorCode.GONE.value,
                "detail": "The data set was deleted while it was read.",
            }
        }
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        return {
            "error": {
                "code": ErrorCode.STORAGE_FULL.value,
                "detail": "The disk is full: free some space, then send the file again.",
            }
        }


def _read(task: Task) -> dict[str, Any]:
    target = Path(task.target)
    copy = copy_to_parquet(Path(task.source), task.file_name, target, max_columns=task.max_columns)
    facts = profile_parquet(target, copy.dtypes)
    with target.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "rows": copy.rows,
        "format": copy.layout.format.value,
        "encoding": copy.layout.encoding,
        "delimiter": copy.layout.delimiter,
        "warnings": copy.warnings,
        "columns": [infer_column(one).model_dump(mode="json") for one in facts],
        "profile": [one.profile.model_dump(mode="json") for one in facts],
        "preview": preview(target),
        "parquet_sha256": digest,
        "parquet_bytes": target.stat().st_size,
    }


def preview(path: Path) -> list[list[Any]]:
    """Return the first rows of a typed copy as JSON values: at most 200 of them, and about a mebibyte."""
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
        batch = next(file.iter_batches(batch_size=PREVIEW_ROWS, use_threads=False), None)
    rows: list[list[Any]] = []
    size = 0
    for row in zip(*(column.to_pylist() for column in batch.columns), strict=True) if batch is not None else ():
        cells = [_cell(value) for value in row]
        size += len(json.dumps(cells, ensure_ascii=False))
        if rows and size > _PREVIEW_BYTES:
            break
        rows.append(cells)
    return rows


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, str) and len(value) > _CELL_CHARACTERS:
        return value[:_CELL_CHARACTERS] + "…"
    return value


def main() -> None:
    """Answer tasks until there are none to come."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not mix with the answers
    pa.set_cpu_count(min(2, pa.cpu_count()))
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()
    while True:
        answer = run(Task(**json.loads(lines.get())))
        answers.write(json.dumps(answer, ensure_ascii=True) + "\n")
        answers.flush()
        pa.default_memory_pool().release_unused()


def _listen(lines: "queue.SimpleQueue[str]") -> None:
    """Pass tasks on; when nobody is left to give any, end the process, whatever it is doing."""
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)


def encode(task: Task) -> str:
    """Return the line that asks for ``task``."""
    return json.dumps(asdict(task)) + "\n"


if __name__ == "__main__":
    main()
