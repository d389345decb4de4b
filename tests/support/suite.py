"""A real suite for tests: started in a folder of its own, its logs shown when a test fails."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from melonkube.suite.embedded import Suite

_SHOWN_LINES = 40


@contextmanager
def running_suite(folder: Path, *, workers: int = 2, environment: Mapping[str, str] | None = None) -> Iterator[Suite]:
    """Run a suite on free ports until the end of the block; on an error, add the ends of its logs to it."""
    suite = Suite(folder, workers=workers, port=0, environment=environment)
    try:
        with suite:
            yield suite
    except BaseException as error:
        error.add_note(collect_logs(folder))
        raise


def collect_logs(folder: Path) -> str:
    """Return what each log of a suite ends with."""
    parts = []
    for path in sorted((folder / "logs").glob("*")):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        parts.append("\n".join([f"--- {path.name}", *lines[-_SHOWN_LINES:]]))
    return "\n".join(parts)
