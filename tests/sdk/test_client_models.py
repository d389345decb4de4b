"""The client's calls on runs, models and endpoints, over a real socket."""

from pathlib import Path

import pytest

from melonkube.contracts.runs import RunCreate
from melonkube.sdk import (
    Client,
    Conflict,
    EndpointFailed,
    InvalidInput,
    InvalidRequest,
    NotFound,
    WaitTimeout,
)
from tests.sdk.conftest import VirtualClock
from tests.sdk.routes import result
from tests.sdk.routes_models import load, make_model
from tests.sdk.standin import Standin


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
