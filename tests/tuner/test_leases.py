"""The worker's calls, played by hand: each safe to repeat, none able to count a trial twice."""

import asyncio
from typing import Any

import pytest

from tests.conftest import MakeToken
from tests.tuner.conftest import Begin, MakeHand


async def test_setup_tells_all_that_holds(begin: Begin, make_token: MakeToken) -> None:
    running, made, _ = await begin()
    token = make_token("tuner", scope="worker", experiment_id=made["id"])
    answer = await running.client.get("/worker/v1/setup", headers={"Authorization": f"Bearer {token}"})
    told = answer.json()
    assert told["experiment_name"] == made["name"]
    assert told["split_run_id"] == made["run_id"]
    assert (told["split_run_id"], told["split_path"]) in running.registry.artifacts
    assert told["classes"] == ["no", "yes"]
    assert told["fixed"] == {"max_bin": 255}
    assert told["metric"] == "auc"
    assert told["parquet_sha256"] == "b" * 64


async def test_what_holds_for_all_trials_may_be_given_and_is_no_parameter_of_one(
    begin: Begin, make_token: MakeToken
) -> None:
    space = {"x": {"type": "float", "low": -5.0, "high": 5.0}, "max_bin": {"value": 63}}
    running, made, hand = await begin(search_space=space, baseline=False)
    token = make_token("tuner", scope="worker", experiment_id=made["id"])
    told = (await running.client.get("/worker/v1/setup", headers={"Authorization": f"Bearer {token}"})).json()
    assert told["fixed"] == {"max_bin": 63}
    assert made["search_space"]["max_bin"] == {"value": 63}
    assert set((await hand.lease())["params"]) == {"x"}


async def test_the_baseline_comes_first(begin: Begin) -> None:
    running, made, hand = await begin()
    work = await hand.lease()
    assert (work["number"], work["attempt"], work["source"]) == (1, 1, "baseline")
    assert work["params"] == {"x": 4.0, "y": -4.0}
    stand = await running.get(made["id"])
    assert stand["state"] == "running"
    assert stand["phase"] == "searching"
    assert stand["started_at"] is not None
    found = await running.trial(made, 1)
    assert (found["state"], found["run_id"], found["worker_id"]) == ("leased", work["run_id"], "hand-1")


async def test_without_a_baseline_the_algorithm_begins(begin: Begin) -> None:
    running, made, hand = await begin(baseline=False)
    assert (await hand.lease())["source"] == "random"
    assert (await running.get(made["id"]))["baseline"] is None


async def test_completion_brings_the_next_trial(begin: Begin) -> None:
    running, made, hand = await begin()
    first = await hand.lease()
    answer = await hand.complete(first, 0.7, metrics={"auc": 0.7, "logloss": 0.4}, wait_seconds=20)
    assert answer["accepted"] is True
    second = answer["next"]["assignment"]
    assert second["number"] == 2
    found = await running.trial(made, 1)
    assert (found["state"], found["value"], found["metrics"]) == ("completed", 0.7, {"auc": 0.7, "logloss": 0.4})
    stand = await running.get(made["id"])
    assert stand["best"]["number"] == 1
    assert stand["baseline"]["value"] == 0.7
    assert stand["trials"]["completed"] == 1
    assert stand["trials"]["running"] == 1


async def test_a_repeated_completion_is_answered_as_the_first(begin: Begin) -> None:
    running, made, hand = await begin()
    first = await hand.lease()
    once = await hand.complete(first, 0.7, wait_seconds=20)
    again = await hand.complete(first, 0.9, wait_seconds=20)
    assert again["accepted"] is True
    assert again["next"]["assignment"] == once["next"]["assignment"]
    assert (await running.trial(made, 1))["value"] == 0.7
    assert (await running.get(made["id"]))["trials"]["completed"] == 1


async def test_completions_at_once_count_once(begin: Begin) -> None:
    running, made, hand = await begin()
    first = await hand.lease()
    answers = await asyncio.gather(*(hand.complete(first, 0.7, wait_seconds=20) for _ in range(5)))
    assert {answer["next"]["assignment"]["run_id"] for answer in answers} == {
        answers[0]["next"]["assignment"]["run_id"]
    }
    stand = await running.get(made["id"])
    assert (stand["trials"]["completed"], stand["trials"]["running"]) == (1, 1)


async def test_a_worker_that_asks_again_is_given_the_same(begin: Begin) -> None:
    _, _, hand = await begin()
    assert await hand.lease() == await hand.lease()


async def test_two_workers_are_given_two_trials(begin: Begin, by_hand: MakeHand) -> None:
    running, made, hand = await begin()
    other = by_hand(running, made["id"], "hand-2")
    assert {(await hand.lease())["number"], (await other.lease())["number"]} == {1, 2}


async def test_no_more_at_once_than_the_experiment_allows(begin: Begin, by_hand: MakeHand) -> None:
    running, made, hand = await begin(parallelism=1)
    await hand.lease()
    answer = await by_hand(running, made["id"], "hand-2").call("lease")
    assert (answer["assignment"], answer["exit"]) == (None, False)


async def test_a_worker_that_waits_is_woken_by_work(begin: Begin, by_hand: MakeHand) -> None:
    running, made, hand = await begin(parallelism=1)
    work = await hand.lease()
    waiting = asyncio.create_task(by_hand(running, made["id"], "hand-2").lease(wait=30.0))
    await hand.complete(work, 0.5, want_next=False)
    assert (await waiting)["number"] == 2


async def test_want_next_false_is_told_to_go(begin: Begin) -> None:
    _, _, hand = await begin()
    answer = await hand.complete(await hand.lease(), 0.5, want_next=False)
    assert answer["next"] == {"assignment": None, "exit": True, "token": answer["next"]["token"]}


async def test_renewal_makes_it_running_and_keeps_the_reports(begin: Begin) -> None:
    running, made, hand = await begin()
    work = await hand.lease()
    path = f"leases/{work['run_id']}/renew"
    reports = [{"step": 1, "value": 0.1}, {"step": 2, "value": 0.2}]
    assert (await hand.call(path, reports=reports))["verdict"] == "continue"
    assert (await hand.call(path, reports=reports))["verdict"] == "continue"
    await hand.call(path, reports=[{"step": 3, "value": 0.3}])
    await hand.complete(work, 0.4, reports=[{"step": 4, "value": 0.4}])
    found = await running.trial(made, 1)
    assert found["intermediate"] == [[1, 0.1], [2, 0.2], [3, 0.3], [4, 0.4]]
    assert (found["last_step"], found["last_value"]) == (4, 0.4)
    assert [attempt["outcome"] for attempt in found["attempts"]] == ["completed"]


async def test_reports_reach_the_stream_coalesced(begin: Begin) -> None:
    running, made, hand = await begin()
    work = await hand.lease()
    await hand.call(f"leases/{work['run_id']}/renew", reports=[{"step": 1, "value": 0.1}, {"step": 2, "value": 0.2}])
    event = await running.until(made["id"], lambda event: event.type == "report")
    assert event.data == {"trial_id": work["trial_id"], "number": 1, "step": 2, "value": 0.2}
    again = await running.until(
        made["id"], lambda event: event.data.get("state") == "running" and "number" in event.data
    )
    assert again.data["last_step"] == 2


async def test_code_errors_fail_the_trial_with_their_reason(begin: Begin) -> None:
    running, made, hand = await begin()
    work = await hand.lease()
    answer = await hand.fail(work, "code_error", wait_seconds=20)
    assert answer["accepted"] is True
    assert answer["next"]["assignment"]["number"] == 2
    found = await running.trial(made, 1)
    assert (found["state"], found["cause"], found["reason"]) == ("failed", "code_error", "because")
    assert await hand.fail(work, "code_error", wait_seconds=20) == answer


async def test_a_released_trial_is_tried_again_and_counts_nothing(begin: Begin) -> None:
    running, made, hand = await begin()
    for attempt in range(1, 8):
        work = await hand.lease()
        assert (work["number"], work["attempt"]) == (1, attempt)
        answer = await hand.fail(work, "released")
        assert (answer["accepted"], answer["next"]["exit"]) == (True, True)
    found = await running.trial(made, 1)
    assert (found["state"], found["attempt"]) == ("queued", 7)
    assert len(found["attempts"]) == 7
    assert len({attempt["run_id"] for attempt in found["attempts"]}) == 7


async def test_out_of_memory_is_tried_once_more(begin: Begin) -> None:
    running, made, hand = await begin()
    await hand.fail(await hand.lease(), "out_of_memory", want_next=False)
    again = await hand.lease()
    assert (again["number"], again["attempt"]) == (1, 2)
    await hand.fail(again, "out_of_memory", want_next=False)
    assert (await running.trial(made, 1))["state"] == "failed"


async def test_a_trial_without_a_value_has_failed(begin: Begin) -> None:
    running, made, hand = await begin()
    work = await hand.lease()
    assert (await hand.call(f"leases/{work['run_id']}/complete"))["accepted"] is True
    assert (await running.trial(made, 1))["state"] == "failed"


async def test_a_pruned_trial_counts_and_is_no_winner(begin: Begin) -> None:
    running, made, hand = await begin()
    await hand.complete(await hand.lease(), 0.9, state="pruned")
    stand = await running.get(made["id"])
    assert (stand["trials"]["pruned"], stand["best"]) == (1, None)


async def test_a_worker_of_another_experiment_or_workspace_finds_nothing(begin: Begin, by_hand: MakeHand) -> None:
    running, made, hand = await begin()
    work = await hand.lease()
    other = await running.create()
    stranger = by_hand(running, other["id"], "hand-9")
    foreign = by_hand(running, made["id"], "hand-9", workspace_id="00000000-0000-7000-8000-00000000000f")
    for path, body in (
        ("renew", {}),
        ("complete", {"value": 1.0}),
        ("evaluated", {"values": {}}),
        ("fail", {"cause": "code_error", "reason": ""}),
    ):
        for each in (stranger, foreign):
            assert (await each.raw(f"leases/{work['run_id']}/{path}", **body)).status_code == 404
    assert (await running.trial(made, 1))["state"] == "leased"


async def test_a_lease_is_its_workers_alone(begin: Begin, by_hand: MakeHand) -> None:
    running, made, hand = await begin()
    work = await hand.lease()
    thief = by_hand(running, made["id"], "hand-2")
    assert (await thief.call(f"leases/{work['run_id']}/renew"))["verdict"] == "lost"
    assert (await thief.complete(work, 1.0, want_next=False))["accepted"] is False
    assert (await running.trial(made, 1))["state"] == "leased"


async def test_who_may_call(begin: Begin, make_token: MakeToken) -> None:
    running, made, _ = await begin()
    body = {"worker_id": "x"}
    for token, status in ((None, 401), ("nonsense", 401), (make_token("tuner"), 403), (make_token("registry"), 401)):
        headers = {"Authorization": f"Bearer {token}" if token else ""}
        answer = await running.client.post("/worker/v1/lease", json=body, headers=headers)
        assert answer.status_code == status
    worker = make_token("tuner", scope="worker", experiment_id=made["id"])
    answer = await running.client.get("/api/v1/experiments", headers={"Authorization": f"Bearer {worker}"})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("lease", {"worker_id": ""}),
        ("lease", {"wait_seconds": 31}),
        ("lease", {"wait_seconds": -1}),
        ("lease", {"what": 1}),
        ("leases/nonsense/renew", {}),
        ("leases/RUN/complete", {"value": "high"}),
        ("leases/RUN/complete", {"state": "won"}),
        ("leases/RUN/renew", {"reports": [{"step": -1, "value": 0}]}),
        ("leases/RUN/renew", {"reports": [{"step": 1, "value": 0}] * 10_001}),
        ("leases/RUN/fail", {"cause": "bored", "reason": ""}),
        ("leases/RUN/fail", {"cause": "lease_lost", "reason": ""}),
        ("leases/RUN/evaluated", {"values": {"best": 1}}),
    ],
)
async def test_bodies_that_cannot_be(begin: Begin, path: str, body: dict[str, Any]) -> None:
    running, made, hand = await begin()
    work = await hand.lease()
    answer = await hand.raw(path.replace("RUN", work["run_id"]), **body)
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_request"
    assert (await running.trial(made, 1))["state"] == "leased"


async def test_numbers_that_json_does_not_have(begin: Begin) -> None:
    running, made, hand = await begin()
    work = await hand.lease()
    token = hand.make_token("tuner", scope="worker", experiment_id=made["id"])
    for text in ("NaN", "Infinity"):
        answer = await running.client.post(
            f"/worker/v1/leases/{work['run_id']}/complete",
            content=f'{{"worker_id": "hand-1", "value": {text}}}',
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        assert answer.status_code == 422
