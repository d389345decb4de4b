"""Serving as the supervisor runs it: a process with an inherited socket, killed and started again."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from melonkube.kit.tokens import TokenKey
from tests.serving.bundles import make_bundle
from tests.serving.conftest import Start


@contextmanager
def serving_process(
    listener: socket.socket, folder: Path, key_file: Path, **more: str
) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        **os.environ,
        "MELON_LISTEN__FD": str(listener.fileno()),
        "MELON_DATA_DIR": str(folder),
        "MELON_TOKENS__KEY_FILE": str(key_file),
        "MELON_PEERS__REGISTRY": "http://127.0.0.1:1",
        "MELON_PARENT_PID": str(os.getpid()),
        **more,
    }
    environment.pop("DATABASE_URL", None)
    child = subprocess.Popen(
        [sys.executable, "-m", "melonkube.serving"],
        env=environment,
        stderr=subprocess.PIPE,
        pass_fds=[listener.fileno()],
    )
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def ask(port: int, path: str, token: str, body: Any = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.fixture
def key_file(tmp_path: Path, token_key: TokenKey) -> Path:
    path = tmp_path / "key.pem"
    path.write_bytes(token_key.to_pem())
    return path


async def test_killed_and_started_again_it_answers_at_the_same_address_without_the_registry(
    start: Start, tmp_path: Path, key_file: Path, make_token: Callable[..., str]
) -> None:
    made = make_bundle()
    running = await start()
    running.registry.add("m", made)
    await running.deploy("e", model="m", version=1)
    await start.stop()  # type: ignore[attr-defined]
    token = make_token("serving")
    body = {"instances": [made.instances[0]]}
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        listener.set_inheritable(True)
        port = listener.getsockname()[1]
        for _ in range(2):
            with serving_process(listener, tmp_path / "serving", key_file) as child:
                # The first call waits in the socket's queue until the process is up: never refused, never 503.
                status, answer = ask(port, "/api/v1/endpoints/e/predict", token, body)
                assert (status, answer["digest"]) == (200, made.digest)
                assert ask(port, "/readyz", token)[0] == 200
                assert ask(port, "/api/v1/endpoints/none/predict", token, body)[0] == 404
                child.kill()


async def test_told_to_stop_it_stops(tmp_path: Path, key_file: Path, make_token: Callable[..., str]) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        listener.set_inheritable(True)
        with serving_process(listener, tmp_path / "serving", key_file) as child:
            assert ask(listener.getsockname()[1], "/healthz", make_token("serving"))[0] == 200
            child.terminate()
            _, errors = child.communicate(timeout=60)
            assert child.returncode in (0, -signal.SIGTERM), errors  # uvicorn ends by the signal it was sent
            events = [json.loads(line)["event"] for line in errors.splitlines()]
            assert "Application shutdown complete." in events


def test_without_a_key_it_does_not_start(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MELON_")}
    environment["MELON_DATA_DIR"] = str(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "melonkube.serving"], env=environment, capture_output=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert b"MELON_TOKENS__KEY_FILE" in done.stderr
