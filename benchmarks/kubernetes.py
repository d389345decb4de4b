"""Workers on Kubernetes: warm ones against a Job a trial; what making Jobs costs; what following many pods costs.

Needs a cluster (``KUBECONFIG``) whose nodes have the trainer's image, and an address of this machine that pods reach.
``fleet`` needs nodes with the label and taint ``melonkube.io/fake=true`` that play pods without running them (kwok).

    python -m benchmarks.kubernetes --advertise-address 10.0.0.1 [--image IMAGE] [--node NAME] [--trials 100]
        [warm] [jobs] [fleet]
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.tables import make_table
from melonkube.contracts.experiments import Toleration, WorkerSpec
from melonkube.contracts.ids import new_id
from melonkube.kit.logs import configure_logs
from melonkube.kit.settings import TokenSettings
from melonkube.kit.tokens import TokenKey
from melonkube.suite.embedded import Suite
from melonkube.tuner.app import create_app
from melonkube.tuner.executors.kubernetes.api import KubeApi
from melonkube.tuner.executors.kubernetes.executor import KubernetesExecutor
from melonkube.tuner.executors.protocol import WorkerExit, WorkerOrder
from melonkube.tuner.settings import KubernetesSettings, Settings

PARALLELISM = 4
SPACE = {
    "num_iterations": {"value": 60},
    "early_stopping_rounds": {"value": 0},
    "num_leaves": {"value": 31},
    "learning_rate": {"type": "float", "low": 0.02, "high": 0.2, "log": True},
}
"""On the table below a training takes about 0.1 s."""


@contextmanager
def namespace() -> Iterator[str]:
    """A namespace of its own."""
    name = f"melon-bench-{new_id()[-8:]}"
    subprocess.run(["kubectl", "create", "namespace", name], check=True, capture_output=True)
    try:
        yield name
    finally:
        subprocess.run(["kubectl", "delete", "namespace", name, "--wait=false"], check=True, capture_output=True)


def searched(api: httpx.Client, dataset_id: str, trials: int, node: str, each: str | int) -> tuple[float, float]:
    """Return the seconds from the first trial's start to the last one's end, and a training's median seconds."""
    made = api.post(
        "/api/v1/experiments",
        json={
            "dataset_id": dataset_id,
            "target": "y",
            "algorithm": "random",
            "search_space": SPACE,
            "baseline": False,
            "parallelism": PARALLELISM,
            "trials_per_worker": each,
            "budget": {"max_trials": trials},
            "worker": {"cpu": 0.1, "memory_bytes": 400 << 20, "node_selector": {"kubernetes.io/hostname": node}},
        },
    )
    made.raise_for_status()
    path = f"/api/v1/experiments/{made.json()['id']}"
    with api.stream("GET", f"{path}/events", timeout=None) as stream:
        for _ in stream.iter_lines():
            pass
    done = api.get(path).json()
    if done["trials"]["completed"] != trials:
        raise RuntimeError(f"the experiment ended {done['state']}: {done['reason']}")
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = api.get(f"{path}/trials", params={"limit": 100, **({"cursor": cursor} if cursor else {})}).json()
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    began = min(datetime.fromisoformat(trial["started_at"]) for trial in found)
    ended = max(datetime.fromisoformat(trial["finished_at"]) for trial in found)
    return (ended - began).total_seconds(), statistics.median(trial["duration_seconds"] for trial in found)


def warm(address: str, image: str, node: str, trials: int) -> None:
    """Print how warm workers compare with a Job a trial, on one node."""
    with namespace() as space, tempfile.TemporaryDirectory() as folder:
        environment = {
            "MELON_EXECUTOR": "kubernetes",
            "MELON_ADVERTISE_ADDRESS": address,
            "MELON_KUBERNETES__NAMESPACE": space,
            "MELON_KUBERNETES__IMAGE": image,
        }
        with (
            Suite(Path(folder), workers=None, port=0, environment=environment) as suite,
            httpx.Client(base_url=suite.url, timeout=60.0, trust_env=False) as api,
        ):
            table = make_table(4_000, 10)
            dataset = api.post("/api/v1/datasets", files={"file": ("t.csv", table)}).json()["id"]
            fast, training = searched(api, dataset, trials, node, "auto")
            print(f"warm workers: {trials} trials in {fast:.1f} s (a trial at its worker {training:.2f} s)", flush=True)
            slow, training = searched(api, dataset, trials, node, 1)
            print(
                f"a Job a trial: {trials} trials in {slow:.1f} s (a trial at its worker {training:.2f} s)", flush=True
            )
    print(f"{PARALLELISM} workers at once on one node: warm workers are {slow / fast:.1f} times as fast (goal: 10)")


class Counting(KubernetesExecutor):
    """The executor, with a count of its calls and of how late it learns of what happened."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.lags: list[float] = []
        self.calls: Counter[str] = Counter()
        self.running: set[str] = set()

    def _pod_changed(self, pod: dict[str, Any], gone: bool) -> None:
        super()._pod_changed(pod, gone)
        name = pod["metadata"]["name"]
        if not gone and name not in self.running and pod["status"].get("phase") == "Running":
            self.running.add(name)
            began = pod["status"]["startTime"]  # in whole seconds: on average the lag is half a second less
            self.lags.append((datetime.now(UTC) - datetime.fromisoformat(began)).total_seconds())


async def many(settings: Settings, count: int, spec: WorkerSpec, *, run: bool) -> Counting:
    """Make ``count`` workers at once; where they run, wait for it; then end them all."""
    executor = Counting(settings)
    inner = KubeApi.call

    async def counted(self: KubeApi, method: str, path: str, *rest: Any, **named: Any) -> Any:
        executor.calls[method] += 1
        return await inner(self, method, path, *rest, **named)

    KubeApi.call = counted  # type: ignore[method-assign]

    async def ended(_end: WorkerExit) -> None:
        return None

    experiment = new_id()
    await executor.open(ended, lambda: None)
    try:
        used, began = time.process_time(), time.perf_counter()
        await asyncio.gather(
            *(
                executor.start(
                    WorkerOrder(executor.name_worker(experiment, 1, number), "ws", experiment, "t", "auto", None, spec),
                    ended,
                )
                for number in range(count)
            )
        )
        print(
            f"{count} Jobs made in {time.perf_counter() - began:.1f} s; "
            f"the executor's own processor time {time.process_time() - used:.2f} s",
            flush=True,
        )
        if run:
            calls = sum(executor.calls.values())
            while len(executor.running) < count and time.perf_counter() - began < 300:
                await asyncio.sleep(0.2)
            took, lags = time.perf_counter() - began, sorted(executor.lags)
            memory = psutil.Process(os.getpid()).memory_info().rss / 2**20
            await asyncio.sleep(10)
            print(
                f"{len(executor.running)} pods running after {took:.0f} s; lag from a pod's start to the executor's "
                f"knowing p50 {statistics.median(lags):.1f} s, p95 {lags[int(0.95 * len(lags)) - 1]:.1f} s "
                f"(clock of whole seconds; goal: 2); this process holds {memory:.0f} MiB (goal: 300 MB); "
                f"{sum(executor.calls.values()) - calls} calls since the Jobs were made "
                f"({time.process_time() - used:.1f} s of processor time in all)",
                flush=True,
            )
    finally:
        await executor.close(0.0)
        KubeApi.call = inner  # type: ignore[method-assign]
    return executor


async def in_a_tuner(work: Coroutine[Any, Any, Counting]) -> None:
    """Do the work in a process in which a whole tuner runs, so that its memory is a tuner's."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        TokenKey.load_or_create(folder / "key.pem")
        own = Settings(data_dir=folder, database_url=None, workers=0, tokens=TokenSettings(key_file=folder / "key.pem"))
        app = create_app(own)
        async with app.router.lifespan_context(app):
            print(f"a tuner without pods holds {psutil.Process().memory_info().rss / 2**20:.0f} MiB", flush=True)
            await work


def settings_for(space: str) -> Settings:
    """Return the settings of an executor in a namespace."""
    own = KubernetesSettings(namespace=space, image="busybox", cpu=0.1, memory_bytes=64 << 20, end_with_tuner=True)
    return Settings(kubernetes=own)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("what", nargs="*", default=["warm", "jobs"], help="warm, jobs, fleet")
    parser.add_argument("--advertise-address", default="")
    parser.add_argument("--image", default="melonkube/trainer:dev")
    parser.add_argument("--node", default="node-1")
    parser.add_argument("--trials", type=int, default=100)
    chosen = parser.parse_args()
    configure_logs("bench", "ERROR")
    if "jobs" in chosen.what:
        with namespace() as space:
            nowhere = WorkerSpec(node_selector={"melonkube.io/nowhere": "true"})
            asyncio.run(many(settings_for(space), 200, nowhere, run=False))
    if "fleet" in chosen.what:
        with namespace() as space:
            fake = WorkerSpec(
                node_selector={"melonkube.io/fake": "true"},
                tolerations=[Toleration(key="melonkube.io/fake", operator="Exists")],
            )
            asyncio.run(in_a_tuner(many(settings_for(space), 1000, fake, run=True)))
    if "warm" in chosen.what:
        warm(chosen.advertise_address, chosen.image, chosen.node, chosen.trials)


if __name__ == "__main__":
    main()
