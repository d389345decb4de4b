"""Durations counted in plain numbers are exposed as the histogram itself would."""

import re

import pytest
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.exposition import generate_latest

from melonkube.kit.metrics import BUCKETS, ServiceMetrics

SERIES = ("POST", "/predict", "200")
SECONDS = [0.0, 0.0005, *BUCKETS, 0.0011, 0.75, 29.0, 31.0, 1000.0]


def text_of(registry: CollectorRegistry) -> list[str]:
    lines = generate_latest(registry).decode().splitlines()
    found = [line for line in lines if "http_server_request_duration_seconds" in line]
    found = [re.sub(r"(_created\{.*\}) .*", r"\1 then", line) for line in found]
    # Two sums added up may differ from one in the last digit.
    return [re.sub(r"(_sum\{.*\}) (.*)", lambda sum_: f"{sum_[1]} {float(sum_[2]):.9f}", line) for line in found]


@pytest.mark.parametrize("plain", [0, 1, 7, len(SECONDS)])
def test_plain_counts_and_the_histogram_are_one_series(plain: int) -> None:
    registry = CollectorRegistry()
    whole = Histogram(
        "http_server_request_duration_seconds",
        "Time from a request's first byte to its answer's last.",
        ("method", "route", "status"),
        buckets=BUCKETS,
        registry=registry,
    )
    metrics = ServiceMetrics("kit")
    counts = metrics.durations.plain(*SERIES)
    for number, seconds in enumerate(SECONDS):
        whole.labels(*SERIES).observe(seconds)
        (counts if number < plain else metrics.requests.labels(*SERIES)).observe(seconds)
        whole.labels("GET", "/other", "404").observe(seconds)
        metrics.requests.labels("GET", "/other", "404").observe(seconds)
    assert text_of(metrics.registry) == text_of(registry)


def test_a_series_is_there_before_its_first_request() -> None:
    metrics = ServiceMetrics("kit")
    assert metrics.durations.plain(*SERIES) is metrics.durations.plain(*SERIES)
    labels = 'method="POST",route="/predict",status="200"'
    assert f"http_server_request_duration_seconds_count{{{labels}}} 0.0" in text_of(metrics.registry)
