"""A small registry for tests: a real ASGI app that holds one data set and the runs it is told of."""

import asyncio
from collections import defaultdict
from typing import Any

import numpy as np
import pyarrow as pa
from fastapi import FastAPI, Query, Request, Response

from melonkube.contracts.datasets import Dataset
from melonkube.contracts.errors import Problem
from melonkube.contracts.signature import Column, Dtype, Kind, Role

DATASET_ID = "01900000-0000-7000-8000-00000000d001"
OTHER_ID = "01900000-0000-7000-8000-00000000d002"


def table(rows: int = 200) -> pa.Table:
    random = np.random.default_rng(1)
    return pa.table(
        {
            "id": pa.array(range(rows)),
            "age": pa.array(random.normal(40, 10, rows)),
            "city": pa.array(random.choice(["Seoul", "Busan", "Jeju"], rows)),
            "note": pa.array([f"words of row number {number} and more of them" for number in range(rows)]),
            "joined": pa.array(np.arange(rows).astype("datetime64[D]").astype("datetime64[us]")),
            "label": pa.array(random.choice(["yes", "no"], rows)),
            "price": pa.array(random.normal(100, 20, rows)),
            "flat": pa.array(["same"] * rows),
            "void": pa.array([None] * rows, pa.string()),
            "rare": pa.array(["a"] * (rows - 1) + ["b"]),
        }
    )


COLUMNS = [
    Column(name="id", dtype=Dtype.INT64, kind=Kind.NUMERIC, role=Role.ID, reason="sequence"),
    Column(name="age", dtype=Dtype.FLOAT64, kind=Kind.NUMERIC),
    Column(name="city", dtype=Dtype.STRING, kind=Kind.CATEGORICAL),
    Column(name="note", dtype=Dtype.STRING, kind=Kind.TEXT, role=Role.IGNORED, reason="free_text"),
    Column(name="joined", dtype=Dtype.TIMESTAMP, kind=Kind.DATETIME),
    Column(name="label", dtype=Dtype.STRING, kind=Kind.CATEGORICAL),
    Column(name="price", dtype=Dtype.FLOAT64, kind=Kind.NUMERIC),
    Column(name="flat", dtype=Dtype.STRING, kind=Kind.CATEGORICAL, role=Role.IGNORED, reason="constant"),
    Column(name="void", dtype=Dtype.STRING, kind=Kind.CATEGORICAL, role=Role.IGNORED, reason="all_missing"),
    Column(name="rare", dtype=Dtype.STRING, kind=Kind.CATEGORICAL),
]


def dataset(**changes: Any) -> Dataset:
    return Dataset.model_validate(
        {
            "id": DATASET_ID,
            "name": "people",
            "version": 1,
            "state": "ready",
            "rows": 200,
            "sha256": "a" * 64,
            "size_bytes": 1000,
            "file_name": "people.csv",
            "parquet_sha256": "b" * 64,
            "parquet_bytes": 900,
            "columns": COLUMNS,
            "created_at": "2026-01-01T00:00:00Z",
            **changes,
        }
    )


class StandIn:
    """What the registry was told. ``broken`` makes the next calls of a kind fail with that status."""

    def __init__(self) -> None:
        self.datasets = {DATASET_ID: dataset()}
        self.table = table()
        self.runs: dict[str, dict[str, Any]] = {}
        self.artifacts: dict[tuple[str, str], bytes] = {}
        self.finished: dict[str, dict[str, Any]] = {}
        self._ended: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.broken: dict[str, int] = {}
        self.in_use: set[str] = set()
        self.app = FastAPI()
        self._datasets()
        self._runs()

    async def ended(self, run_id: str) -> str:
        """Wait until a run's end arrives, which may be after the tuner's own; return the state it ended with."""
        async with asyncio.timeout(60):
            await self._ended[run_id].wait()
        return str(self.finished[run_id]["state"])

    def _fails(self, kind: str) -> Response | None:
        status = self.broken.get(kind)
        return None if status is None else problem(status, "not_ready" if status == 503 else "internal")

    def _datasets(self) -> None:
        app = self.app

        @app.get("/api/v1/datasets/{dataset_id}")
        async def get_dataset(dataset_id: str) -> Any:
            if (failed := self._fails("dataset")) is not None:
                return failed
            return self.datasets.get(dataset_id) or problem(404, "not_found")

        @app.get("/internal/datasets/{dataset_id}/columns")
        async def columns(dataset_id: str, name: list[str] = Query()) -> Response:
            chosen = self.table.select(name)
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, chosen.schema) as writer:
                writer.write_table(chosen)
            return Response(sink.getvalue().to_pybytes(), media_type="application/vnd.apache.arrow.stream")

    def _runs(self) -> None:
        app = self.app

        @app.post("/api/v1/runs", status_code=201)
        async def create_run(request: Request) -> Any:
            if (failed := self._fails("run")) is not None:
                return failed
            run = await request.json()
            self.runs[run["id"]] = run
            return run

        @app.put("/api/v1/runs/{run_id}/artifacts/{path:path}")
        async def put_artifact(run_id: str, path: str, request: Request) -> Any:
            if (failed := self._fails("artifact")) is not None:
                return failed
            self.artifacts[(run_id, path)] = await request.body()
            return {}

        @app.post("/api/v1/runs/{run_id}/finish")
        async def finish(run_id: str, request: Request) -> Any:
            if (failed := self._fails("finish")) is not None:
                return failed
            self.finished[run_id] = await request.json()
            self._ended[run_id].set()
            return {}

        @app.delete("/api/v1/runs/{run_id}", status_code=204)
        async def delete_run(run_id: str) -> Response:
            if (failed := self._fails("delete")) is not None:
                return failed
            self.runs.pop(run_id, None)
            for key in [key for key in self.artifacts if key[0] == run_id]:
                del self.artifacts[key]
            return Response(status_code=204)

        @app.delete("/internal/experiments/{experiment_id}/runs", status_code=204)
        async def delete_runs(experiment_id: str) -> Response:
            if experiment_id in self.in_use:
                return problem(409, "in_use")
            for run_id in [run_id for run_id, run in self.runs.items() if run["experiment_id"] == experiment_id]:
                del self.runs[run_id]
            return Response(status_code=204)


def problem(status: int, code: str) -> Response:
    body = Problem(title="no", status=status, code=code, detail=f"The stand-in says {code}.")
    return Response(body.model_dump_json(), status_code=status, media_type="application/problem+json")
