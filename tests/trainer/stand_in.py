"""Tuner and registry in one small server on a real socket, that can be away and come back."""

import hashlib
import json
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from melonkube.contracts.ids import new_id
from melonkube.contracts.runs import LogBatch, MetricBatch, RunCreate, RunFinish
from melonkube.contracts.worker import (
    Assignment,
    CompleteRequest,
    EvaluationResult,
    FailRequest,
    FinishAnswer,
    LeaseAnswer,
    LeaseRequest,
    RenewAnswer,
    RenewRequest,
    TrialAssignment,
    Verdict,
    WorkerSetup,
)

PATIENCE = 60.0
"""Longer than anything here takes: only a fault makes a test wait for it."""


@dataclass
class StoredRun:
    """A run as the registry keeps it."""

    create: RunCreate
    points: dict[tuple[str, int], float] = field(default_factory=dict)
    lines: dict[int, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    finish: RunFinish | None = None

    @property
    def log(self) -> str:
        return "\n".join(self.lines[seq] for seq in sorted(self.lines))


class Problem(Exception):
    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


class StandIn:
    """What a worker talks to. Attributes may be changed at any time under ``changed``."""

    def __init__(self, setup: WorkerSetup, parquet: bytes, split: bytes) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.setup = setup
        self.parquet = parquet
        self.split = split
        self.waiting: deque[Assignment] = deque()
        self.held: dict[str, Assignment] = {}
        self.exit_when_idle = True
        self.token = "first"
        self.fresh_token: str | None = None
        self.away: set[str] = set()
        self.busy: set[str] = set()
        self.verdicts: dict[str, Verdict] = {}
        self.refuse: dict[str, Problem] = {}
        self.runs: dict[str, StoredRun] = {}
        self.renewed: list[tuple[str, RenewRequest]] = []
        self.completed: list[tuple[str, CompleteRequest]] = []
        self.failed: list[tuple[str, FailRequest]] = []
        self.evaluated: list[tuple[str, EvaluationResult]] = []
        self.calls: list[str] = []
        self.missed: list[str] = []
        self.request_ids: set[str | None] = set()
        stand_in = self

        class Handler(_Handler):
            place = stand_in

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add_trial(self, **changes: Any) -> str:
        """Queue a trial and return the id of its run."""
        given: dict[str, Any] = {
            "run_id": new_id(), "trial_id": new_id(), "number": len(self.waiting) + 1, "attempt": 1, "source": "tpe",
            "params": {"num_iterations": 20, "early_stopping_rounds": 0},
        }  # fmt: skip
        trial = TrialAssignment(**(given | changes))
        self.add(trial)
        return trial.run_id

    def add(self, assignment: Assignment) -> None:
        with self.changed:
            self.waiting.append(assignment)
            self.changed.notify_all()

    def until(self, true: Callable[[], bool]) -> None:
        """Wait until something holds."""
        with self.changed:
            assert self.changed.wait_for(true, PATIENCE), f"never came true; calls: {self.calls}"

    @contextmanager
    def outage(self, *services: str) -> Iterator[None]:
        """Break every connection to these services for a while."""
        with self.changed:
            self.away.update(services)
        yield
        with self.changed:
            self.away.difference_update(services)

    def answer(self, method: str, path: str, body: bytes, headers: Any) -> tuple[int, dict[str, str], bytes]:
        """Answer one call; ``path`` is without a query."""
        with self.changed:
            self.calls.append(f"{method} {path}")
            self.request_ids.add(headers["X-Request-Id"])
            try:
                if headers["Authorization"] != f"Bearer {self.token}":
                    raise Problem(401, "unauthenticated")
                parts = path.strip("/").split("/")
                for fragment, problem in self.refuse.items():
                    if fragment in path:
                        raise problem
                if parts[0] == "worker":
                    return 200, {}, self._tuner(method, parts[2:], body)
                return self._registry(method, parts[2:], body, headers)
            finally:
                self.changed.notify_all()

    def _tuner(self, method: str, parts: list[str], body: bytes) -> bytes:
        if parts == ["setup"]:
            return self.setup.model_dump_json().encode()
        if parts == ["lease"]:
            request = LeaseRequest.model_validate_json(body)
            if not self.held and not self.waiting and not self.exit_when_idle:
                self.changed.notify_all()
                self.changed.wait_for(lambda: self.waiting or self.exit_when_idle, request.wait_seconds)
            return self._lease(take=True).model_dump_json().encode()
        run_id, act = parts[1], parts[2]
        if act == "renew":
            self.renewed.append((run_id, RenewRequest.model_validate_json(body)))
            verdict = self.verdicts.get(run_id, Verdict.CONTINUE if run_id in self.held else Verdict.LOST)
            answer = RenewAnswer(verdict=verdict, token=self.fresh_token)
            self.token = self.fresh_token or self.token
            return answer.model_dump_json().encode()
        accepted = self.held.pop(run_id, None) is not None and self.verdicts.get(run_id) is not Verdict.LOST
        finish: Any
        if act == "complete":
            finish = CompleteRequest.model_validate_json(body)
            self.completed.append((run_id, finish))
        elif act == "evaluated":
            finish = EvaluationResult.model_validate_json(body)
            self.evaluated.append((run_id, finish))
        else:
            finish = FailRequest.model_validate_json(body)
            self.failed.append((run_id, finish))
        return FinishAnswer(accepted=accepted, next=self._lease(take=finish.want_next)).model_dump_json().encode()

    def _lease(self, *, take: bool) -> LeaseAnswer:
        if self.held:
            return LeaseAnswer(assignment=next(iter(self.held.values())))
        if self.waiting and take:
            assignment = self.waiting.popleft()
            self.held[assignment.run_id] = assignment
            return LeaseAnswer(assignment=assignment)
        return LeaseAnswer(exit=self.exit_when_idle)

    def _registry(self, method: str, parts: list[str], body: bytes, headers: Any) -> tuple[int, dict[str, str], bytes]:
        if parts[0] == "datasets":
            return _ranged(self.parquet, headers)
        if len(parts) == 1:
            create = RunCreate.model_validate_json(body)
            assert create.id is not None
            self.runs.setdefault(create.id, StoredRun(create))
            return 201, {}, b"{}"
        if parts[1] == self.setup.split_run_id:
            return _ranged(self.split, headers)
        run = self.runs.get(parts[1])
        if run is None:
            raise Problem(404, "not_found")
        if method == "GET":
            content = run.files.get("/".join(parts[3:]))
            if content is None:
                raise Problem(404, "not_found")
            return _ranged(content, headers)
        self._write(run, method, parts, body, headers)
        return 200, {}, b"{}"

    def _write(self, run: StoredRun, method: str, parts: list[str], body: bytes, headers: Any) -> None:
        if run.finish is not None and (parts[2] != "finish" or RunFinish.model_validate_json(body) != run.finish):
            raise Problem(409, "conflict")
        if parts[2] == "metrics":
            for point in MetricBatch.model_validate_json(body).points:
                run.points[point.name, point.step] = point.value
        elif parts[2] == "logs":
            for line in LogBatch.model_validate_json(body).lines:
                assert run.lines.setdefault(line.seq, line.message) == line.message
        elif parts[2] == "artifacts":
            assert headers["X-Content-SHA256"] == hashlib.sha256(body).hexdigest()
            if method == "POST":
                run.files |= {path: content for path, (_, content) in form_files(body, headers["Content-Type"]).items()}
            else:
                run.files["/".join(parts[3:])] = body
        else:
            run.finish = RunFinish.model_validate_json(body)


def form_files(body: bytes, content_type: str) -> dict[str, tuple[str, bytes]]:
    """Return the parts of a form by their names, each with its type and content."""
    form = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    files = {}
    for part in form.iter_parts():
        name, content = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
        assert isinstance(name, str)
        assert isinstance(content, bytes)
        files[name] = (str(part["Content-Type"]).replace('"', ""), content)
    return files


def _ranged(content: bytes, headers: Any) -> tuple[int, dict[str, str], bytes]:
    etag = f'"{hashlib.sha256(content).hexdigest()}"'
    wanted = headers["Range"]
    if wanted is None or headers["If-Range"] != etag:
        return 200, {"ETag": etag}, content
    start = int(wanted.removeprefix("bytes=").removesuffix("-"))
    if start >= len(content):
        return 416, {}, b""
    return 206, {"ETag": etag}, content[start:]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Let a client go that broke off; anything else is a fault of the test."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    place: StandIn

    def do_GET(self) -> None:
        self._handle()

    do_POST = do_PUT = do_GET

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        path = unquote(urlsplit(self.path).path)
        service = "tuner" if path.startswith("/worker/") else "registry"
        with self.place.changed:
            away, busy = service in self.place.away, service in self.place.busy
            if away or busy:
                self.place.missed.append(path)
                self.place.changed.notify_all()
        if away:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if busy:
            self._send(503, {}, b"later")
            return
        try:
            self._send(*self.place.answer(self.command, path, body, self.headers))
        except Problem as problem:
            said = {"title": problem.code, "status": problem.status, "code": problem.code, "detail": "It will not do."}
            self._send(problem.status, {"Content-Type": "application/problem+json"}, json.dumps(said).encode())

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing: a test tells what it saw."""
