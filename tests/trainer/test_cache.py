import fcntl
import multiprocessing
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from melonkube.trainer.worker.cache import ATTEMPTS, Cache, CorruptDownload
from tests.trainer.fetching import CONTENT, Source, fetch_and_hang, one_of_many, sha
from tests.trainer.stand_in import PATIENCE


def never(_seconds: float) -> None:
    raise AssertionError("nobody holds the file")


def fetch(cache: Cache, source: Source) -> bytes:
    with cache.open(sha(CONTENT), source, never) as file:
        return file.read()


def test_a_file_is_fetched_once(tmp_path: Path) -> None:
    source = Source()
    assert fetch(Cache(tmp_path, 10**6), source) == CONTENT
    assert fetch(Cache(tmp_path, 10**6), source) == CONTENT
    assert source.from_offsets == [0]


def test_a_corrupt_file_is_fetched_again(tmp_path: Path) -> None:
    source = Source()
    cache = Cache(tmp_path, 10**6)
    fetch(cache, source)
    (tmp_path / "files" / sha(CONTENT)).write_bytes(CONTENT[:-1] + b"X")
    assert fetch(cache, source) == CONTENT
    assert source.from_offsets == [0, 0]


def test_a_half_fetched_file_is_resumed(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 10**6)
    (tmp_path / "parts" / sha(CONTENT)).write_bytes(CONTENT[:1234])
    source = Source()
    assert fetch(cache, source) == CONTENT
    assert source.from_offsets == [1234]


def test_a_wrong_beginning_is_thrown_away(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 10**6)
    (tmp_path / "parts" / sha(CONTENT)).write_bytes(b"other" * 100)
    source = Source()
    assert fetch(cache, source) == CONTENT
    assert source.from_offsets == [500, 0]


def test_a_file_that_is_always_another_is_refused(tmp_path: Path) -> None:
    source = Source(b"something else")
    with pytest.raises(CorruptDownload):
        fetch(Cache(tmp_path, 10**6), source)
    assert len(source.from_offsets) == ATTEMPTS
    assert os.listdir(tmp_path / "files") == []


def test_an_interrupted_download_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    def breaks(file: BinaryIO) -> None:
        file.write(CONTENT[:100])
        raise ConnectionError

    cache = Cache(tmp_path, 10**6)
    with pytest.raises(ConnectionError):
        cache.open(sha(CONTENT), breaks, never)
    assert os.listdir(tmp_path / "files") == []
    source = Source()
    assert fetch(cache, source) == CONTENT
    assert source.from_offsets == [100]


def other_file(cache: Cache, content: bytes) -> None:
    cache.open(sha(content), Source(content), never).close()


def names(folder: Path) -> set[str]:
    return {path.name for path in (folder / "files").iterdir()}


def test_the_files_used_longest_ago_go(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 250)
    contents = [bytes([65 + number]) * 100 for number in range(3)]
    for age, content in zip((300, 200, 100), contents, strict=True):
        other_file(cache, content)
        path = tmp_path / "files" / sha(content)
        os.utime(path, (path.stat().st_atime - age, path.stat().st_mtime - age))
    assert names(tmp_path) == {sha(content) for content in contents[1:]}
    other_file(cache, contents[1])  # used again: now the younger one
    other_file(cache, b"D" * 100)
    assert names(tmp_path) == {sha(contents[1]), sha(b"D" * 100)}


def test_a_file_above_the_limit_is_kept_alone(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 50)
    other_file(cache, b"A" * 40)
    assert fetch(cache, Source()) == CONTENT
    assert names(tmp_path) == {sha(CONTENT)}


def test_what_was_left_half_fetched_counts_and_goes(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 150)
    stale = tmp_path / "parts" / sha(b"stale")
    stale.write_bytes(b"s" * 100)
    os.utime(stale, (1, 1))
    other_file(cache, b"A" * 100)
    assert not stale.exists()


def test_what_another_worker_is_fetching_does_not_go(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 150)
    part = tmp_path / "parts" / sha(b"under way")
    part.write_bytes(b"u" * 100)
    os.utime(part, (1, 1))
    with held(tmp_path, sha(b"under way")):
        other_file(cache, b"A" * 100)
    assert part.exists()


def test_an_open_file_can_be_read_after_it_went(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 50)
    with cache.open(sha(b"A" * 40), Source(b"A" * 40), never) as file:
        fetch(cache, Source())
        assert names(tmp_path) == {sha(CONTENT)}
        assert file.read() == b"A" * 40


@contextmanager
def held(root: Path, name: str) -> Iterator[None]:
    """The lock as another process holds it."""
    descriptor = os.open(root / "locks" / name, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def test_waiting_for_another_worker_can_be_given_up(tmp_path: Path) -> None:
    class GivenUp(Exception):
        pass

    def give_up(_seconds: float) -> None:
        raise GivenUp

    cache = Cache(tmp_path, 10**6)
    with held(tmp_path, sha(CONTENT)), pytest.raises(GivenUp):
        cache.open(sha(CONTENT), Source(), give_up)


def test_who_waits_finds_what_the_other_fetched(tmp_path: Path) -> None:
    fetching, let_go = threading.Event(), threading.Event()
    waited = threading.Event()
    second = Source()

    class Slow(Source):
        def __call__(self, file: BinaryIO) -> None:
            fetching.set()
            assert let_go.wait(PATIENCE)
            super().__call__(file)

    def wait(_seconds: float) -> None:
        waited.set()
        let_go.set()

    first = threading.Thread(target=lambda: Cache(tmp_path, 10**6).open(sha(CONTENT), Slow(), never).close())
    first.start()
    assert fetching.wait(PATIENCE)
    with Cache(tmp_path, 10**6).open(sha(CONTENT), second, wait) as file:
        assert file.read() == CONTENT
    first.join()
    assert waited.is_set()
    assert second.from_offsets == []


def test_many_processes_share_one_folder(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    start = context.Event()
    answers: Any = context.Queue()
    processes = [context.Process(target=one_of_many, args=(tmp_path, start, answers)) for _ in range(4)]
    for process in processes:
        process.start()
    start.set()
    counts = [answers.get(timeout=PATIENCE) for _ in processes]
    for process in processes:
        process.join(PATIENCE)
    assert [process.exitcode for process in processes] == [0] * 4
    # Eviction makes some fetch again; but never did one read anything but what it asked for.
    assert sum(counts) >= 8
    assert sum((tmp_path / "files" / name).stat().st_size for name in os.listdir(tmp_path / "files")) <= 500


def test_a_worker_that_died_while_fetching_holds_up_nobody(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    fetching = context.Event()
    process = context.Process(target=fetch_and_hang, args=(tmp_path, fetching))
    process.start()
    assert fetching.wait(PATIENCE)
    process.kill()
    process.join(PATIENCE)
    source = Source()
    assert fetch(Cache(tmp_path, 10**6), source) == CONTENT
    assert source.from_offsets == [700]
