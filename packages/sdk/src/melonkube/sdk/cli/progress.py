"""Progress on a terminal; nothing at all where nobody looks on."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from melonkube.sdk.cli import text
from melonkube.sdk.cli.output import console, interactive
from melonkube.sdk.cli.show import finished, trials_done

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, Task
    from rich.text import Text

    from melonkube.contracts.experiments import Experiment
    from melonkube.sdk._upload import Progress as OnProgress


@contextmanager
def uploading(title: str) -> "Iterator[OnProgress | None]":
    """Yield what shows the bytes of an upload, then that the server reads it."""
    if not interactive():
        yield None
        return
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with ExitStack() as stack:
        shown = stack.enter_context(_progress(*columns))
        task = shown.add_task(text.printable(title), total=None)

        def update(done: int, total: int | None) -> None:
            if total is None or done < total:
                shown.update(task, total=total, completed=done)
            elif shown.live.is_started:  # all is sent, and the server reads the table
                shown.stop()
                stack.enter_context(waiting("Reading the table"))

        yield update


@contextmanager
def waiting(title: str, *, shown: bool = True) -> Iterator[None]:
    """Show that something is waited for, unless the terminal is needed for the answer itself."""
    if not (shown and interactive()):
        yield
        return
    from rich.progress import SpinnerColumn, TextColumn

    with _progress(SpinnerColumn(), TextColumn("{task.description}", markup=False)) as progress:
        progress.add_task(text.printable(title), total=None)
        yield


@contextmanager
def tuning() -> "Iterator[Callable[[Experiment], None] | None]":
    """Yield what shows an experiment: trials done, the best so far, time remaining."""
    if not interactive():
        yield None
        return
    from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, TextColumn
    from rich.text import Text

    class Remaining(ProgressColumn):
        """Counts down between two words from the server."""

        def render(self, task: "Task") -> "Text":
            ends = task.fields["ends"]
            return Text("" if ends is None else f"{text.seconds(max(0.0, ends - time.monotonic()))} left")

    columns = (
        SpinnerColumn(),
        TextColumn("{task.fields[phase]}", markup=False),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[trials]}", markup=False),
        TextColumn("{task.fields[best]}", markup=False),
        Remaining(),
    )
    with _progress(*columns, expand=True) as shown:
        task = shown.add_task("", total=None, phase="queued", trials="", best="", ends=None)

        def update(experiment: "Experiment") -> None:
            total, done = share(experiment)
            left = experiment.remaining_seconds
            shown.update(
                task,
                total=total,
                completed=done,
                phase=experiment.phase or experiment.state.value,
                trials=f"{trials_done(experiment)} trials",
                best=best_so_far(experiment),
                ends=None if left is None else time.monotonic() + left,
                refresh=True,
            )

        yield update


def _progress(*columns: "ProgressColumn", expand: bool = False) -> "Progress":
    """Return a display on standard error. Rich would send what is printed to standard output there as well."""
    from rich.progress import Progress

    return Progress(*columns, console=console(stderr=True), transient=True, redirect_stdout=False, expand=expand)


def share(experiment: "Experiment") -> tuple[float | None, float]:
    """Return how much there is to do and how much is done: in trials, or in seconds where only time bounds it."""
    if experiment.trials.total is not None:
        return float(experiment.trials.total), float(finished(experiment))
    limit = experiment.budget.max_seconds
    return limit, min(experiment.elapsed_seconds, limit or experiment.elapsed_seconds)


def best_so_far(experiment: "Experiment") -> str:
    """Return the best value and the trial it is of."""
    best = experiment.best
    return "" if best is None else f"best {experiment.metric} {text.number(best.value)} (trial {best.number})"
