"""Experiments whose trials run in an image of the user's: what is asked for, what workers are told, how they end."""

from typing import Any

import pytest
import yaml

from melonkube.contracts.experiments import Cause, ExperimentCreate
from melonkube.tuner.executors.local import LocalExecutor
from melonkube.tuner.experiments.containers import container_faults
from melonkube.tuner.experiments.spec import ExperimentSpec
from tests.tuner.conftest import ROOT, ByHand, MakeHand, Running, StartTuner
from tests.tuner.stand_in import DATASET_ID

SPACE = {"x": {"type": "float", "low": 0.0, "high": 1.0}, "lr-2": {"type": "float", "low": 0.0, "high": 1.0}}
CONTAINER = {"image": "an/image:1", "command": ["train", "--x={{params.x}}", "{{ params.lr-2 }}"]}
BODY = {
    "dataset_id": DATASET_ID,
    "target": "label",
    "algorithm": "random",
    "search_space": SPACE,
    "container": CONTAINER,
    "budget": {"max_trials": 2},
}


@pytest.fixture
async def running(start_tuner: StartTuner, monkeypatch: pytest.MonkeyPatch) -> Running:
    """A tuner whose executor takes any image, and has no slots: its workers are played by the test."""
    monkeypatch.setattr(LocalExecutor, "refusal", lambda *_: None)
    return await start_tuner(workers=0)


async def create(running: Running, **changes: Any) -> dict[str, Any]:
    answer = await running.client.post("/api/v1/experiments", json={**BODY, **changes})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_what_is_asked_for_is_shown(running: Running) -> None:
    made = await create(running)
    assert made["container"] == {**CONTAINER, "metrics": "stdout", "run_as_user": None}
    assert (made["trainer"], made["trials_per_worker"], made["baseline"]) == ("container", 1, None)
    assert made["search_space"].keys() == SPACE.keys()
    assert (await running.get(made["id"]))["container"] == made["container"]


@pytest.mark.parametrize(
    ("changes", "code", "pointers"),
    [
        ({"trainer": "lightgbm"}, "invalid_request", ["/trainer"]),
        ({"container": None, "trainer": "container"}, "invalid_request", ["/container"]),
        ({"trials_per_worker": 2}, "invalid_request", ["/trials_per_worker"]),
        ({"search_space": None}, "search_space_invalid", ["/search_space"]),
        ({"search_space": {}}, "invalid_request", None),
        ({"search_space": {"x": {"value": 1}, "lr-2": {"value": 1}}}, "search_space_invalid", ["/search_space"]),
        ({"search_space": {**SPACE, "a b": {"value": 1}}}, "search_space_invalid", ["/search_space/a b"]),
        (
            {"container": {**CONTAINER, "command": ["train", "{{params.y}}"]}},
            "parameter_unknown",
            ["/container/command/1"],
        ),
        (
            {"container": {**CONTAINER, "command": ["train", "{{seed}}", "{{params.x}}"]}},
            "invalid_request",
            ["/container/command/1"],
        ),
        ({"container": {**CONTAINER, "command": []}}, "invalid_request", ["/container/command"]),
        ({"container": {**CONTAINER, "image": ""}}, "invalid_request", ["/container/image"]),
        ({"container": {**CONTAINER, "run_as_user": 0}}, "invalid_request", ["/container/run_as_user"]),
    ],
)
async def test_a_container_that_cannot_be(
    running: Running, changes: dict[str, Any], code: str, pointers: list[str] | None
) -> None:
    body = {name: value for name, value in {**BODY, **changes}.items() if value is not None}
    answer = await running.client.post("/api/v1/experiments", json=body)
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["code"] == code
    if pointers is not None:
        assert [item["pointer"] for item in problem["errors"]] == pointers
    assert not running.registry.runs


async def test_every_fault_of_a_container_is_named_at_once(running: Running) -> None:
    body = {**BODY, "trainer": "quadratic", "metric": "rmse", "container": {**CONTAINER, "command": ["{{params.y}}"]}}
    problem = (await running.client.post("/api/v1/experiments", json=body)).json()
    assert {item["pointer"] for item in problem["errors"]} >= {"/trainer", "/metric", "/container/command/0"}


async def test_processes_of_this_machine_run_no_image(start_tuner: StartTuner) -> None:
    running = await start_tuner(workers=0)
    answer = await running.client.post("/api/v1/experiments", json=BODY)
    assert (answer.status_code, answer.json()["code"]) == (422, "unschedulable")
    assert "needs Kubernetes" in answer.json()["detail"]
    assert [item["pointer"] for item in answer.json()["errors"]] == ["/container"]


async def test_it_is_in_the_catalog(running: Running) -> None:
    listed = (await running.client.get("/api/v1/trainers")).json()["items"]
    [found] = [each for each in listed if each["name"] == "container"]
    assert found["parameters"] == {}
    assert len(found["tasks"]) == 3


@pytest.mark.parametrize("reason", [None, "The winner left no model bundle."])
async def test_an_experiment_without_a_model_ends_well(running: Running, by_hand: MakeHand, reason: str | None) -> None:
    made = await create(running)
    hand = by_hand(running, made["id"])
    setup = await running.client.get("/worker/v1/setup", headers=headers(hand))
    assert setup.json()["container"] == made["container"]
    assert setup.json()["artifact_bytes"] == running.settings.limits.artifact_bytes
    for value in (0.5, 0.75):
        work = await hand.lease()
        assert work["source"] == "random"
        assert work["params"].keys() == SPACE.keys()
        await hand.complete(work, value)
    work = await hand.lease()
    assert work["kind"] == "evaluation"
    assert work["models"].keys() == {"best"}
    more = {} if reason is None else {"reason": reason}
    answer = await hand.call(f"leases/{work['run_id']}/evaluated", values={}, **more)
    assert answer["accepted"]
    done = await running.get(made["id"])
    assert (done["state"], done["best"]["value"], done["best"]["holdout_value"]) == ("completed", 0.75, None)
    [warning] = done["warnings"]
    assert warning == (reason or "The winner's score on the holdout has no auc.")


def headers(hand: ByHand) -> dict[str, str]:
    token = hand.make_token("tuner", scope="worker", experiment_id=hand.experiment_id, dataset_id=DATASET_ID)
    return {"Authorization": f"Bearer {token}"}


async def test_an_end_that_the_executor_tells(running: Running, by_hand: MakeHand) -> None:
    made = await create(running, budget={"max_trials": 1, "max_failed_trials": 0})
    hand = by_hand(running, made["id"])
    for attempt in (1, 2):
        work = await hand.lease()
        assert work["attempt"] == attempt
        await hand.fail(work, "out_of_memory")
    trial = await running.trial(made, 1)
    assert (trial["state"], trial["cause"]) == ("failed", Cause.OUT_OF_MEMORY)


def test_a_spec_that_was_stored_before_is_still_read() -> None:
    assert not ExperimentSpec.model_fields["container"].is_required()


def test_the_example_is_what_the_docs_show_and_could_be_run() -> None:
    text = (ROOT / "examples" / "own-image.yaml").read_text()
    assert text in (ROOT / "docs" / "kubernetes.md").read_text()
    fields = yaml.safe_load(text.replace("1e-3", "0.001").replace("1e3", "1000.0")) | {"dataset_id": DATASET_ID}
    del fields["dataset"]
    assert container_faults(ExperimentCreate.model_validate(fields)) == []
