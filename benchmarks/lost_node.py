"""What the loss of a node costs its trials: from the power cut to the next attempt at each of them.

Needs a cluster of two nodes or more (``KUBECONFIG``) with the trainer's image, an address of this machine that pods
reach, and commands that cut a named node's power and give it back.

    python -m benchmarks.lost_node --advertise-address 10.0.0.1 --node NAME --kill COMMAND --start COMMAND
"""

import argparse
import json
import shlex
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from benchmarks.kubernetes import namespace
from benchmarks.tables import make_table
from melonkube.suite.embedded import Suite

SPACE = {
    "num_iterations": {"value": 20_000},
    "early_stopping_rounds": {"value": 0},
    "num_leaves": {"value": 31},
    "learning_rate": {"type": "float", "low": 0.001, "high": 0.01, "log": True},
}
"""Trials that take longer than the loss is noticed."""
PARALLELISM = 4


def trials(api: httpx.Client, experiment: str) -> Iterator[dict[str, Any]]:
    """Yield each trial as it changes."""
    with api.stream("GET", f"/api/v1/experiments/{experiment}/events", timeout=None) as stream:
        for line in stream.iter_lines():
            if line.startswith("data: "):
                event = json.loads(line.removeprefix("data: "))
                found = event.get("data", event)
                if "worker_id" in found:
                    yield found


def nodes_of(space: str) -> dict[str, str]:
    """Return the node of each worker."""
    done = subprocess.run(
        ["kubectl", "-n", space, "get", "pods", "-o", "json"], check=True, capture_output=True, text=True
    )
    return {
        pod["metadata"]["labels"]["melonkube.io/worker"]: pod["spec"].get("nodeName", "")
        for pod in json.loads(done.stdout)["items"]
        if "melonkube.io/worker" in pod["metadata"].get("labels", {})
    }


def measure(api: httpx.Client, space: str, node: str, kill: str) -> list[float]:
    """Return, for each trial on the node when it is lost, the seconds until another worker had it."""
    dataset = api.post("/api/v1/datasets", files={"file": ("t.csv", make_table(20_000, 20))}).json()["id"]
    made = api.post(
        "/api/v1/experiments",
        json={
            "dataset_id": dataset, "target": "y", "algorithm": "random", "search_space": SPACE, "baseline": False,
            "parallelism": PARALLELISM, "budget": {"max_trials": PARALLELISM},
            "worker": {"cpu": 0.1, "memory_bytes": 400 << 20},
        },
    )  # fmt: skip
    made.raise_for_status()
    experiment = made.json()["id"]
    running: dict[int, str] = {}
    for trial in trials(api, experiment):
        if trial["state"] == "running":
            running[trial["number"]] = trial["worker_id"]
        if len(running) == PARALLELISM:
            break
    where = nodes_of(space)
    lost = {number for number, worker in running.items() if where.get(worker) == node}
    if not lost:
        raise RuntimeError(f"no trial runs on {node}")
    subprocess.run([*shlex.split(kill), node], check=True, capture_output=True)
    cut = time.monotonic()
    waits: dict[int, float] = {}
    for trial in trials(api, experiment):
        if trial["number"] in lost and trial["attempt"] > 1 and trial["state"] in ("leased", "running"):
            waits.setdefault(trial["number"], time.monotonic() - cut)
        if len(waits) == len(lost):
            break
    api.post(f"/api/v1/experiments/{experiment}/stop").raise_for_status()
    return sorted(waits.values())


def main() -> None:
    """Print the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--advertise-address", required=True)
    parser.add_argument("--image", default="melonkube/trainer:dev")
    parser.add_argument("--node", required=True)
    parser.add_argument("--kill", required=True)
    parser.add_argument("--start", required=True)
    chosen = parser.parse_args()
    with namespace() as space, tempfile.TemporaryDirectory() as folder:
        environment = {
            "MELON_EXECUTOR": "kubernetes",
            "MELON_ADVERTISE_ADDRESS": chosen.advertise_address,
            "MELON_KUBERNETES__NAMESPACE": space,
            "MELON_KUBERNETES__IMAGE": chosen.image,
        }
        try:
            with (
                Suite(Path(folder), workers=None, port=0, environment=environment) as suite,
                httpx.Client(base_url=suite.url, timeout=60.0, trust_env=False) as api,
            ):
                waits = measure(api, space, chosen.node, chosen.kill)
        finally:
            subprocess.run([*shlex.split(chosen.start), chosen.node], check=True, capture_output=True)
    shown = ", ".join(f"{wait:.1f} s" for wait in waits)
    print(f"{chosen.node} lost with {len(waits)} trials; another worker had them after {shown} (goal: 60 s at most)")


if __name__ == "__main__":
    main()
