"""The wall time of an experiment against a plain hyperopt + LightGBM loop.

Both sides run as many trials, rounds and processes over the same space and table with the same seed, in turn, several
times over. MelonKube's time runs from the request that creates the experiment to its end: workers starting,
suggestions, uploads of every model, logs, metrics and the score on the holdout are in it. The loop's runs from the
start of its process to its end, and stores nothing.

    python -m benchmarks.experiment [--pairs 5] [--trials 40]
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from benchmarks.tables import make_table
from melonkube.suite.embedded import Suite

PROCESSES = 2
ROWS, COLUMNS = 20_000, 20


def space(rounds: int) -> dict[str, Any]:
    """Return the search space of ``benchmarks.plain_loop``."""
    return {
        "num_iterations": {"value": rounds},
        "early_stopping_rounds": {"value": 0},
        "num_leaves": {"value": 31},
        "learning_rate": {"type": "float", "low": 0.02, "high": 0.2, "log": True},
        "lambda_l1": {"type": "float", "low": 1e-4, "high": 10.0, "log": True},
        "lambda_l2": {"type": "float", "low": 1e-4, "high": 10.0, "log": True},
    }


def ours(api: httpx.Client, dataset_id: str, trials: int, rounds: int, seed: int) -> tuple[float, float]:
    """Return the seconds an experiment took and its best AUC."""
    began = time.perf_counter()
    created = api.post(
        "/api/v1/experiments",
        json={
            "dataset_id": dataset_id,
            "target": "y",
            "metric": "auc",
            "search_space": space(rounds),
            "baseline": False,
            "parallelism": PROCESSES,
            "seed": seed,
            "budget": {"max_trials": trials},
        },
    )
    created.raise_for_status()
    path = f"/api/v1/experiments/{created.json()['id']}"
    with api.stream("GET", f"{path}/events", timeout=None) as stream:
        for _ in stream.iter_lines():
            pass
    took = time.perf_counter() - began
    done = api.get(path).json()
    if done["state"] != "completed" or done["trials"]["completed"] != trials:
        raise RuntimeError(f"the experiment ended {done['state']}: {done['reason']}")
    return took, done["best"]["value"]


def theirs(table: Path, trials: int, rounds: int, seed: int) -> tuple[float, float]:
    """Return the seconds the plain loop took and its best AUC."""
    began = time.perf_counter()
    loop = [sys.executable, "-W", "ignore", "-m", "benchmarks.plain_loop", str(table)]
    options = {"trials": trials, "rounds": rounds, "processes": PROCESSES, "seed": seed}
    for name, value in options.items():
        loop += [f"--{name}", str(value)]
    done = subprocess.run(loop, check=True, capture_output=True, text=True)
    return time.perf_counter() - began, float(done.stdout.split()[-1])


def main() -> None:
    """Print each pair and the median ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=300)
    chosen = parser.parse_args()
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder, "table.csv")
        table.write_bytes(make_table(ROWS, COLUMNS))
        with (
            Suite(Path(folder, "data"), workers=PROCESSES, port=0) as suite,
            httpx.Client(base_url=suite.url, timeout=60.0, trust_env=False) as api,
        ):
            with table.open("rb") as file:
                dataset = api.post("/api/v1/datasets", files={"file": ("table.csv", file)}).json()["id"]
            for pair in range(chosen.pairs):
                loop, loop_best = theirs(table, chosen.trials, chosen.rounds, pair)
                experiment, best = ours(api, dataset, chosen.trials, chosen.rounds, pair)
                ratios.append(experiment / loop)
                print(
                    f"pair {pair + 1}: experiment {experiment:.1f} s (AUC {best:.4f}), plain loop {loop:.1f} s "
                    f"(AUC {loop_best:.4f}), ratio {ratios[-1]:.3f}",
                    flush=True,
                )
    print(
        f"experiment / plain loop, {chosen.trials} trials of {chosen.rounds} rounds, {PROCESSES} processes, "
        f"{ROWS} rows x {COLUMNS} columns: median {statistics.median(ratios):.3f} "
        f"(min {min(ratios):.3f}, max {max(ratios):.3f}; {len(ratios)} pairs)"
    )


if __name__ == "__main__":
    main()
