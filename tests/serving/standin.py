"""The parts of the registry and the tuner that serving calls, in memory, with faults to order."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from melonkube.contracts.ids import new_id
from melonkube.contracts.models import Lineage, ModelVersion
from tests.serving.bundles import Made

NOW = datetime(2026, 11, 23, tzinfo=UTC)


class Gate(httpx.AsyncBaseTransport):
    """A network that can be cut."""

    def __init__(self, app: Starlette) -> None:
        self._inner = httpx.ASGITransport(app=app)
        self.up = True
        self.calls: list[tuple[str, str]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not self.up:
            raise httpx.ConnectError("cut")
        self.calls.append((request.method, request.url.path))
        return await self._inner.handle_async_request(request)


class Registry:
    """Models, versions, aliases, changes and references; bundles as given."""

    def __init__(self) -> None:
        self.models: dict[str, dict[int, Made]] = {}
        self.runs: dict[str, Made] = {}
        self.aliases: dict[tuple[str, str], int] = {}
        self.changes: list[dict[str, Any]] = []
        self.references: dict[str, dict[str, Any]] = {}
        self.replaced: dict[tuple[str, int, str], bytes] = {}
        self.hold: asyncio.Event | None = None
        self.garbled = False
        self._moved = asyncio.Condition()
        self.gate = Gate(self._app())

    def add(self, model: str, made: Made) -> int:
        versions = self.models.setdefault(model, {})
        versions[len(versions) + 1] = made
        return len(versions)

    async def move(self, model: str, alias: str, version: int | None) -> None:
        if version is None:
            del self.aliases[model, alias]
        else:
            self.aliases[model, alias] = version
        async with self._moved:
            self.changes.append({"seq": len(self.changes) + 1, "model": model, "alias": alias, "version": version})
            self._moved.notify_all()

    def _app(self) -> Starlette:
        version = "/api/v1/models/{model}/versions/{version:int}"
        return Starlette(
            routes=[
                Route(version, self._checked(self._version)),
                Route(version + "/files/{file:path}", self._checked(self._file)),
                Route("/api/v1/models/{model}/versions", self._checked(self._register), methods=["POST"]),
                Route("/api/v1/models/{model}/aliases/{alias}", self._checked(self._alias)),
                Route("/internal/changes", self._checked(self._changes)),
                Route("/internal/references/{holder}", self._checked(self._reference), methods=["PUT", "DELETE"]),
            ]
        )

    def _checked(
        self,
        endpoint: Callable[[Request], Awaitable[Response]],
    ) -> Callable[[Request], Awaitable[Response]]:
        async def checked(request: Request) -> Response:
            assert request.headers["authorization"].startswith("Bearer ")
            answer = await endpoint(request)
            return JSONResponse({"greeting": "hello"}) if self.garbled else answer

        return checked

    def _describe(self, model: str, version: int) -> Response:
        made = self.models[model][version]
        described = ModelVersion(
            model=model,
            version=version,
            digest=made.digest,
            flavor="lightgbm",
            size_bytes=1,
            signature=made.signature,
            input_example={},
            lineage=Lineage(run_id=new_id()),
            created_at=NOW,
        )
        return Response(described.model_dump_json(), media_type="application/json")

    async def _version(self, request: Request) -> Response:
        model, version = request.path_params["model"], request.path_params["version"]
        if version not in self.models.get(model, {}):
            return problem(404, "not_found", "There is no such version.")
        return self._describe(model, version)

    async def _file(self, request: Request) -> Response:
        model, version, name = (request.path_params[part] for part in ("model", "version", "file"))
        if self.hold is not None:
            await self.hold.wait()
        content = self.replaced.get((model, version, name), self.models[model][version].files.get(name))
        if content is None:
            return problem(404, "not_found", "There is no such file.")

        async def blocks() -> Any:
            for start in range(0, len(content), 1000):
                yield content[start : start + 1000]

        return StreamingResponse(blocks())

    async def _register(self, request: Request) -> Response:
        body = await request.json()
        model, made = request.path_params["model"], self.runs[body["run_id"]]
        for version, known in self.models.get(model, {}).items():
            if known is made:
                return self._describe(model, version)
        return self._describe(model, self.add(model, made))

    async def _alias(self, request: Request) -> Response:
        key = (request.path_params["model"], request.path_params["alias"])
        if key not in self.aliases:
            return problem(404, "not_found", "There is no such alias.")
        return JSONResponse(
            {"model": key[0], "alias": key[1], "version": self.aliases[key], "updated_at": NOW.isoformat()}
        )

    async def _changes(self, request: Request) -> Response:
        after, wait = int(request.query_params["after"]), float(request.query_params["wait"])
        if after > len(self.changes):
            after, wait = 0, 0.0
        async with self._moved:
            try:
                async with asyncio.timeout(wait):
                    await self._moved.wait_for(lambda: len(self.changes) > after)
            except TimeoutError:
                pass
        items = self.changes[after:]
        return JSONResponse({"items": items, "next": items[-1]["seq"] if items else after})

    async def _reference(self, request: Request) -> Response:
        holder = request.path_params["holder"]
        if request.method == "DELETE":
            if self.references.pop(holder, None) is None:
                return problem(404, "not_found", "There is no such reference.")
            return Response(status_code=204)
        self.references[holder] = {k: v for k, v in (await request.json()).items() if v is not None}
        return Response(status_code=204)


class Tuner:
    """Experiments by id: name and winning run, None before there is one."""

    def __init__(self) -> None:
        self.experiments: dict[str, tuple[str, str | None]] = {}
        self.gate = Gate(Starlette(routes=[Route("/api/v1/experiments/{id}", self._experiment)]))

    async def _experiment(self, request: Request) -> Response:
        identity = request.path_params["id"]
        if identity not in self.experiments:
            return problem(404, "not_found", "There is no such experiment.")
        name, run_id = self.experiments[identity]
        best = None
        if run_id is not None:
            best = {"number": 3, "trial_id": new_id(), "value": 0.9, "params": {}, "run_id": run_id}
        return JSONResponse(
            {
                "id": identity,
                "name": name,
                "state": "running",
                "dataset_id": new_id(),
                "dataset_name": "d",
                "dataset_version": 1,
                "target": "label",
                "task": "binary",
                "metric": "auc",
                "direction": "maximize",
                "trainer": "lightgbm",
                "algorithm": "tpe",
                "search_space": {},
                "columns": [],
                "split": {
                    "method": "stratified",
                    "seed": 1,
                    "train": 1,
                    "validation": 1,
                    "holdout": 1,
                    "excluded": 0,
                },
                "seed": 1,
                "parallelism": 1,
                "trials_per_worker": "auto",
                "budget": {},
                "trials": {"total": None},
                "elapsed_seconds": 1.0,
                "best": best,
                "run_id": new_id(),
                "created_at": NOW.isoformat(),
            }
        )


def problem(status: int, code: str, detail: str) -> Response:
    return JSONResponse(
        {"title": "x", "status": status, "code": code, "detail": detail},
        status_code=status,
        media_type="application/problem+json",
    )
