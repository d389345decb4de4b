"""What a worker process's end means."""

import signal
from pathlib import Path

import pytest

from melonkube.contracts.experiments import Cause
from melonkube.tuner.executors.exits import explain, oom_kills


def test_an_end_in_order_needs_no_explanation() -> None:
    assert explain(0, ["bye"], oom_killed=False) == (None, None)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_killed_from_outside(number: signal.Signals) -> None:
    cause, reason = explain(-number, [], oom_killed=False)
    assert cause is Cause.WORKER_KILLED
    assert reason is not None
    assert number.name in reason


def test_killed_by_the_kernel_for_want_of_memory() -> None:
    assert explain(-signal.SIGKILL, [], oom_killed=True)[0] is Cause.OUT_OF_MEMORY
    assert explain(-signal.SIGTERM, [], oom_killed=True)[0] is Cause.WORKER_KILLED


@pytest.mark.parametrize("code", [1, 2, 139, -signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -200])
def test_a_crash_is_the_codes_own_and_shows_the_last_lines(code: int) -> None:
    cause, reason = explain(code, [f"line {number}" for number in range(40)], oom_killed=False)
    assert cause is Cause.CODE_ERROR
    assert reason is not None
    assert "line 39" in reason
    assert "line 3\n" not in reason


def test_a_crash_without_a_word_says_so() -> None:
    _, reason = explain(1, [], oom_killed=False)
    assert reason == "The worker ended with exit code 1. It wrote nothing."


def test_the_kernels_count_of_memory_kills(tmp_path: Path) -> None:
    stat = tmp_path / "vmstat"
    stat.write_text("pgfault 12\noom_kill 3\nnr_free_pages 1\n")
    assert oom_kills(stat) == 3
    stat.write_text("pgfault 12\n")
    assert oom_kills(stat) == 0
    assert oom_kills(tmp_path / "none") == 0
