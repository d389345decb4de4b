"""Killed, cut off, full: what is finished stays, what is not leaves nothing, and work goes on by itself."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from melonkube.contracts.ids import new_id
from tests.registry.process import RegistryProcess, until

pytestmark = pytest.mark.chaos

ROW = b"2020-01-01,12.5,some words here,true,4711\n"
LARGE = b"when,amount,note,flag,code\n" + ROW * 400_000
"""17 MB: long enough to read that one can come in between."""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RegistryProcess]:
    with RegistryProcess(tmp_path) as process:
        yield process


def upload(client: httpx.Client, data: bytes, **headers: str) -> httpx.Response:
    return client.post("/api/v1/datasets", files={"file": ("large.csv", data)}, headers=headers)


def test_a_data_set_whose_reading_was_killed_is_read_after_the_restart(registry: RegistryProcess) -> None:
    with registry.client() as client:
        begun = upload(client, LARGE, Prefer="respond-async")
        assert (begun.status_code, begun.json()["state"]) == (202, "parsing")
        registry.kill()
        registry.start()
    with registry.client() as client:
        same = upload(client, LARGE)  # answers when it has been read
        assert same.status_code == 200, same.text
        assert (same.json()["id"], same.json()["state"], same.json()["rows"]) == (begun.json()["id"], "ready", 400_000)
        until(lambda: len(registry.files()) == 2, "only the file and its typed copy stay")
        assert [path for path in (registry.data / "scratch").rglob("*") if path.is_file()] == []


def test_a_reader_that_is_killed_is_replaced(registry: RegistryProcess) -> None:
    with registry.client() as client:
        until(lambda: bool(registry.children()), "a reader is kept warm")
        before = set(registry.children())
        begun = upload(client, LARGE, Prefer="respond-async")
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        same = upload(client, LARGE)
        assert (same.status_code, same.json()["state"]) == (200, "ready")
        assert same.json()["id"] == begun.json()["id"]
        assert not before & set(registry.children())


def test_readers_end_with_a_killed_registry(registry: RegistryProcess) -> None:
    with registry.client() as client:
        upload(client, LARGE, Prefer="respond-async")
        readers = registry.children()
    assert readers
    registry.kill()
    until(lambda: not any(Path(f"/proc/{pid}/stat").exists() for pid in readers), "the readers are gone")


def half_an_upload(registry: RegistryProcess) -> socket.socket:
    """Send the first half of a large upload, and return once some of it lies in the store."""
    connection = socket.create_connection(("127.0.0.1", registry.port))
    head = (
        f"POST /api/v1/datasets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {registry.token}\r\n"
        f"Content-Type: multipart/form-data; boundary=XX\r\nContent-Length: {len(LARGE) + 500}\r\n\r\n"
        '--XX\r\nContent-Disposition: form-data; name="file"; filename="half.csv"\r\n\r\n'
    )
    connection.sendall(head.encode() + LARGE[: len(LARGE) * 3 // 4])
    until(lambda: bool(registry.files()), "the upload arrives")
    return connection


def test_an_upload_cut_off_by_its_sender_leaves_nothing(registry: RegistryProcess) -> None:
    half_an_upload(registry).close()
    until(lambda: not registry.files(), "what had arrived is removed")
    with registry.client() as client:
        assert client.get("/api/v1/datasets").json()["items"] == []
        assert "http_server_unhandled_errors_total 0.0" in client.get("/metrics").text


def test_an_upload_cut_off_by_a_kill_leaves_nothing_after_the_restart(registry: RegistryProcess) -> None:
    connection = half_an_upload(registry)
    registry.kill()
    assert registry.files()
    registry.start()
    until(lambda: not registry.files(), "what had arrived is removed")
    connection.close()
    with registry.client() as client:
        assert client.get("/api/v1/datasets").json()["items"] == []


def test_nothing_finished_is_lost_by_kills(registry: RegistryProcess) -> None:
    kept: dict[str, bytes] = {}
    for turn in range(3):
        with registry.client() as client:
            run_id = client.post("/api/v1/runs", json={"id": new_id()}).json()["id"]
            for n in range(10):
                data = f"{turn}/{n}".encode() * 1000
                assert client.put(f"/api/v1/runs/{run_id}/artifacts/f{n}", content=data).status_code == 201
                kept[f"/api/v1/runs/{run_id}/artifacts/f{n}"] = data
        registry.kill()
        registry.start()
    with registry.client() as client:
        for url, data in kept.items():
            assert client.get(url).content == data
        until(lambda: len(registry.files()) == len(kept), "nothing else lies in the store")


def test_it_stops_in_order_while_others_wait(registry: RegistryProcess) -> None:
    with registry.client() as client:
        client.get("/healthz")
    waiting = socket.create_connection(("127.0.0.1", registry.port))
    waiting.sendall(
        f"GET /internal/changes?wait=30 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {registry.token}\r\n\r\n".encode()
    )
    began = time.monotonic()
    assert registry.stop() in (0, -signal.SIGTERM)
    assert time.monotonic() - began < 8, "a long poll must not hold up the end"
    assert b'{"items":[],"next":0}' in waiting.recv(65536)
    waiting.close()


def test_memory_stays_flat_under_a_large_upload(registry: RegistryProcess, tmp_path: Path) -> None:
    path = tmp_path / "huge.csv"
    with path.open("wb") as file:
        file.write(b"when,amount,note,flag,code\n")
        for _ in range(30):
            file.write(ROW * 200_000)
    size = path.stat().st_size
    assert size > 250_000_000
    with registry.client() as client:
        upload(client, LARGE)
        before = registry.peak_bytes()
        with path.open("rb") as file:
            made = client.post("/api/v1/datasets", files={"file": ("huge.csv", file)})
        assert (made.status_code, made.json()["size_bytes"], made.json()["rows"]) == (201, size, 6_000_000)
        with client.stream("GET", f"/api/v1/datasets/{made.json()['id']}/content") as answer:
            assert sum(len(piece) for piece in answer.iter_bytes(1 << 20)) == size
        grown = registry.peak_bytes() - before
    assert grown < 100 << 20, f"{grown >> 20} MiB more for {size >> 20} MiB"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("a small disk can be mounted by root alone")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize("what", ["upload", "typed copy", "artifact"])
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, small_disk: Path, what: str) -> None:
    where = {"MELON_STORE__FOLDER": str(small_disk)}
    if what == "typed copy":
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "scratch").symlink_to(small_disk)
        where = {}
    with RegistryProcess(tmp_path, **where) as registry, registry.client() as client:
        if what == "artifact":
            run_id = client.post("/api/v1/runs", json={}).json()["id"]
            url = f"/api/v1/runs/{run_id}/artifacts/a"
            answers = [client.put(url, content=os.urandom(3 << 20)) for _ in range(9)]
            assert {answer.status_code for answer in answers[:3]} <= {200, 201}
            answer = client.put(url, content=os.urandom(30 << 20))
        elif what == "upload":
            answer = upload(client, LARGE * 2)
        else:
            rows = b"".join(b"%s,%d\n" % (os.urandom(500).hex().encode(), n) for n in range(60_000))
            answer = upload(client, b"a,b\n" + rows)
        assert (answer.status_code, answer.json()["code"]) == (507, "storage_full"), answer.text
        assert client.get("/api/v1/datasets").json()["items"] == []
        staged = small_disk if what != "typed copy" else registry.data / "blobs"
        kept = 1 if what == "artifact" else 0
        until(lambda: sum(path.is_file() for path in staged.rglob("*")) == kept, "what had arrived is removed")
        assert client.get("/readyz").status_code == 200
