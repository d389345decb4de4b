"""Prometheus metrics of a service, in a registry of its own."""

from bisect import bisect_left
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class PlainDurations:
    """Durations counted in plain numbers of one thread, at a fifth of what a histogram with its locks takes."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.seconds += seconds

    def share(self, sample: Sample) -> float:
        """Return what these durations add to a sample of the histogram."""
        kind = sample.name.rpartition("_")[2]
        if kind == "sum":
            return self.seconds
        if kind == "count":
            return sum(self.counts)
        if kind == "bucket":
            return sum(self.counts[: bisect_left(BUCKETS, float(sample.labels["le"])) + 1])
        return 0.0


class RequestDurations(Collector):
    """A histogram, and plain counts beside it that are added to their series when it is read."""

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram
        self._plain: dict[tuple[str, str, str], PlainDurations] = {}

    def plain(self, method: str, route: str, status: str) -> PlainDurations:
        """Return the plain counts of a series, made at the first call."""
        self._histogram.labels(method, route, status)  # so that the series is there to be added to
        return self._plain.setdefault((method, route, status), PlainDurations())

    def collect(self) -> Iterable[Metric]:
        """Return the metric."""
        for metric in self._histogram.collect():
            metric.samples = [self._add(sample) for sample in metric.samples]
            yield metric

    def _add(self, sample: Sample) -> Sample:
        labels = sample.labels
        plain = self._plain.get((labels["method"], labels["route"], labels["status"]))
        return sample if plain is None else sample._replace(value=sample.value + plain.share(sample))


class ServiceMetrics:
    """What every service counts; a service adds its own to ``registry``.

    The names follow Prometheus' conventions: base units, ``_total`` on counters. ``durations`` is how ``requests`` is
    exposed.
    """

    def __init__(self, service: str) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = Histogram(
            "http_server_request_duration_seconds",
            "Time from a request's first byte to its answer's last.",
            ("method", "route", "status"),
            buckets=BUCKETS,
            registry=None,
        )
        self.durations = RequestDurations(self.requests)
        self.registry.register(self.durations)
        self.active = Gauge("http_server_active_requests", "Requests being answered.", registry=self.registry)
        self.unhandled = Counter(
            "http_server_unhandled_errors_total", "Answers 500 by an error nobody expected.", registry=self.registry
        )
        Gauge("melonkube_service_info", "1, labelled with the service.", ("service",), registry=self.registry).labels(
            service
        ).set(1)
