"""Runs a service as a process: its own event loop, its socket, an orderly end on SIGTERM."""

import asyncio
import socket

import uvicorn
from starlette.types import ASGIApp

from melonkube.kit.logs import configure_logs, get_logger
from melonkube.kit.process import die_with
from melonkube.kit.settings import ServiceSettings

log = get_logger("melonkube.server")


def prepare(service: str, settings: ServiceSettings) -> None:
    """Set up logs and bind this process's life to its supervisor's. First thing a service does."""
    configure_logs(service, settings.logs.level)
    die_with(settings.parent_pid)


def open_socket(settings: ServiceSettings) -> socket.socket:
    """Return the socket to listen on: the supervisor's, or a new one."""
    if settings.listen.fd is not None:
        return socket.socket(fileno=settings.listen.fd)
    family = socket.AF_INET6 if ":" in settings.listen.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((settings.listen.host, settings.listen.port))
    listener.listen(2048)
    return listener


def serve(app: ASGIApp, service: str, settings: ServiceSettings, **options: object) -> None:
    """Serve ``app`` until SIGTERM or SIGINT, then let running requests finish.

    Args:
        app: The ASGI app.
        service: For the log.
        settings: Where to listen.
        options: Further options of ``uvicorn.Config``.
    """
    listener = open_socket(settings)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=int(settings.listen.shutdown_seconds),
        **options,  # type: ignore[arg-type]
    )
    server = uvicorn.Server(config)
    log.info("listening", address=listener.getsockname()[:2], service_name=service)
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(server.serve(sockets=[listener]))
