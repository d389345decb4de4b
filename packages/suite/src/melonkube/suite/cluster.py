"""What ``melon up --executor kubernetes`` needs beside the services: a cluster, an image, and a door for its pods."""

import errno
import ipaddress
import json
import os
import re
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from melonkube.sdk.cli.errors import CommandError, ExitCode
from melonkube.sdk.cli.experiment_file import read_mapping
from melonkube.suite.ports import listen

KUBERNETES = "kubernetes"

FIRST_PORT = 8090
"""Where the search for a free port begins: below the ports that systems give to outgoing connections."""

_TRIED = 100

_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?")
_LONGEST_NAME = 63
"""A DNS label (RFC 1123), as Kubernetes names its namespaces."""


@dataclass(frozen=True)
class Cluster:
    """The cluster that workers are to run on.

    Args:
        server: Address of its API.
        context: Name of the kubeconfig's context.
        namespace: Where workers run.
        kubeconfig: The file, or several as ``KUBECONFIG`` lists them.
        image: The workers' image.
        host: IP address of this machine by which pods reach it.
        port: The port there; None takes the one of last time or a free one.
    """

    server: str
    context: str
    namespace: str
    kubeconfig: str
    image: str
    host: str
    port: int | None

    def environment(self, installation: str, door: str, workers: int | None) -> dict[str, str]:
        """Return what the tuner is told.

        Args:
            installation: What this suite's objects are labelled with.
            door: Address at which pods reach the worker API.
            workers: How many workers there may be at once; None leaves it to the tuner.
        """
        return {
            "KUBECONFIG": self.kubeconfig,
            "MELON_KUBERNETES__NAMESPACE": self.namespace,
            "MELON_KUBERNETES__IMAGE": self.image,
            "MELON_KUBERNETES__TUNER_URL": door,
            "MELON_KUBERNETES__REGISTRY_URL": door,
            "MELON_KUBERNETES__INSTALLATION": installation,
            "MELON_KUBERNETES__END_WITH_TUNER": "true",
            "MELON_KUBERNETES__PREFLIGHT": "true",
            **({} if workers is None else {"MELON_KUBERNETES__MAX_WORKERS": str(workers)}),
        }


def find_cluster(
    *,
    advertise_address: str | None,
    namespace: str | None,
    worker_image: str | None,
    workers: int | None,
    environ: Mapping[str, str],
) -> Cluster:
    """Return the cluster that a kubeconfig names, and what else was asked for.

    Args:
        advertise_address: ``HOST`` or ``HOST:PORT`` by which pods reach this machine.
        namespace: Where workers run; None takes the kubeconfig's.
        worker_image: The workers' image.
        workers: How many there may be at once.
        environ: Where ``KUBECONFIG`` and ``HOME`` are looked up.

    Raises:
        CommandError: Something is missing or cannot be right.
    """
    if not worker_image:
        raise CommandError(
            "Workers on Kubernetes need an image that its nodes can pull: give it with --worker-image, such as "
            "registry.example/melonkube/worker:1.",
            ExitCode.USAGE,
        )
    if not advertise_address:
        raise CommandError(
            "Workers on Kubernetes must reach this machine: give its address as the cluster's nodes see it with "
            "--advertise-address HOST[:PORT].",
            ExitCode.USAGE,
        )
    if workers == 0:
        raise CommandError("--workers 0 leaves no worker on Kubernetes; give 1 or more.", ExitCode.USAGE)
    if namespace is not None and (len(namespace) > _LONGEST_NAME or not _NAME.fullmatch(namespace)):
        raise CommandError(f"--namespace {namespace} is not the name of a namespace.", ExitCode.USAGE)
    host, port = parse_address(advertise_address)
    files = kubeconfig_files(environ)
    context, server, own_namespace = read_context(files)
    return Cluster(
        server=server,
        context=context,
        namespace=namespace or own_namespace,
        kubeconfig=os.pathsep.join(str(file) for file in files),
        image=worker_image,
        host=host,
        port=port,
    )


def parse_address(text: str) -> tuple[str, int | None]:
    """Return the IP address of this machine that ``text`` means, and its port; None where none is given, or 0.

    Raises:
        CommandError: It is no address, or none that a pod could reach.
    """
    try:
        parts = urlsplit(f"//{text}")
        name, port = parts.hostname, parts.port
        if not name or parts.path or parts.query or parts.fragment or "@" in text:
            raise ValueError("it is not HOST or HOST:PORT")
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        raise CommandError(f"--advertise-address {text} is not an address: {error}.", ExitCode.USAGE) from error
    addresses = sorted((entry[0] != socket.AF_INET, str(entry[4][0])) for entry in found)
    address = ipaddress.ip_address(addresses[0][1].partition("%")[0])
    if address.is_loopback or address.is_unspecified or address.is_link_local:
        raise CommandError(
            f"--advertise-address {text} means {address}, which is another place to each pod; give the address of this "
            "machine on the network that the cluster's nodes are in.",
            ExitCode.USAGE,
        )
    return str(address), port or None


def kubeconfig_files(environ: Mapping[str, str]) -> list[Path]:
    """Return the kubeconfig files that are there, as absolute paths.

    Raises:
        CommandError: There is none.
    """
    given = environ.get("KUBECONFIG", "")
    default = Path(environ.get("HOME") or Path.home()) / ".kube" / "config"
    wanted = [Path(entry) for entry in given.split(os.pathsep) if entry] or [default]
    files = [file.absolute() for file in wanted if file.is_file()]
    if not files:
        raise CommandError(
            f"There is no kubeconfig at {', '.join(map(str, wanted))}; set KUBECONFIG to the file that names your "
            "cluster.",
            ExitCode.USAGE,
        )
    return files


def read_context(files: list[Path]) -> tuple[str, str, str]:
    """Return name, API server's address and namespace of the current context.

    Of what several files say of the same name, the first counts, as kubectl has it.

    Raises:
        CommandError: A file cannot be read, or names no cluster.
    """
    contents = [read_mapping(file, "a kubeconfig") for file in files]
    current = next((str(one["current-context"]) for one in contents if one.get("current-context")), "")
    context = _named(contents, "contexts", "context", current)
    cluster = _named(contents, "clusters", "cluster", str(context.get("cluster") or ""))
    server = str(cluster.get("server") or "")
    if not server:
        where = os.pathsep.join(map(str, files))
        raise CommandError(
            f"The kubeconfig {where} names no cluster to use; choose one with `kubectl config use-context NAME`.",
            ExitCode.USAGE,
        )
    return current, server, str(context.get("namespace") or "default")


def _named(contents: list[dict[str, Any]], kind: str, part: str, name: str) -> dict[str, Any]:
    for content in contents:
        entries = content.get(kind)
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict) and entry.get("name") == name and isinstance(entry.get(part), dict):
                found: dict[str, Any] = entry[part]
                return found
    return {}


class Kept:
    """What must be the same the next time this data directory is used: the door's port, the installation's name.

    Args:
        folder: The data directory.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "cluster.json"
        try:
            said = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            said = {}
        content = said if isinstance(said, dict) else {}
        port, name = content.get("door_port"), content.get("installation")
        self.port = port if isinstance(port, int) and 0 < port < 65_536 else None
        self.installation = name if isinstance(name, str) and name else f"melon-{secrets.token_hex(5)}"

    def keep(self, port: int) -> None:
        """Write it down; readers see the old file or the new one.

        Raises:
            CommandError: It cannot be written.
        """
        temporary = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        try:
            temporary.write_text(json.dumps({"installation": self.installation, "door_port": port}), encoding="utf-8")
            temporary.replace(self._file)
        except OSError as error:
            raise CommandError(f"{self._file} cannot be written: {error.strerror}.") from error


def listen_for_workers(host: str, port: int | None, last: int | None) -> socket.socket:
    """Return the door's socket.

    Args:
        host: Address to bind.
        port: The port that was asked for; None takes the last one, or the next free one.
        last: The port of last time.

    Raises:
        CommandError: The port that was asked for is taken, or the address is not this machine's.
    """
    search = [*([last] if last is not None else []), *range(FIRST_PORT, FIRST_PORT + _TRIED), 0]
    for candidate in [port] if port is not None else search:
        try:
            return listen(host, candidate)
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise CommandError(
                    f"--advertise-address {host} is not an address of this machine, where workers are to come in.",
                    ExitCode.USAGE,
                ) from error
            if error.errno != errno.EADDRINUSE:
                raise CommandError(f"{host} port {candidate} cannot be listened on: {error.strerror}.") from error
    raise CommandError(
        f"Port {port} of {host} is taken by another program; give another one with --advertise-address {host}:PORT, "
        "or none to have a free one found.",
        ExitCode.CONFLICT,
    )
