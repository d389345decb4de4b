"""The yardstick: a bare ASGI echo, run as the services run their apps: ``python -m benchmarks.serving_echo``."""

from typing import Any

from melonkube.kit.server import prepare, serve
from melonkube.kit.settings import ServiceSettings


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer each request with its own body, and nothing else."""
    if scope["type"] != "http":
        return
    message = await receive()
    body = message["body"]
    while message["more_body"]:
        message = await receive()
        body += message["body"]
    length = str(len(body)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    settings = ServiceSettings()
    prepare("echo", settings)
    serve(echo, "echo", settings, lifespan="off")
