"""A pod of a trial in an image of the user's, played by processes of this machine: the same programs, a real shell."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from melonkube.trainer.container import places as at
from melonkube.trainer.container.places import Places
from tests.trainer.stand_in import PATIENCE, StandIn


class Pod:
    """The three programs, in one folder each pod.

    Args:
        stand_in: Tuner and registry.
        folder: An empty folder.
        shell: What plays the image's ``/bin/sh``.
    """

    def __init__(self, stand_in: StandIn, folder: Path, shell: tuple[str, ...] = ("/bin/sh",)) -> None:
        self.places = Places(folder / "melon", folder / "own", folder / "last word")
        self.places.shared.mkdir(parents=True)
        self.places.own.mkdir()
        self.shell = shell
        self.environment = {
            "PATH": os.environ["PATH"],
            "MELON_WORKER_ID": "worker-1",
            "MELON_WORKER_TOKEN": stand_in.token,
            "MELON_TUNER_URL": stand_in.url,
            "MELON_REGISTRY_URL": stand_in.url,
            "MELON_CACHE_DIR": str(self.places.own / "cache"),
            "MELON_WORKER_TRIALS": "1",
            "MELON_CONTAINER_DIR": str(self.places.shared),
            "MELON_CONTAINER_OWN_DIR": str(self.places.own),
            "MELON_CONTAINER_LAST_WORD": str(self.places.last_word),
        }
        self.started: list[subprocess.Popen[bytes]] = []
        self.sidecar: subprocess.Popen[bytes] | None = None
        self.main: subprocess.Popen[bytes] | None = None
        self.said = b""

    def prepare(self) -> int:
        """Run the init container to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "melonkube.trainer.container.prepare"],
            env=self.environment, capture_output=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        self.said += done.stderr
        return done.returncode

    def start_sidecar(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "melonkube.trainer.container.sidecar"]
        with (self.places.own / "sidecar.log").open("ab") as log:
            self.sidecar = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        self.started.append(self.sidecar)
        return self.sidecar

    def start_main(self) -> subprocess.Popen[bytes]:
        command = [*self.shell, str(self.places.run / at.SCRIPT)]
        self.main = subprocess.Popen(
            command, env={"PATH": os.environ["PATH"]}, stderr=subprocess.DEVNULL, start_new_session=True
        )
        self.started.append(self.main)
        return self.main

    def start(self) -> "Pod":
        """Prepare, and begin the two that run side by side."""
        assert self.prepare() == 0, self.said.decode()
        self.start_sidecar()
        self.start_main()
        return self

    def end(self) -> int:
        """Wait for the end of the command's container, end the sidecar as a node does; return the command's exit code.

        A sidecar that had no time to begin is ended by the signal itself.
        """
        assert self.main is not None
        assert self.sidecar is not None
        try:
            code = self.main.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the script does not end; the sidecar said: {self.log}") from None
        self.sidecar.send_signal(signal.SIGTERM)
        assert self.sidecar.wait(PATIENCE) in (0, -signal.SIGTERM), self.log
        return code

    @property
    def log(self) -> str:
        return (self.places.own / "sidecar.log").read_text()

    def read(self, name: str) -> Any:
        return json.loads((self.places.shared / name).read_text())

    def close(self) -> None:
        """End what is left, and with the command's container all that was in it, as a node does."""
        for process in self.started:
            process.kill()
            process.wait()
        if self.main is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.main.pid, signal.SIGKILL)
