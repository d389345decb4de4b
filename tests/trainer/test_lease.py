"""What a lease obeys, and what a trial is told; the thread that keeps it alive is tried in ``test_worker_outages``."""

from datetime import datetime
from itertools import product

import pytest

from melonkube.contracts.experiments import Metric
from melonkube.contracts.ids import new_id
from melonkube.contracts.worker import Report, Verdict
from melonkube.trainer.worker.lease import Lease
from melonkube.trainer.worker.trial import End, TrialControl


@pytest.fixture
def lease() -> Lease:
    return Lease(new_id())


@pytest.mark.parametrize(("first", "second"), list(product(Verdict, Verdict)))
def test_the_first_end_stands_but_lost_overrules(first: Verdict, second: Verdict, lease: Lease) -> None:
    lease.obey(first)
    lease.obey(second)
    if Verdict.LOST in (first, second):
        assert lease.verdict is Verdict.LOST
    else:
        assert lease.verdict is (second if first is Verdict.CONTINUE else first)
    assert lease.over.is_set() == lease.lost == (Verdict.LOST in (first, second))


def test_reports_are_kept_until_they_are_delivered(lease: Lease) -> None:
    first, second, third = (Report(step=step, value=0.5) for step in range(3))
    lease.report(first)
    assert lease.take() == [first]
    lease.report(second)
    assert lease.undelivered() == [first, second]
    assert lease.take() == [first, second]
    lease.report(third)
    lease.delivered()
    assert lease.undelivered() == [third]
    assert lease.waiting


class Watch:
    """A clock that a test moves, and what a control writes."""

    def __init__(self) -> None:
        self.now = 100.0
        self.leaving = False
        self.reports: list[Report] = []
        self.points: list[tuple[str, int, float]] = []

    def control(self, lease: Lease, max_seconds: float | None = None) -> TrialControl:
        return TrialControl(
            lease,
            Metric.AUC,
            lambda _lease, report: self.reports.append(report),
            self.write,
            lambda: self.leaving,
            max_seconds,
            lambda: self.now,
        )

    def write(self, name: str, step: int, value: float, at: datetime) -> None:
        assert at.tzinfo is not None
        self.points.append((name, step, value))


@pytest.mark.parametrize(
    ("verdict", "end"), [(Verdict.PRUNE, End.PRUNED), (Verdict.STOP, End.STOPPED), (Verdict.LOST, End.LOST)]
)
def test_a_verdict_is_an_end(verdict: Verdict, end: End, lease: Lease) -> None:
    control = Watch().control(lease)
    assert control.proceed()
    lease.obey(verdict)
    assert not control.proceed()
    assert control.end is end


def test_a_worker_that_leaves_releases(lease: Lease) -> None:
    watch = Watch()
    control = watch.control(lease)
    watch.leaving = True
    assert not control.proceed()
    assert control.end is End.RELEASED


def test_the_deadline_counts_from_the_beginning(lease: Lease) -> None:
    watch = Watch()
    control = watch.control(lease, max_seconds=10)
    watch.now += 10
    assert control.proceed()
    watch.now += 0.1
    assert not control.proceed()
    assert control.end is End.DEADLINE


def test_an_end_stays_what_it_was(lease: Lease) -> None:
    watch = Watch()
    control = watch.control(lease, max_seconds=10)
    watch.now += 11
    assert not control.proceed()
    lease.obey(Verdict.PRUNE)
    watch.leaving = True
    assert not control.proceed()
    assert control.end is End.DEADLINE


def test_a_report_goes_to_tuner_and_run(lease: Lease) -> None:
    watch = Watch()
    watch.control(lease).report(5, 0.75)
    assert watch.reports == [Report(step=5, value=0.75)]
    assert watch.points == [("curve.auc", 5, 0.75)]
