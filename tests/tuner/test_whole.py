"""Whole experiments: real worker processes, a real socket, both databases."""

from tests.tuner.conftest import StartTuner


async def test_an_experiment_runs_to_its_end(start_tuner: StartTuner) -> None:
    running = await start_tuner()
    made = await running.create(budget={"max_trials": 8})
    done = await running.finished(made["id"])
    assert done["state"] == "completed"
    assert done["trials"]["completed"] == 8
