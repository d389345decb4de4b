"""How long a worker waits between a finished trial and the parameters of the next.

A real tuner and registry, and two workers that speak the worker API over loopback. First a history of finished
trials is made by workers that train nothing, then two workers "train" two seconds each while each hand-over is
timed: from sending the completion to holding the next parameters, as the worker sees it.

    python -m benchmarks.handover [--history 1000] [--measured 60]
"""

import argparse
import math
import random
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
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
        self.http = httpx.Client(
            base_url=tuner_url, headers={"Authorization": f"Bearer {token}"}, timeout=60.0, trust_env=False
        )
        self.waits: list[float] = []
        self.lengths = random.Random(number)
        self.held: dict[str, Any] | None = None

    def lease(self) -> None:
        """Ask for a first trial."""
        answer = self.http.post("/worker/v1/lease", json={"worker_id": self.identity, "wait_seconds": 20})
        answer.raise_for_status()
        self.held = answer.json()["assignment"]

    def complete(self) -> None:
        """Complete the trial at hand and take the next."""
        if self.held is None:
            raise RuntimeError("the tuner handed out nothing")
        value = score(self.held["params"])
        began = time.perf_counter()
        answer = self.http.post(
            f"/worker/v1/leases/{self.held['run_id']}/complete",
            json={"worker_id": self.identity, "value": value, "wait_seconds": 20},
        )
        answer.raise_for_status()
        self.held = answer.json()["next"]["assignment"]
        if self.held is not None:
            self.waits.append(time.perf_counter() - began)

    def fill(self, trials: int) -> None:
        """Complete trials as fast as they come."""
        for _ in range(trials):
            self.complete()
            if self.held is None:
                self.lease()
        self.waits.clear()

    def work(self, trials: int) -> None:
        """Complete trials that take their time, each its own, so that the workers do not come in step."""
        for _ in range(trials):
            time.sleep(TRAIN_SECONDS * self.lengths.uniform(0.9, 1.1))
            self.complete()


def score(params: dict[str, Any]) -> float:
    """Return an AUC-like number between 0.5 and 1 that depends on every parameter."""
    spread = sum(abs(math.sin(float(value))) for value in params.values() if isinstance(value, int | float))
    return 0.5 + 0.5 / (1.0 + spread)


def run(history: int, measured: int) -> dict[str, float]:
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
        for worker in workers:
            worker.lease()
        with ThreadPoolExecutor(len(workers)) as pool:
            began = time.perf_counter()
            list(pool.map(lambda worker: worker.fill(history // 2), workers))
            print(f"{history} trials of history in {time.perf_counter() - began:.0f} s")
            list(pool.map(lambda worker: worker.work(measured // 2), workers))
        waits = sorted(wait for worker in workers for wait in worker.waits)
        api.post(f"/api/v1/experiments/{experiment}/stop")
        for worker in workers:
            worker.http.close()
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
    found = run(chosen.history, chosen.measured)
    print(
        f"hand-over with {chosen.history} finished trials, 2 workers, trials of {TRAIN_SECONDS:g} s: "
        f"p50 {found['p50'] * 1000:.1f} ms, p99 {found['p99'] * 1000:.1f} ms, max {found['max'] * 1000:.1f} ms "
        f"({found['count']:.0f} hand-overs; a trial's share of waiting at p50 {found['p50'] / TRAIN_SECONDS:.2%})"
    )


if __name__ == "__main__":
    main()
