"""Trials in images of the user's, as pods of a real cluster: services on this machine, as in ``test_trials``.

The images are ``busybox:latest``, ``python:3.11-slim-bookworm`` and our trainer's, which stands for an image with
LightGBM in it.
"""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from melonkube.sdk.cli.experiment_file import read_mapping
from melonkube.suite.embedded import Suite
from tests.cluster.on_pods import IMAGE, causes, kubectl, leased, pod_of
from tests.e2e.api import Api

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300), pytest.mark.usefixtures("nothing_is_left")]

ROOT = Path(__file__).parents[2]
BARE = os.environ.get("MELON_TEST_IMAGE_WITHOUT_SHELL", "")
SPACE = {"x": {"type": "float", "low": 0.1, "high": 0.9}}


def tune(api: Api, dataset: str, name: str, image: str, *command: str, **more: Any) -> str:
    """Begin an experiment of one trial, unless told otherwise; return its id."""
    container = {"image": image, "command": list(command), **more.pop("container", {})}
    budget = {"max_trials": 1, "max_failed_trials": 0, **more.pop("budget", {})}
    given = {"parallelism": 1, "search_space": SPACE, **more}
    return str(api.tune(dataset, name=name, container=container, budget=budget, **given)["id"])


def log_of(api: Api, run_id: str) -> str:
    lines = api.get(f"/api/v1/runs/{run_id}/logs", limit=1000)["items"]
    return "\n".join(line["message"] for line in lines)


def test_a_command_is_tuned_and_what_it_leaves_is_kept(api: Api, dataset: str) -> None:
    script = (
        "echo user=$(id -u) tokens=$(env | grep -ci token) colour=$COLOUR arguments=$#; cp /melon/params.json output; "
        "cp /melon/params.json /melon/output/kept.json; ls /var/run/secrets; touch /root-is-mine; "
        "awk -v x={{params.x}} 'BEGIN { print \"auc=\" 1 - (x - 0.3) * (x - 0.3) }'"
    )
    experiment_id = tune(
        api, dataset, "awk", "busybox:latest", "sh", "-c", script, "name", "it's {{params.x}}",
        budget={"max_trials": 3}, parallelism=2, worker={"env": {"COLOUR": "red"}},
    )  # fmt: skip
    done = api.wait(experiment_id)
    assert done["state"] == "completed", done["reason"]
    assert (done["trainer"], done["trials_per_worker"], done["baseline"]) == ("container", 1, None)
    trials = api.trials(experiment_id)
    assert len({trial["worker_id"] for trial in trials}) == 3
    for trial in trials:
        x = trial["params"]["x"]
        assert trial["value"] == pytest.approx(1 - (x - 0.3) ** 2, abs=1e-5)
        said = log_of(api, trial["run_id"])
        assert "user=65532 tokens=0 colour=red arguments=1" in said
        assert "/var/run/secrets: No such file" in said
        assert "Read-only file system" in said
        assert api.get(f"/api/v1/runs/{trial['run_id']}/artifacts/output/kept.json") == {"x": x}
    assert done["best"]["value"] == max(trial["value"] for trial in trials)
    # There is no model: the search ends well all the same, and says what that means.
    assert done["best"]["holdout_value"] is None
    assert any("left no model bundle" in warning for warning in done["warnings"])
    refused = api.http.put("/api/v1/endpoints/nothing", json={"experiment_id": experiment_id})
    assert (refused.status_code, refused.json()["code"]) == (422, "not_a_bundle")
    assert "left no model" in refused.json()["detail"]


TRAIN = """
import json
import pyarrow.parquet as pq
from melonkube.contracts.experiments import Direction, Metric
from melonkube.contracts.signature import Column, Task
from melonkube.tabular.split import Split
from melonkube.trainer.lightgbm import LightGBMTrainer
from melonkube.trainer.protocol import Job
import numpy as np, pathlib

class Control:
    def proceed(self): return True
    def report(self, step, value): print(json.dumps({"step": step, told["metric"]: value}))

told = json.load(open("/melon/experiment.json"))
table = pq.read_table("/melon/data.parquet")
train, all_rows = told["train_rows"], told["train_rows"] + told["validation_rows"]
assert table.num_rows == all_rows
rows = np.arange(all_rows)
split = Split(train=rows[:train], validation=rows[train:], holdout=rows[:0], method="random", excluded=0)
job = Job(task=Task(told["task"]), metric=Metric(told["metric"]), direction=Direction(told["direction"]),
          target=told["target"], columns=[Column.model_validate(each) for each in told["columns"]],
          classes=told["classes"], split=split, seed=told["seed"], threads=1, fixed={},
          read=lambda names: table.select(list(names)))
trainer = LightGBMTrainer.prepare(job)
fitted = trainer.train({"learning_rate": {{params.x}}, "num_iterations": 30}, Control())
model = pathlib.Path("/melon/output/model")
model.mkdir()
for name, content in {**trainer.shared_files(), **fitted.save()}.items():
    (model / name).write_bytes(content)
print(f"{told['metric']}={fitted.value!r}")
"""


def test_a_model_of_one_s_own_is_scored_deployed_and_answers(api: Api, dataset: str) -> None:
    experiment_id = tune(
        api, dataset, "own model", IMAGE, "python", "-c", TRAIN, budget={"max_trials": 2},
        container={"run_as_user": 1234}, worker={"memory_bytes": 512 << 20},
    )  # fmt: skip
    done = api.wait(experiment_id)
    assert done["state"] == "completed", done["reason"]
    assert done["warnings"] == []
    assert done["best"]["value"] > 0.8
    assert done["best"]["holdout_value"] > 0.8
    detail = api.get(f"/api/v1/experiments/{experiment_id}/trials/1")
    assert len(detail["intermediate"]) > 5
    endpoint = api.deploy("own", experiment_id=experiment_id)
    assert endpoint["state"] == "ready", endpoint["target"]
    answer = api.predict("own", api.get("/api/v1/endpoints/own/schema")["input_example"])
    assert answer["predictions"][0] in ("yes", "no")


def test_the_example_runs(api: Api) -> None:
    example = read_mapping(ROOT / "examples" / "own-image.yaml", "an experiment")
    table = (ROOT / "examples" / example.pop("dataset")).read_bytes()
    example["container"]["image"] = IMAGE
    dataset = api.upload(table, "air time")["id"]
    done = api.wait(str(api.tune(dataset, **{**example, "budget": {"max_trials": 3}})["id"]))
    assert (done["state"], done["trials"]["completed"]) == ("completed", 3), done["reason"]
    assert 5 < done["best"]["value"] < 100
    paths = [each["path"] for each in api.get(f"/api/v1/runs/{done['best']['run_id']}/artifacts")["items"]]
    assert paths == ["output/weights.txt"]


def test_why_a_trial_failed(api: Api, dataset: str) -> None:
    python, busybox = "python:3.11-slim-bookworm", "busybox:latest"
    wrong = {
        "exit": tune(api, dataset, "exit", busybox, "sh", "-c", "echo first; echo 'no such column' >&2; exit 1"),
        "missing": tune(api, dataset, "missing", busybox, "no-such-program"),
        "silent": tune(api, dataset, "silent", busybox, "echo", "loss=1"),
        "late": tune(api, dataset, "late", busybox, "sleep", "1000", budget={"max_trial_seconds": 1}),
        "memory": tune(
            api, dataset, "memory", python, "python3", "-c", "print('auc=1', flush=True); x = b'x' * (1 << 30)",
            worker={"memory_bytes": 64 << 20},
        ),
        "image": tune(api, dataset, "image", "melonkube/nothing:0", "true"),
    }  # fmt: skip
    ends = {name: api.wait(experiment_id) for name, experiment_id in wrong.items()}
    assert {end["state"] for end in ends.values()} == {"failed"}
    found = {name: api.trials(experiment_id) for name, experiment_id in wrong.items()}
    assert found.pop("image") == []
    assert "melonkube/nothing:0 cannot be pulled" in ends["image"]["reason"]
    assert {name: (trial["cause"], trial["attempt"]) for name, [trial] in found.items()} == {
        "exit": ("code_error", 1),
        "missing": ("code_error", 1),
        "silent": ("code_error", 1),
        "late": ("deadline", 1),
        "memory": ("out_of_memory", 2),
    }
    said = {name: trial["reason"] for name, [trial] in found.items()}
    assert "exit code 1" in said["exit"]
    assert "first\nno such column" in said["exit"]
    assert "no-such-program" in said["missing"]
    assert "without reporting auc" in said["silent"]
    assert "1 seconds" in said["late"]
    assert str(64 << 20) in said["memory"]
    assert causes(api, wrong["memory"]) == ["out_of_memory", "out_of_memory"]


@pytest.mark.skipif(not BARE, reason="MELON_TEST_IMAGE_WITHOUT_SHELL names no image without a shell")
def test_an_image_without_a_shell(api: Api, dataset: str) -> None:
    done = api.wait(tune(api, dataset, "bare", BARE, "/prog"))
    assert done["state"] == "failed"
    assert f"{BARE} cannot run /bin/sh" in done["reason"]


WAIT = (
    "trap 'exit 0' TERM; echo auc=0.5; i=0; while [ $i -lt {seconds} ]; do i=$((i + 1)); sleep 1; done; echo auc=0.75"
)


def test_a_stopped_experiment_leaves_nothing(api: Api, dataset: str) -> None:
    experiment_id = tune(
        api, dataset, "stopped", "busybox:latest", "sh", "-c", WAIT.replace("{seconds}", "1000"),
        budget={"max_trials": 10}, parallelism=2,
    )  # fmt: skip
    reported(api, experiment_id)
    assert api.http.post(f"/api/v1/experiments/{experiment_id}/stop").status_code == 200
    assert api.wait(experiment_id)["state"] == "stopped"
    assert {trial["state"] for trial in api.trials(experiment_id)} == {"stopped"}


def reported(api: Api, experiment_id: str) -> None:
    """Wait until a trial has reported."""
    for event in api.events(experiment_id):
        if event["type"] == "report":
            return
    raise AssertionError("the experiment ended before")


def evict(namespace: str, pod: str, folder: Path) -> None:
    """Have a pod evicted, as a drain of its node does."""
    asked = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": namespace}}
    (folder / "eviction.json").write_text(json.dumps(asked))
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction"
    kubectl("create", "--raw", path, "-f", str(folder / "eviction.json"))


def test_the_tuner_dies_and_pods_are_deleted_and_evicted(
    api: Api, suite: Suite, dataset: str, trial_namespace: str, tmp_path: Path
) -> None:
    untouched, deleted, evicted = ids = [
        tune(api, dataset, name, "busybox:latest", "sh", "-c", WAIT.replace("{seconds}", "10"))
        for name in ("tuner dies", "pod deleted", "pod evicted")
    ]
    for experiment_id in ids:
        reported(api, experiment_id)
    os.kill(suite.pids()["tuner"], signal.SIGKILL)
    pods = [pod_of(trial_namespace, leased(api, experiment_id, 1)) for experiment_id in (deleted, evicted)]
    kubectl("-n", trial_namespace, "delete", pods[0], "--wait=false")
    evict(trial_namespace, pods[1].removeprefix("pod/"), tmp_path)
    for experiment_id in ids:
        done = api.wait(experiment_id)
        assert done["state"] == "completed", done["reason"]
        assert done["best"]["value"] == 0.75
    assert causes(api, untouched) == []
    assert causes(api, deleted) in (["released"], ["worker_killed"])
    assert causes(api, evicted) in (["released"], ["preempted"])
