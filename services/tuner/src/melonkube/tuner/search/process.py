"""``python -m melonkube.tuner.search.process``: the process in which suggestions are worked out.

Apart from the service, because a suggestion is tens of milliseconds of Python under the interpreter's lock, which
every step of a hand-over would have to wait for. Speaks JSON lines: a request on standard input, its answer on
standard output. A session holds the history of one experiment and is told only what is new of it.
"""

import json
import logging
import os
import sys
from collections import OrderedDict
from typing import Any, TextIO

from pydantic import TypeAdapter

from melonkube.contracts.experiments import Direction
from melonkube.contracts.space import SearchSpace
from melonkube.tuner.catalog.registry import ALGORITHMS, find
from melonkube.tuner.search.protocol import Observation, SearchAlgorithm

SESSIONS_KEPT = 64
_SPACE: TypeAdapter[SearchSpace] = TypeAdapter(SearchSpace)


class Session:
    """The search of one experiment: its algorithm and the history it was told."""

    def __init__(self, algorithm: SearchAlgorithm) -> None:
        self.algorithm = algorithm
        self.known = 0
        self._history: dict[int, Observation] = {}

    def learn(self, known: int, news: list[Any]) -> None:
        """Take what is new; ``known`` counts what the other side has told in all."""
        for stored in news:
            observation = Observation.from_json(stored)
            self._history[observation.number] = observation
        self.known = known

    def suggest(self, number: int, seed: int, upto: int) -> dict[str, Any]:
        """Return the parameters of a trial, from the trials up to ``upto`` and no later one."""
        history = [self._history[each] for each in sorted(self._history) if each <= upto]
        return self.algorithm.suggest(number, seed, history)


class Sessions:
    """The sessions of this process; the one not used for longest makes room."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._points = find(ALGORITHMS)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a request: ``params``, or ``resync`` when the history must be told from the start.

        A request without a session asks for the ``algorithms`` there are, name and description.
        """
        if "session" not in request:
            classes = [point.load() for point in self._points.values()]
            return {"algorithms": [[each.name, each.description] for each in classes]}
        key = request["session"]
        session = self._sessions.get(key)
        if session is None or session.known != request["base"]:
            if request["base"] != 0:
                return {"resync": True}
            algorithm = self._points[request["algorithm"]].load()
            session = Session(algorithm(_SPACE.validate_python(request["space"]), Direction(request["direction"])))
            self._sessions[key] = session
            if len(self._sessions) > SESSIONS_KEPT:
                self._sessions.popitem(last=False)
        self._sessions.move_to_end(key)
        session.learn(request["base"] + len(request["news"]), request["news"])
        return {"params": session.suggest(request["number"], request["seed"], request["upto"])}


def run(source: TextIO, sink: TextIO) -> None:
    """Answer requests until the source ends."""
    sessions = Sessions()
    for line in source:
        request = json.loads(line)
        try:
            answer = sessions.answer(request)
        except Exception as error:
            logging.getLogger("melonkube.search").exception("a suggestion failed")
            answer = {"error": f"{type(error).__name__}: {error}"[:2000]}
        sink.write(json.dumps({"id": request["id"], **answer}) + "\n")
        sink.flush()


def main() -> None:
    """Keep standard output for the answers alone, whatever a library may print."""
    sink = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for point in find(ALGORITHMS).values():
        point.load()
    run(sys.stdin, sink)


if __name__ == "__main__":
    main()
