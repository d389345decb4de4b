"""A real PostgreSQL (Debian's), started once per test process and ended with it."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from pathlib import Path

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))


def free_port() -> int:
    """Return a port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class PostgresServer:
    """A cluster of its own in a temporary folder, listening on loopback."""

    def __init__(self) -> None:
        if not BINARIES:
            raise RuntimeError("PostgreSQL is not installed: run `apt-get install postgresql` as root")
        self._bin = BINARIES[-1]
        # Not below pytest's own folders: their parents are closed to the user that PostgreSQL runs as.
        self._folder = Path(tempfile.mkdtemp(prefix="melon-pg-", dir="/tmp"))
        self._user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        if os.geteuid() == 0:
            shutil.chown(self._folder, "postgres", "postgres")
        self.port = free_port()
        self._data = self._folder / "data"
        self._run(
            "initdb", "-D", self._data, "-U", "melon", "-E", "UTF8", "--locale=C.UTF-8", "-A", "trust", "--no-sync"
        )
        self.start()

    def _run(self, program: str, *arguments: str | Path) -> str:
        command = [str(self._bin / program), *map(str, arguments)]
        if os.geteuid() == 0:
            command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--", *command]
        done = subprocess.run(
            command, cwd=self._folder, check=False, text=True, stdin=subprocess.DEVNULL, capture_output=True
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed: {done.stdout}\n{done.stderr}")
        return done.stdout

    def start(self) -> None:
        """Start the server; returns when it answers.

        What it committed is kept when it is killed, though not when the machine loses its power (``fsync``).
        """
        options = (
            f"-p {self.port} -k {self._folder} -c listen_addresses=127.0.0.1 -c max_connections=200 "
            "-c fsync=off -c full_page_writes=off"
        )
        self._run("pg_ctl", "-D", self._data, "-l", self._folder / "log", "-w", "-o", options, "start")

    def stop(self) -> None:
        """Stop the server as a crash of it would."""
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop")

    def create_database(self) -> str:
        """Make an empty database and return its URL."""
        name = f"test_{uuid.uuid4().hex}"
        self._run(
            "psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "melon", "-d", "postgres", "-qc",
            f"CREATE DATABASE {name}",
        )  # fmt: skip
        return f"postgresql://melon@127.0.0.1:{self.port}/{name}"

    def close(self) -> None:
        """Stop the server and remove its folder."""
        try:
            if (self._data / "postmaster.pid").exists():
                self.stop()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
