"""Experiments: make one, follow it, steer it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any, Literal

from melonkube.contracts.base import Page
from melonkube.contracts.datasets import Dataset
from melonkube.contracts.events import Event, EventType
from melonkube.contracts.experiments import (
    AlgorithmInfo,
    Budget,
    ColumnOverride,
    Experiment,
    ExperimentCreate,
    ExperimentState,
    Metric,
    SplitFractions,
    Suggestion,
    SuggestionRequest,
    TrainerInfo,
    Trial,
    TrialDetail,
    TrialState,
)
from melonkube.contracts.ids import new_id
from melonkube.contracts.signature import Task
from melonkube.contracts.space import CategoricalParameter, FixedParameter, FloatParameter, IntParameter
from melonkube.contracts.workload import ContainerSpec, WorkerSpec
from melonkube.sdk._base import Resource
from melonkube.sdk._bodies import build, encode
from melonkube.sdk._events import GIVE_UP_SECONDS, follow, patiently
from melonkube.sdk._exceptions import Gone, WaitTimeout
from melonkube.sdk._paging import Pages
from melonkube.sdk._transport import Call, quote_name

_BASE = "/api/v1/experiments"

ParameterLike = IntParameter | FloatParameter | CategoricalParameter | FixedParameter | Mapping[str, Any]


class Experiments(Resource):
    """Searches for the best hyperparameters."""

    def create(
        self,
        dataset: str | Dataset,
        target: str,
        *,
        name: str | None = None,
        task: Task | str | None = None,
        metric: Metric | str | None = None,
        trainer: str | None = None,
        algorithm: str | None = None,
        search_space: Mapping[str, ParameterLike] | None = None,
        columns: Mapping[str, ColumnOverride | Mapping[str, Any]] | None = None,
        split: SplitFractions | Mapping[str, Any] | None = None,
        seed: int | None = None,
        parallelism: int | None = None,
        trials_per_worker: Literal["auto"] | int | None = None,
        baseline: bool | None = None,
        budget: Budget | Mapping[str, Any] | None = None,
        worker: WorkerSpec | Mapping[str, Any] | None = None,
        container: ContainerSpec | Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Experiment:
        """Start an experiment. Only the data set and the target are needed; the server infers the rest from the data.

        Args:
            dataset: A data set, or the id of one.
            target: The column to predict.
            name: Its name; no two experiments share one.
            task: ``binary``, ``multiclass`` or ``regression``.
            metric: What is optimised, such as ``auc``.
            trainer: ``lightgbm``, or ``container``, which it is by itself where ``container`` is given.
            algorithm: ``tpe`` or ``random``.
            search_space: What each hyperparameter may be.
            columns: Columns to leave out (``{"role": "ignored"}``) or to read as another kind.
            split: Shares of the rows for validation and holdout.
            seed: The same seed and one worker give the same trials.
            parallelism: Trials at once.
            trials_per_worker: Trials a worker process runs before it is replaced, or ``auto``.
            baseline: Whether trial 1 is the trainer's own defaults.
            budget: When to stop: ``max_trials``, ``max_seconds``, ``max_failed_trials``, ``max_trial_seconds``.
            worker: What each worker is given and where it may run, on an executor that can choose: ``cpu``,
                ``memory_bytes``, ``gpu``, ``image``, ``node_selector``, ...
            container: An image of yours and the command that is one trial in it: ``image``, ``command``, ``metrics``,
                ``run_as_user``. Needs Kubernetes, and ``search_space``.
            idempotency_key: A key of your own, to repeat the call from another process.

        Raises:
            InvalidInput: An argument cannot be right; nothing was sent.
            InvalidRequest: The server refuses it: the target is constant, unknown, ...
            Conflict: There is an experiment of that name.
        """
        given = {
            "dataset_id": dataset.id if isinstance(dataset, Dataset) else dataset,
            "target": target,
            "name": name,
            "task": task,
            "metric": metric,
            "trainer": trainer,
            "algorithm": algorithm,
            "search_space": search_space,
            "columns": columns,
            "split": split,
            "seed": seed,
            "parallelism": parallelism,
            "trials_per_worker": trials_per_worker,
            "baseline": baseline,
            "budget": budget,
            "worker": worker,
            "container": container,
        }
        return self.submit(build(ExperimentCreate, given), idempotency_key=idempotency_key)

    def submit(self, request: ExperimentCreate, *, idempotency_key: str | None = None) -> Experiment:
        """Start the experiment a request describes; see ``create``. Safe to repeat: it is made once."""
        headers = {"Idempotency-Key": idempotency_key or new_id()}
        call = Call("POST", _BASE, json=encode(request), headers=headers, repeatable=True)
        return self._transport.fetch(Experiment, call)

    def suggest(
        self,
        dataset: str | Dataset,
        target: str,
        *,
        task: Task | str | None = None,
        columns: Mapping[str, ColumnOverride | Mapping[str, Any]] | None = None,
    ) -> Suggestion:
        """Return what ``create`` would infer, without making anything."""
        given = {
            "dataset_id": dataset.id if isinstance(dataset, Dataset) else dataset,
            "target": target,
            "task": task,
            "columns": columns,
        }
        return self._post(Suggestion, "/api/v1/suggestions", build(SuggestionRequest, given), repeatable=True)

    def get(self, experiment_id: str) -> Experiment:
        """Return an experiment as it stands."""
        return self._get(Experiment, self._path(experiment_id))

    def trials(
        self,
        experiment_id: str,
        *,
        sort: Literal["number", "-number", "value"] | None = None,
        state: TrialState | str | None = None,
    ) -> Pages[Trial]:
        """Return the trials.

        Args:
            experiment_id: Of which experiment.
            sort: By ``number`` (the default), newest first (``-number``), or best first (``value``).
            state: Only those in this state.
        """
        return Pages(self._transport, Trial, self._path(experiment_id, "trials"), {"sort": sort, "state": state})

    def trial(self, experiment_id: str, number: int) -> TrialDetail:
        """Return a trial with its attempts and intermediate values."""
        return self._get(TrialDetail, self._path(experiment_id, "trials", str(int(number))))

    def stop(self, experiment_id: str) -> Experiment:
        """End an experiment now; what it has found stays."""
        return self._post(Experiment, self._path(experiment_id, "stop"))

    def pause(self, experiment_id: str) -> Experiment:
        """Start no further trials; running ones finish."""
        return self._post(Experiment, self._path(experiment_id, "pause"))

    def resume(self, experiment_id: str) -> Experiment:
        """Go on after ``pause``."""
        return self._post(Experiment, self._path(experiment_id, "resume"))

    def delete(self, experiment_id: str) -> None:
        """Delete an experiment with its trials and runs.

        Raises:
            Conflict: It still runs, or a model version depends on one of its runs.
        """
        self._delete(self._path(experiment_id))

    def events(
        self, experiment_id: str, *, after: int = 0, give_up_seconds: float | None = GIVE_UP_SECONDS
    ) -> Iterator[Event]:
        """Yield the events of an experiment as they happen, each once and in order, until its final state.

        A broken connection is opened again after the last event seen.

        Args:
            experiment_id: Which.
            after: Sequence number after which to begin; ``Experiment.last_event`` begins where that state ends.
            give_up_seconds: How long the server may be away; None waits for it without end.

        Raises:
            Gone: Events after ``after`` are no longer kept; read the state again.
            ConnectionFailed: The server stayed away.
        """
        stream = follow(self._transport, self._path(experiment_id), after, give_up_seconds)
        return (event for event in stream if event is not None)

    def wait(
        self,
        experiment_id: str,
        on_update: Callable[[Experiment], None] | None = None,
        *,
        timeout: float | None = None,
    ) -> Experiment:
        """Return the experiment when it has ended: ``completed``, ``stopped`` or ``failed``.

        Args:
            experiment_id: Which.
            on_update: Called with its state at the start, whenever that or a trial changes, and at the end.
            timeout: Seconds to wait at most, to within the server's heartbeat of some seconds; None: no limit.

        Raises:
            WaitTimeout: It still runs.
            ConnectionFailed: The server was away for five minutes.
        """
        clock = self._transport.clock
        until = None if timeout is None else clock.monotonic() + timeout
        told = on_update or (lambda _: None)

        def look() -> Experiment:
            found = patiently(self._transport, lambda: self.get(experiment_id))
            told(found)
            return found

        experiment = self.get(experiment_id)
        told(experiment)
        while not experiment.state.final:
            try:
                with closing(follow(self._transport, self._path(experiment_id), experiment.last_event)) as events:
                    for event in events:
                        if event is not None and event.seq > experiment.last_event and _matters(event):
                            experiment = look()
                        if experiment.state.final:
                            return experiment
                        if until is not None and clock.monotonic() > until:
                            raise WaitTimeout(f"Experiment {experiment.name!r} still runs after {timeout:g} s.")
            except Gone:
                pass
            experiment = look()
        return experiment

    def find(self, name: str) -> Experiment | None:
        """Return the experiment of that name, None if there is none."""
        return next((item for item in self.list(name=name) if item.name == name), None)

    def algorithms(self) -> Page[AlgorithmInfo]:
        """Return the search algorithms an experiment may name."""
        return self._get(Page[AlgorithmInfo], "/api/v1/algorithms")

    def trainers(self) -> Page[TrainerInfo]:
        """Return the trainers an experiment may name, with every parameter their search space may hold."""
        return self._get(Page[TrainerInfo], "/api/v1/trainers")

    def list(
        self, name: str | None = None, *, dataset_id: str | None = None, state: ExperimentState | str | None = None
    ) -> Pages[Experiment]:
        """Return the experiments, newest first: those with this name, data set version and state, where given."""
        return Pages(self._transport, Experiment, _BASE, {"name": name, "dataset_id": dataset_id, "state": state})

    @staticmethod
    def _path(experiment_id: str, *rest: str) -> str:
        return "/".join((_BASE, quote_name(experiment_id), *rest))


def _matters(event: Event) -> bool:
    """Return whether an experiment reads otherwise after ``event``: it changed, or one of its trials ended."""
    if event.type is EventType.TRIAL:
        return event.data.get("state") in {state.value for state in TrialState if state.final}
    return event.type is EventType.EXPERIMENT
