"""What every installed trainer must do, for each of its tasks."""

import hashlib
import json
import math
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from melonkube.contracts.experiments import TASK_METRICS
from melonkube.contracts.models import (
    GOLDEN_NAME,
    INPUT_EXAMPLE_NAME,
    SIGNATURE_NAME,
    BundleManifest,
    GoldenRows,
)
from melonkube.contracts.signature import Role, Signature, Task
from melonkube.tabular.encode import FeatureEncoder
from melonkube.trainer.bundle import make_manifest
from melonkube.trainer.protocol import Trainer, TrainingError
from melonkube.trainer.spec import find_spec, trainer_names
from tests.trainer.data import FreeControl, columns_for, make_job

OURS = [name for name in trainer_names() if find_spec(name).implementation]
CASES = [(name, task) for name in OURS for task in sorted(find_spec(name).tasks)]
pytestmark = pytest.mark.parametrize(("name", "task"), CASES)


def implementation(name: str) -> Any:
    module, _, attribute = find_spec(name).implementation.partition(":")
    return getattr(import_module(module), attribute)


@pytest.fixture
def trainer(name: str, task: Task) -> Any:
    return implementation(name).prepare(make_job(task))


def defaults(name: str) -> Any:
    return find_spec(name).baseline_params()


def test_it_is_a_trainer(name: str, task: Task, trainer: Any) -> None:
    assert isinstance(trainer, Trainer)
    assert trainer.flavor
    assert trainer.library_versions


def test_the_same_trial_gives_the_same_model(name: str, task: Task, trainer: Any) -> None:
    first = trainer.train(defaults(name), FreeControl())
    again = trainer.train(defaults(name), FreeControl())
    elsewhere = implementation(name).prepare(make_job(task)).train(defaults(name), FreeControl())
    assert first.save() == again.save() == elsewhere.save()
    assert first.value == again.value == elsewhere.value


def test_trials_do_not_touch_each_other(name: str, task: Task, trainer: Any) -> None:
    alone = trainer.train(defaults(name), FreeControl()).save()
    spec = find_spec(name)
    space = spec.default_space(360, 5, task)
    other: Any = {key: getattr(parameter, "low", getattr(parameter, "value", None)) for key, parameter in space.items()}
    assert spec.resolve(other)
    trainer.train(other, FreeControl())
    assert trainer.train(defaults(name), FreeControl()).save() == alone


def test_scores_are_the_tasks_and_good(name: str, task: Task, trainer: Any) -> None:
    fitted = trainer.train(defaults(name), FreeControl())
    assert list(fitted.metrics) == [metric.value for metric in TASK_METRICS[task]]
    assert fitted.value == fitted.metrics[TASK_METRICS[task][0].value]
    assert all(math.isfinite(value) for value in fitted.metrics.values())
    goodness = fitted.metrics["r2" if task is Task.REGRESSION else "accuracy"]
    assert goodness > 0.7
    assert fitted.step > 0


def test_each_metric_can_be_tuned(name: str, task: Task) -> None:
    for metric in TASK_METRICS[task]:
        control = FreeControl()
        fitted = implementation(name).prepare(make_job(task, metric)).train(defaults(name), control)
        assert fitted.value == fitted.metrics[metric.value]
        # Libraries keep labels in single precision.
        assert control.reports[-1][1] == pytest.approx(fitted.value, rel=1e-6)


def test_reports_are_few_and_in_order(name: str, task: Task, trainer: Any) -> None:
    control = FreeControl()
    trainer.train(defaults(name), control)
    steps = [step for step, _ in control.reports]
    assert steps == sorted(set(steps))
    assert 10 <= len(steps) <= 50


def test_a_trial_ends_when_told(name: str, task: Task, trainer: Any) -> None:
    stopped = trainer.train(defaults(name), FreeControl(rounds=3))
    assert stopped is not None
    assert stopped.step <= 3


def test_impossible_parameters_are_said(name: str, task: Task, trainer: Any) -> None:
    with pytest.raises(TrainingError, match="nonsense"):
        trainer.train({"nonsense": 1}, FreeControl())


def test_without_a_feature_there_is_no_training(name: str, task: Task) -> None:
    columns = [
        column if column.role is Role.TARGET else column.model_copy(update={"role": Role.IGNORED})
        for column in columns_for(task)
    ]
    with pytest.raises(TrainingError, match="feature"):
        implementation(name).prepare(make_job(task, columns=columns))


def test_the_bundle_is_whole_and_text(name: str, task: Task, trainer: Any) -> None:
    shared, own = trainer.shared_files(), trainer.train(defaults(name), FreeControl()).save()
    assert not set(shared) & set(own)
    files = {**shared, **own}
    assert {SIGNATURE_NAME, GOLDEN_NAME, INPUT_EXAMPLE_NAME} < set(files)
    for content in files.values():
        assert "\x00" not in content.decode()
    manifest = BundleManifest.model_validate_json(make_manifest(trainer.flavor, files, trainer.library_versions))
    assert set(manifest.files) == set(files)
    for file, listed in manifest.files.items():
        assert listed.sha256 == hashlib.sha256(files[file]).hexdigest()
        assert listed.size_bytes == len(files[file])


def test_golden_rows_and_example_are_rows_a_client_may_send(name: str, task: Task, trainer: Any) -> None:
    files = {**trainer.shared_files(), **trainer.train(defaults(name), FreeControl()).save()}
    encoder = FeatureEncoder(Signature.model_validate_json(files[SIGNATURE_NAME]))
    golden = GoldenRows.model_validate_json(files[GOLDEN_NAME])
    assert len(golden.instances) == len(golden.raw_scores) == 16
    encoded = encoder.encode_instances(golden.instances)
    assert encoded.warnings == []
    missing = np.isnan(encoded.matrix).any(axis=1)
    assert missing.any()
    assert not missing.all()
    width = 3 if task is Task.MULTICLASS else 1
    assert all(len(scores) == width for scores in golden.raw_scores)
    example = json.loads(files[INPUT_EXAMPLE_NAME])
    assert not np.isnan(encoder.encode_instances([example]).matrix).any()
    assert example in golden.instances


def test_a_bundle_is_scored_on_the_holdout(name: str, task: Task, trainer: Any) -> None:
    fitted = trainer.train(defaults(name), FreeControl())
    files = {**trainer.shared_files(), **fitted.save()}
    scores = trainer.evaluate(files)
    assert list(scores) == [metric.value for metric in TASK_METRICS[task]]
    assert scores["r2" if task is Task.REGRESSION else "accuracy"] > 0.7
    assert scores != fitted.metrics
    assert implementation(name).prepare(make_job(task)).evaluate(files) == scores
