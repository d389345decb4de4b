"""How the slots of an executor are shared among experiments: in turn. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Claim:
    """What an experiment would have of the slots.

    Attributes:
        experiment_id: The experiment.
        wanted: How many workers have something to do in it.
        held: How many it has.
        since: When it came to hold its first slot; while it holds none, when it last gave one up, or was made.
    """

    experiment_id: str
    wanted: int
    held: int
    since: float


def share(slots: int | None, claims: Sequence[Claim], now: float, turn_seconds: float) -> dict[str, int]:
    """Return how many slots each experiment is to have.

    One slot after the other goes round. Experiments whose turn is not over come first, then those that wait, the
    longest first, then those whose turn is over; so where there are more experiments than slots each has its turn,
    and where there are more slots each has its share and what the others do not want.
    """
    if slots is None:
        return {claim.experiment_id: claim.wanted for claim in claims}

    def place(claim: Claim) -> tuple[int, float, str]:
        if claim.held == 0:
            return (1, claim.since, claim.experiment_id)
        in_turn = now - claim.since < turn_seconds
        return (0 if in_turn else 2, claim.since, claim.experiment_id)

    given = {claim.experiment_id: 0 for claim in claims}
    order = [claim for claim in sorted(claims, key=place) if claim.wanted > 0]
    left = slots
    while left and order:
        for claim in list(order):
            if left == 0:
                break
            given[claim.experiment_id] += 1
            left -= 1
            if given[claim.experiment_id] == claim.wanted:
                order.remove(claim)
    return given
