"""The run of an attempt, as it is made in the registry."""

from importlib.metadata import version

from melonkube.contracts.models import TAG_CODE_VERSION, TAG_EXPERIMENT_NAME, TAG_SEED
from melonkube.contracts.runs import RunCreate
from melonkube.contracts.worker import TrialAssignment, WorkerSetup


def run_of(setup: WorkerSetup, trial: TrialAssignment) -> RunCreate:
    """Return what to make; made again, by whoever holds the trial, it is the same run."""
    return RunCreate(
        id=trial.run_id,
        name=f"Trial {trial.number}" + (f", attempt {trial.attempt}" if trial.attempt > 1 else ""),
        experiment_id=setup.experiment_id,
        trial_id=trial.trial_id,
        trial_number=trial.number,
        attempt=trial.attempt,
        dataset_id=setup.dataset_id,
        params=trial.params,
        tags={
            TAG_EXPERIMENT_NAME: setup.experiment_name,
            TAG_SEED: str(setup.seed),
            TAG_CODE_VERSION: code_version(setup),
        },
    )


def code_version(setup: WorkerSetup) -> str:
    """Return what trains: our trainer in its version, or an image of the user's."""
    if setup.container is not None:
        return setup.container.image
    return f"melonkube-trainer {version('melonkube-trainer')}"
