"""Prometheus metrics of a service, in a registry of its own."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.platform_collector import PlatformCollector

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class ServiceMetrics:
    """What every service counts; a service adds its own to ``registry``.

    The names follow Prometheus' conventions: base units, ``_total`` on counters.
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
            registry=self.registry,
        )
        self.active = Gauge("http_server_active_requests", "Requests being answered.", registry=self.registry)
        self.unhandled = Counter(
            "http_server_unhandled_errors_total", "Answers 500 by an error nobody expected.", registry=self.registry
        )
        Gauge("melonkube_service_info", "1, labelled with the service.", ("service",), registry=self.registry).labels(
            service
        ).set(1)
