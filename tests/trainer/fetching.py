"""Files to fetch into a cache, also by other processes."""

import hashlib
import threading
from pathlib import Path
from typing import Any, BinaryIO

from melonkube.trainer.worker.cache import Cache
from tests.trainer.stand_in import PATIENCE

CONTENT = b"melon" * 1000


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Source:
    """Sends a file, the rest of one if there is a beginning, and keeps from where."""

    def __init__(self, content: bytes = CONTENT) -> None:
        self.content = content
        self.from_offsets: list[int] = []

    def __call__(self, file: BinaryIO) -> None:
        self.from_offsets.append(file.tell())
        file.write(self.content[file.tell() :])


def one_of_many(root: Path, start: Any, answers: Any) -> None:
    """Open eight files in turn, five times over, in a cache that has room for four; tell how often one was fetched."""
    cache = Cache(root, 450)
    fetched = 0
    assert start.wait(PATIENCE)
    for round_ in range(40):
        content = bytes([65 + round_ % 8]) * 100
        source = Source(content)
        with cache.open(sha(content), source, wait) as file:
            assert file.read() == content
        fetched += len(source.from_offsets)
    answers.put(fetched)


def wait(seconds: float) -> None:
    threading.Event().wait(seconds / 50)


def fetch_and_hang(root: Path, fetching: Any) -> None:
    """Fetch the beginning of a file and stay there."""

    def hang(file: BinaryIO) -> None:
        file.write(CONTENT[:700])
        file.flush()
        fetching.set()
        threading.Event().wait(PATIENCE)

    Cache(root, 10**6).open(sha(CONTENT), hang, wait)
