"""Predict against a bare ASGI echo on the same core: ``python -m benchmarks.serving``.

Serving runs as it does in production (its own process, token check, validation, metrics and request ids on), with a
LightGBM model of 200 trees of 63 leaves over 30 named columns, one row a request (64 different ones in turn: a repeated
row would flatter the branch predictor), 8 keep-alive connections. Server and echo take turns on one core while the load
runs on another; each pair gives one ratio of rates, and one of the processor time a request took, which other work on
the machine disturbs less. Serving finds its model on disk and its endpoint in its database, as after a restart, so
that no other service is needed.
"""

import argparse
import asyncio
import hashlib
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import lightgbm
import numpy as np

from benchmarks.serving_load import run_load
from melonkube.contracts.ids import new_id
from melonkube.contracts.models import BundleFile, BundleManifest, GoldenRows
from melonkube.contracts.signature import Column, Dtype, Kind, Role, Signature, Task
from melonkube.kit.db import Database
from melonkube.kit.migrations import migrate
from melonkube.kit.settings import ServiceSettings
from melonkube.kit.tokens import DEFAULT_WORKSPACE, SCOPE_USER, Principal, TokenKey, TokenSigner
from melonkube.serving.endpoints.domain import Active, Key
from melonkube.serving.endpoints.repository import EndpointWriter

TREES, LEAVES, ROWS = 200, 63, 20_000
NUMERIC, CATEGORICAL = 24, 6
CONNECTIONS = 8
BODIES = 64


def make_bundle(folder: Path) -> tuple[str, list[dict[str, object]], list[float]]:
    """Write the model's bundle below ``folder``; return its digest, rows to send and the answers that are right."""
    random = np.random.default_rng(7)
    numbers = random.normal(size=(ROWS, NUMERIC)).round(4)
    numbers[random.random(numbers.shape) < 0.02] = np.nan
    codes = random.integers(0, 12, (ROWS, CATEGORICAL)).astype(float)
    matrix = np.hstack((numbers, codes))
    label = np.nan_to_num(numbers[:, :6]).sum(axis=1) + (codes[:, 0] > 6) + random.normal(size=ROWS) > 0
    params = {"objective": "binary", "num_leaves": LEAVES, "num_threads": 1, "verbosity": -1}
    columns = list(range(NUMERIC, NUMERIC + CATEGORICAL))
    booster = lightgbm.train(params, lightgbm.Dataset(matrix, label, categorical_feature=columns), TREES)
    categories = [f"category {code}" for code in range(12)]
    features = [
        Column(name=f"measured value {index}", dtype=Dtype.FLOAT64, kind=Kind.NUMERIC) for index in range(NUMERIC)
    ] + [
        Column(name=f"group {index}", dtype=Dtype.STRING, kind=Kind.CATEGORICAL, categories=categories)
        for index in range(CATEGORICAL)
    ]
    signature = Signature(
        task=Task.BINARY,
        target=Column(name="label", dtype=Dtype.STRING, kind=Kind.CATEGORICAL, role=Role.TARGET),
        features=features,
        classes=["no", "yes"],
    )
    rows: list[dict[str, object]] = [
        {
            **{f"measured value {i}": None if np.isnan(x) else float(x) for i, x in enumerate(row[:NUMERIC])},
            **{f"group {i}": categories[int(code)] for i, code in enumerate(row[NUMERIC:])},
        }
        for row in matrix[:BODIES]
    ]
    raw = np.asarray(booster.predict(matrix[:16], raw_score=True, num_threads=1)).reshape(-1, 1).tolist()
    files = {
        "model.txt": booster.model_to_string().encode(),
        "signature.json": signature.model_dump_json().encode(),
        "golden.json": GoldenRows(instances=rows[:16], raw_scores=raw).model_dump_json().encode(),
        "input_example.json": json.dumps(rows[0]).encode(),
    }
    manifest = BundleManifest(
        flavor="lightgbm",
        files={
            name: BundleFile(sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
            for name, data in files.items()
        },
        architecture=platform.machine(),
        golden_tolerance=1e-6,
    )
    files["manifest.json"] = manifest.model_dump_json().encode()
    digest = hashlib.sha256(files["manifest.json"]).hexdigest()
    (folder / digest).mkdir(parents=True)
    for name, data in files.items():
        (folder / digest / name).write_bytes(data)
    return digest, rows, np.asarray(booster.predict(matrix[:BODIES], num_threads=1)).tolist()


async def make_endpoint(settings: ServiceSettings, digest: str) -> None:
    """Write the endpoint ``bench`` into serving's database, as if it had answered before."""
    database = Database.from_settings(settings, "serving")
    await migrate(database, "serving")
    async with database.write() as session:
        writer = EndpointWriter(session)
        key = Key(DEFAULT_WORKSPACE, "bench")
        desired, _ = await writer.put(
            key, model="bench", version=1, alias=None, experiment_id=None, now=datetime.now(UTC)
        )
        await writer.note_active(desired, Active("bench", 1, digest, desired.generation))
    await database.close()


@dataclass(frozen=True, slots=True)
class Server:
    """A process that is measured."""

    port: int
    pid: int

    def used_seconds(self) -> float:
        """Return the processor time it has used (proc(5))."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Rates:
    """What was measured of a server, a value a round."""

    per_second: list[float] = field(default_factory=list)
    used: list[float] = field(default_factory=list)


@contextmanager
def process(module: str, core: int, folder: Path) -> Iterator[Server]:
    """Run a module as a service on one core."""
    with socket.socket() as listener, (folder / f"{module}.log").open("w") as log:
        listener.bind(("127.0.0.1", 0))
        listener.listen(512)
        listener.set_inheritable(True)
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MELON_")},
            "MELON_LISTEN__FD": str(listener.fileno()),
            "MELON_DATA_DIR": str(folder),
            "MELON_TOKENS__KEY_FILE": str(folder / "key.pem"),
            "MELON_PEERS__REGISTRY": "http://127.0.0.1:9",
            "MELON_PARENT_PID": str(os.getpid()),
        }
        environment.pop("DATABASE_URL", None)
        child = subprocess.Popen(
            [sys.executable, "-m", module],
            env=environment,
            stderr=log,
            pass_fds=[listener.fileno()],
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
        try:
            yield Server(listener.getsockname()[1], child.pid)
        finally:
            child.terminate()
            child.wait(30)


def http_request(path: str, token: str, body: bytes) -> bytes:
    """Return a POST as it goes over the wire."""
    return (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n"
        f"content-type: application/json\r\nx-request-id: {new_id()}\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body


def check(port: int, token: str, rows: list[dict[str, object]], expected: list[float]) -> None:
    """Make sure that the server answers what LightGBM itself does, before anything is measured."""
    for row, probability in zip(rows, expected, strict=True):
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/v1/endpoints/bench/predict",
            json.dumps({"instances": [row]}).encode(),
            {"authorization": f"Bearer {token}", "content-type": "application/json"},
        )
        for _ in range(100):
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    found = json.load(answer)["probabilities"][0]["yes"]
                break
            except urllib.error.HTTPError as error:
                if error.code != 503:
                    raise
                time.sleep(0.1)
        if found != probability:
            raise RuntimeError(f"serving answered {found}, LightGBM {probability}")


def measure(pairs: int, seconds: float) -> dict[str, float]:
    """Return medians of rates, processor times and ratios, the ratio's quartiles, and how busy the load was at most."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise RuntimeError("this needs two cores: one for the server, one for the load")
    with tempfile.TemporaryDirectory(prefix="melon-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        key = TokenKey.load_or_create(folder / "key.pem")
        principal = Principal("bench", DEFAULT_WORKSPACE, frozenset({SCOPE_USER}))
        token = TokenSigner(key, 3600).sign(principal, "serving")
        digest, rows, expected = make_bundle(folder / "bundles")
        asyncio.run(make_endpoint(ServiceSettings(data_dir=folder, database_url=None), digest))
        predict = stack.enter_context(process("melonkube.serving", cores[0], folder))
        echo = stack.enter_context(process("benchmarks.serving_echo", cores[0], folder))
        os.sched_setaffinity(0, {cores[1]})
        stack.callback(os.sched_setaffinity, 0, set(cores))
        check(predict.port, token, rows, expected)
        path = "/api/v1/endpoints/bench/predict"
        requests = [http_request(path, token, json.dumps({"instances": [row]}).encode()) for row in rows]
        ours, theirs, busy = Rates(), Rates(), 0.0
        for server in (echo, predict):
            run_load(server.port, requests, CONNECTIONS, 0.5)
        for pair in range(pairs):
            turns = [(echo, theirs), (predict, ours)]
            for server, rates in turns if pair % 2 == 0 else reversed(turns):
                before = server.used_seconds()
                load = run_load(server.port, requests, CONNECTIONS, seconds)
                rates.per_second.append(load.per_second)
                rates.used.append((server.used_seconds() - before) / load.answers)
                busy = max(busy, load.busy)
    ratios = [mine / echoes for mine, echoes in zip(ours.per_second, theirs.per_second, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return {
        "predict_per_second": statistics.median(ours.per_second),
        "echo_per_second": statistics.median(theirs.per_second),
        "predict_used_seconds": statistics.median(ours.used),
        "echo_used_seconds": statistics.median(theirs.used),
        "ratio": middle,
        "ratio_low": low,
        "ratio_high": high,
        "ratio_used": statistics.median(echoes / mine for mine, echoes in zip(ours.used, theirs.used, strict=True)),
        "load_busy": busy,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    found = measure(options.pairs, options.seconds)
    print("serving: one row a request, 30 named columns, 200 trees of 63 leaves, 8 connections, one core")
    for name in ("predict", "echo"):
        used = found[f"{name}_used_seconds"] * 1e6
        print(f"  {name:10}  {found[f'{name}_per_second']:>9,.0f} requests/s  {used:>6.1f} us of processor time each")
    print(
        f"  ratio       {found['ratio']:>9.2f} (goal: at least 0.60; quartiles {found['ratio_low']:.2f} to "
        f"{found['ratio_high']:.2f} over {options.pairs} pairs)  {found['ratio_used']:.2f} by processor time"
    )
    print(f"  the load used {found['load_busy']:.0%} of its own core at most")


if __name__ == "__main__":
    main()
