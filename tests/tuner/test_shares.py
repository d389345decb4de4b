"""Slots are shared in turn."""

from hypothesis import given
from hypothesis import strategies as st

from melonkube.tuner.engine.shares import Claim, share

TURN = 30.0


def test_one_experiment_has_what_it_wants_up_to_the_slots() -> None:
    assert share(4, [Claim("a", 2, 0, 0.0)], 0.0, TURN) == {"a": 2}
    assert share(4, [Claim("a", 9, 0, 0.0)], 0.0, TURN) == {"a": 4}


def test_slots_are_halved_and_the_rest_goes_where_it_is_wanted() -> None:
    assert share(4, [Claim("a", 4, 4, 0.0), Claim("b", 4, 0, 5.0)], 5.0, TURN) == {"a": 2, "b": 2}
    assert share(4, [Claim("a", 4, 4, 0.0), Claim("b", 1, 0, 5.0)], 5.0, TURN) == {"a": 3, "b": 1}


def test_more_experiments_than_slots_take_turns() -> None:
    fresh = [Claim("a", 1, 1, 0.0), Claim("b", 1, 0, 1.0), Claim("c", 1, 0, 2.0)]
    assert share(1, fresh, 10.0, TURN) == {"a": 1, "b": 0, "c": 0}
    assert share(1, fresh, 30.0, TURN) == {"a": 0, "b": 1, "c": 0}
    # "a" gave its slot up at 31 and now waits behind "c".
    assert share(1, [Claim("a", 1, 0, 31.0), Claim("b", 1, 1, 31.0), Claim("c", 1, 0, 2.0)], 62.0, TURN)["c"] == 1


def test_an_experiment_whose_turn_is_over_keeps_its_slots_while_nobody_waits() -> None:
    assert share(2, [Claim("a", 2, 2, 0.0), Claim("b", 0, 0, 0.0)], 1e6, TURN) == {"a": 2, "b": 0}


def test_without_slots_to_count_everybody_has_what_it_wants() -> None:
    assert share(None, [Claim("a", 70, 0, 0.0), Claim("b", 2, 5, 0.0)], 0.0, TURN) == {"a": 70, "b": 2}


claims = st.lists(
    st.builds(
        Claim,
        experiment_id=st.uuids().map(str),
        wanted=st.integers(0, 9),
        held=st.integers(0, 9),
        since=st.floats(0, 100),
    ),
    max_size=8,
    unique_by=lambda claim: claim.experiment_id,
)


@given(slots=st.integers(0, 12), claims=claims, now=st.floats(100, 200))
def test_no_slot_is_given_twice_none_is_idle_and_none_is_forced(slots: int, claims: list[Claim], now: float) -> None:
    given_ = share(slots, claims, now, TURN)
    wanted = {claim.experiment_id: claim.wanted for claim in claims}
    assert given_.keys() == wanted.keys()
    assert all(0 <= given_[each] <= wanted[each] for each in wanted)
    assert sum(given_.values()) == min(slots, sum(wanted.values()))
    short = [each for each in wanted if given_[each] < wanted[each]]
    # Nobody has two more than one who would have more.
    assert all(given_[rich] <= given_[poor] + 1 for poor in short for rich in wanted)
