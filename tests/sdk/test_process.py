"""The command line as a process: what it imports, its signals, its terminal, its character sets."""

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from melonkube.sdk import NotFound
from melonkube.sdk.cli import app as command_line
from melonkube.sdk.cli.errors import ExitCode, describe
from tests.sdk.conftest import Melon
from tests.sdk.routes import result, trial
from tests.sdk.routes_models import load, make_model
from tests.sdk.standin import Standin

MELON = [sys.executable, "-m", "melonkube.sdk.cli"]


def heed_ctrl_c() -> None:
    """Undo what a shell does to what it runs in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def imported(code: str) -> set[str]:
    """Return the modules a process has after running ``code``."""
    said = f"{code}\nimport sys; print(*sys.modules, sep='\\n', file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_help_waits_for_nothing_heavy() -> None:
    code = "from melonkube.sdk.cli.app import run\nassert run(['--help']) == 0"
    assert not imported(code) & {"httpx", "pydantic", "rich", "yaml", "asyncio", "fastapi", "sqlalchemy"}


def test_the_client_needs_little() -> None:
    code = "import melonkube.sdk as sdk\nfor name in sdk.__all__: getattr(sdk, name)"
    found = imported(code)
    assert "httpx" in found
    assert not found & {"fastapi", "starlette", "sqlalchemy", "numpy", "pyarrow", "pandas", "typer"}


@pytest.fixture
def environment(server: Standin) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MELON_", "LC_", "PYTHON"))}
    return {**kept, "MELON_URL": server.url, "LANG": "C.UTF-8", "TERM": "xterm", "COLUMNS": "80"}


@pytest.mark.parametrize(
    ("settings", "name", "quoted"),
    [
        ({"LANG": "C"}, "고객 이탈", '"고객 이탈"'),
        ({"LC_ALL": "C"}, "고객 이탈", '"고객 이탈"'),
        ({"LC_ALL": "POSIX"}, "고객 이탈", '"고객 이탈"'),
        ({"PYTHONIOENCODING": "ascii"}, "?? ??", '"\\uace0\\uac1d \\uc774\\ud0c8"'),
        ({"PYTHONIOENCODING": "cp949"}, "고객 이탈", '"\\uace0\\uac1d \\uc774\\ud0c8"'),
    ],
)
def test_every_character_set_will_do(
    server: Standin, environment: dict[str, str], settings: dict[str, str], name: str, quoted: str
) -> None:
    make_model(server, "고객 이탈")
    encoding = settings.get("PYTHONIOENCODING", "utf-8")
    table = subprocess.run([*MELON, "models"], env={**environment, **settings}, capture_output=True, check=True)
    assert name in table.stdout.decode(encoding)
    as_json = subprocess.run([*MELON, "models", "-o", "json"], env={**environment, **settings}, capture_output=True)
    assert quoted in as_json.stdout.decode(encoding)
    assert json.loads(as_json.stdout)["items"][0]["name"] == "고객 이탈"


def test_ctrl_c_leaves_the_experiment_running(server: Standin, environment: dict[str, str], table: Path) -> None:
    watched = threading.Event()
    server.on_poll = lambda path: watched.set() if "/experiments/" in path else None
    process = subprocess.Popen(
        [*MELON, "tune", str(table), "--target", "y", "--name", "mine", "-o", "json"],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_ctrl_c,
    )  # fmt: skip
    try:
        assert watched.wait(60)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    (experiment,) = server.experiments.values()
    assert (process.returncode, out) == (130, "")
    assert f"Experiment 'mine' goes on without you; `melon stop {experiment['id']}` ends it." in err
    assert "Traceback" not in err
    assert experiment["state"] == "running"


def test_ctrl_c_anywhere_else(server: Standin, environment: dict[str, str]) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def hold(_path: str) -> None:
        asked.set()
        go_on.wait(60)

    server.on_poll = hold
    server.datasets["x"] = {}
    process = subprocess.Popen(
        [*MELON, "delete", "run", "x", "-y"],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_ctrl_c,
    )  # fmt: skip
    try:
        assert asked.wait(60)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        go_on.set()
        process.kill()
        process.wait()
    assert (process.returncode, out, err) == (130, "", "")


def test_a_reader_that_has_enough(server: Standin, environment: dict[str, str]) -> None:
    for number in range(5000):
        make_model(server, f"model {number}")
    process = subprocess.Popen(
        [*MELON, "models"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        assert process.stdout.readline().startswith("NAME")
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.wait(60) == 1


def on_terminal(arguments: list[Any], environment: dict[str, str]) -> tuple[int, str, str]:
    """Run a command whose standard error is a terminal; return exit code, standard output, what was shown."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*MELON, *map(str, arguments)], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs
    )
    os.close(theirs)
    shown = bytearray()

    def read() -> None:
        while True:
            try:
                block = os.read(ours, 65536)
            except OSError:  # the other side is closed
                return
            if not block:
                return
            shown.extend(block)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        out = process.communicate(timeout=60)[0].decode()
    finally:
        process.kill()
        process.wait()
        reader.join(60)
        os.close(ours)
    return process.returncode, out, shown.decode()


def test_progress_of_an_upload(environment: dict[str, str], table: Path) -> None:
    code, out, shown = on_terminal(["upload", table, "-o", "json"], environment)
    assert code == 0
    assert json.loads(out)["name"] == "고객"
    assert shown.index("Uploading 고객.csv") < shown.index("Reading the table")


@pytest.mark.parametrize("budget", [["--trials", "3"], ["--seconds", "60"], []])
def test_progress_of_tuning(server: Standin, environment: dict[str, str], table: Path, budget: list[str]) -> None:
    polls = []

    def go_on(path: str) -> None:
        for experiment_id, experiment in server.experiments.items():
            if path.endswith(experiment_id) and experiment["state"] == "running":
                polls.append(path)
                if len(polls) == 3:
                    server.end(experiment_id)
                elif len(polls) == 2:
                    experiment.update(best=result(2, 0.875), trials={**experiment["trials"], "completed": 2})
                    server.emit(experiment_id, "trial", trial(experiment_id, 2, 0.875))

    server.on_poll = go_on
    code, out, shown = on_terminal(["tune", table, "--target", "y", *budget, "-o", "json"], environment)
    assert code == 0, shown
    assert json.loads(out)["state"] == "completed"
    assert "searching" in shown
    assert "best auc 0.875 (trial 2)" in shown
    assert ("2/3 trials" if "--trials" in budget else "2 trials" if budget else "2/50 trials") in shown
    assert "left" in shown


def test_what_is_waited_for_is_shown_and_answers_stay_clean(
    server: Standin, environment: dict[str, str], table: Path, tmp_path: Path
) -> None:
    server.on_poll = lambda path: load(server.endpoints["churn"]) if "/endpoints/" in path else None
    code, out, shown = on_terminal(
        ["deploy", "--name", "churn", "--model", "m", "--version", 1, "-o", "json"], environment
    )
    assert (code, json.loads(out)["state"]) == (0, "ready")
    assert "Loading m" in shown
    code, out, shown = on_terminal(["predict", "churn", "--data", table], environment)
    assert (code, len(out.splitlines())) == (0, 4)
    assert "Predicting 고객.csv" in shown
    assert "prediction,probability" not in shown


def test_a_command_of_another_package(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import typer

    def register(app: typer.Typer) -> None:
        @app.command()
        def extra() -> None:
            typer.echo("extra, extra")

    class Point:
        name = "extra"

        def load(self) -> Any:
            return register

    broken = EntryPoint("broken", "no.such.module:register", command_line.PLUGINS)
    monkeypatch.setattr(command_line, "entry_points", lambda group: [broken, Point()])
    assert command_line.run(["extra"]) == 0
    said = capsys.readouterr()
    assert said.out == "extra, extra\n"
    assert "melon: the commands of 'broken' cannot be loaded: No module named 'no'" in said.err


def test_what_should_not_happen(melon: Melon, monkeypatch: pytest.MonkeyPatch, server: Standin) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("oops")

    monkeypatch.setattr("melonkube.sdk.system.SystemCalls.get", broken)
    found = melon("status")
    assert (found.code, found.out) == (1, "")
    assert found.err.splitlines()[0] == "melon: this should not have happened: RuntimeError: oops"
    assert len(found.err.splitlines()) == 2
    monkeypatch.setenv("MELON_DEBUG", "1")
    with pytest.raises(RuntimeError, match="oops"):
        melon("status")


def test_exit_codes_are_what_they_are_documented_to_be() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "OK": 0, "FAILED": 1, "USAGE": 2, "NOT_FOUND": 3, "CONFLICT": 4, "UNREACHABLE": 5, "INTERRUPTED": 130,
    }  # fmt: skip
    from melonkube.contracts.errors import Problem

    gone = NotFound(Problem(title="t", status=404, code="not_found", detail="There is none."))
    assert describe(gone) == (ExitCode.NOT_FOUND, ["There is none."])
