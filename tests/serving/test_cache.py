"""Bundles on disk: whole or not there, bounded, the used ones never removed."""

import os
from pathlib import Path

import pytest

from melonkube.serving.bundles.cache import BundleCache, Fill


def filler(size: int = 10, fail: bool = False) -> Fill:
    async def fill(folder: Path) -> None:
        (folder / "file").write_bytes(b"x" * size)
        if fail:
            raise OSError("no more")

    return fill


@pytest.fixture
def cache(tmp_path: Path) -> BundleCache:
    cache = BundleCache(tmp_path / "cache", 25)
    cache.open()
    return cache


async def test_a_bundle_is_there_whole_or_not_at_all(cache: BundleCache, tmp_path: Path) -> None:
    assert cache.find("a") is None
    with pytest.raises(OSError, match="no more"):
        await cache.add("a", filler(fail=True))
    assert cache.find("a") is None
    assert list((tmp_path / "cache").iterdir()) == []
    folder = await cache.add("a", filler())
    assert (folder / "file").read_bytes() == b"x" * 10
    assert cache.find("a") == folder
    assert await cache.add("a", filler(fail=True)) == folder
    cache.drop("a")
    cache.drop("a")
    assert cache.find("a") is None


async def test_the_longest_unused_leave_first_and_the_used_stay(cache: BundleCache, tmp_path: Path) -> None:
    for at, name in enumerate("abcde"):
        folder = await cache.add(name, filler())
        os.utime(folder, (at, at))
    cache.find("a")
    cache.trim({"b"})
    assert {folder.name for folder in (tmp_path / "cache").iterdir()} == {"a", "b", "e"}
    cache.trim(set())
    assert {folder.name for folder in (tmp_path / "cache").iterdir()} == {"a", "e"}


async def test_what_an_interrupted_process_left_is_removed(cache: BundleCache, tmp_path: Path) -> None:
    (tmp_path / "cache" / ".partial-1").mkdir()
    (tmp_path / "cache" / ".partial-1" / "file").write_bytes(b"x")
    await cache.add("a", filler())
    cache.open()
    assert {folder.name for folder in (tmp_path / "cache").iterdir()} == {"a"}


def test_crashes_are_counted_until_a_load_ends(cache: BundleCache) -> None:
    assert cache.crashes("a") == 0
    cache.begin_load("a")
    cache.begin_load("a")
    assert (cache.crashes("a"), cache.crashes("b")) == (2, 0)
    cache.end_load("a")
    cache.end_load("a")
    assert cache.crashes("a") == 0
