"""One conformance suite for every object store: a local folder, and a real S3 server."""

import hashlib
import subprocess
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from melonkube.contracts.ids import new_id
from melonkube.kit.errors import NotReady
from melonkube.registry.blobs.store import CONTENT, STAGING, ObjectStore
from melonkube.registry.owner import Owner, _started
from melonkube.registry.settings import Settings, StoreSettings
from tests.support.s3 import S3Server


@pytest.fixture(
    params=["local", *(pytest.param(name, marks=pytest.mark.s3) for name in ("s3", "s3-prefix"))],
)
def store_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    if request.param == "local":
        return Settings(data_dir=tmp_path)
    server: S3Server = request.getfixturevalue("s3_server")
    bucket = f"b-{new_id()}"
    server.make_bucket(bucket)
    return Settings(
        data_dir=tmp_path,
        store=StoreSettings.model_validate(
            {
                "kind": "s3",
                "bucket": bucket,
                "prefix": "some/where" if request.param == "s3-prefix" else "",
                "endpoint": server.endpoint,
                "region": server.region,
                "access_key": server.access_key,
                "secret_key": server.secret_key,
            }
        ),
    )


@pytest.fixture
def store(store_settings: Settings) -> ObjectStore:
    return ObjectStore.from_settings(store_settings, Owner())


async def keys(store: ObjectStore, prefix: str) -> list[str]:
    return sorted([found.key async for found in store.list(prefix)])


async def collect(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


DATA = bytes(range(256)) * 100_000
"""25.6 MB: several parts."""


async def big() -> AsyncIterator[bytes]:
    for start in range(0, len(DATA), 1_000_003):
        yield DATA[start : start + 1_000_003]


async def test_what_is_put_is_read(store: ObjectStore, tmp_path: Path) -> None:
    await store.check()
    path = tmp_path / "file"
    path.write_bytes(DATA)
    small, whole, stream, file = (store.content_key(hashlib.sha256(x).hexdigest()) for x in (b"", b"w", b"s", b"f"))
    await store.put(small, b"small")
    await store.put(whole, DATA)
    await store.put_stream(stream, big())
    await store.put_file(file, path)
    assert await store.read(small) == b"small"
    for key in (whole, stream, file):
        assert await collect(await store.open(key, 0, len(DATA))) == DATA
        assert await collect(await store.open(key, 9_000_000, 9_000_010)) == DATA[9_000_000:9_000_010]
    assert {found.key: found.size_bytes async for found in store.list(CONTENT)} == {
        small: 5,
        whole: len(DATA),
        stream: len(DATA),
        file: len(DATA),
    }


async def test_an_empty_object(store: ObjectStore) -> None:
    await store.put("sha256/aa/empty", b"")
    assert await store.read("sha256/aa/empty") == b""


async def test_what_is_not_there(store: ObjectStore) -> None:
    with pytest.raises(FileNotFoundError):
        await store.read("sha256/aa/none")
    with pytest.raises(FileNotFoundError):
        await store.open("sha256/aa/none", 0, 1)
    with pytest.raises(FileNotFoundError):
        await store.move("sha256/aa/none", "sha256/aa/other")
    await store.delete(["sha256/aa/none"])
    assert await keys(store, CONTENT) == []


async def test_moving_and_deleting(store: ObjectStore) -> None:
    staged = store.staging_key()
    await store.put_stream(staged, big())
    assert await keys(store, STAGING) == [staged]
    await store.move(staged, "sha256/aa/key")
    assert await keys(store, STAGING) == []
    assert await collect(await store.open("sha256/aa/key", 0, len(DATA))) == DATA
    await store.delete(["sha256/aa/key"])
    assert await keys(store, CONTENT) == []


async def test_a_stream_that_breaks_leaves_nothing(store: ObjectStore, tmp_path: Path) -> None:
    class Broken(Exception):
        pass

    async def breaks() -> AsyncIterator[bytes]:
        yield DATA
        raise Broken

    with pytest.raises(Broken):
        await store.put_stream(store.staging_key(), breaks())
    assert await keys(store, STAGING) == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_an_object_as_a_file(store: ObjectStore, tmp_path: Path) -> None:
    await store.put("sha256/aa/key", DATA)
    async with store.local_file("sha256/aa/key") as path:
        assert path.read_bytes() == DATA
    with pytest.raises(FileNotFoundError):
        async with store.local_file("sha256/aa/none") as path:
            path.read_bytes()
    assert [path for path in (tmp_path / "scratch").rglob("*") if path.is_file()] == []


async def test_leavings_of_processes_that_are_gone_are_swept(store: ObjectStore) -> None:
    gone, elsewhere = _dead(Owner()), "0123456789abcdef.1.1"
    for owner in (gone, elsewhere):
        await store.put(f"{STAGING}/{owner}/x", b"half")
    mine = store.staging_key()
    await store.put(mine, b"arriving")
    assert await store.sweep_staging(timedelta(hours=1)) == 1
    assert await keys(store, STAGING) == sorted([f"{STAGING}/{elsewhere}/x", mine])
    assert await store.sweep_staging(timedelta(0)) == 1
    assert await keys(store, STAGING) == [mine]


def _dead(alive: Owner) -> str:
    """Return the name of a process that had this one's id, but started at another time: certainly gone."""
    machine, pid, _ = alive.name.split(".")
    return f"{machine}.{pid}.1"


async def test_temporary_files_of_a_killed_process_are_swept(tmp_path: Path) -> None:
    store = ObjectStore.from_settings(Settings(data_dir=tmp_path), owner := Owner())
    gone = _dead(owner)
    for folder in (tmp_path / "blobs" / STAGING / gone, tmp_path / "scratch" / gone / "job"):
        folder.mkdir(parents=True)
        (folder / "upload#1").write_bytes(b"x" * 100)
    assert await store.sweep_staging(timedelta(hours=1)) == 1
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_a_store_that_does_not_answer(tmp_path: Path) -> None:
    settings = StoreSettings.model_validate(
        {"kind": "s3", "bucket": "b", "endpoint": "http://127.0.0.1:9", "access_key": "a", "secret_key": "b"}
    )
    store = ObjectStore.from_settings(Settings(data_dir=tmp_path, store=settings), Owner())
    with pytest.raises(NotReady):
        await store.check()
    with pytest.raises(NotReady):
        await store.put("sha256/aa/x", b"x")


def test_settings_of_s3_are_whole_or_refused() -> None:
    for wrong in ({"kind": "s3"}, {"kind": "s3", "bucket": "b", "access_key": "a"}):
        with pytest.raises(ValidationError):
            StoreSettings.model_validate(wrong)


def test_an_owner_knows_who_is_gone() -> None:
    owner = Owner()
    assert owner.name == Owner().name
    assert not owner.is_gone(owner.name)
    assert owner.is_gone(_dead(owner))
    machine = owner.name.split(".")[0]
    with subprocess.Popen(["sleep", "60"]) as child:
        other = f"{machine}.{child.pid}.{_started(child.pid)}"
        assert not owner.is_gone(other)
        child.kill()
    assert owner.is_gone(other)
    assert not owner.is_gone("another.999999999.1")
    for odd in ("", "x", f"{machine}.x.y", f"{machine}.{10**30}.y"):
        assert not owner.is_gone(odd)
