"""A trial in an image of the user's: real programs and a real shell against a stand-in for tuner and registry."""

import io
import json
import shlex
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from melonkube.contracts.experiments import Cause
from melonkube.contracts.runs import RunState
from melonkube.contracts.worker import Verdict
from melonkube.trainer.container import render
from tests.trainer.conftest import MakePod
from tests.trainer.stand_in import Problem, StandIn

SHELLS = [shell for shell in (("/bin/sh",), ("bash", "--posix"), ("busybox", "sh")) if shutil.which(shell[0])]
LONG = "echo begun; while :; do sleep 0.05; done"


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_a_command_s_last_value_is_the_trial_s(
    make_place: Callable[..., StandIn], make_pod: MakePod, shell: tuple[str, ...]
) -> None:
    lines = (
        "echo hello; echo 'auc=0.5 logloss = 0.7'; echo '{\"step\": 7, \"auc\": 0.625}' >&2; echo rate={{params.lr}}"
    )
    place = make_place("sh", "-c", lines)
    run_id = place.add_trial(params={"lr": 0.1})
    pod = make_pod(place, shell).start()
    assert pod.end() == 0
    [(completed, result)] = place.completed
    assert (completed, result.state, result.value) == (run_id, "completed", 0.625)
    assert result.metrics == {"auc": 0.625, "logloss": 0.7}
    assert not result.want_next
    run = place.runs[run_id]
    assert run.finish is not None
    assert run.finish.state is RunState.COMPLETED
    assert run.points == {
        ("curve.auc", 1): 0.5, ("curve.auc", 7): 0.625, ("auc", 7): 0.625,
        ("curve.logloss", 1): 0.7, ("logloss", 1): 0.7,
    }  # fmt: skip
    for line in ("hello", "rate=0.1", "trial begins", "data in place", "trial done"):
        assert line in run.log
    assert run.create.tags["melonkube.code_version"] == "an/image:1"
    reports = {(each.step, each.value) for _, renewal in place.renewed for each in renewal.reports}
    assert reports | {(each.step, each.value) for each in result.reports} == {(1, 0.5), (7, 0.625)}


def test_what_a_command_finds(make_place: Callable[..., StandIn], make_pod: MakePod) -> None:
    place = make_place("sh", "-c", "echo auc=1")
    place.add_trial(params={"lr": 0.1, "kind": "a'b", "deep": True}, number=3)
    pod = make_pod(place).start()
    assert pod.end() == 0
    assert pod.read("params.json") == {"lr": 0.1, "kind": "a'b", "deep": True}
    told = pod.read("experiment.json")
    assert (told["target"], told["task"], told["metric"], told["trial"]) == ("bought", "binary", "auc", 3)
    assert told["classes"] == ["no", "yes"]
    assert {"name": "age", "dtype": "int64", "kind": "numeric", "role": "feature", "nullable": False} in told["columns"]
    found = pq.read_table(pod.places.shared / "data.parquet")
    whole = pq.read_table(io.BytesIO(place.parquet))
    assert found.num_rows == told["train_rows"] + told["validation_rows"] < whole.num_rows
    split = pq.read_table(io.BytesIO(place.split))
    assert found.num_rows < split.num_rows
    customers = found.column("customer").to_pylist()
    assert len(set(customers)) == len(customers)
    assert pod.places.own / "cache" not in list(pod.places.own.iterdir())


def test_values_from_a_file(make_place: Callable[..., StandIn], make_pod: MakePod, tmp_path: Path) -> None:
    metrics = tmp_path / "pod 0" / "melon" / "output" / "metrics.jsonl"
    lines = "\n".join(json.dumps({"step": step, "auc": step / 10}) for step in range(5))
    place = make_place("sh", "-c", f"echo auc=0.9; printf '%s' {shlex.quote(lines)} >{shlex.quote(str(metrics))}",
                       metrics="file")  # fmt: skip
    run_id = place.add_trial(params={})
    assert make_pod(place).start().end() == 0
    [(_, result)] = place.completed
    assert result.value == 0.4
    run = place.runs[run_id]
    assert [step for name, step in run.points if name == "curve.auc"] == [0, 1, 2, 3, 4]
    assert run.files["output/metrics.jsonl"].decode() == lines
    assert "auc=0.9" in run.log


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        (("sh", "-c", "echo before; echo 'no such column' >&2; exit 3"), 3, ["exit code 3", "before\nno such column"]),
        (("no-such-program",), 127, ["not found in the image (exit code 127): no-such-program"]),
        (("/etc/passwd",), 126, ["cannot be run in the image (exit code 126)"]),
        (("sh", "-c", "echo loss=1"), 0, ["without reporting auc; print a line such as auc=0.5", "loss=1"]),
        (("true",), 0, ["without reporting auc", "It wrote nothing"]),
        (("sh", "-c", "echo auc=0.5; echo auc=nan"), 0, ["last value of auc", "nan"]),
        (("sh", "-c", "echo auc=1e999"), 0, ["inf"]),
        (("sh", "-c", "kill -SEGV $$"), 139, ["exit code 139"]),
    ],
    ids=["exit", "missing", "not executable", "no metric", "silent", "nan", "infinite", "crash"],
)
def test_a_command_that_fails(
    make_place: Callable[..., StandIn], make_pod: MakePod, command: tuple[str, ...], code: int, says: list[str]
) -> None:
    place = make_place(*command)
    run_id = place.add_trial(params={})
    assert make_pod(place).start().end() == code
    assert place.completed == []
    [(failed, failure)] = place.failed
    assert (failed, failure.cause) == (run_id, Cause.CODE_ERROR)
    for words in says:
        assert words in failure.reason
    finish = place.runs[run_id].finish
    assert finish is not None
    assert (finish.state, finish.reason) == (RunState.FAILED, failure.reason)


def test_a_command_that_takes_too_long(make_place: Callable[..., StandIn], make_pod: MakePod) -> None:
    place = make_place("sh", "-c", LONG)
    place.add_trial(params={}, max_seconds=0.5)
    assert make_pod(place).start().end() == 143
    [(_, failure)] = place.failed
    assert failure.cause is Cause.DEADLINE
    assert "0.5 seconds" in failure.reason


def test_a_command_that_will_not_end_is_killed(make_place: Callable[..., StandIn], make_pod: MakePod) -> None:
    place = make_place("sh", "-c", f"trap : TERM; {LONG}")
    place.add_trial(params={}, max_seconds=0.5)
    assert make_pod(place).start().end() == 137
    [(_, failure)] = place.failed
    assert failure.cause is Cause.DEADLINE


@pytest.mark.parametrize("verdict", [Verdict.STOP, Verdict.PRUNE])
def test_a_verdict_ends_the_command(make_place: Callable[..., StandIn], make_pod: MakePod, verdict: Verdict) -> None:
    place = make_place("sh", "-c", f"echo auc=0.5; {LONG}")
    run_id = place.add_trial(params={})
    pod = make_pod(place).start()
    place.until(lambda: any(renewal.reports for _, renewal in place.renewed))
    place.verdicts[run_id] = verdict
    assert pod.end() == 143
    [(_, result)] = place.completed
    assert result.state == {"stop": "stopped", "prune": "pruned"}[verdict]


def test_a_lost_lease_ends_the_command_without_a_word(make_place: Callable[..., StandIn], make_pod: MakePod) -> None:
    place = make_place("sh", "-c", f"echo auc=0.5; {LONG}")
    run_id = place.add_trial(params={})
    pod = make_pod(place).start()
    place.until(lambda: any(renewal.reports for _, renewal in place.renewed))
    place.verdicts[run_id] = Verdict.LOST
    assert pod.end() == 143
    assert (place.completed, place.failed) == ([], [])


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_pod_that_is_told_to_end_gives_its_trial_back(
    make_place: Callable[..., StandIn], make_pod: MakePod, shell: tuple[str, ...], number: int
) -> None:
    place = make_place("sh", "-c", f"trap 'exit 0' TERM; echo auc=0.5; {LONG}")
    run_id = place.add_trial(params={})
    pod = make_pod(place, shell).start()
    place.until(lambda: any(renewal.reports for _, renewal in place.renewed))
    assert pod.main is not None
    pod.main.send_signal(number)
    assert pod.end() == 0
    assert place.completed == []
    [(failed, failure)] = place.failed
    assert (failed, failure.cause) == (run_id, Cause.RELEASED)


def test_a_sidecar_that_is_killed_goes_on(
    make_place: Callable[..., StandIn], make_pod: MakePod, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    waiting = f"while [ ! -e {gate} ]; do sleep 0.05; done"
    place = make_place("sh", "-c", f"echo one; echo auc=0.25; {waiting}; echo two; echo auc=0.75")
    run_id = place.add_trial(params={})
    pod = make_pod(place).start()
    place.until(lambda: any(renewal.reports for _, renewal in place.renewed))
    place.until(lambda: run_id in place.runs and "one" in place.runs[run_id].log)
    assert pod.sidecar is not None
    pod.sidecar.send_signal(signal.SIGKILL)
    pod.sidecar.wait()
    pod.start_sidecar()
    place.until(lambda: "started again" in place.runs[run_id].log)
    gate.touch()
    assert pod.end() == 0
    [(_, result)] = place.completed
    assert result.value == 0.75
    run = place.runs[run_id]
    assert {point: value for point, value in run.points.items() if point[0] == "curve.auc"} == {
        ("curve.auc", 1): 0.25, ("curve.auc", 2): 0.75
    }  # fmt: skip
    said = [line for number, line in sorted(run.lines.items()) if 1_000 <= number < 10_000_000]
    assert said == ["one", "auc=0.25", "two", "auc=0.75"]


def test_a_sidecar_that_is_killed_while_it_hands_in(make_place: Callable[..., StandIn], make_pod: MakePod) -> None:
    place = make_place("sh", "-c", "echo auc=0.75")
    run_id = place.add_trial(params={})
    place.refuse["/complete"] = Problem(503, "later")
    pod = make_pod(place).start()
    place.until(lambda: any(call.endswith("/complete") for call in place.calls))
    assert pod.sidecar is not None
    pod.sidecar.send_signal(signal.SIGKILL)
    pod.sidecar.wait()
    with place.changed:
        place.refuse.clear()
    pod.start_sidecar()
    assert pod.end() == 0
    [(completed, result)] = place.completed
    assert (completed, result.value) == (run_id, 0.75)


def test_a_command_that_is_killed_is_left_to_the_executor(
    make_place: Callable[..., StandIn], make_pod: MakePod
) -> None:
    place = make_place("sh", "-c", "echo auc=0.5; kill -KILL $$")
    run_id = place.add_trial(params={})
    pod = make_pod(place).start()
    assert pod.end() == 137
    assert (place.completed, place.failed) == ([], [])
    assert pod.places.last_word.read_text().startswith(render.COMMAND_KILLED)
    assert "auc=0.5" in place.runs[run_id].log


def test_a_container_that_is_killed_whole_is_left_to_the_executor(
    make_place: Callable[..., StandIn], make_pod: MakePod
) -> None:
    place = make_place("sh", "-c", f"echo auc=0.5; {LONG}")
    place.add_trial(params={})
    pod = make_pod(place).start()
    place.until(lambda: any(renewal.reports for _, renewal in place.renewed))
    assert pod.main is not None
    pod.main.kill()
    assert pod.end() == -9
    assert (place.completed, place.failed) == ([], [])
