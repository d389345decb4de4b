"""What a trial in an image of the user's writes, and what becomes of its model."""

import hashlib
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from melonkube.contracts.experiments import Cause
from melonkube.contracts.ids import new_id
from melonkube.contracts.models import BundleManifest
from melonkube.contracts.worker import EvaluationAssignment, Verdict
from melonkube.trainer.container import places as at
from tests.trainer.conftest import MakePod, MakeStandIn
from tests.trainer.stand_in import PATIENCE, Problem, StandIn


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
