"""The service's side of the search process: starts it when needed, again when it is gone."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from melonkube.contracts.base import Scalar
from melonkube.contracts.experiments import Direction
from melonkube.contracts.ids import new_id
from melonkube.contracts.space import SearchSpace
from melonkube.kit.logs import get_logger
from melonkube.tuner.search.protocol import Observation

log = get_logger("melonkube.tuner.search")

_SPACE: TypeAdapter[SearchSpace] = TypeAdapter(SearchSpace)
_TIMEOUT_SECONDS = 120.0
_LINE_LIMIT = 8 << 20


class SearchFailed(Exception):
    """The algorithm itself failed: asking again would not help."""


class SearchGone(Exception):
    """The process ended or was too slow: asking again starts another."""


@dataclass
class SearchSession:
    """The search of one experiment, with all that is known of its trials.

    Owned by the experiment's owner. ``observations`` grows by :meth:`learn`; each is told to the process once.
    """

    algorithm: str
    space: SearchSpace
    direction: Direction
    seed: int

    def __post_init__(self) -> None:
        self.key = new_id()
        self._log: list[Observation] = []
        self.told = 0

    def learn(self, observations: Sequence[Observation]) -> None:
        """Add what is new; a later observation of a trial replaces an earlier one."""
        self._log.extend(observations)

    def request(self, number: int, upto: int) -> dict[str, Any]:
        """Return what to ask the process for trial ``number``, with what it has not been told yet."""
        return {
            "session": self.key,
            "algorithm": self.algorithm,
            "space": _SPACE.dump_python(self.space, mode="json"),
            "direction": self.direction.value,
            "seed": self.seed,
            "number": number,
            "upto": upto,
            "base": self.told,
            "news": [each.to_json() for each in self._log[self.told :]],
        }

    def heard(self, request: dict[str, Any]) -> None:
        """Note that the process has taken what ``request`` told."""
        self.told = request["base"] + len(request["news"])

    def forget(self) -> None:
        """Tell everything anew with the next request."""
        self.told = 0


class SearchProcess:
    """One process for all experiments of this service. Safe for concurrent use; requests take turns."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._lock = asyncio.Lock()
        self._count = 0

    async def warm(self) -> None:
        """Start the process ahead of its first use: importing the libraries takes seconds."""
        async with self._lock:
            await self._ensure()

    async def suggest(self, session: SearchSession, number: int, upto: int) -> dict[str, Scalar]:
        """Return the parameters of trial ``number`` from the results of the trials up to ``upto``.

        Raises:
            SearchFailed: The algorithm raised.
            SearchGone: The process did not answer; it is started anew by the next call.
        """
        async with self._lock:
            request = session.request(number, upto)
            answer = await self._ask(request)
            if answer.get("resync"):
                session.forget()
                request = session.request(number, upto)
                answer = await self._ask(request)
        if "params" not in answer:
            session.forget()
            raise SearchFailed(str(answer.get("error", "the search process gave no answer")))
        session.heard(request)
        params: dict[str, Scalar] = answer["params"]
        return params

    async def describe(self) -> list[tuple[str, str]]:
        """Return name and description of every algorithm.

        Raises:
            SearchGone: The process did not answer.
        """
        async with self._lock:
            answer = await self._ask({})
        return [(name, description) for name, description in answer["algorithms"]]

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        process = await self._ensure()
        assert process.stdin is not None
        assert process.stdout is not None
        self._count += 1
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                process.stdin.write(json.dumps({"id": self._count, **request}).encode() + b"\n")
                await process.stdin.drain()
                line = await process.stdout.readline()
            answer: dict[str, Any] = json.loads(line)
        except (TimeoutError, OSError, ValueError) as error:
            await self._end()
            raise SearchGone("the search process is gone") from error
        except asyncio.CancelledError:
            # Its answer would be taken for the next request's.
            await self._end()
            raise
        return answer

    async def _ensure(self) -> Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "melonkube.kit.child", str(os.getpid()), "melonkube.tuner.search.process",
                stdin=PIPE, stdout=PIPE, limit=_LINE_LIMIT,
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )  # fmt: skip
            log.info("search process started", pid=self._process.pid)
        return self._process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()

    async def close(self) -> None:
        """End the process."""
        async with self._lock:
            await self._end()
