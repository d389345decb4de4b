"""Runs a service as a process: its own event loop, its socket, an orderly end on SIGTERM."""

import asyncio
import gc
import socket
from collections.abc import Awaitable, Callable
from typing import Any

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


class _Server(uvicorn.Server):
    """A server that, told to stop, first does what still needs it to answer."""

    def __init__(self, config: uvicorn.Config, before_stop: Callable[[], Awaitable[None]] | None) -> None:
        super().__init__(config)
        self._before_stop = before_stop

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Run the hook while requests are still taken, then stop as uvicorn does."""
        if self._before_stop is not None and not self.force_exit:
            try:
                await self._before_stop()
            except Exception:
                log.exception("what precedes the end failed")
        await super().shutdown(sockets)


def serve(
    app: ASGIApp,
    service: str,
    settings: ServiceSettings,
    *,
    before_stop: Callable[[], Awaitable[None]] | None = None,
    listener: socket.socket | None = None,
    **options: Any,
) -> None:
    """Serve ``app`` until SIGTERM or SIGINT, then let running requests finish.

    Args:
        app: The ASGI app.
        service: For the log.
        settings: Where to listen.
        before_stop: Awaited once when the end is asked for, while requests are still taken.
        listener: The socket, if it is open already; by default :func:`open_socket`'s.
        options: Further options of ``uvicorn.Config``; they win over the ones here.
    """
    listener = listener or open_socket(settings)
    defaults: dict[str, Any] = {
        "loop": "uvloop",
        "http": "httptools",
        "ws": "none",
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "date_header": False,
        "proxy_headers": False,
        "timeout_keep_alive": 75,
        "timeout_graceful_shutdown": int(settings.listen.shutdown_seconds),
    }
    config = uvicorn.Config(app, **{**defaults, **options})
    server = _Server(config, before_stop)
    # What importing made stays: a full collection, which stops everything, need not walk through it each time.
    gc.collect()
    gc.freeze()
    log.info("listening", address=listener.getsockname()[:2], service_name=service)
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(server.serve(sockets=[listener]))
