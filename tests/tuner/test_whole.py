"""Whole experiments: real worker processes, a real socket, both databases."""

import os
import signal
from typing import Any

import pytest

from tests.tuner.conftest import MakeHand, Running, StartTuner


async def all_trials(running: Running, experiment_id: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await running.get(f"{experiment_id}/trials?limit=1000"))["items"]
    return items


def pids(running: Running) -> dict[str, int]:
    workers = running.tuner.executor._workers  # type: ignore[attr-defined]
    return {worker_id: worker.process.pid for worker_id, worker in workers.items()}


async def test_an_experiment_runs_to_its_end(start_tuner: StartTuner) -> None:
    running = await start_tuner()
    made = await running.create(budget={"max_trials": 12})
    done = await running.finished(made["id"])
    assert done["state"] == "completed"
    assert done["trials"]["completed"] == 12
    assert done["best"]["holdout_value"] == 0.5
    found = await all_trials(running, made["id"])
    assert [trial["number"] for trial in found] == list(range(1, 13))
    assert {trial["attempt"] for trial in found} == {1}
    assert done["best"]["value"] == max(trial["value"] for trial in found)
    assert await running.registry.ended(made["run_id"]) == "completed"


async def test_the_same_seed_and_one_worker_give_the_same_trials(start_tuner: StartTuner) -> None:
    running = await start_tuner(workers=1)
    params = []
    for _ in range(2):
        made = await running.create(budget={"max_trials": 6}, seed=5)
        await running.finished(made["id"])
        params.append([trial["params"] for trial in await all_trials(running, made["id"])])
    assert params[0] == params[1]


async def test_a_worker_killed_from_outside_is_replaced_at_once(start_tuner: StartTuner) -> None:
    running = await start_tuner(workers=1)
    running.behave(fate={"2": {"signal": signal.SIGKILL}})
    made = await running.create(budget={"max_trials": 4})
    done = await running.finished(made["id"])
    assert (done["state"], done["trials"]["completed"]) == ("completed", 4)
    second = (await running.get(f"{made['id']}/trials/2"))["attempts"]
    assert [(attempt["outcome"], attempt["cause"]) for attempt in second] == [
        ("lost", "worker_killed"),
        ("completed", None),
    ]


@pytest.mark.parametrize("how", [{"exit": 7}, {"signal": int(signal.SIGSEGV)}])
async def test_a_trial_that_crashes_its_worker_has_failed(start_tuner: StartTuner, how: dict[str, int]) -> None:
    running = await start_tuner(workers=1)
    running.behave(fate={"2": how})
    made = await running.create(budget={"max_trials": 4})
    done = await running.finished(made["id"])
    assert (done["trials"]["completed"], done["trials"]["failed"]) == (3, 1)
    trial = await running.get(f"{made['id']}/trials/2")
    assert (trial["state"], trial["cause"], trial["attempt"]) == ("failed", "code_error", 1)
    if "exit" in how:
        assert "the bowl is cracked" in trial["reason"]


async def test_too_many_failures_fail_the_experiment(start_tuner: StartTuner) -> None:
    running = await start_tuner()
    running.behave(fail="code_error")
    made = await running.create(budget={"max_trials": 50, "max_failed_trials": 2})
    done = await running.finished(made["id"])
    assert done["state"] == "failed"
    assert "the bowl is cracked" in done["reason"]
    assert done["trials"]["failed"] == 3
    assert await running.registry.ended(made["run_id"]) == "failed"


async def test_workers_that_cannot_start_fail_the_experiment(start_tuner: StartTuner) -> None:
    running = await start_tuner(workers=2)
    running.behave(start=9)
    made = await running.create()
    done = await running.finished(made["id"])
    assert done["state"] == "failed"
    assert "the fuse is blown" in done["reason"]
    assert done["trials"]["failed"] == 0


@pytest.mark.parametrize("hang", [False, True])
async def test_stop_ends_running_trials_at_once_and_scores_the_winner(start_tuner: StartTuner, hang: bool) -> None:
    running = await start_tuner()
    running.behave(fate={"3": {"seconds": 600}, "4": {"seconds": 600}}, hang=hang)
    made = await running.create(budget={"max_trials": 10})
    await running.until(made["id"], lambda event: event.data.get("number") == 4)
    stopped = (await running.client.post(f"/api/v1/experiments/{made['id']}/stop")).json()
    assert (stopped["state"], stopped["phase"], stopped["trials"]["running"]) == ("running", "evaluating", 0)
    done = await running.finished(made["id"])
    assert done["state"] == "stopped"
    assert done["reason"] == "Stopped by the user."
    assert done["best"]["holdout_value"] == 0.5
    states = {trial["number"]: (trial["state"], trial["cause"]) for trial in await all_trials(running, made["id"])}
    assert states[3] == states[4] == ("stopped", "stopped")
    assert done["trials"] == {**done["trials"], "completed": 2, "stopped": 2, "running": 0}


async def test_stop_before_anything_was_completed(start_tuner: StartTuner) -> None:
    running = await start_tuner()
    running.behave(seconds=600)
    made = await running.create()
    await running.until(made["id"], lambda event: event.data.get("number") == 2)
    stopped = (await running.client.post(f"/api/v1/experiments/{made['id']}/stop")).json()
    assert (stopped["state"], stopped["best"]) == ("stopped", None)
    again = await running.client.post(f"/api/v1/experiments/{made['id']}/stop")
    assert (again.status_code, again.json()["state"]) == (200, "stopped")
    for verb in ("pause", "resume"):
        answer = await running.client.post(f"/api/v1/experiments/{made['id']}/{verb}")
        assert (answer.status_code, answer.json()["code"]) == (409, "experiment_finished")


async def test_pause_lets_trials_finish_and_resume_goes_on(start_tuner: StartTuner) -> None:
    running = await start_tuner(workers=1)
    running.behave(fate={"2": {"seconds": 1.0}})
    made = await running.create(budget={"max_trials": 4})
    await running.until(made["id"], lambda event: event.data.get("number") == 2)
    paused = (await running.client.post(f"/api/v1/experiments/{made['id']}/pause")).json()
    assert (paused["state"], paused["phase"]) == ("paused", None)
    await running.until(
        made["id"], lambda event: event.data.get("number") == 2 and event.data.get("state") == "completed"
    )
    rest = await running.get(made["id"])
    assert (rest["state"], rest["trials"]["completed"], rest["trials"]["running"]) == ("paused", 2, 0)
    again = (await running.client.post(f"/api/v1/experiments/{made['id']}/resume")).json()
    assert again["state"] == "running"
    assert (await running.client.post(f"/api/v1/experiments/{made['id']}/resume")).status_code == 200
    done = await running.finished(made["id"])
    assert (done["state"], done["trials"]["completed"]) == ("completed", 4)


async def test_the_end_of_the_time_ends_the_search(start_tuner: StartTuner) -> None:
    running = await start_tuner()
    running.behave(seconds=0.1)
    made = await running.create(budget={"max_seconds": 4})
    done = await running.finished(made["id"])
    assert done["state"] == "completed"
    assert done["elapsed_seconds"] >= 4.0
    assert done["trials"]["total"] is None
    assert done["trials"]["completed"] > 2


async def test_a_process_for_each_trial(start_tuner: StartTuner) -> None:
    running = await start_tuner()
    made = await running.create(budget={"max_trials": 4}, trials_per_worker=1)
    done = await running.finished(made["id"])
    assert done["trials"]["completed"] == 4
    workers = {trial["worker_id"] for trial in await all_trials(running, made["id"])}
    assert len(workers) == 4


async def test_experiments_share_the_slots(start_tuner: StartTuner) -> None:
    running = await start_tuner(workers=2)
    running.behave(seconds=0.1)
    first = await running.create(budget={"max_trials": 30})
    await running.until(first["id"], lambda event: event.data.get("number") == 4)
    second = await running.create(budget={"max_trials": 3})
    done = await running.finished(second["id"])
    assert done["state"] == "completed"
    assert (await running.get(first["id"]))["state"] == "running"
    assert (await running.finished(first["id"]))["trials"]["completed"] == 30


async def test_more_experiments_than_slots_take_turns(start_tuner: StartTuner) -> None:
    running = await start_tuner(workers=1, turn_seconds=0.5)
    running.behave(seconds=0.2)
    made = [await running.create(budget={"max_trials": 4}) for _ in range(3)]
    started = []
    for each in made:
        done = await running.finished(each["id"])
        assert done["trials"]["completed"] == 4
        started.append((done["started_at"], done["finished_at"]))
    assert max(began for began, _ in started) < min(ended for _, ended in started)


async def test_delete(start_tuner: StartTuner) -> None:
    running = await start_tuner(workers=1)
    running.behave(fate={"2": {"seconds": 600}})
    made = await running.create()
    path = f"/api/v1/experiments/{made['id']}"
    await running.until(made["id"], lambda event: event.data.get("number") == 2)
    answer = await running.client.delete(path)
    assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
    assert "stop it first" in answer.json()["detail"]
    await running.client.post(f"{path}/stop")
    await running.finished(made["id"])
    running.registry.in_use.add(made["id"])
    answer = await running.client.delete(path)
    assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
    assert (await running.get(made["id"]))["state"] == "stopped"
    running.registry.in_use.clear()
    assert (await running.client.delete(path)).status_code == 204
    for gone in (path, f"{path}/trials", f"{path}/events", f"{path}/trials/1"):
        assert (await running.client.get(gone)).status_code == 404
    assert (await running.client.delete(path)).status_code == 404
    assert made["run_id"] not in running.registry.runs
    assert (await running.create(name=made["name"]))["name"] == made["name"]


async def test_a_scoring_that_crashes_is_given_up(start_tuner: StartTuner) -> None:
    running = await start_tuner(workers=1)
    running.behave(evaluation="fail")
    made = await running.create(budget={"max_trials": 2})
    done = await running.finished(made["id"])
    assert (done["state"], done["best"]["holdout_value"]) == ("completed", None)
    assert "no holdout" in done["warnings"][0]


async def test_a_worker_killed_by_hand_while_others_go_on(start_tuner: StartTuner, by_hand: MakeHand) -> None:
    running = await start_tuner(workers=2)
    running.behave(seconds=0.2, renew=True)
    made = await running.create(budget={"max_trials": 10})
    for number in (2, 4, 6):
        await running.until(made["id"], lambda event, number=number: event.data.get("number") == number)  # type: ignore[misc]
        victim = next(iter(pids(running).values()), None)
        if victim is not None:
            os.kill(victim, signal.SIGKILL)
    done = await running.finished(made["id"])
    assert (done["state"], done["trials"]["completed"], done["trials"]["failed"]) == ("completed", 10, 0)
    found = await all_trials(running, made["id"])
    assert [trial["number"] for trial in found] == list(range(1, 11))


async def test_no_worker_outlives_the_tuner_and_its_trial_waits_for_the_next(start_tuner: StartTuner) -> None:
    running = await start_tuner(workers=2)
    running.behave(seconds=600)
    made = await running.create(budget={"max_trials": 2})
    await running.until(made["id"], lambda event: event.data.get("number") == 2)
    before = pids(running)
    assert len(before) == 2
    await running.tuner.before_stop()
    assert pids(running) == {}
    for pid in before.values():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    stand = await running.get(made["id"])
    assert (stand["trials"]["queued"], stand["trials"]["running"]) == (2, 0)
    causes = [(await running.get(f"{made['id']}/trials/{number}"))["attempts"][0]["cause"] for number in (1, 2)]
    assert causes == ["released", "released"]
