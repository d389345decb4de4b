"""Every call of the client, over a real socket."""

from pathlib import Path

import pytest

from melonkube.contracts.datasets import DatasetState
from melonkube.sdk import (
    ChecksumMismatch,
    Client,
    DatasetFailed,
    InvalidInput,
    InvalidRequest,
    NotFound,
    WaitTimeout,
)
from tests.sdk.conftest import VirtualClock
from tests.sdk.routes_models import make_model
from tests.sdk.standin import Standin, parse_multipart


def test_the_system(server: Standin, client: Client) -> None:
    found = client.system.get()
    assert [service.name for service in found.services] == ["gateway", "registry", "tuner", "serving"]
    assert (client.url, repr(client)) == (server.url, f"Client('{server.url}')")


def test_every_call_says_who_calls(server: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MELON_API_KEY", " secret\n")
    with Client(server.url, headers={"X-Extra": "1"}) as client:
        client.system.get()
    keys = iter(["first", "second"])
    with Client(server.url, api_key=lambda: next(keys)) as client:
        client.system.get()
        client.system.get()
    sent = [request.headers for request in server.requests]
    assert [headers["authorization"] for headers in sent] == ["Bearer secret", "Bearer first", "Bearer second"]
    assert sent[0]["x-extra"] == "1"
    assert sent[0]["user-agent"].startswith("melonkube-sdk/")
    assert len({headers["x-request-id"] for headers in sent}) == 3


@pytest.mark.parametrize("key", ["with space", "with\nline", "열쇠"])
def test_a_key_that_cannot_be_sent_is_refused(key: str) -> None:
    with pytest.raises(InvalidInput, match="MELON_API_KEY"):
        Client("http://127.0.0.1:1", api_key=key)


@pytest.mark.parametrize("url", ["http://[::1", "http://host:port"])
def test_an_address_that_cannot_be_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="not an address"):
        Client(url)


def test_an_upload(server: Standin, client: Client, table: Path) -> None:
    told: list[tuple[int, int | None]] = []
    found = client.datasets.upload(table, '고객 "가"', progress=lambda done, total: told.append((done, total)))
    parts = parse_multipart(server.requests[-1])
    assert list(parts) == ["name", "file"]
    assert parts["name"][1].decode() == '고객 "가"'
    assert parts["file"] == ({"filename": "고객.csv"}, table.read_bytes())
    assert (found.name, found.version, found.size_bytes) == ('고객 "가"', 1, table.stat().st_size)
    assert told[0] == (0, found.size_bytes)
    assert told[-1] == (found.size_bytes, found.size_bytes)
    assert client.datasets.upload(table, '고객 "가"').id == found.id


def test_an_upload_of_an_open_file_begins_where_it_stands(server: Standin, client: Client, table: Path) -> None:
    with table.open("rb") as file:
        file.readline()
        client.datasets.upload(file)
        assert not file.closed
    said, content = parse_multipart(server.requests[-1])["file"]
    assert (said, content) == ({"filename": "고객.csv"}, table.read_bytes().partition(b"\n")[2])
    assert "name" not in parse_multipart(server.requests[-1])


def test_an_upload_of_a_stream_of_unknown_length(server: Standin, client: Client) -> None:
    import os

    reader, writer = os.pipe()
    os.write(writer, b"a,b\n1,2\n")
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        found = client.datasets.upload(stream, "piped", file_name="piped.csv")
    assert server.requests[-1].headers["transfer-encoding"] == "chunked"
    assert "content-length" not in server.requests[-1].headers
    assert found.file_name == "piped.csv"


def test_an_upload_is_read_from_disk_at_flat_memory(server: Standin, client: Client, tmp_path: Path) -> None:
    import tracemalloc

    large = tmp_path / "large.csv"
    with large.open("wb") as file:
        file.truncate(64 << 20)
    server.discard_uploads = True
    tracemalloc.start()
    try:
        client.datasets.upload(large)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert int(server.requests[-1].headers["content-length"]) > 64 << 20
    assert peak < 6 << 20


def test_an_upload_that_need_not_be_waited_for(server: Standin, client: Client, table: Path) -> None:
    found = client.datasets.upload(table, wait=False)
    assert found.state is DatasetState.PARSING
    assert server.requests[-1].headers["prefer"] == "respond-async"

    def ready(path: str) -> None:
        if len(server.sent("GET", path)) == 3:
            server.datasets[found.id]["state"] = "ready"

    server.on_poll = ready
    assert client.datasets.wait(found.id).state is DatasetState.READY
    assert len(server.sent("GET", f"/api/v1/datasets/{found.id}")) == 3


def test_a_data_set_that_cannot_be_read(server: Standin, client: Client, table: Path) -> None:
    found = client.datasets.upload(table, wait=False)
    problem = {"title": "t", "status": 422, "code": "ragged_rows", "detail": "Row 7 has too many cells."}
    server.datasets[found.id].update(state="failed", problem=problem)
    with pytest.raises(DatasetFailed, match="Row 7") as caught:
        client.datasets.wait(found.id)
    assert caught.value.problem is not None
    assert caught.value.problem.code == "ragged_rows"


def test_waiting_for_a_data_set_ends(server: Standin, client: Client, table: Path, clock: VirtualClock) -> None:
    found = client.datasets.upload(table, wait=False)
    with pytest.raises(WaitTimeout, match="after 5 s"):
        client.datasets.wait(found.id, timeout=5)
    assert sum(clock.slept) <= 5


def test_what_the_server_refuses_is_raised(client: Client, tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.touch()
    with pytest.raises(InvalidRequest) as caught:
        client.datasets.upload(empty)
    assert (caught.value.code, caught.value.request_id) == ("empty_file", "req-1")
    with pytest.raises(NotFound, match="no 'nothing'"):
        client.datasets.get("nothing")


def test_data_sets_are_read(client: Client, table: Path, tmp_path: Path) -> None:
    found = client.datasets.upload(table)
    assert client.datasets.get(found.id) == found
    assert client.datasets.preview(found.id, limit=1).rows == [[1, None, "서울"]]
    assert client.datasets.profile(found.id).columns[0].missing == 1
    told: list[tuple[int, int | None]] = []
    there = client.datasets.download(found.id, tmp_path / "copy.csv", progress=lambda *done: told.append(done))
    assert there.read_bytes() == table.read_bytes()
    assert told[-1] == (found.size_bytes, found.size_bytes)
    assert client.datasets.download_parquet(found.id, tmp_path / "copy.parquet").read_bytes()[:4] == b"PAR1"
    client.datasets.delete(found.id)
    with pytest.raises(NotFound):
        client.datasets.get(found.id)


def test_a_download_of_other_bytes_writes_nothing(server: Standin, client: Client, table: Path, tmp_path: Path) -> None:
    found = client.datasets.upload(table)
    server.contents[found.id] = b"tampered"
    target = tmp_path / "copy.csv"
    target.write_text("before")
    with pytest.raises(ChecksumMismatch):
        client.datasets.download(found.id, target)
    assert target.read_text() == "before"
    assert {path.name for path in tmp_path.iterdir()} == {"copy.csv", table.name}


def test_a_data_set_without_a_parquet_copy(server: Standin, client: Client, table: Path, tmp_path: Path) -> None:
    found = client.datasets.upload(table)
    server.datasets[found.id]["parquet_sha256"] = None
    with pytest.raises(InvalidInput, match="no Parquet copy"):
        client.datasets.download_parquet(found.id, tmp_path / "copy.parquet")


def test_a_data_set_is_found_by_name(client: Client, table: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    first = client.datasets.upload(table, "고객")
    second = client.datasets.upload(other, "고객")
    client.datasets.upload(other, "else")
    assert client.datasets.find("고객") == second
    assert client.datasets.find("고객", 1) == first
    assert client.datasets.find("고객", 3) is None
    assert [item.version for item in client.datasets.list("고객")] == [2, 1]


def test_samples(client: Client) -> None:
    assert [sample.name for sample in client.samples.list()] == ["flights"]
    assert client.samples.load("flights").name == "flights"
    with pytest.raises(NotFound):
        client.samples.load("none")


def test_lists_come_page_by_page(server: Standin, client: Client) -> None:
    for number in range(450):
        make_model(server, f"model {number}")
    pages = client.models.list()
    seen = []
    for model in pages:
        seen.append(model.name)
        if len(seen) == 200:
            assert len(server.sent("GET", "/api/v1/models")) == 1
    assert seen == [f"model {number}" for number in range(450)]
    assert [request.query for request in server.requests] == [
        {"limit": "200"}, {"limit": "200", "cursor": "200"}, {"limit": "200", "cursor": "400"},
    ]  # fmt: skip
    assert len([*pages]) == 450
    assert [len(page.items) for page in pages.pages()] == [200, 200, 50]
    assert pages.page().next_cursor == "200"
