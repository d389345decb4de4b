"""Every call of the client, over a real socket."""

from pathlib import Path
from typing import Any

import pytest

from melonkube.contracts.datasets import DatasetState
from melonkube.contracts.experiments import Budget, ColumnOverride, Experiment, Metric
from melonkube.contracts.runs import RunCreate
from melonkube.contracts.signature import Kind, Task
from melonkube.contracts.space import IntParameter
from melonkube.sdk import (
    ChecksumMismatch,
    Client,
    Conflict,
    DatasetFailed,
    EndpointFailed,
    InvalidInput,
    InvalidRequest,
    NotFound,
    WaitTimeout,
)
from tests.sdk.conftest import VirtualClock
from tests.sdk.routes import load, make_model, result, trial
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


@pytest.fixture
def dataset_id(client: Client, table: Path) -> str:
    return client.datasets.upload(table).id


def test_an_experiment_of_two_arguments(server: Standin, client: Client, dataset_id: str) -> None:
    found = client.experiments.create(client.datasets.get(dataset_id), "y")
    assert isinstance(found, Experiment)
    assert server.requests[-1].json() == {"dataset_id": dataset_id, "target": "y"}
    assert server.requests[-1].headers["idempotency-key"]
    assert client.experiments.get(found.id) == found


def test_an_experiment_of_all_arguments(server: Standin, client: Client, dataset_id: str) -> None:
    client.experiments.create(
        dataset_id,
        "y",
        name="첫 실험",
        task=Task.BINARY,
        metric="logloss",
        trainer="lightgbm",
        algorithm="random",
        search_space={
            "num_leaves": IntParameter(type="int", low=8, high=64, log=True),
            "eta": {"type": "float", "low": 0.01, "high": 0.3},
            "boosting": {"type": "categorical", "choices": ["gbdt", "goss"]},
            "bagging_freq": {"value": 1},
        },
        columns={"zip": ColumnOverride(kind=Kind.CATEGORICAL), "id": {"role": "ignored"}},
        split={"holdout": 0.1},
        seed=0,
        parallelism=2,
        trials_per_worker=1,
        baseline=False,
        budget=Budget(max_trials=5),
        idempotency_key="mine",
    )
    assert server.requests[-1].headers["idempotency-key"] == "mine"
    assert server.requests[-1].json() == {
        "dataset_id": dataset_id,
        "target": "y",
        "name": "첫 실험",
        "task": "binary",
        "metric": "logloss",
        "trainer": "lightgbm",
        "algorithm": "random",
        "search_space": {
            "num_leaves": {"type": "int", "low": 8, "high": 64, "log": True},
            "eta": {"type": "float", "low": 0.01, "high": 0.3},
            "boosting": {"type": "categorical", "choices": ["gbdt", "goss"]},
            "bagging_freq": {"value": 1},
        },
        "columns": {"zip": {"kind": "categorical"}, "id": {"role": "ignored"}},
        "split": {"holdout": 0.1},
        "seed": 0,
        "parallelism": 2,
        "trials_per_worker": 1,
        "baseline": False,
        "budget": {"max_trials": 5},
    }


@pytest.mark.parametrize(
    "bad",
    [{"metric": "best"}, {"seed": -1}, {"budget": {"max_trials": 0}}, {"search_space": {"x": {"type": "int"}}}],
)
def test_an_experiment_that_cannot_be_right_is_not_sent(
    server: Standin, client: Client, dataset_id: str, bad: dict[str, Any]
) -> None:
    before = len(server.requests)
    with pytest.raises(InvalidInput, match=next(iter(bad))):
        client.experiments.create(dataset_id, "y", **bad)
    assert len(server.requests) == before


def test_experiments_are_steered(client: Client, dataset_id: str) -> None:
    found = client.experiments.create(dataset_id, "y", name="one")
    with pytest.raises(Conflict, match="choose another name"):
        client.experiments.create(dataset_id, "y", name="one")
    assert client.experiments.pause(found.id).state == "paused"
    assert client.experiments.resume(found.id).state == "running"
    assert client.experiments.stop(found.id).state == "stopped"
    with pytest.raises(Conflict) as caught:
        client.experiments.stop(found.id)
    assert caught.value.code == "experiment_finished"
    assert [item.id for item in client.experiments.list()] == [found.id]
    assert (client.experiments.find("one") or found).name == "one"
    assert client.experiments.find("two") is None
    client.experiments.delete(found.id)
    with pytest.raises(NotFound):
        client.experiments.get(found.id)


def test_trials(server: Standin, client: Client, dataset_id: str) -> None:
    found = client.experiments.create(dataset_id, "y")
    server.trials[found.id] = [trial(found.id, 1, 0.7), trial(found.id, 2, None, "running")]
    assert [item.value for item in client.experiments.trials(found.id)] == [0.7, None]
    assert client.experiments.trial(found.id, 1).intermediate == [(0, 0.5)]
    with pytest.raises(NotFound):
        client.experiments.trial(found.id, 3)


def test_what_would_be_inferred(client: Client, dataset_id: str) -> None:
    assert client.experiments.suggest(dataset_id, "y", task="binary").metric is Metric.AUC
    assert client.experiments.suggest(client.datasets.get(dataset_id), "y").parallelism == 2
    assert [item.name for item in client.experiments.algorithms().items] == ["tpe", "random"]
    assert [item.name for item in client.experiments.trainers().items] == ["lightgbm"]


def test_runs_artifacts_and_logs(server: Standin, client: Client, table: Path, tmp_path: Path) -> None:
    run = client.runs.create(RunCreate(name="mine", params={"a": 1}))
    assert client.runs.get(run.id).params == {"a": 1}
    made = client.runs.put_artifact(run.id, "model/note a.txt", b"text")
    assert (made.path, made.size_bytes) == ("model/note a.txt", 4)
    assert client.runs.put_artifact(run.id, "table.csv", table).sha256
    with table.open("rb") as file:
        client.runs.put_artifact(run.id, "open.csv", file)
    assert [item.path for item in client.runs.artifacts(run.id)] == ["model/note a.txt", "table.csv", "open.csv"]
    assert client.runs.read_artifact(run.id, "open.csv") == table.read_bytes()
    there = client.runs.download_artifact(run.id, "table.csv", tmp_path / "there.csv")
    assert there.read_bytes() == table.read_bytes()
    with pytest.raises(InvalidRequest) as caught:
        client.runs.put_artifact(run.id, "model.pkl", b"x")
    assert caught.value.code == "unsafe_artifact"
    server.lines[run.id] = [{"seq": 0, "message": "hello"}]
    assert [entry.message for entry in client.runs.logs(run.id)] == ["hello"]
    client.runs.finish(run.id, "failed", "why")
    assert client.runs.get(run.id).reason == "why"
    assert [item.id for item in client.runs.list()] == [run.id]
    assert [*client.runs.list(experiment_id="other")] == []
    client.runs.delete(run.id)
    with pytest.raises(NotFound):
        client.runs.get(run.id)


def test_a_log_is_followed_to_its_end(server: Standin, client: Client) -> None:
    run = client.runs.create(RunCreate())
    lines = server.lines[run.id] = [{"seq": number, "message": str(number)} for number in range(250)]

    def go_on(path: str) -> None:
        polls = len(server.sent("GET", path))
        if polls == 2:
            lines.extend({"seq": number, "message": str(number)} for number in range(250, 260))
        elif polls == 4:
            server.runs[run.id]["state"] = "completed"

    server.on_poll = go_on
    assert [entry.message for entry in client.runs.follow_logs(run.id)] == [str(number) for number in range(260)]


def test_models(server: Standin, client: Client, tmp_path: Path) -> None:
    name = "고객 이탈 (v1)? 50%25"
    assert client.models.create(name).versions == 0
    with pytest.raises(Conflict):
        client.models.create(name)
    run_id = server.new_id()
    assert client.models.register(name, run_id).version == 1
    assert client.models.register(name, run_id, artifact_path="other", description="d").version == 2
    assert server.requests[-1].json() == {"run_id": run_id, "artifact_path": "other", "description": "d"}
    assert client.models.get(name).latest_version == 2
    assert [item.version for item in client.models.versions(name)] == [2, 1]
    assert client.models.version(name, 1).signature.classes == ["no", "yes"]
    assert client.models.set_alias(name, "champion", 2).version == 2
    assert client.models.alias(name, "champion").version == 2
    assert [item.alias for item in client.models.aliases(name)] == ["champion"]
    client.models.delete_alias(name, "champion")
    with pytest.raises(NotFound):
        client.models.alias(name, "champion")
    assert client.models.download(name, 1, tmp_path / "bundle.zip").read_bytes() == b"PK-the-bundle"
    assert client.models.read_file(name, 1, "signature.json") == b'{"file": "signature.json"}'
    client.models.delete_version(name, 2)
    assert client.models.get(name).versions == 1
    client.models.delete(name)
    assert [*client.models.list()] == []


@pytest.mark.parametrize("name", [".", "..", "..."])
def test_a_name_of_dots_is_not_a_folder(server: Standin, client: Client, name: str) -> None:
    make_model(server, name)
    client.models.delete(name)
    assert server.models == {}


def test_endpoints(server: Standin, client: Client, dataset_id: str, clock: VirtualClock) -> None:
    experiment = client.experiments.create(dataset_id, "y", name="churn")
    with pytest.raises(Conflict) as caught:
        client.endpoints.put("churn", experiment_id=experiment.id)
    assert caught.value.code == "no_completed_trial"
    server.experiments[experiment.id]["best"] = result(1, 0.8)
    assert client.endpoints.put("churn", experiment_id=experiment.id).state == "loading"

    def ready(path: str) -> None:
        if len(server.sent("GET", path)) == 3:
            load(server.endpoints["churn"])

    server.on_poll = ready
    assert client.endpoints.wait_ready("churn").model == "churn"
    assert len(clock.slept) == 2
    assert [item.name for item in client.endpoints.list()] == ["churn"]
    assert client.endpoints.schema("churn").input_example["나이"] == 41
    client.endpoints.delete("churn")
    with pytest.raises(NotFound):
        client.endpoints.get("churn")


def test_an_endpoint_of_a_model(server: Standin, client: Client) -> None:
    client.endpoints.put("a", model="m", alias="champion")
    assert server.requests[-1].json() == {"model": "m", "alias": "champion"}
    client.endpoints.put("a", model="m", version=3)
    assert server.requests[-1].json() == {"model": "m", "version": 3}
    for given in ({}, {"model": "m"}, {"version": 1}, {"model": "m", "version": 1, "alias": "a"}):
        with pytest.raises(InvalidInput):
            client.endpoints.put("a", **given)


def test_an_endpoint_that_cannot_load(server: Standin, client: Client, clock: VirtualClock) -> None:
    client.endpoints.put("a", model="m", version=1)
    with pytest.raises(WaitTimeout, match="after 3 s"):
        client.endpoints.wait_ready("a", timeout=3)
    assert sum(clock.slept) <= 3
    server.endpoints["a"]["target"].update(state="failed", reason="golden rows differ")
    with pytest.raises(EndpointFailed, match="golden rows differ"):
        client.endpoints.wait_ready("a", timeout=3)


def test_an_endpoint_is_ready_when_the_latest_answers(server: Standin, client: Client) -> None:
    client.endpoints.put("a", model="m", version=1)
    load(server.endpoints["a"])
    client.endpoints.put("a", model="m", version=2)
    server.endpoints["a"]["state"] = "ready"  # of the version before

    def ready(_path: str) -> None:
        load(server.endpoints["a"])

    assert server.endpoints["a"]["observed_generation"] == 1
    server.on_poll = ready
    assert client.endpoints.wait_ready("a").version == 2


@pytest.fixture
def endpoint(server: Standin, client: Client) -> str:
    client.endpoints.put("churn", model="m", version=1)
    load(server.endpoints["churn"])
    return "churn"


def test_predictions(client: Client, endpoint: str) -> None:
    answer = client.endpoints.predict(
        endpoint, [{"member": True, "size": float("nan")}, {"member": False, "city": "X"}]
    )
    assert answer.predictions == ["yes", "no"]
    assert (answer.probabilities or [])[0] == {"no": 0.25, "yes": 0.75}
    assert answer.warnings == ["'city': 'X' was never seen in training and is taken as missing."]
    with pytest.raises(InvalidRequest) as caught:
        client.endpoints.predict(endpoint, [{"size": "x"}, {"size": 1}, {"size": "y"}])
    assert [item.pointer for item in caught.value.errors] == ["/instances/0/size", "/instances/2/size"]


def test_predictions_of_many_rows_go_in_batches(server: Standin, client: Client, endpoint: str) -> None:
    rows = ({"member": number % 2 == 0} for number in range(25))
    answers = [*client.endpoints.predict_batches(endpoint, rows, batch_rows=10)]
    assert [len(answer.predictions) for answer in answers] == [10, 10, 5]
    assert len(server.sent("POST", ".*/predict")) == 3
    assert [*client.endpoints.predict_batches(endpoint, [])] == []
