"""docker-compose.yml run by what Debian 12 has: docker-compose 1.29 on the socket of Podman 4.3, in place of Docker."""

import os
import resource
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from tests.deploy.chart import ROOT

PREFIX = os.environ.get("MELON_TEST_IMAGE_PREFIX", "melonkube/").rstrip("/")
TAG = os.environ.get("MELON_TEST_IMAGE_TAG", "dev")
CONFIGURATION = """
[network]
network_backend = "netavark"
network_config_dir = "{folder}/networks"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
"""


@dataclass
class Compose:
    """One project; ``environment`` is what the compose file reads."""

    folder: Path
    project: str
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def environ(self) -> dict[str, str]:
        """The environment of every command."""
        own = {
            "CONTAINERS_CONF": f"{self.folder}/containers.conf",
            "DOCKER_HOST": f"unix://{self.folder}/podman.sock",
            "COMPOSE_HTTP_TIMEOUT": "180",
            "MELON_IMAGE_PREFIX": PREFIX,
            "MELON_IMAGE_TAG": TAG,
        }
        return {**os.environ, **own, **self.environment}

    def run(self, *command: str, check: bool = True, seconds: float = 240) -> str:
        """Run a command there; return what it printed.

        Raises:
            AssertionError: It failed, though it may not; with the end of the services' logs.
        """
        done = subprocess.run(
            command, env=self.environ, check=False, capture_output=True, text=True, timeout=seconds, cwd=ROOT
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: {done.stderr[-4000:]}\n{self.seen()}")
        return done.stdout

    def compose(self, *arguments: str, check: bool = True) -> str:
        """Run docker-compose on the project's file; it must be what ``docker-compose.yml`` says."""
        own = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
        # This version takes the project's name by its option alone.
        del own["name"]
        copy = self.folder / "compose.yml"
        copy.write_text(yaml.safe_dump(own))
        return self.run(
            "docker-compose", "--project-name", self.project, "--project-directory", str(ROOT), "--file", str(copy),
            *arguments, check=check,
        )  # fmt: skip

    def containers(self, *arguments: str, check: bool = True) -> list[str]:
        """Return the project's containers: those that run, with ``--all`` ended ones, too."""
        chosen = f"label=com.docker.compose.project={self.project}"
        return self.run("podman", "ps", "--quiet", "--filter", chosen, *arguments, check=check).split()

    def volumes(self) -> list[str]:
        """Return the project's volumes."""
        chosen = f"label=com.docker.compose.project={self.project}"
        return self.run("podman", "volume", "ls", "--quiet", "--filter", chosen).split()

    def seen(self) -> str:
        """Return what there is to see of it: the containers, and the end of what each one said."""
        return self.compose("ps", "--all", check=False) + self.compose("logs", "--tail", "15", check=False)[-8000:]

    def check_health(self, ended: threading.Event) -> None:
        """Run every container's health check, again and again: Podman leaves that to systemd, where that is."""
        while not ended.wait(1):
            for container in self.containers(check=False):
                self.run("podman", "healthcheck", "run", container, check=False)


@contextmanager
def started(folder: Path, project: str) -> Iterator[Compose]:
    """Podman's socket with a network configuration of its own; at the end nothing of the project is left."""
    for program in ("podman", "docker-compose"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not on PATH, so docker-compose.yml was not run")
    if os.geteuid() != 0:
        pytest.skip("Podman is run as root here, so docker-compose.yml was not run")
    compose = Compose(folder, project)
    # Podman would raise these limits to what not even root may have everywhere.
    files, processes = (
        min(most, resource.getrlimit(kind)[1], key=lambda limit: (limit < 0, limit))
        for kind, most in ((resource.RLIMIT_NOFILE, 65536), (resource.RLIMIT_NPROC, 32768))
    )
    configuration = CONFIGURATION.format(folder=folder, files=files, processes=processes)
    (folder / "containers.conf").write_text(configuration)
    own = [f"{PREFIX}/{each}:{TAG}" for each in ("gateway", "registry", "tuner", "serving")]
    for image in (*own, "postgres:15-bookworm"):
        if subprocess.run(["podman", "image", "exists", image], env=compose.environ, check=False).returncode != 0:
            pytest.skip(f"Podman has no image {image}, so docker-compose.yml was not run")
    ended = threading.Event()
    with (folder / "podman.log").open("wb") as log:
        service = subprocess.Popen(
            ["podman", "system", "service", "--time=0", f"unix://{folder}/podman.sock"],
            env=compose.environ, stdout=log, stderr=log,
        )  # fmt: skip
    checker = threading.Thread(target=compose.check_health, args=(ended,), daemon=True)
    checker.start()
    try:
        yield compose
    finally:
        compose.compose("down", "--volumes", "--timeout", "20", check=False)
        ended.set()
        checker.join(60)
        service.terminate()
        service.wait(30)
