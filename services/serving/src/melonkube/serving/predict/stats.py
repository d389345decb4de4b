"""What endpoints count. Plain numbers of the event loop's thread, which the fast path can afford; read at a scrape."""

from bisect import bisect_left
from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_LABELS = ("workspace", "endpoint")


class EndpointStats:
    """Counts of one endpoint, over all versions it served."""

    __slots__ = ("counts", "failures", "rejected", "rows", "seconds", "swaps", "unseen")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0
        self.rows = 0
        self.rejected = 0
        self.swaps = 0
        self.failures = 0

    def answered(self, seconds: float, rows: int) -> None:
        """Count an answered call."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.seconds += seconds
        self.rows += rows


class EndpointCollector(Collector):
    """Renders the counts of all endpoints in Prometheus' terms."""

    def __init__(self) -> None:
        self.endpoints: dict[tuple[str, str], EndpointStats] = {}
        self.versions: dict[tuple[str, str], tuple[str, int]] = {}
        self.loaded_models = 0

    def stats(self, workspace_id: str, name: str) -> EndpointStats:
        """Return the counts of an endpoint, made at the first call."""
        return self.endpoints.setdefault((workspace_id, name), EndpointStats())

    def forget(self, workspace_id: str, name: str) -> None:
        """Drop a deleted endpoint."""
        self.endpoints.pop((workspace_id, name), None)
        self.versions.pop((workspace_id, name), None)

    def collect(self) -> Iterable[Metric]:
        """Return the metrics."""
        duration = HistogramMetricFamily(
            "melonkube_predict_duration_seconds", "Time an answered predict call took.", labels=_LABELS
        )
        rows = CounterMetricFamily("melonkube_predict_rows", "Rows predicted.", labels=_LABELS)
        rejected = CounterMetricFamily("melonkube_predict_rejected", "Predict calls refused.", labels=_LABELS)
        swaps = CounterMetricFamily("melonkube_endpoint_swaps", "Model versions swapped in.", labels=_LABELS)
        failures = CounterMetricFamily(
            "melonkube_endpoint_failures", "Attempts at a model version that failed.", labels=_LABELS
        )
        version = GaugeMetricFamily(
            "melonkube_endpoint_version", "The model version that answers.", labels=(*_LABELS, "model")
        )
        for key, stats in self.endpoints.items():
            total, buckets = 0, []
            for bound, count in zip((*map(str, BUCKETS), "+Inf"), stats.counts, strict=True):
                total += count
                buckets.append((bound, total))
            duration.add_metric(key, buckets, stats.seconds)
            rows.add_metric(key, stats.rows)
            rejected.add_metric(key, stats.rejected)
            swaps.add_metric(key, stats.swaps)
            failures.add_metric(key, stats.failures)
        for key, (model, number) in self.versions.items():
            version.add_metric((*key, model), number)
        loaded = GaugeMetricFamily("melonkube_models_loaded", "Models in memory.", self.loaded_models)
        return [duration, rows, rejected, swaps, failures, version, loaded]
