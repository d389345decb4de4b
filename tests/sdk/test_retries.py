"""What is sent again, what is not, and what is said when nothing helps."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from melonkube.contracts.runs import RunCreate
from melonkube.sdk import (
    ApiError,
    Client,
    ConnectionFailed,
    InvalidInput,
    MelonError,
    RetryPolicy,
    ServerError,
    Unavailable,
    UnexpectedAnswer,
)
from melonkube.sdk._upload import FileChanged
from tests.sdk.conftest import VirtualClock
from tests.sdk.routes_models import load, make_model
from tests.sdk.standin import Fault, Standin

BASE = "/api/v1"


@pytest.mark.parametrize("kind", ["refuse", "drop", "lose"])
def test_a_read_is_repeated(server: Standin, client: Client, clock: VirtualClock, kind: Any) -> None:
    server.faults = [Fault("GET", f"{BASE}/system", kind) for _ in range(3)]
    assert client.system.get().version == "0.1.0"
    assert len(clock.slept) == 3
    identities = {request.headers["x-request-id"] for request in server.requests}
    assert len(identities) == 1


def test_repeating_ends(server: Standin, clock: VirtualClock) -> None:
    server.faults = [Fault("GET", f"{BASE}/system", "refuse") for _ in range(9)]
    with Client(server.url, clock=clock, retry=RetryPolicy(attempts=2)) as client:
        with pytest.raises(Unavailable, match="Not just now"):
            client.system.get()
        assert len(server.requests) == 2
        server.faults = [Fault("GET", f"{BASE}/system", "drop") for _ in range(9)]
        with pytest.raises(ConnectionFailed, match="broke during GET"):
            client.system.get()
        assert len(server.requests) == 4


@pytest.mark.parametrize("status", [400, 404, 409, 500, 501, 507])
def test_other_errors_are_not_repeated(server: Standin, client: Client, status: int) -> None:
    server.faults = [Fault("GET", f"{BASE}/system", "refuse", status)]
    with pytest.raises(ApiError):
        client.system.get()
    assert len(server.requests) == 1


def test_the_server_says_how_long_to_wait(server: Standin, client: Client, clock: VirtualClock) -> None:
    server.faults = [Fault("GET", f"{BASE}/system", "refuse", 503, {"Retry-After": "3"})]
    client.system.get()
    assert 3 <= clock.slept[0] <= 8
    server.faults = [Fault("GET", f"{BASE}/system", "refuse", 503, {"Retry-After": "86400"})]
    client.system.get()
    assert clock.slept[1] == 8


@pytest.fixture
def experiment_id(client: Client, table: Path) -> str:
    return client.experiments.create(client.datasets.upload(table), "y", name="one").id


def test_an_upload_whose_answer_is_lost_makes_one_data_set(server: Standin, client: Client, table: Path) -> None:
    server.faults = [Fault("POST", f"{BASE}/datasets", "lose"), Fault("POST", f"{BASE}/datasets", "refuse")]
    found = client.datasets.upload(table)
    sent = server.sent("POST", f"{BASE}/datasets")
    assert len({request.headers["idempotency-key"] for request in sent}) == 1
    assert [request.body for request in sent] == [sent[0].body] * 3
    assert [*server.datasets] == [found.id]


def test_a_stream_that_cannot_be_read_twice_is_sent_once(server: Standin, client: Client) -> None:
    import os

    reader, writer = os.pipe()
    os.write(writer, b"a,b\n1,2\n")
    os.close(writer)
    server.faults = [Fault("POST", f"{BASE}/datasets", "lose")]
    with os.fdopen(reader, "rb") as stream, pytest.raises(ConnectionFailed):
        client.datasets.upload(stream, "piped")
    assert len(server.requests) == 1


@pytest.mark.parametrize(("change", "said"), [(b"", "shrank"), (b"a,b\n1,2\n3,4\n", "grew")])
def test_a_file_that_changes_while_it_is_sent(
    server: Standin, client: Client, tmp_path: Path, change: bytes, said: str
) -> None:
    path = tmp_path / "moving.csv"
    path.write_bytes(b"a,b\n1,2\n")

    def progress(done: int, _total: int | None) -> None:
        if done == 0:
            path.write_bytes(change)

    with pytest.raises(FileChanged, match=said):
        client.datasets.upload(path, progress=progress)
    assert server.datasets == {}


def test_an_experiment_whose_answer_is_lost_is_made_once(server: Standin, client: Client, experiment_id: str) -> None:
    server.faults = [Fault("POST", f"{BASE}/experiments", "lose")]
    dataset_id = next(iter(server.datasets))
    client.experiments.create(dataset_id, "y")
    assert len(server.experiments) == 2


def test_a_command_that_perhaps_arrived_is_not_repeated(server: Standin, client: Client, experiment_id: str) -> None:
    server.faults = [Fault("POST", ".*/pause", "lose")]
    with pytest.raises(ConnectionFailed):
        client.experiments.pause(experiment_id)
    server.faults = [Fault("POST", ".*/resume", "refuse")]
    with pytest.raises(Unavailable):
        client.experiments.resume(experiment_id)
    assert len(server.sent("POST", ".*/(pause|resume)")) == 2


def test_a_command_that_was_turned_away_is_repeated(server: Standin, client: Client, experiment_id: str) -> None:
    server.faults = [Fault("POST", ".*/pause", "refuse", 429)]
    assert client.experiments.pause(experiment_id).state == "paused"


def test_a_run_is_repeated_where_it_has_a_key(server: Standin, client: Client) -> None:
    server.faults = [Fault("POST", f"{BASE}/runs", "lose")]
    client.runs.create(RunCreate(id=server.new_id()))
    assert len(server.runs) == 1
    server.faults = [Fault("POST", f"{BASE}/runs", "lose")]
    with pytest.raises(ConnectionFailed):
        client.runs.create(RunCreate())


def test_predictions_puts_and_reports_are_repeated(server: Standin, client: Client, tmp_path: Path) -> None:
    run = client.runs.create(RunCreate())
    server.faults = [
        Fault(method, path, "lose")
        for method, path in [
            ("PUT", ".*/endpoints/.*"), ("POST", ".*/predict"), ("PUT", ".*/artifacts/.*"), ("POST", ".*/finish"),
            ("POST", ".*/metrics"), ("POST", ".*/logs"), ("POST", ".*/samples/flights"), ("POST", ".*/suggestions"),
            ("POST", ".*/versions"),
        ]
    ]  # fmt: skip
    client.endpoints.put("a", model="m", version=1)
    load(server.endpoints["a"])
    client.endpoints.predict("a", [{"member": True}])
    client.runs.put_artifact(run.id, "x.txt", b"x")
    client.runs.add_metrics(run.id, [])
    client.runs.add_logs(run.id, [])
    client.runs.finish(run.id)
    client.experiments.suggest(client.samples.load("flights"), "late")
    client.models.register("m", run.id)
    assert server.faults == []


def test_a_delete_whose_answer_is_lost_has_succeeded(server: Standin, client: Client) -> None:
    make_model(server, "m")
    server.faults = [Fault("DELETE", ".*/m", "lose")]
    client.models.delete("m")
    assert len(server.sent("DELETE", ".*/m")) == 2
    with pytest.raises(ApiError, match="no 'm'"):
        client.models.delete("m")


def test_a_download_that_breaks_off_begins_again(server: Standin, client: Client, table: Path, tmp_path: Path) -> None:
    found = client.datasets.upload(table)
    server.faults = [Fault("GET", ".*/content", "cut")]
    assert client.datasets.download(found.id, tmp_path / "copy.csv").read_bytes() == table.read_bytes()
    server.faults = [Fault("GET", ".*/content", "cut") for _ in range(4)]
    with pytest.raises(ConnectionFailed):
        client.datasets.download(found.id, tmp_path / "other.csv")
    assert {path.name for path in tmp_path.iterdir()} == {"copy.csv", table.name}


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_nobody_listens(clock: VirtualClock) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    with Client(url, clock=clock) as client:
        with pytest.raises(ConnectionFailed, match="melon up") as caught:
            client.experiments.stop("x")  # not sent, and therefore tried again even though it is no read
        assert caught.value.url == url
    assert len(clock.slept) == 3


def test_no_answer_comes(silent: str, clock: VirtualClock) -> None:
    impatient = Client(silent, timeout=0.05, retry=RetryPolicy(attempts=2), clock=clock)
    with impatient, pytest.raises(ConnectionFailed, match="did not answer GET /api/v1/system in time"):
        impatient.system.get()
    assert len(clock.slept) == 1


def answering(status: int, content: bytes, **headers: str) -> Client:
    """Return a client whose calls are all answered so."""
    reply = httpx.MockTransport(lambda _: httpx.Response(status, content=content, headers=headers))
    return Client("http://127.0.0.1:1", transport=reply, retry=RetryPolicy(attempts=1))


@pytest.mark.parametrize(
    ("status", "content", "kind", "said"),
    [
        (200, b"<html>", UnexpectedAnswer, "not System"),
        (200, b"{}", UnexpectedAnswer, "not System"),
        (302, b"", UnexpectedAnswer, "answered 302"),
        (502, b"<html>Bad Gateway</html>", Unavailable, r"answered 502 \(Bad Gateway\)"),
        (599, b"", ServerError, r"answered 599 \(Error\)"),
        (404, b'{"detail": "x"}', ApiError, "answered 404"),
    ],
)
def test_an_answer_of_something_else(status: int, content: bytes, kind: type[MelonError], said: str) -> None:
    with answering(status, content) as client, pytest.raises(kind, match=said):
        client.system.get()


def test_a_problem_without_a_request_id_takes_that_of_the_answer() -> None:
    problem = b'{"title": "t", "status": 500, "code": "internal", "detail": "d"}'
    with answering(500, problem, **{"X-Request-Id": "abc"}) as client, pytest.raises(ServerError) as caught:
        client.system.get()
    assert caught.value.request_id == "abc"


def test_errors_survive_a_process_pool() -> None:
    import pickle

    refusing = answering(409, b'{"title": "t", "status": 409, "code": "in_use", "detail": "d"}')
    with refusing, pytest.raises(ApiError) as caught:
        refusing.system.get()
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), again.code, str(again)) == (type(caught.value), "in_use", "d")


def test_a_timeout_may_be_of_either_kind(server: Standin) -> None:
    for timeout in (5, 0.5, httpx.Timeout(3.0)):
        with Client(server.url, timeout=timeout) as client:
            assert client.system.get().version


def test_a_header_that_cannot_be_sent() -> None:
    with Client("http://127.0.0.1:1", api_key=lambda: "a\nb") as client, pytest.raises(MelonError):
        client.system.get()


def test_an_empty_id_is_no_list(client: Client) -> None:
    with pytest.raises(InvalidInput, match="must not be empty"):
        client.experiments.get("")
