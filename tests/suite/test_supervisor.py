"""The supervisor as a process, before services that misbehave on demand."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from melonkube.sdk.cli.errors import ExitCode
from melonkube.suite.embedded import Suite, SuiteFailed
from tests.suite.fakes import Fakes, alive

ALL = {"gateway", "registry", "serving", "tuner"}


@pytest.fixture
def fakes(tmp_path: Path) -> Fakes:
    return Fakes(tmp_path / "fakes")


@contextmanager
def melon_up(fakes: Fakes, *options: str, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """``melon up`` whose lines the test reads."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "melonkube.suite", "up", *options],
        env={**os.environ, **fakes.environment, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def read_until(process: "subprocess.Popen[str]", words: str) -> str:
    """Return the line that holds ``words``."""
    assert process.stdout is not None
    read = []
    for line in process.stdout:
        read.append(line)
        if words in line:
            return line
    raise AssertionError("".join(read))


def rest(process: "subprocess.Popen[str]") -> str:
    """Return everything it still says, until it ends."""
    assert process.stdout is not None
    return process.stdout.read()


def test_four_services_run_in_a_process_group_of_their_own(fakes: Fakes, tmp_path: Path) -> None:
    with Suite(tmp_path / "data dir", workers=3, environment={**fakes.environment, "MELON_STORE__KIND": "s3"}) as suite:
        pids = suite.pids()
        assert {name for name in pids if not name.startswith("worker-")} == ALL
        started = {note["service"]: note for note in fakes.notes("start")}
        assert started.keys() == ALL
        groups = {note["group"] for note in started.values()}
        assert len(groups) == 1
        assert groups.isdisjoint({os.getpgid(suite.pid), os.getpgrp()})
        for name, note in started.items():
            assert note["env"]["MELON_DATA_DIR"] == str(tmp_path / "data dir" / name)
            assert note["env"]["MELON_WORKERS"] == "3"
            assert note["env"]["MELON_STORE__KIND"] == "s3"
            assert note["path"] not in ("", os.getcwd())
            assert httpx.get(suite.service_url(name)).text == str(pids[name])
        assert suite.token_key_file.stat().st_mode & 0o777 == 0o600
        state = json.loads((suite.data_dir / "suite.json").read_text())
        assert (state["pid"], state["url"]) == (suite.pid, suite.url)
        assert state["started_at"].endswith("Z")
        assert f"MelonKube is ready: {suite.url}" in suite.console()


def test_an_orderly_end_goes_from_the_door_to_the_memory(fakes: Fakes, tmp_path: Path) -> None:
    with Suite(tmp_path / "data", environment=fakes.environment) as suite:
        pids = suite.pids()
    assert [note["service"] for note in fakes.notes("end")] == ["gateway", "tuner", "serving", "registry"]
    assert not [name for name, pid in pids.items() if alive(pid)]
    assert not (tmp_path / "data" / "suite.json").exists()
    assert "MelonKube has stopped." in suite.console()
    assert '"ended"' in (tmp_path / "data" / "logs" / "registry.log").read_text()


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_service_that_is_killed_comes_back_at_its_address(fakes: Fakes, tmp_path: Path, name: str) -> None:
    with Suite(tmp_path / "data", environment=fakes.environment) as suite:
        before = suite.pids()
        os.kill(before[name], signal.SIGKILL)
        # The connection waits in the socket, which is the supervisor's, until the service is back.
        after = httpx.get(suite.service_url(name), timeout=60).text
        assert after not in ("", str(before[name]))
        assert f"{name} was ended by SIGKILL; starting it again." in suite.console()
        others = {other: pid for other, pid in suite.pids().items() if other in ALL - {name}}
        assert others == {other: before[other] for other in ALL - {name}}


def test_all_services_killed_at_once_come_back_in_one_group(fakes: Fakes, tmp_path: Path) -> None:
    with Suite(tmp_path / "data", environment=fakes.environment) as suite:
        for name, pid in suite.pids().items():
            if name in ALL:
                os.kill(pid, signal.SIGKILL)
        for name in ALL:
            assert httpx.get(suite.service_url(name), timeout=60).status_code == 200
        assert len(fakes.notes("start")) == 8
        pids = suite.pids()
    assert not [name for name, pid in pids.items() if alive(pid)]


def test_nothing_outlives_a_supervisor_that_is_killed(fakes: Fakes, tmp_path: Path) -> None:
    suite = Suite(tmp_path / "data", environment=fakes.environment)
    suite.start()
    pids = suite.pids()
    assert any(name.startswith("worker-") for name in pids), pids
    suite.kill()
    assert not [name for name, pid in pids.items() if alive(pid)]
    with Suite(tmp_path / "data", environment=fakes.environment) as again:
        assert httpx.get(again.url).status_code == 200


def test_a_suite_ends_in_order_with_the_program_that_started_it(fakes: Fakes, tmp_path: Path) -> None:
    program = (
        "import sys, json; from melonkube.suite.embedded import Suite; s = Suite(sys.argv[1]); s.start();"
        "print(json.dumps([s.pid, *s.pids().values()]), flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "data")],
        env={**os.environ, **fakes.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as owner:
        assert owner.stdout is not None
        processes = [psutil.Process(pid) for pid in json.loads(owner.stdout.readline())]
        owner.kill()
        _, left = psutil.wait_procs(processes, timeout=60)
    assert left == []
    assert [note["service"] for note in fakes.notes("end")] == ["gateway", "tuner", "serving", "registry"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_well(fakes: Fakes, tmp_path: Path, number: signal.Signals) -> None:
    with melon_up(fakes, "--data", str(tmp_path / "data"), "--port", "0") as process:
        assert f"its data is in {tmp_path / 'data'}" in read_until(process, "MelonKube starts")
        assert "http://127.0.0.1:" in read_until(process, "MelonKube is ready")
        process.send_signal(number)
        assert "MelonKube has stopped." in rest(process)
        assert process.wait() == ExitCode.OK
    assert len(fakes.notes("end")) == 4


def test_a_signal_while_it_starts_ends_it_too(fakes: Fakes, tmp_path: Path) -> None:
    environment = {f"FAKE_{name.upper()}": "never ready" for name in ALL}
    with melon_up(fakes, "--data", str(tmp_path / "data"), "--port", "0", **environment) as process:
        read_until(process, "a warning")
        process.send_signal(signal.SIGTERM)
        assert "MelonKube has stopped." in rest(process)
        assert process.wait() == ExitCode.OK
    assert not [note for note in fakes.notes("start") if alive(note["pid"])]
    assert not (tmp_path / "data" / "suite.json").exists()


def test_a_second_signal_ends_it_at_once(fakes: Fakes, tmp_path: Path) -> None:
    with melon_up(fakes, "--data", str(tmp_path / "data"), "--port", "0", FAKE_TUNER="stubborn") as process:
        read_until(process, "MelonKube is ready")
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        read_until(process, "Stopping")
        process.send_signal(signal.SIGINT)
        assert "Made to stop at once" in rest(process)
        assert process.wait() == ExitCode.INTERRUPTED
    assert len(children) == 5
    assert not [child for child in children if alive(child.pid)]


def test_a_service_that_cannot_start_ends_the_suite_with_its_reason(fakes: Fakes, tmp_path: Path) -> None:
    with melon_up(fakes, "--data", str(tmp_path / "data"), "--port", "0", FAKE_SERVING="misconfigured") as process:
        said = rest(process)
        assert process.wait() == ExitCode.FAILED
    assert "The serving service cannot start: The database is newer." in said
    assert "MelonKube is ready" not in said
    assert len(fakes.notes("start", "serving")) == 5
    assert not [note for note in fakes.notes("start") if alive(note["pid"])]


def test_the_program_is_told_why_its_suite_did_not_start(fakes: Fakes, tmp_path: Path) -> None:
    suite = Suite(tmp_path / "data", environment={**fakes.environment, "FAKE_TUNER": "misconfigured"})
    with pytest.raises(SuiteFailed, match=r"(?s)ended before it was ready.*The database is newer"):
        suite.start()


def test_a_second_suite_is_told_who_has_the_data(fakes: Fakes, tmp_path: Path) -> None:
    with Suite(tmp_path / "data", environment=fakes.environment) as first:
        with melon_up(fakes, "--data", str(tmp_path / "data"), "--port", "0") as second:
            said = rest(second)
            assert second.wait() == ExitCode.CONFLICT
        assert f"process {first.pid} at {first.url}" in said
        assert httpx.get(first.url).status_code == 200
    assert len(fakes.notes("start")) == 4


def test_a_port_that_is_taken(fakes: Fakes, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with melon_up(fakes, "--data", str(tmp_path / "data"), "--port", port) as process:
            assert f"Port {port} is taken" in rest(process)
            assert process.wait() == ExitCode.CONFLICT
    assert fakes.notes("start") == []


@pytest.mark.parametrize(
    ("options", "environment", "said"),
    [
        (["--host", "0.0.0.0"], {}, "MELON_GATEWAY__OWNER_KEY"),
        ([], {"MELON_GATEWAY__OWNER_KEY": "short"}, "MELON_GATEWAY__OWNER_KEY: "),
        (["--host", "no such host"], {}, "--host no such host is not an address"),
    ],
)
def test_settings_that_cannot_be_right(
    fakes: Fakes, tmp_path: Path, options: list[str], environment: dict[str, str], said: str
) -> None:
    with melon_up(fakes, "--data", str(tmp_path / "data"), "--port", "0", *options, **environment) as process:
        assert said in rest(process)
        assert process.wait() == ExitCode.USAGE
    assert fakes.notes("start") == []


def test_the_default_data_directory_is_the_one_commands_look_in(fakes: Fakes, tmp_path: Path) -> None:
    home = str(tmp_path / "home of melons")
    with melon_up(fakes, "--port", "0", MELON_HOME=home) as process:
        assert home in read_until(process, "MelonKube starts")
        line = read_until(process, "MelonKube is ready")
        found = subprocess.run(
            [sys.executable, "-c", "from melonkube.sdk import Client; print(Client().url)"],
            env={**os.environ, "MELON_HOME": home},
            check=True,
            capture_output=True,
            text=True,
        )
        assert found.stdout.strip() in line
        process.terminate()
        rest(process)
        assert process.wait() == ExitCode.OK
