"""``melon demo``: the whole way from a table to a prediction, on real data, through the public port."""

import json
import os
import shlex
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from melonkube.contracts.datasets import Dataset, Sample
from melonkube.contracts.events import EventType
from melonkube.contracts.experiments import Experiment, ExperimentState, Trial, TrialState
from melonkube.contracts.signature import Kind
from melonkube.sdk import Client
from melonkube.sdk.cli.errors import CommandError
from melonkube.sdk.cli.text import seconds
from melonkube.suite.demo_view import DemoView, curl_line
from melonkube.suite.embedded import Suite, SuiteFailed
from melonkube.suite.plan import find_checkout

MAX_TRIALS = 40
MAX_SECONDS = 110.0
SEED = 2013
ROWS_SHOWN = 5
ROWS_APART = 20
COLUMNS_SHOWN = 3


def run_demo(data_dir: Path | None, workers: int | None, console: Console) -> None:
    """Tune, deploy and predict on the first sample; tell it on ``console``.

    Args:
        data_dir: Where the suite keeps its data; None: a temporary folder, removed at the end.
        workers: Trials at once; None: as many as there are cores.
        console: Where the demo is told.

    Raises:
        CommandError: Something went wrong; the message says what.
    """
    began = time.monotonic()
    view = DemoView(console)
    sample, file = find_sample(os.environ)
    view.sample(sample)
    try:
        with _folder(data_dir) as folder, _running(folder, workers, view) as suite, Client(suite.url) as client:
            _show(client, sample, file, view)
            view.step("Stopping")
    except SuiteFailed as error:
        raise CommandError(str(error)) from error
    view.say(f"The demo took {seconds(time.monotonic() - began)}. The suite is stopped.")
    again = f"melon up --data {shlex.quote(str(data_dir))}" if data_dir is not None else "make up"
    view.say(f"Start it for good with `{again}`, then open http://127.0.0.1:8080")


def find_sample(environ: Mapping[str, str]) -> tuple[Sample, Path]:
    """Return the first sample and its file.

    Raises:
        CommandError: There are no samples here.
    """
    checkout = find_checkout(__file__)
    given = environ.get("MELON_SAMPLES_DIR")
    folder = Path(given) if given else checkout / "examples" / "data" if checkout else None
    try:
        if folder is None:
            raise FileNotFoundError("there is no checkout")
        entry = json.loads((folder / "samples.json").read_text(encoding="utf-8"))[0]
        return Sample.model_validate(entry), folder / entry["file"]
    except (OSError, ValueError, LookupError) as error:
        raise CommandError(
            "The demo needs the sample data of a checkout; run it there, or name the folder by MELON_SAMPLES_DIR."
        ) from error


@contextmanager
def _folder(data_dir: Path | None) -> Iterator[Path]:
    if data_dir is not None:
        yield data_dir
        return
    with tempfile.TemporaryDirectory(prefix="melon-demo-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextmanager
def _running(folder: Path, workers: int | None, view: DemoView) -> Iterator[Suite]:
    view.step("Starting MelonKube")
    suite = Suite(folder, workers=workers, port=0)
    with view.waiting("four services are starting"):
        suite.start()
    try:
        view.say(f"It answers at {suite.url}; its data is in {folder}")
        yield suite
    finally:
        suite.stop()


def _show(client: Client, sample: Sample, file: Path, view: DemoView) -> None:
    view.step(f"Uploading {file.name}")
    with view.waiting("the table is read and profiled"):
        dataset = client.datasets.upload(file, sample.name)
    view.dataset(dataset)

    view.step(f"Tuning LightGBM to predict {sample.target!r}: at most {MAX_TRIALS} trials, {MAX_SECONDS:g} s")
    experiment = _tune(client, dataset, sample.target, view)
    trials = list(client.experiments.trials(experiment.id, sort="value", state=TrialState.COMPLETED))
    view.leaderboard(experiment, trials)
    if experiment.best is None:
        raise CommandError("No trial was completed.")
    view.winner(experiment, experiment.best)

    view.step(f"Deploying it as the endpoint {sample.name!r}")
    client.endpoints.put(sample.name, experiment_id=experiment.id)
    with view.waiting("the model is fetched, verified and loaded"):
        endpoint = client.endpoints.wait_ready(sample.name)
    view.say(f"model {endpoint.model}, version {endpoint.version}, digest {(endpoint.digest or '')[:12]}")

    view.step("Predicting over REST")
    schema = client.endpoints.schema(sample.name)
    rows = _rows(client, dataset)
    features = [feature.name for feature in schema.signature.features]
    answer = client.endpoints.predict(sample.name, [{name: row[name] for name in features} for row in rows])
    telling = [feature.name for feature in schema.signature.features if feature.kind is Kind.CATEGORICAL]
    view.predictions(rows, (telling or features)[:COLUMNS_SHOWN], sample.target, answer)
    for warning in answer.warnings:
        view.say(f"Note: {warning}")
    view.step("The same from any shell, while the suite is up")
    view.command(curl_line(client.url, sample.name, schema.input_example))


def _tune(client: Client, dataset: Dataset, target: str, view: DemoView) -> Experiment:
    """Return the experiment when it has ended well.

    Raises:
        CommandError: It has not.
    """
    budget = {"max_trials": MAX_TRIALS, "max_seconds": MAX_SECONDS}
    experiment = client.experiments.create(dataset, target, seed=SEED, budget=budget)
    with view.tuning(experiment) as lines:
        for event in client.experiments.events(experiment.id):
            if event.type is EventType.TRIAL:
                trial = Trial.model_validate(event.data)
                if trial.state.final:
                    lines.ended(trial)
    experiment = client.experiments.get(experiment.id)
    if experiment.state is not ExperimentState.COMPLETED:
        raise CommandError(f"The experiment is {experiment.state}: {experiment.reason or 'no reason was given'}")
    view.say(f"{experiment.trials.completed} trials in {seconds(experiment.elapsed_seconds)}")
    return experiment


def _rows(client: Client, dataset: Dataset) -> list[dict[str, Any]]:
    """Return some rows from all over the beginning of the table."""
    preview = client.datasets.preview(dataset.id, ROWS_SHOWN * ROWS_APART)
    return [dict(zip(preview.columns, row, strict=True)) for row in preview.rows[::ROWS_APART]]
