"""The suite: four services and what holds them together."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TextIO

import psutil
from pydantic import ValidationError

from melonkube.gateway.door.exposure import Exposed, check_exposure
from melonkube.gateway.settings import Settings as GatewaySettings
from melonkube.kit.process import die_with
from melonkube.kit.tokens import TokenKey
from melonkube.sdk.cli.errors import CommandError, ExitCode
from melonkube.suite.cluster import KUBERNETES, Cluster, Kept, find_cluster, listen_for_workers
from melonkube.suite.console import Console
from melonkube.suite.datadir import DataDir
from melonkube.suite.logfile import RotatingFile
from melonkube.suite.plan import (
    MODULES,
    SERVICES,
    STOP_ORDER,
    STOP_SECONDS,
    WORKER_DOOR,
    Plan,
    find_checkout,
)
from melonkube.suite.ports import DEFAULT_PORT, listen, listen_for_people, url_of
from melonkube.suite.restarts import RestartPolicy
from melonkube.suite.service import Hopeless, ProcessGroup, SupervisedService

LOCAL = "local"
"""The executor whose workers are processes of this machine."""

SLOW_START_SECONDS = 15.0
"""After how long a start that takes its time is told."""


@dataclass(frozen=True)
class Options:
    """What ``melon up`` was asked for.

    Args:
        data_dir: The data directory.
        port: The public port; None takes 8080 or the next free one, 0 any.
        host: The address the public port is bound to.
        workers: Trials at once; None: as many as there are cores, or as the cluster has room for.
        executor: Where workers run: ``local``, ``kubernetes``, or one that another package brings.
        advertise_address: Kubernetes: ``HOST[:PORT]`` by which pods reach this machine.
        namespace: Kubernetes: where workers run; None takes the kubeconfig's.
        worker_image: Kubernetes: the workers' image.
        ready_fd: Descriptor to which a line is written when everything is ready; it is closed then, or at the end.
        parent_pid: A process with which the suite ends, in order.
    """

    data_dir: Path
    port: int | None = None
    host: str = "127.0.0.1"
    workers: int | None = None
    executor: str = "local"
    advertise_address: str | None = None
    namespace: str | None = None
    worker_image: str | None = None
    ready_fd: int | None = None
    parent_pid: int | None = None


def run_suite(options: Options, environ: Mapping[str, str] = os.environ, stream: TextIO = sys.stdout) -> None:
    """Run the suite until it is told to stop.

    Raises:
        CommandError: It cannot run, with the reason; or it was made to stop at once (exit code 130).
    """
    die_with(options.parent_pid, signal.SIGTERM)
    cluster = _cluster(options, environ)
    folder = DataDir(options.data_dir)
    with folder.locked(), contextlib.ExitStack() as sockets:
        console = Console(stream, RotatingFile(folder.logs / "suite.log"))
        console.say(f"MelonKube starts; its data is in {folder.path}")
        public = sockets.enter_context(listen_for_people(options.host, options.port))
        port = public.getsockname()[1]
        if options.port is None and port != DEFAULT_PORT:
            console.say(f"Port {DEFAULT_PORT} is taken; {port} is used instead.")
        _check_exposure(public)
        listeners = {
            name: public if name == "gateway" else sockets.enter_context(listen("127.0.0.1", 0)) for name in SERVICES
        }
        told: dict[str, str] = {}
        if cluster is not None:
            kept = Kept(folder.path)
            door = sockets.enter_context(listen_for_workers(cluster.host, cluster.port, kept.port))
            found = door.getsockname()[1]
            if cluster.port is None and kept.port not in (None, found):
                console.say(
                    f"Port {kept.port}, where workers came in the last time, is taken; {found} is used instead."
                )
            kept.keep(found)
            listeners[WORKER_DOOR] = door
            told = cluster.environment(kept.installation, url_of(door), options.workers)
            console.say(
                f"Workers run on Kubernetes: {cluster.server} (context {cluster.context}), namespace "
                f"{cluster.namespace}; they come in at {url_of(door)}"
            )
        elif options.executor != LOCAL:
            console.say(f"Workers run by the executor {options.executor}.")
        TokenKey.load_or_create(folder.key_file)
        asyncio.run(Supervisor(options, folder, listeners, console, environ, told).run())


def _cluster(options: Options, environ: Mapping[str, str]) -> Cluster | None:
    if options.executor != KUBERNETES:
        return None
    return find_cluster(
        advertise_address=options.advertise_address,
        namespace=options.namespace,
        worker_image=options.worker_image,
        workers=options.workers,
        environ=environ,
    )


def _check_exposure(public: socket.socket) -> None:
    try:
        check_exposure(public.getsockname()[0], GatewaySettings().gateway)
    except Exposed as error:
        raise CommandError(str(error), ExitCode.USAGE) from error
    except ValidationError as error:
        faults = "; ".join(
            f"MELON_{'__'.join(str(part) for part in fault['loc']).upper()}: {fault['msg']}" for fault in error.errors()
        )
        raise CommandError(f"A setting is wrong: {faults}.", ExitCode.USAGE) from error


class Supervisor:
    """Runs the services until a signal, or until one of them cannot start. To be used once.

    Args:
        options: What was asked for.
        folder: The data directory, locked.
        listeners: The socket of each service.
        console: Where people are told.
        environ: The environment that the services inherit.
        cluster: What the tuner is told of the cluster that workers run on; empty where there is none.
    """

    def __init__(
        self,
        options: Options,
        folder: DataDir,
        listeners: Mapping[str, socket.socket],
        console: Console,
        environ: Mapping[str, str],
        cluster: Mapping[str, str],
    ) -> None:
        self._options = options
        self._folder = folder
        self._console = console
        self._started_at = datetime.now(UTC)
        self._addresses = {name: url_of(listener) for name, listener in listeners.items()}
        plan = Plan(
            folder.path,
            folder.key_file,
            self._addresses,
            options.workers,
            find_checkout(__file__),
            options.executor,
            cluster,
        )
        self._group = ProcessGroup()
        self._services = {
            name: SupervisedService(
                name,
                module=MODULES[name],
                listener=listener,
                address=self._addresses[name],
                environment=partial(plan.environment, name, parent_pid=os.getpid(), given=environ),
                group=self._group,
                log_file=RotatingFile(folder.logs / f"{name}.log"),
                console=console,
                policy=RestartPolicy(),
            )
            for name, listener in listeners.items()
        }
        self._stop = asyncio.Event()
        self._force = asyncio.Event()

    async def run(self) -> None:
        """Start everything, wait for the end, end everything.

        Raises:
            CommandError: A service cannot start, or the end was forced.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._on_signal)
        runs = [asyncio.create_task(service.run(), name=name) for name, service in self._services.items()]
        announce = asyncio.create_task(self._announce())
        stop = asyncio.create_task(self._stop.wait())
        hopeless: BaseException | None = None
        try:
            done, _ = await asyncio.wait({*runs, stop}, return_when=asyncio.FIRST_COMPLETED)
            hopeless = next((run.exception() for run in runs if run in done and run.exception()), None)
        finally:
            announce.cancel()
            stop.cancel()
            await self._end(runs)
            self._folder.remove_state()
        if hopeless is not None:
            if isinstance(hopeless, Hopeless):
                raise CommandError(f"{hopeless} (its log: {self._folder.logs})")
            raise hopeless
        if self._force.is_set():
            raise CommandError("Made to stop at once; trials that ran are tried again.", ExitCode.INTERRUPTED)
        self._console.say("MelonKube has stopped.")

    def _on_signal(self) -> None:
        if self._stop.is_set():
            self._force.set()
        self._stop.set()

    async def _announce(self) -> None:
        waiting = [asyncio.create_task(service.ready.wait()) for service in self._services.values()]
        try:
            _, late = await asyncio.wait(waiting, timeout=SLOW_START_SECONDS)
            if late:
                names = [name for name, service in self._services.items() if not service.ready.is_set()]
                self._console.say(f"Still waiting for {', '.join(names)}; the logs are in {self._folder.logs}")
                await asyncio.wait(waiting)
        finally:
            for task in waiting:
                task.cancel()
        url = self._addresses["gateway"]
        try:
            self._folder.write_state(url, self._started_at, self._addresses)
        except OSError as error:
            self._console.warn(f"Commands will not find this suite by themselves: {error}")
        self._console.say(f"MelonKube is ready: {url}  (Ctrl-C stops it)", bold=True)
        if self._options.ready_fd is not None:
            with contextlib.suppress(BrokenPipeError):
                os.write(self._options.ready_fd, b"ready\n")
            os.close(self._options.ready_fd)

    async def _end(self, runs: list[asyncio.Task[None]]) -> None:
        """End the services in order; at once when forced. No process is left behind."""
        if self._stop.is_set():
            self._console.say("Stopping; trials that run now are handed back. Ctrl-C again stops at once.")
        descendants = psutil.Process().children(recursive=True)
        for service in self._services.values():
            service.give_up()
        orderly = asyncio.create_task(self._end_in_order())
        forced = asyncio.create_task(self._force.wait())
        await asyncio.wait({orderly, forced}, return_when=asyncio.FIRST_COMPLETED)
        if not orderly.done():
            self._group.kill()
        forced.cancel()
        await orderly
        await asyncio.gather(*runs, return_exceptions=True)
        for process in descendants:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    async def _end_in_order(self) -> None:
        for name in (name for name in STOP_ORDER if name in self._services):
            await self._services[name].stop(STOP_SECONDS[name])
