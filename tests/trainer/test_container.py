"""A trial in an image of the user's: real programs and a real shell against a stand-in for tuner and registry."""

import hashlib
import io
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from melonkube.contracts.experiments import Cause
from melonkube.contracts.ids import new_id
from melonkube.contracts.models import BundleManifest
from melonkube.contracts.runs import RunState
from melonkube.contracts.signature import Task
from melonkube.contracts.worker import EvaluationAssignment, Verdict
from melonkube.contracts.workload import ContainerSpec
from melonkube.trainer.container import places as at
from melonkube.trainer.container import render
from tests.trainer.conftest import MakeStandIn
from tests.trainer.pod import Pod
from tests.trainer.stand_in import PATIENCE, Problem, StandIn

SHELLS = [shell for shell in (("/bin/sh",), ("bash", "--posix"), ("busybox", "sh")) if shutil.which(shell[0])]
LONG = "echo begun; while :; do sleep 0.05; done"

MakePod = Callable[..., Pod]


@pytest.fixture
def make_place(make_stand_in: MakeStandIn) -> Callable[..., StandIn]:
    """Makes tuner and registry of an experiment whose trials run a command."""

    def make(*command: str, task: Task = Task.BINARY, **container: Any) -> StandIn:
        spec = ContainerSpec(image="an/image:1", command=list(command), **container)
        return make_stand_in(task, trainer="container", container=spec, fixed={})

    return make


@pytest.fixture
def make_pod(tmp_path: Path) -> Iterator[MakePod]:
    made: list[Pod] = []

    def make(stand_in: StandIn, shell: tuple[str, ...] = ("/bin/sh",)) -> Pod:
        made.append(Pod(stand_in, tmp_path / f"pod {len(made)}", shell))
        return made[-1]

    yield make
    for pod in made:
        pod.close()


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


def test_very_much_output_is_bounded(make_place: Callable[..., StandIn], make_pod: MakePod) -> None:
    write = (
        "import sys\n"
        "out = sys.stdout.buffer\n"
        "out.write(b'x' * 3_000_000 + b'\\n')\n"
        "out.write(bytes(range(256)) * 10 + b'\\n')\n"
        "for n in range(60_000): out.write(b'auc=0.%05d and some words\\n' % n)\n"
        "out.write(b'auc=0.5')\n"
    )
    place = make_place(sys.executable, "-c", write)
    run_id = place.add_trial(params={})
    assert make_pod(place).start().end() == 0
    [(_, result)] = place.completed
    assert result.value == 0.5
    run = place.runs[run_id]
    assert sum(len(line) for line in run.lines.values()) < 10 << 20
    assert len(run.lines) < 21_000
    assert "lines were not kept" in run.log
    assert "auc=0.59999" in run.log
    assert len([name for name, _ in run.points if name == "curve.auc"]) < 3_000


def test_files_are_kept_and_links_are_not_followed(
    make_place: Callable[..., StandIn], make_pod: MakePod, tmp_path: Path
) -> None:
    output = tmp_path / "pod 0" / "melon" / "output"
    (tmp_path / "secret").write_text("a secret")
    make = (
        f"cd {shlex.quote(str(output))}; mkdir -p a/b; echo text >a/b/c.txt; : >empty; echo auc=1; "
        f"ln -s {tmp_path}/secret link; ln -s {tmp_path} folder; mkfifo pipe; printf 'x' >pickle.pkl; "
        "printf '%s' name >'with space %.txt'; head -c 3000000 /dev/zero >large.bin"
    )
    place = make_place("sh", "-c", make)
    place.setup = place.setup.model_copy(update={"artifact_bytes": 2_000_000})
    place.refuse["pickle.pkl"] = Problem(422, "unsafe_artifact")
    run_id = place.add_trial(params={})
    assert make_pod(place).start().end() == 0
    assert len(place.completed) == 1
    run = place.runs[run_id]
    assert run.files == {
        "output/a/b/c.txt": b"text\n", "output/empty": b"", "output/with space %.txt": b"name"
    }  # fmt: skip
    for name in ("link", "folder", "pipe", "pickle.pkl", "large.bin"):
        assert f"not kept: {name}" in run.log


def test_a_link_in_place_of_what_is_read(make_place: Callable[..., StandIn], make_pod: MakePod, tmp_path: Path) -> None:
    shared = tmp_path / "pod 0" / "melon"
    (tmp_path / "secret").write_text("auc=0.9 a secret\n")
    swap = (
        f"cd {shlex.quote(str(shared))}; rm run/output; ln -s {tmp_path}/secret run/output; "
        f"rm -r output; ln -s {tmp_path} output"
    )
    place = make_place("sh", "-c", swap)
    run_id = place.add_trial(params={})
    # The sidecar begins when all is done, so that it has opened nothing before.
    pod = make_pod(place)
    assert pod.prepare() == 0
    pod.start_main()
    until = time.monotonic() + PATIENCE
    while not (pod.places.run / at.EXIT).exists():
        assert time.monotonic() < until, "the command does not end"
        time.sleep(0.02)
    pod.start_sidecar()
    assert pod.end() == 0
    assert place.completed == []
    assert "a secret" not in place.runs[run_id].log
    assert "a secret" not in pod.log


def bundle_of(place: StandIn, start: Any) -> dict[str, bytes]:
    """Return what a worker of ours leaves of a trial."""
    run_id = place.add_trial()
    start(place).join()
    files = dict(place.runs[run_id].files)
    return {name.removeprefix("model/"): content for name, content in files.items()}


@pytest.mark.parametrize("manifest", [False, True], ids=["without a manifest", "with its own"])
def test_a_bundle_is_kept_and_scored(
    make_place: Callable[..., StandIn],
    make_pod: MakePod,
    make_stand_in: MakeStandIn,
    start_worker: Any,
    tmp_path: Path,
    manifest: bool,
) -> None:
    files = bundle_of(make_stand_in(), start_worker)
    if not manifest:
        del files["manifest.json"]
    source = tmp_path / "bundle"
    source.mkdir()
    for name, content in files.items():
        (source / name).write_bytes(content)
    model = tmp_path / "pod 0" / "melon" / "output" / "model"
    place = make_place("sh", "-c", f"cp -r {source} {shlex.quote(str(model))}; echo auc=0.75")
    run_id = place.add_trial(params={})
    assert make_pod(place).start().end() == 0
    kept = place.runs[run_id].files
    assert {name: kept[f"model/{name}"] for name in files} == files
    made = BundleManifest.model_validate_json(kept["model/manifest.json"])
    assert made.flavor == "lightgbm"
    assert set(made.files) == set(files) - {"manifest.json"}
    assert all(made.files[name].sha256 == hashlib.sha256(files[name]).hexdigest() for name in made.files)

    evaluation = EvaluationAssignment(run_id=new_id(), models={"best": run_id})
    place.add(evaluation)
    assert make_pod(place).start().end() == 0
    [(evaluated, result)] = place.evaluated
    assert evaluated == evaluation.run_id
    assert 0.5 < result.values["best"]["auc"] <= 1
    assert result.reason is None


@pytest.mark.parametrize(
    ("left", "says"),
    [
        ({}, "left no model bundle"),
        ({"model/manifest.json": b"nonsense"}, "could not be scored"),
        (
            {"model/manifest.json": b'{"flavor": "other", "files": {}, "architecture": "x", "golden_tolerance": 0}'},
            "no trainer 'other'",
        ),
    ],
    ids=["none", "nonsense", "unknown"],
)
def test_what_cannot_be_scored_is_said(
    make_place: Callable[..., StandIn], make_pod: MakePod, left: dict[str, bytes], says: str
) -> None:
    place = make_place("sh", "-c", "echo auc=0.75")
    run_id = place.add_trial(params={})
    assert make_pod(place).start().end() == 0
    place.runs[run_id].files |= left
    place.add(EvaluationAssignment(run_id=new_id(), models={"best": run_id}))
    assert make_pod(place).start().end() == 0
    [(_, result)] = place.evaluated
    assert result.values == {}
    assert says in (result.reason or "")


def test_a_pod_for_which_there_is_nothing_ends_in_order(make_place: Callable[..., StandIn], make_pod: MakePod) -> None:
    place = make_place("sh", "-c", "echo auc=0.75")
    assert make_pod(place).start().end() == 0
    assert (place.completed, place.failed, place.runs) == ([], [], {})


def test_data_that_cannot_be_had_fails_the_trial(make_place: Callable[..., StandIn], make_pod: MakePod) -> None:
    place = make_place("sh", "-c", "echo auc=0.75")
    place.add_trial(params={})
    place.refuse["/parquet"] = Problem(404, "not_found")
    assert make_pod(place).start().end() == 0
    [(_, failure)] = place.failed
    assert failure.cause is Cause.CODE_ERROR
    assert place.completed == []


def test_a_trial_that_is_stopped_while_it_is_prepared(make_place: Callable[..., StandIn], make_pod: MakePod) -> None:
    place = make_place("sh", "-c", "echo auc=0.75")
    run_id = place.add_trial(params={})
    place.verdicts[run_id] = Verdict.STOP
    assert make_pod(place).start().end() == 0
    [(_, result)] = place.completed
    assert (result.state, result.value) == ("stopped", None)


NASTY = [
    "it's",
    'a "word"',
    "$HOME `id` $(id) \\ \\n",
    "two\nlines\n",
    "",
    "-n",
    "*",
    "~",
    "#",
    "!",
    "한글 ☃",
    "\t\r",
    "{{params.x}}",
]


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_arguments_arrive_as_they_are(
    make_place: Callable[..., StandIn], make_pod: MakePod, tmp_path: Path, shell: tuple[str, ...]
) -> None:
    write = "import json, sys; json.dump(sys.argv[2:], open(sys.argv[1], 'w')); print('auc=1')"
    arrived = tmp_path / "arrived"
    placed = [f"{{{{params.p{number}}}}}" for number in range(len(NASTY))]
    place = make_place(
        sys.executable, "-c", write, str(arrived), *NASTY[:-1], *placed, "--rate={{ params.rate }}", "{{params.deep}}"
    )
    params: dict[str, Any] = {f"p{number}": value for number, value in enumerate(NASTY)}
    place.add_trial(params=params | {"rate": 1e-05, "deep": False})
    assert make_pod(place, shell).start().end() == 0
    assert json.loads(arrived.read_text()) == [*NASTY[:-1], *NASTY, "--rate=1e-05", "false"]


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
@given(
    words=st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1, max_size=5)
)
def test_any_text_is_one_word(shell: tuple[str, ...], words: list[str]) -> None:
    line = "printf '%s\\0' " + " ".join(map(render.quoted, words))
    said = subprocess.run([*shell, "-c", line], capture_output=True, check=True, env=dict(os.environ)).stdout
    assert said.split(b"\0")[:-1] == [word.encode() for word in words]


@given(
    words=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=4),
    value=st.text(max_size=20),
)
def test_what_is_put_in_is_not_filled_in_again(words: list[str], value: str) -> None:
    command = ["".join(words).replace("{", "").replace("}", "") + "{{params.x}}", "{{params.y}}"]
    first, second = render.arguments(command, {"x": value, "y": "{{params.x}}"})
    assert first.endswith(value)
    assert second == "{{params.x}}"
