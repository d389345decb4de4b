"""How attempts and searches end: leases that run out, the scoring, the clock, a tuner that ends."""

import asyncio

import pytest

from tests.tuner.conftest import Begin, MakeHand


async def test_a_lost_lease_is_tried_again_and_its_late_worker_is_told(begin: Begin, by_hand: MakeHand) -> None:
    running, made, hand = await begin(lease_seconds=0.6, heartbeat_seconds=0.2)
    work = await hand.lease()
    await running.until(
        made["id"], lambda event: event.data.get("cause") == "lease_lost" and event.data.get("state") == "queued"
    )
    other = by_hand(running, made["id"], "hand-2")
    again = await other.lease()
    assert (again["number"], again["attempt"]) == (1, 2)
    assert again["run_id"] != work["run_id"]
    path = f"leases/{work['run_id']}"
    assert (await hand.call(f"{path}/renew"))["verdict"] == "lost"
    late = await hand.complete(work, 0.9, want_next=False)
    assert late["accepted"] is False
    assert (await hand.complete(work, 0.9, want_next=False))["accepted"] is False
    await other.complete(again, 0.5, want_next=False)
    found = await running.trial(made, 1)
    assert (found["value"], found["attempt"], found["run_id"]) == (0.5, 2, again["run_id"])
    assert [attempt["outcome"] for attempt in found["attempts"]] == ["lost", "completed"]
    assert await running.registry.ended(work["run_id"]) == "lost"


async def test_a_result_that_comes_before_anybody_noticed_is_taken(begin: Begin) -> None:
    running, made, hand = await begin(lease_seconds=0.3, tick_seconds=30.0)
    work = await hand.lease()
    await asyncio.sleep(0.4)
    assert (await hand.complete(work, 0.9, want_next=False))["accepted"] is True
    assert (await running.trial(made, 1))["value"] == 0.9


async def test_losses_without_end_fail_the_trial_in_the_end(begin: Begin) -> None:
    running, made, hand = await begin(lease_seconds=0.3, heartbeat_seconds=0.1)
    for attempt in range(1, 6):
        work = await hand.lease()
        assert (work["number"], work["attempt"]) == (1, attempt)
        wanted = "failed" if attempt == 5 else "queued"
        await running.until(
            made["id"],
            lambda event, attempt=attempt, wanted=wanted: (  # type: ignore[misc]
                event.data.get("attempt") == attempt and event.data.get("state") == wanted
            ),
        )
    found = await running.trial(made, 1)
    assert (found["state"], found["cause"]) == ("failed", "lease_lost")


async def test_the_end_of_the_search_is_the_scoring_of_the_winner(begin: Begin) -> None:
    running, made, hand = await begin(trials=2)
    first = await hand.lease()
    second = (await hand.complete(first, 0.6, wait_seconds=20))["next"]["assignment"]
    answer = await hand.complete(second, 0.8, wait_seconds=20)
    scoring = answer["next"]["assignment"]
    assert scoring["kind"] == "evaluation"
    assert scoring["models"] == {"best": second["run_id"], "baseline": first["run_id"]}
    assert (await running.get(made["id"]))["phase"] == "evaluating"
    assert (await hand.call(f"leases/{scoring['run_id']}/renew"))["verdict"] == "continue"
    values = {"best": {"auc": 0.79, "logloss": 0.3}, "baseline": {"auc": 0.61}}
    path = f"leases/{scoring['run_id']}/evaluated"
    end = await hand.call(path, values=values)
    assert (end["accepted"], end["next"]["exit"]) == (True, True)
    assert (await hand.call(path, values={}))["accepted"] is True
    stand = await running.get(made["id"])
    assert stand["state"] == "completed"
    assert stand["best"]["holdout_value"] == 0.79
    assert stand["baseline"]["holdout_value"] == 0.61
    assert stand["remaining_seconds"] == 0.0
    assert stand["warnings"] == []
    assert (await hand.call("lease"))["exit"] is True


async def test_a_scoring_that_fails_thrice_does_not_fail_the_experiment(begin: Begin) -> None:
    running, made, hand = await begin(trials=1)
    answer = await hand.complete(await hand.lease(), 0.6, wait_seconds=20)
    for _ in range(3):
        answer = await hand.fail(answer["next"]["assignment"], "code_error", wait_seconds=20)
    assert answer["next"]["exit"] is True
    stand = await running.get(made["id"])
    assert stand["state"] == "completed"
    assert stand["best"]["holdout_value"] is None
    assert "because" in stand["warnings"][0]


async def test_only_one_worker_scores(begin: Begin, by_hand: MakeHand) -> None:
    running, made, hand = await begin(trials=1)
    answer = await hand.complete(await hand.lease(), 0.6, wait_seconds=20)
    assert answer["next"]["assignment"]["kind"] == "evaluation"
    assert (await by_hand(running, made["id"], "hand-2").call("lease"))["exit"] is True


async def test_results_sent_to_the_wrong_place(begin: Begin) -> None:
    running, made, hand = await begin(trials=1)
    work = await hand.lease()
    wrong = await hand.raw(f"leases/{work['run_id']}/evaluated", values={})
    assert wrong.status_code == 422
    scoring = (await hand.complete(work, 0.6, wait_seconds=20))["next"]["assignment"]
    assert (await hand.raw(f"leases/{scoring['run_id']}/complete", value=1.0)).status_code == 422
    assert (await running.get(made["id"]))["state"] == "running"


async def test_a_tuner_that_ends_lets_nobody_wait(begin: Begin, by_hand: MakeHand) -> None:
    running, made, hand = await begin(parallelism=1)
    await hand.lease()
    waiting = asyncio.create_task(by_hand(running, made["id"], "hand-2").call("lease", wait_seconds=30))
    done, _ = await asyncio.wait({waiting}, timeout=0.3)
    assert not done
    await running.tuner.before_stop()
    answer = await waiting
    assert (answer["assignment"], answer["exit"]) == (None, False)


async def test_paused_before_it_began_it_starts_when_resumed(begin: Begin) -> None:
    running, made, hand = await begin()
    path = f"/api/v1/experiments/{made['id']}"
    assert (await running.client.post(f"{path}/pause")).json()["state"] == "paused"
    assert (await hand.call("lease"))["exit"] is True
    assert (await running.client.post(f"{path}/resume")).json()["state"] == "running"
    await hand.lease()
    assert (await running.get(made["id"]))["started_at"] is not None


async def test_nothing_is_paused_while_the_winner_is_scored(begin: Begin) -> None:
    running, made, hand = await begin(trials=1)
    scoring = (await hand.complete(await hand.lease(), 0.6, wait_seconds=20))["next"]["assignment"]
    path = f"/api/v1/experiments/{made['id']}"
    answer = await running.client.post(f"{path}/pause")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert (await running.client.post(f"{path}/resume")).json()["phase"] == "evaluating"
    stopped = (await running.client.post(f"{path}/stop")).json()
    assert (stopped["state"], stopped["best"]["holdout_value"]) == ("stopped", None)
    late = await hand.call(f"leases/{scoring['run_id']}/evaluated", values={"best": {"auc": 1.0}})
    assert (late["accepted"], late["next"]["exit"]) == (False, True)


async def test_a_hung_trial_is_ended_past_its_deadline(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("melonkube.tuner.engine.owner.DEADLINE_GRACE_SECONDS", 0.2)
    running, made, hand = await begin(budget={"max_trial_seconds": 0.2})
    work = await hand.lease()
    assert work["max_seconds"] == 0.2
    await running.until(made["id"], lambda event: event.data.get("cause") == "deadline")
    assert (await running.trial(made, 1))["state"] == "failed"
    assert (await hand.call(f"leases/{work['run_id']}/renew"))["verdict"] == "lost"


async def test_trials_that_outlive_the_time_by_far_are_stopped(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("melonkube.tuner.experiments.domain.GRACE_SECONDS", 0.2)
    running, made, hand = await begin(trials=5, budget={"max_seconds": 0.5})
    work = await hand.lease()
    event = await running.until(
        made["id"], lambda event: event.type == "experiment" and event.data["finished_at"] is not None
    )
    assert (event.data["state"], event.data["best"]) == ("completed", None)
    assert "No trial was completed" in event.data["warnings"][0]
    assert (await running.trial(made, 1))["state"] == "stopped"
    assert (await hand.call(f"leases/{work['run_id']}/renew"))["verdict"] == "stop"
