"""Search by hyperopt: its tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011) and random draws.

Both work on documents made from the history at each call, so nothing is kept but the compiled space.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from melonkube.contracts.base import Scalar
from melonkube.contracts.experiments import Direction
from melonkube.contracts.space import SearchSpace
from melonkube.tuner.search.lean import Domain, Trials, base, rand, tpe
from melonkube.tuner.search.protocol import Observation, Outcome
from melonkube.tuner.search.space import to_drawn, to_hyperopt, to_params

STARTUP_TRIALS = 10
"""So many first trials are drawn at random."""

HISTORY_KEPT = 1_000
"""TPE is shown the best trials and the latest, no more than these: its cost stays bounded, and its own linear
forgetting gives the oldest of the rest a weight near nothing."""

BEST_KEPT = 100


def _nothing(_config: object) -> float:
    return 0.0


def _seed(seed: int, number: int) -> int:
    """Return a seed for one suggestion, unrelated to its neighbours'."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


class _Hyperopt:
    def __init__(self, space: SearchSpace, direction: Direction) -> None:
        self._space = space
        self._sign = -1.0 if direction is Direction.MAXIMIZE else 1.0
        nodes = to_hyperopt(space)
        self._names = list(nodes)
        self._domain = Domain(_nothing, nodes, pass_expr_memo_ctrl=False) if nodes else None

    def suggest(self, number: int, seed: int, history: Sequence[Observation]) -> dict[str, Scalar]:
        """Return the parameters of trial ``number``; see :class:`SearchAlgorithm`."""
        if self._domain is None:
            return to_params(self._space, {})
        [document] = self._ask(number, _seed(seed, number), history)
        drawn = {name: values[0] for name, values in document["misc"]["vals"].items()}
        return to_params(self._space, drawn)

    def _ask(self, number: int, seed: int, history: Sequence[Observation]) -> list[dict[str, Any]]:
        raise NotImplementedError


class RandomAlgorithm(_Hyperopt):
    """Draws each trial at random, whatever came before."""

    name: ClassVar[str] = "random"
    description: ClassVar[str] = "Random search: every trial is drawn from the space without regard to the others."

    def _ask(self, number: int, seed: int, history: Sequence[Observation]) -> list[dict[str, Any]]:
        documents: list[dict[str, Any]] = rand.suggest([number], self._domain, Trials(), seed)
        return documents


class TpeAlgorithm(_Hyperopt):
    """Draws where good trials were dense and bad ones were not."""

    name: ClassVar[str] = "tpe"
    description: ClassVar[str] = (
        "Tree-structured Parzen estimator: draws where good trials were dense and bad ones were not."
    )

    def _ask(self, number: int, seed: int, history: Sequence[Observation]) -> list[dict[str, Any]]:
        trials = Trials()
        trials._insert_trial_docs([doc for each in self._kept(history) if (doc := self._document(each)) is not None])
        trials.refresh()
        documents: list[dict[str, Any]] = tpe.suggest(
            [number], self._domain, trials, seed, n_startup_jobs=STARTUP_TRIALS, verbose=False
        )
        return documents

    def _kept(self, history: Sequence[Observation]) -> Sequence[Observation]:
        if len(history) <= HISTORY_KEPT:
            return history
        done = [each for each in history if each.value is not None]
        best = sorted(done, key=lambda each: (self._loss(each), each.number))[:BEST_KEPT]
        latest = history[-(HISTORY_KEPT - BEST_KEPT) :]
        kept = {each.number: each for each in (*best, *latest)}
        return [kept[number] for number in sorted(kept)]

    def _loss(self, observation: Observation) -> float:
        assert observation.value is not None
        return self._sign * observation.value

    def _document(self, observation: Observation) -> dict[str, Any] | None:
        drawn = to_drawn(self._space, observation.params)
        if drawn is None:
            return None
        number = observation.number
        result: dict[str, Any] = {"status": base.STATUS_NEW}
        if observation.outcome is Outcome.FAILED:
            result = {"status": base.STATUS_FAIL}
        elif observation.value is not None:
            result = {"status": base.STATUS_OK, "loss": self._loss(observation)}
        return {
            "state": base.JOB_STATE_NEW if observation.outcome is Outcome.PENDING else base.JOB_STATE_DONE,
            "tid": number,
            "spec": None,
            "result": result,
            "misc": {
                "tid": number,
                "cmd": None,
                "workdir": None,
                "idxs": {name: [number] for name in self._names},
                "vals": {name: [drawn[name]] for name in self._names},
            },
            "exp_key": None,
            "owner": None,
            "version": 0,
            "book_time": None,
            "refresh_time": None,
        }
