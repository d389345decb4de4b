"""Following an experiment: each event once and in order, through broken connections, until it has ended."""

from pathlib import Path
from typing import Any

import pytest

from melonkube.contracts.experiments import Experiment
from melonkube.sdk import Client, ConnectionFailed, Gone, NotFound, UnexpectedAnswer, WaitTimeout
from tests.sdk.conftest import VirtualClock
from tests.sdk.routes import result, trial
from tests.sdk.standin import Fault, Standin


@pytest.fixture
def experiment_id(client: Client, table: Path) -> str:
    return client.experiments.create(client.datasets.upload(table), "y", name="one", budget={"max_trials": 3}).id


def happens(server: Standin, experiment_id: str, numbers: range, *, ends: bool = True) -> None:
    """Let trials finish, and the experiment with them."""
    for number in numbers:
        server.experiments[experiment_id]["trials"] = {"total": 3, "completed": number}
        server.experiments[experiment_id]["best"] = result(number, 0.5 + number / 10)
        server.emit(experiment_id, "trial", trial(experiment_id, number, 0.5 + number / 10))
        server.emit(experiment_id, "report", {"trial_id": "x", "number": number, "step": 1, "value": 0.5})
    if ends:
        server.end(experiment_id)


def test_events_come_each_once_until_the_end(server: Standin, client: Client, experiment_id: str) -> None:
    happens(server, experiment_id, range(1, 4))
    found = [*client.experiments.events(experiment_id)]
    assert [event.seq for event in found] == list(range(1, 9))
    assert [event.type for event in found] == ["experiment"] + ["trial", "report"] * 3 + ["experiment"]
    assert [event.seq for event in client.experiments.events(experiment_id, after=6)] == [7, 8]


def test_events_of_an_experiment_that_has_ended_are_none(server: Standin, client: Client, experiment_id: str) -> None:
    happens(server, experiment_id, range(1, 2))
    last = client.experiments.get(experiment_id).last_event
    assert [*client.experiments.events(experiment_id, after=last)] == []
    assert server.sent("GET", ".*/events") == []


def test_events_arrive_as_they_happen(server: Standin, client: Client, experiment_id: str) -> None:
    stream = client.experiments.events(experiment_id)
    assert next(stream).type == "experiment"
    server.emit(experiment_id, "trial", trial(experiment_id, 1, 0.7))
    assert next(stream).data["value"] == 0.7
    server.end(experiment_id)
    assert next(stream).data["state"] == "completed"
    with pytest.raises(StopIteration):
        next(stream)


def test_a_broken_stream_goes_on_after_the_last_event(
    server: Standin, client: Client, experiment_id: str, clock: VirtualClock
) -> None:
    happens(server, experiment_id, range(1, 4))
    server.cut_streams_after = [2, 0, 3]
    assert [event.seq for event in client.experiments.events(experiment_id)] == list(range(1, 9))
    asked = [request.headers["last-event-id"] for request in server.sent("GET", ".*/events")]
    assert asked == ["0", "2", "2", "5"]
    assert len(clock.slept) == 3


@pytest.mark.parametrize("kind", ["drop", "refuse"])
def test_a_server_that_is_away_is_waited_for(
    server: Standin, client: Client, experiment_id: str, clock: VirtualClock, kind: Any
) -> None:
    happens(server, experiment_id, range(1, 4))
    server.faults = [Fault("GET", ".*/events", kind) for _ in range(10)]
    assert [event.seq for event in client.experiments.events(experiment_id)] == list(range(1, 9))


def test_a_server_that_stays_away_is_given_up(
    server: Standin, client: Client, experiment_id: str, clock: VirtualClock
) -> None:
    stream = client.experiments.events(experiment_id, give_up_seconds=60)
    next(stream)
    server.close()
    with pytest.raises(ConnectionFailed):
        next(stream)
    assert 60 <= sum(clock.slept) < 120


@pytest.mark.parametrize(("status", "kind"), [(410, Gone), (404, NotFound)])
def test_what_trying_again_cannot_mend_is_raised(
    server: Standin, client: Client, experiment_id: str, status: int, kind: type[Exception]
) -> None:
    server.faults = [Fault("GET", ".*/events", "refuse", status)]
    with pytest.raises(kind):
        [*client.experiments.events(experiment_id)]


def test_a_kind_of_event_of_a_newer_server_is_passed_over(server: Standin, client: Client, experiment_id: str) -> None:
    server.emit(experiment_id, "weather", {"sun": True})
    server.end(experiment_id)
    assert [event.seq for event in client.experiments.events(experiment_id)] == [1, 3]


def test_an_event_that_makes_no_sense(server: Standin, client: Client, experiment_id: str) -> None:
    server.events[experiment_id][0]["data"] = 1
    with pytest.raises(UnexpectedAnswer):
        [*client.experiments.events(experiment_id)]


def told(server: Standin, client: Client, experiment_id: str) -> list[tuple[str, int]]:
    seen: list[Experiment] = []
    found = client.experiments.wait(experiment_id, seen.append)
    assert seen[-1] == found
    return [(one.state.value, one.trials.completed) for one in seen]


def test_waiting_tells_of_every_trial(server: Standin, client: Client, experiment_id: str) -> None:
    seen: list[Experiment] = []

    def update(experiment: Experiment) -> None:
        seen.append(experiment)
        done = experiment.trials.completed
        if done < 3:
            happens(server, experiment_id, range(done + 1, done + 2), ends=False)
        elif not experiment.state.final:
            server.end(experiment_id)

    found = client.experiments.wait(experiment_id, update)
    assert [(one.state.value, one.trials.completed) for one in seen] == [
        ("running", 0), ("running", 1), ("running", 2), ("running", 3), ("completed", 3),
    ]  # fmt: skip
    assert seen[-1] == found
    assert len(server.sent("GET", ".*/events")) == 1


def test_waiting_for_what_has_ended_returns_at_once(server: Standin, client: Client, experiment_id: str) -> None:
    server.end(experiment_id, "failed", reason="every trial failed")
    assert told(server, client, experiment_id) == [("failed", 0)]
    assert client.experiments.wait(experiment_id).reason == "every trial failed"


def test_waiting_goes_on_when_events_are_gone(server: Standin, client: Client, experiment_id: str) -> None:
    server.faults = [Fault("GET", ".*/events", "refuse", 410)]

    def ends(_path: str) -> None:
        if server.sent("GET", ".*/events") and server.experiments[experiment_id]["state"] == "running":
            happens(server, experiment_id, range(1, 2))

    server.on_poll = ends
    assert told(server, client, experiment_id) == [("running", 0), ("completed", 1)]


@pytest.mark.parametrize("kind", ["drop", "refuse"])
def test_waiting_outlasts_a_server_that_is_away(
    server: Standin, client: Client, experiment_id: str, clock: VirtualClock, kind: Any
) -> None:
    def later(experiment: Experiment) -> None:
        if not server.experiments[experiment_id]["trials"].get("completed"):
            happens(server, experiment_id, range(1, 2))
            server.faults = [Fault("GET", f".*/{experiment_id}", kind) for _ in range(20)]

    assert client.experiments.wait(experiment_id, later).state == "completed"
    assert server.faults == []


def test_waiting_gives_up_on_a_server_that_stays_away(
    server: Standin, client: Client, experiment_id: str, clock: VirtualClock
) -> None:
    def later(_experiment: Experiment) -> None:
        server.emit(experiment_id, "trial", trial(experiment_id, 1, 0.7))
        server.faults = [Fault("GET", ".*", "drop") for _ in range(10_000)]

    with pytest.raises(ConnectionFailed):
        client.experiments.wait(experiment_id, later)
    assert 300 <= sum(clock.slept) < 400


def test_waiting_ends(server: Standin, client: Client, experiment_id: str, clock: VirtualClock) -> None:
    def later(_experiment: Experiment) -> None:
        clock.now += 61

    with pytest.raises(WaitTimeout, match="'one' still runs after 60 s"):
        client.experiments.wait(experiment_id, later, timeout=60)
