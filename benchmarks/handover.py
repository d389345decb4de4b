"""How long a worker waits between a finished trial and the parameters of the next.

A real tuner and registry, and two workers that speak the worker API over loopback. First a history of finished
trials is made by workers that train nothing, then two workers "train" two seconds each while each hand-over is
timed: from sending the completion to holding the next parameters, as the worker sees it.

    python -m benchmarks.handover [--history 1000] [--measured 60]
"""

import argparse
import asyncio
import math
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from benchmarks.tables import make_table
from melonkube.kit.tokens import DEFAULT_WORKSPACE, SCOPE_WORKER, Principal, TokenKey, TokenSigner
from melonkube.suite.embedded import Suite

TRAIN_SECONDS = 2.0


class BenchWorker:
    """A worker that trains nothing: its score is a smooth function of the parameters."""

    def __init__(self, number: int, tuner_url: str, token: str) -> None:
        self.identity = f"bench-{number}"
        self.http = httpx.AsyncClient(
            base_url=tuner_url, headers={"Authorization": f"Bearer {token}"}, timeout=60.0, trust_env=False
        )
        self.waits: list[float] = []

    async def lease(self) -> dict[str, Any] | None:
        """Ask for a first trial."""
        answer = await self.http.post("/worker/v1/lease", json={"worker_id": self.identity, "wait_seconds": 20})
        answer.raise_for_status()
        assignment: dict[str, Any] | None = answer.json()["assignment"]
        return assignment

    async def complete(self, assignment: dict[str, Any]) -> dict[str, Any] | None:
        """Complete a trial and return the next."""
        value = score(assignment["params"])
        began = time.perf_counter()
        answer = await self.http.post(
            f"/worker/v1/leases/{assignment['run_id']}/complete",
            json={"worker_id": self.identity, "value": value, "wait_seconds": 20},
        )
        waited = time.perf_counter() - began
        answer.raise_for_status()
        following: dict[str, Any] | None = answer.json()["next"]["assignment"]
        if following is not None:
            self.waits.append(waited)
        return following


def score(params: dict[str, Any]) -> float:
    """Return an AUC-like number between 0.5 and 1 that depends on every parameter."""
    spread = sum(abs(math.sin(float(value))) for value in params.values() if isinstance(value, int | float))
    return 0.5 + 0.5 / (1.0 + spread)


async def run(history: int, measured: int) -> dict[str, float]:
    """Return the hand-over's p50 and p99 in seconds."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Suite(Path(folder), workers=0, port=0) as suite,
        httpx.Client(base_url=suite.url, timeout=60.0, trust_env=False) as api,
    ):
        dataset = api.post("/api/v1/datasets", files={"file": ("t.csv", make_table(500, 6))}).json()
        created = api.post(
            "/api/v1/experiments",
            json={
                "dataset_id": dataset["id"],
                "target": "y",
                "parallelism": 2,
                "seed": 1,
                "budget": {"max_trials": history + measured + 10},
            },
        )
        created.raise_for_status()
        experiment = created.json()["id"]
        signer = TokenSigner(TokenKey.load_or_create(suite.token_key_file))
        who = Principal("worker:bench", DEFAULT_WORKSPACE, frozenset({SCOPE_WORKER}), experiment, dataset["id"])
        token = signer.sign(who, ("tuner", "registry"), lifetime_seconds=3600)
        workers = [BenchWorker(number, suite.service_url("tuner"), token) for number in range(2)]
        held = [await worker.lease() for worker in workers]

        left = history
        began = time.perf_counter()

        async def fill(index: int) -> None:
            nonlocal left
            while left > 0:
                left -= 1
                assignment = held[index]
                if assignment is None:
                    raise RuntimeError("the tuner handed out nothing")
                held[index] = await workers[index].complete(assignment) or await workers[index].lease()

        await asyncio.gather(fill(0), fill(1))
        print(f"{history} trials of history in {time.perf_counter() - began:.0f} s")
        for worker in workers:
            worker.waits.clear()

        async def work(index: int) -> None:
            for _ in range(measured // 2):
                assignment = held[index]
                if assignment is None:
                    raise RuntimeError("the tuner handed out nothing")
                await asyncio.sleep(TRAIN_SECONDS)
                held[index] = await workers[index].complete(assignment)

        await asyncio.gather(work(0), work(1))
        waits = sorted(wait for worker in workers for wait in worker.waits)
        api.post(f"/api/v1/experiments/{experiment}/stop")
        for worker in workers:
            await worker.http.aclose()
    return {
        "p50": statistics.median(waits),
        "p99": waits[min(len(waits) - 1, math.ceil(0.99 * len(waits)) - 1)],
        "max": waits[-1],
        "count": float(len(waits)),
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--history", type=int, default=1000)
    parser.add_argument("--measured", type=int, default=60)
    chosen = parser.parse_args()
    found = asyncio.run(run(chosen.history, chosen.measured))
    print(
        f"hand-over with {chosen.history} finished trials, 2 workers, trials of {TRAIN_SECONDS:g} s: "
        f"p50 {found['p50'] * 1000:.1f} ms, p99 {found['p99'] * 1000:.1f} ms, max {found['max'] * 1000:.1f} ms "
        f"({found['count']:.0f} hand-overs; a trial's share of waiting at p50 {found['p50'] / TRAIN_SECONDS:.2%})"
    )


if __name__ == "__main__":
    main()
