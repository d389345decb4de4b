"""A real S3 server (versitygw, from its Go module), built once into this checkout and started by the tests."""

import fcntl
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from tests.support.postgres import free_port

VERSION = "v1.8.0"
ROOT = Path(__file__).resolve().parents[2]
BINARY = ROOT / ".cache" / f"versitygw-{VERSION}" / "versitygw"
_BUILD_SECONDS = 900
_START_SECONDS = 30


def why_not() -> str | None:
    """Return why there can be no server here, None if there can."""
    if BINARY.exists() or shutil.which("go") is not None:
        return None
    return "no S3 server: Go, which builds versitygw, is not on this machine"


def build() -> Path:
    """Return the server's program, built if it is not there; several test processes build it once."""
    BINARY.parent.mkdir(parents=True, exist_ok=True)
    with (BINARY.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not BINARY.exists():
            folder = BINARY.parent / "bin"
            done = subprocess.run(
                ["go", "install", f"github.com/versity/versitygw/cmd/versitygw@{VERSION}"],
                env={**os.environ, "GOBIN": str(folder), "GOFLAGS": "-p=2"},
                check=False,
                text=True,
                capture_output=True,
                timeout=_BUILD_SECONDS,
            )
            if done.returncode != 0:
                raise RuntimeError(f"versitygw could not be built:\n{done.stderr[-2000:]}")
            (folder / "versitygw").rename(BINARY)
    return BINARY


class S3Server:
    """A server on loopback whose buckets are folders below ``folder``."""

    access_key = "melon"
    secret_key = "melon-secret"
    region = "us-east-1"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "buckets").mkdir(parents=True)
        self.port = free_port()
        self._log = (folder / "log").open("w")
        self._process = subprocess.Popen(
            [build(), "--port", f"127.0.0.1:{self.port}", "--region", self.region, "posix", folder / "buckets"],
            env={**os.environ, "ROOT_ACCESS_KEY": self.access_key, "ROOT_SECRET_KEY": self.secret_key},
            cwd=folder,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self._wait()

    def _wait(self) -> None:
        """Return when the server takes connections."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                    return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"versitygw did not start:\n{(self._folder / 'log').read_text()}") from None
                time.sleep(0.02)

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def make_bucket(self, name: str) -> Path:
        """Make a bucket and return its folder."""
        folder = self._folder / "buckets" / name
        folder.mkdir()
        return folder

    def close(self) -> None:
        """Stop the server."""
        self._process.terminate()
        self._process.wait(timeout=10)
        self._log.close()
