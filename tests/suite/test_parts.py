"""What the supervisor is made of, piece by piece."""

import io
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melonkube.sdk.cli.errors import CommandError, ExitCode
from melonkube.suite import ports
from melonkube.suite.console import REPEAT_SECONDS, Console
from melonkube.suite.datadir import DataDir
from melonkube.suite.logfile import LONGEST_LINE, Notice, RotatingFile, ServiceLog
from melonkube.suite.plan import MODULES, SERVICES, STOP_ORDER, STOP_SECONDS, WORKER_DOOR, Plan, find_checkout
from melonkube.suite.restarts import RestartPolicy

ROOT = Path(__file__).parents[2]

# Restarts


def test_the_wait_doubles_up_to_its_bound_and_begins_anew_after_a_stable_time() -> None:
    policy = RestartPolicy(first_seconds=1, longest_seconds=5, stable_seconds=30)
    waits = [policy.ended(uptime=2, ready=True, by_signal=True) for _ in range(5)]
    assert waits == [1, 2, 4, 5, 5]
    assert policy.ended(uptime=30, ready=True, by_signal=True) == 1
    assert policy.ended(uptime=1, ready=True, by_signal=True) == 2


def test_a_service_that_never_gets_ready_is_given_up() -> None:
    policy = RestartPolicy(hopeless_after=3)
    assert [policy.ended(uptime=0.1, ready=False, by_signal=False) is None for _ in range(3)] == [False, False, True]


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60))
def test_only_ends_of_its_own_in_a_row_are_hopeless(ends: list[tuple[bool, bool]]) -> None:
    policy = RestartPolicy(hopeless_after=5)
    in_a_row = 0
    for ready, by_signal in ends:
        wait = policy.ended(uptime=0.1, ready=ready, by_signal=by_signal)
        in_a_row = 0 if ready else in_a_row + (not by_signal)
        assert (wait is None) == (in_a_row >= 5)
        if wait is not None:
            assert 0 < wait <= policy.longest_seconds


# The plan


@pytest.fixture
def plan() -> Plan:
    addresses = {name: f"http://127.0.0.1:{number}" for number, name in enumerate(SERVICES, 9000)}
    return Plan(Path("/data dir"), Path("/data dir/token.key"), addresses, 3, ROOT)


def test_a_service_is_told_what_it_needs_and_keeps_what_it_was_given(plan: Plan) -> None:
    given_environment = {
        "PATH": "/bin",
        "DATABASE_URL": "postgresql://x",
        "MELON_STORE__KIND": "s3",
        "MELON_LISTEN__PORT": "1",
        "MELON_LISTEN__FD": "99",
        "MELON_PEERS__REGISTRY": "http://elsewhere",
        "MELON_PARENT_PID": "1",
        "MELON_DATA_DIR": "/elsewhere",
        "MELON_TOKENS__KEY": "another",
    }
    told = plan.environment("registry", 7, parent_pid=42, given=given_environment)
    assert {name: told.get(name) for name in ("PATH", "DATABASE_URL", "MELON_STORE__KIND")} == {
        "PATH": "/bin",
        "DATABASE_URL": "postgresql://x",
        "MELON_STORE__KIND": "s3",
    }
    assert told["MELON_LISTEN__FD"] == "7"
    assert told["MELON_DATA_DIR"] == "/data dir/registry"
    assert told["MELON_PARENT_PID"] == "42"
    assert told["MELON_WORKERS"] == "3"
    assert told["MELON_PEERS__REGISTRY"] == plan.addresses["registry"]
    assert told["MELON_TOKENS__KEY_FILE"] == "/data dir/token.key"
    assert not {"MELON_LISTEN__PORT", "MELON_TOKENS__KEY", "MELON_PEERS__GATEWAY"} & told.keys()


def test_secrets_go_only_where_they_are_needed(plan: Plan) -> None:
    given_environment = {"DATABASE_URL": "postgresql://x", "MELON_GATEWAY__OWNER_KEY": "a key"}
    told = {name: plan.environment(name, 7, 1, given_environment) for name in SERVICES}
    assert [name for name in SERVICES if "MELON_GATEWAY__OWNER_KEY" in told[name]] == ["gateway"]
    assert [name for name in SERVICES if "DATABASE_URL" in told[name]] == ["registry", "serving", "tuner"]


def test_page_and_samples_come_from_the_checkout_unless_they_are_named(plan: Plan) -> None:
    told = plan.environment("gateway", 7, 1, {"MELON_SAMPLES_DIR": "/mine"})
    assert told["MELON_WEB_DIR"] == str(ROOT / "web" / "dist")
    assert told["MELON_SAMPLES_DIR"] == "/mine"
    bare = Plan(plan.data_dir, plan.key_file, plan.addresses, None, None).environment("gateway", 7, 1, {})
    assert not {"MELON_WEB_DIR", "MELON_SAMPLES_DIR", "MELON_WORKERS"} & bare.keys()


def test_the_checkout_is_found_only_from_inside_one(tmp_path: Path) -> None:
    assert find_checkout(str(ROOT / "packages/suite/src/melonkube/suite/plan.py")) == ROOT
    assert find_checkout(str(tmp_path / "lib/python3/site-packages/melonkube/suite/plan.py")) is None
    assert find_checkout("/plan.py") is None


def test_the_order_of_the_end_names_every_service() -> None:
    assert sorted(STOP_ORDER) == sorted([*SERVICES, WORKER_DOOR])
    assert STOP_ORDER.index("tuner") < STOP_ORDER.index(WORKER_DOOR)
    assert (STOP_ORDER[0], STOP_ORDER[-1]) == ("gateway", "registry")
    assert STOP_SECONDS.keys() == MODULES.keys() == {*SERVICES, WORKER_DOOR}


# The data directory


def test_a_data_directory_is_its_owners_alone(tmp_path: Path) -> None:
    folder = DataDir(tmp_path / "a" / "data dir")
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert folder.logs.is_dir()


def test_a_data_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match="cannot be used: Not a directory"):
        DataDir(tmp_path / "file" / "data")


def test_a_state_that_is_broken_is_none(tmp_path: Path) -> None:
    folder = DataDir(tmp_path)
    assert folder.read_state() == {}
    for text in ("", "[]", "{", "\xff"):
        (tmp_path / "suite.json").write_text(text, encoding="latin-1")
        assert folder.read_state() == {}


# Ports


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_port_that_was_asked_for_and_is_taken_is_an_error(taken: int) -> None:
    with pytest.raises(CommandError, match=f"Port {taken} is taken") as raised:
        ports.listen_for_people("127.0.0.1", taken)
    assert raised.value.code is ExitCode.CONFLICT


def test_the_next_free_port_is_taken_where_none_was_asked_for(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "DEFAULT_PORT", taken)
    with ports.listen_for_people("127.0.0.1", None) as listener:
        assert listener.getsockname()[1] != taken


def test_an_address_that_is_not_ours_is_said() -> None:
    with pytest.raises(CommandError, match=r"192\.0\.2\.1 port 0 cannot be listened on"):
        ports.listen_for_people("192.0.2.1", 0)


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1")])
def test_the_address_people_are_told_works_on_this_machine(host: str, shown: str) -> None:
    with ports.listen(host, 0) as listener:
        assert ports.url_of(listener) == f"http://{shown}:{listener.getsockname()[1]}"


# Logs


def test_a_log_is_bounded_and_keeps_the_newest(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    file = RotatingFile(path, max_bytes=100, kept=3)
    for number in range(100):
        file.write(b"line %03d\n" % number)
    file.close()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.log", "a.log.1", "a.log.2"]
    kept = b"".join((tmp_path / name).read_bytes() for name in ("a.log.2", "a.log.1", "a.log"))
    assert kept.splitlines() == [b"line %03d" % number for number in range(100 - len(kept.splitlines()), 100)]
    assert all(entry.stat().st_size <= 100 for entry in tmp_path.iterdir())


def test_a_log_goes_on_where_it_was(tmp_path: Path) -> None:
    for text in (b"one\n", b"two\n"):
        file = RotatingFile(tmp_path / "a.log")
        file.write(text)
        file.close()
    assert (tmp_path / "a.log").read_bytes() == b"one\ntwo\n"


def test_a_log_that_cannot_be_written_is_no_reason_to_stop(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "missing" / "a.log")
    file.write(b"lost\n")
    (tmp_path / "missing").mkdir()
    file.write(b"kept\n")
    file.close()
    assert (tmp_path / "missing" / "a.log").read_bytes() == b"kept\n"


@given(st.lists(st.binary(max_size=30), max_size=20))
def test_lines_are_whole_however_they_arrive(pieces: list[bytes]) -> None:
    class Memory(RotatingFile):
        def __init__(self) -> None:
            super().__init__(Path(os.devnull))
            self.text = b""

        def write(self, data: bytes) -> None:
            self.text += data

    memory = Memory()
    log = ServiceLog(memory, lambda _: None)
    for piece in pieces:
        log.feed(piece)
    log.close()
    whole = b"".join(pieces)
    assert memory.text == whole + (b"\n" if whole and not whole.endswith(b"\n") else b"")


def test_a_line_without_end_is_cut(tmp_path: Path) -> None:
    log = ServiceLog(RotatingFile(tmp_path / "a.log"), lambda _: None)
    log.feed(b"x" * (LONGEST_LINE + 1))
    assert (tmp_path / "a.log").stat().st_size == LONGEST_LINE + 2
    log.close()


def entry(level: str, event: str, **more: str) -> bytes:
    return json.dumps({"level": level, "event": event, **more}).encode() + b"\n"


def test_warnings_and_errors_are_noticed(tmp_path: Path) -> None:
    seen: list[Notice] = []
    log = ServiceLog(RotatingFile(tmp_path / "a.log"), seen.append)
    log.feed(entry("info", "quiet") + entry("warning", "look") + entry("error", "bad\ntrace") + b"{broken\nplain\n")
    log.feed(entry("error", "Traceback (most recent call last):\n  File x\nmodule.Error: What was raised."))
    assert seen == [Notice("warning", "look"), Notice("error", "bad"), Notice("error", "What was raised.")]


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (
            entry("error", "Traceback\n  File x\nmelonkube.kit.migrations.NewerDatabase: It is newer. Start that one."),
            "It is newer. Start that one.",
        ),
        (entry("error", "failed", exception="Traceback\nValueError: no token key"), "no token key"),
        (
            b"Traceback (most recent call last):\n  File x\npydantic_core._pydantic_core.ValidationError: 1 validation "
            b"error for Settings\nworkers\n  Input should be >= 0\n",
            "1 validation error for Settings workers Input should be >= 0",
        ),
        (entry("info", "started") + b"python: No module named x\n", "python: No module named x"),
        (b"", "It said nothing."),
    ],
)
def test_the_last_words_of_a_service(tmp_path: Path, output: bytes, words: str) -> None:
    log = ServiceLog(RotatingFile(tmp_path / "a.log"), lambda _: None)
    log.feed(output)
    assert log.last_words() == words


# The console


def test_the_same_warning_is_said_once_in_a_while(tmp_path: Path) -> None:
    now = 0.0
    stream = io.StringIO()
    console = Console(stream, RotatingFile(tmp_path / "suite.log"), clock=lambda: now)
    for _ in range(3):
        console.warn("a")
    console.warn("b")
    now = REPEAT_SECONDS
    console.warn("a")
    assert stream.getvalue().split() == ["a", "b", "a"]
    logged = [json.loads(line) for line in (tmp_path / "suite.log").read_text().splitlines()]
    assert [(line["event"], line["level"]) for line in logged] == [("a", "warning"), ("b", "warning"), ("a", "warning")]


def test_a_terminal_that_is_gone_is_no_reason_to_stop(tmp_path: Path) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    console = Console(Gone(), RotatingFile(tmp_path / "suite.log"))
    console.say("to nobody")
    console.warn("again")
    assert (tmp_path / "suite.log").read_text().count("event") == 2


def test_what_a_service_said_cannot_drive_the_terminal(tmp_path: Path) -> None:
    stream = io.StringIO()
    Console(stream, RotatingFile(tmp_path / "suite.log")).say("\x1b[31mred")
    assert "\x1b" not in stream.getvalue()
