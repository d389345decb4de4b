"""A small MelonKube server on a real socket: what the wire says, held in memory, with faults on demand."""

import hashlib
import json
import re
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

NOW = "2026-11-23T09:30:00.000000Z"


def identity(number: int) -> str:
    """Return a well-formed id."""
    return f"01900000-0000-7000-8000-{number:012d}"


@dataclass
class Recorded:
    """A request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Fault:
    """What goes wrong with the next request that matches.

    ``refuse``: answered with ``status``, not carried out. ``drop``: the connection is closed, not carried out.
    ``lose``: carried out, and the connection closed before the answer. ``cut``: the answer ends halfway.
    """

    method: str
    path: str
    kind: Literal["refuse", "drop", "lose", "cut"]
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Reply:
    """What a route answers."""

    status: int = 200
    body: Any = None
    content: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)


class Refused(Exception):
    """A problem."""

    def __init__(self, status: int, code: str, detail: str, errors: list[dict[str, str]] | None = None) -> None:
        self.reply = Reply(
            status,
            {"title": code, "status": status, "code": code, "detail": detail, "request_id": "req-1", "errors": errors},
        )


Route = Callable[["Standin", Recorded, tuple[str, ...]], Reply]
ROUTES: list[tuple[str, re.Pattern[str], Route]] = []


def route(method: str, pattern: str) -> Callable[[Route], Route]:
    """Register what answers; each ``*`` is one segment of a path, ``**`` the rest."""
    parts = re.escape(pattern).replace(r"\*\*", "(.+)").replace(r"\*", "([^/]+)")

    def register(answer: Route) -> Route:
        ROUTES.append((method, re.compile(f"^{parts}$"), answer))
        return answer

    return register


class _Server(ThreadingHTTPServer):
    """Silent about clients that went away in the middle, which is what these tests make them do."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Standin:
    """The server. Tests change what it holds directly, and read ``requests``."""

    def __init__(self) -> None:
        self.requests: list[Recorded] = []
        self.faults: list[Fault] = []
        self.discard_uploads = False
        self.datasets: dict[str, dict[str, Any]] = {}
        self.contents: dict[str, bytes] = {}
        self.keys: dict[str, str] = {}
        self.experiments: dict[str, dict[str, Any]] = {}
        self.trials: dict[str, list[dict[str, Any]]] = {}
        self.events: dict[str, list[dict[str, Any]]] = {}
        self.cut_streams_after: list[int] = []
        self.runs: dict[str, dict[str, Any]] = {}
        self.points: dict[str, list[dict[str, Any]]] = {}
        self.lines: dict[str, list[dict[str, Any]]] = {}
        self.artifacts: dict[tuple[str, str], bytes] = {}
        self.models: dict[str, dict[str, Any]] = {}
        self.endpoints: dict[str, dict[str, Any]] = {}
        self.services = [{"name": name, "ready": True} for name in ("gateway", "registry", "tuner", "serving")]
        self.executor: dict[str, Any] = {"name": "local", "slots": 2, "busy": 1}
        self.signature: dict[str, Any] = {}
        self.on_poll: Callable[[str], None] = lambda path: None
        self.changed = threading.Condition()
        self._count = 0
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"standin": self}))
        self._closing = False
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        with self.changed:
            self._closing = True
            self.changed.notify_all()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def closing(self) -> bool:
        return self._closing

    def new_id(self) -> str:
        with self.changed:
            self._count += 1
            return identity(self._count)

    def sent(self, method: str, path: str) -> list[Recorded]:
        """Return the requests that arrived, the path as a pattern."""
        return [one for one in self.requests if one.method == method and re.fullmatch(path, one.path)]

    def take_fault(self, request: Recorded) -> Fault | None:
        for fault in self.faults:
            if fault.method == request.method and re.fullmatch(fault.path, request.path):
                self.faults.remove(fault)
                return fault
        return None

    def emit(self, experiment_id: str, kind: str, data: dict[str, Any]) -> None:
        """Add an event."""
        with self.changed:
            known = self.events.setdefault(experiment_id, [])
            seq = len(known) + 1
            known.append({"seq": seq, "experiment_id": experiment_id, "type": kind, "at": NOW, "data": data})
            if experiment_id in self.experiments:
                self.experiments[experiment_id]["last_event"] = seq
            self.changed.notify_all()

    def end(self, experiment_id: str, state: str = "completed", **more: Any) -> None:
        """Bring an experiment to a final state."""
        found = self.experiments[experiment_id]
        found.update(state=state, phase=None, remaining_seconds=None, finished_at=NOW, **more)
        self.emit(experiment_id, "experiment", dict(found))


def found(known: dict[str, dict[str, Any]], key: str) -> dict[str, Any]:
    if key not in known:
        raise Refused(404, "not_found", f"There is no {key!r} here.")
    return known[key]


def page(items: list[dict[str, Any]], query: dict[str, str]) -> Reply:
    begin, limit = int(query.get("cursor", "0")), int(query.get("limit", "100"))
    rest = begin + limit < len(items)
    return Reply(body={"items": items[begin : begin + limit], "next_cursor": str(begin + limit) if rest else None})


def parse_multipart(request: Recorded) -> dict[str, tuple[dict[str, str], bytes]]:
    boundary = request.headers["content-type"].partition("boundary=")[2].encode()
    parts = {}
    for piece in request.body.split(b"--" + boundary)[1:-1]:
        head, _, content = piece[2:-2].partition(b"\r\n\r\n")
        said = dict(re.findall(r'(\w+)="([^"]*)"', head.decode()))
        parts[said.pop("name")] = (said, content)
    return parts


class _Handler(BaseHTTPRequestHandler):
    standin: Standin
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_PUT = do_DELETE = do_GET

    def _answer(self) -> None:
        request = self._read()
        self.standin.requests.append(request)
        fault = self.standin.take_fault(request)
        if fault is not None and fault.kind == "drop":
            self._hang_up()
            return
        if fault is not None and fault.kind == "refuse":
            reply = Refused(fault.status, "not_ready" if fault.status == 503 else "other", "Not just now.").reply
            reply.headers = fault.headers
        elif request.path.endswith("/events"):
            self._stream(request)
            return
        else:
            reply = _dispatch(self.standin, request)
        if fault is not None and fault.kind == "lose":
            self._hang_up()
            return
        self._send(reply, cut=fault is not None and fault.kind == "cut")

    def _read(self) -> Recorded:
        split = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = b""
        if headers.get("transfer-encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        elif self.standin.discard_uploads:
            left = int(headers.get("content-length", "0"))
            while left > 0:
                left -= len(self.rfile.read(min(left, 65536)))
        else:
            length = int(headers.get("content-length", "0"))
            body = self.rfile.read(length)
            if len(body) < length:
                raise ConnectionAbortedError("the client went away in the middle of its request")
        query = {name: values[-1] for name, values in parse_qs(split.query).items()}
        return Recorded(self.command, split.path, query, headers, body)

    def _send(self, reply: Reply, *, cut: bool = False) -> None:
        content = reply.content
        kind = "application/octet-stream"
        if content is None:
            content = b"" if reply.body is None else json.dumps(reply.body).encode()
            kind = "application/json" if reply.status < 400 else "application/problem+json"
        self.send_response(reply.status)
        for name, value in {"Content-Type": kind, "X-Request-Id": "req-1", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if cut else content)
        if cut:
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)

    def _stream(self, request: Recorded) -> None:
        experiment_id = request.path.split("/")[4]
        last = int(request.headers["last-event-id"])
        quota = self.standin.cut_streams_after.pop(0) if self.standin.cut_streams_after else None
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.close_connection = True
        self.wfile.write(b"retry: 10\n: hello\n\n")
        sent = 0
        while not self.standin.closing:
            with self.standin.changed:
                ready = [one for one in self.standin.events.get(experiment_id, []) if one["seq"] > last]
                if not ready:
                    self.standin.changed.wait(0.2)
            for event in ready:
                if quota is not None and sent == quota:
                    self._hang_up()
                    return
                text = f"id: {event['seq']}\nevent: {event['type']}\ndata: {json.dumps(event)}\n\n"
                self.wfile.write(text.encode())
                last, sent = event["seq"], sent + 1
            if not ready:
                try:
                    self.wfile.write(b": alive\n\n")
                except OSError:
                    return


def _dispatch(standin: Standin, request: Recorded) -> Reply:
    for method, pattern, answer in ROUTES:
        match = pattern.match(request.path)
        if match and method == request.method:
            try:
                return answer(standin, request, tuple(unquote(part) for part in match.groups()))
            except Refused as refused:
                return refused.reply
    return Refused(404, "not_found", f"There is nothing at {request.path}.").reply


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
