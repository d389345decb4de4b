"""What stands behind the gateway in its tests: an app that does as the path says, a socket that drops calls."""

import asyncio
import hashlib
import json
import socket
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import uvicorn
from starlette.types import Message, Receive, Scope, Send

BLOCK = b"0123456789abcdef" * 4096


class Upstream:
    """An app on a server of its own thread. What it saw is in its attributes and events."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.client_gone = threading.Event()
        self.held = threading.Event()
        self.release = threading.Event()
        self.sent_bytes = 0
        self.ready = True
        self.document: dict[str, Any] = {"paths": {}}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        config = uvicorn.Config(
            self._app,
            interface="asgi3",
            proxy_headers=False,
            log_config=None,
            lifespan="off",
            ws="none",
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._listener]})
        self._thread.start()

    def forget(self) -> None:
        """Begin anew for the next test."""
        for event in (self.arrived, self.client_gone, self.held, self.release):
            event.clear()
        self.sent_bytes = 0
        self.ready = True

    def close(self) -> None:
        """End the server."""
        self.release.set()
        self._server.should_exit = True
        self._thread.join()

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = scope["path"].rsplit("/", 1)[-1]
        handler: Callable[[Scope, Receive, Send], Any] = getattr(self, f"_{route.replace('.', '_')}", self._echo)
        await handler(scope, receive, send)

    async def _echo(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message["more_body"]:
                break
        await _json(
            send,
            {
                "method": scope["method"],
                "raw_path": scope["raw_path"].decode(),
                "query": scope["query_string"].decode(),
                "headers": [[name.decode(), value.decode()] for name, value in scope["headers"]],
                "body": body.decode(),
            },
            extra=[(b"x-own", b"kept"), (b"connection", b"x-secret"), (b"x-secret", b"1"), (b"keep-alive", b"9")],
        )

    async def _readyz(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _json(send, {"detail": "The database does not answer."}, 200 if self.ready else 503)

    async def _executor(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _json(send, {"name": "local", "slots": 7, "busy": 0})

    async def _openapi_json(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _json(send, self.document)

    async def _sink(self, scope: Scope, receive: Receive, send: Send) -> None:
        digest, size = hashlib.sha256(), 0
        self.arrived.set()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.client_gone.set()
                return
            digest.update(message["body"])
            size += len(message["body"])
            if not message["more_body"]:
                break
        await _json(send, {"size": size, "sha256": digest.hexdigest()})

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _json(send, {"code": "body_too_large"}, 413)

    async def _source(self, scope: Scope, receive: Receive, send: Send) -> None:
        wanted = int(parse_qs(scope["query_string"].decode())["bytes"][0])
        await send(_start(200, [(b"content-type", b"application/octet-stream")]))
        while self.sent_bytes < wanted:
            piece = BLOCK[: wanted - self.sent_bytes]
            sending = asyncio.ensure_future(send({"type": "http.response.body", "body": piece, "more_body": True}))
            done, _ = await asyncio.wait({sending}, timeout=1.0)
            if not done:
                self.held.set()
            await sending
            self.sent_bytes += len(piece)
        await send({"type": "http.response.body"})

    async def _events(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(_start(200, [(b"content-type", b"text/event-stream")]))
        await send({"type": "http.response.body", "body": b"id: 1\ndata: first\n\n", "more_body": True})
        await receive()
        while (await receive())["type"] != "http.disconnect":
            pass
        self.client_gone.set()

    async def _silent(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] == "http.request":
            if not message["more_body"]:
                self.arrived.set()
        self.client_gone.set()

    async def _cut(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(_start(200, [(b"content-length", b"1000")]))
        await send({"type": "http.response.body", "body": b"half", "more_body": True})

    async def _unchanged(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(_start(304, [(b"etag", b'"x"')]))
        await send({"type": "http.response.body"})


def _start(status: int, headers: list[tuple[bytes, bytes]]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers}


async def _json(send: Send, value: Any, status: int = 200, extra: list[tuple[bytes, bytes]] | None = None) -> None:
    body = json.dumps(value).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send(_start(status, [*headers, *(extra or [])]))
    await send({"type": "http.response.body", "body": body})


class Dropper:
    """A server that closes its first connections after the request's head, and answers ``{}`` on later ones."""

    def __init__(self, drops: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests: list[bytes] = []
        self._drops = drops
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                request = b""
                while b"\r\n\r\n" not in request:
                    piece = connection.recv(65536)
                    if not piece:
                        break
                    request += piece
                else:
                    head, _, body = request.partition(b"\r\n\r\n")
                    length = next(
                        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if b"content-length" in line.lower()),
                        0,
                    )
                    while len(body) < length:
                        body += connection.recv(65536)
                    self.requests.append(head + b"\r\n\r\n" + body)
                    if len(self.requests) > self._drops:
                        connection.sendall(
                            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n"
                            b"connection: close\r\n\r\n{}"
                        )

    def close(self) -> None:
        """End the server."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
