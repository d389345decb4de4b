"""What the tuner counts, beside what every service does."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from melonkube.kit.metrics import BUCKETS


class TunerMetrics:
    """Prometheus metrics of one tuner process; the gauges are of the experiments it owns."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.trials = Gauge(
            "melonkube_tuner_trials", "Trials of the experiments this replica owns.", ("state",), registry=registry
        )
        self.owned = Gauge("melonkube_tuner_experiments_owned", "Experiments this replica owns.", registry=registry)
        self.workers = Gauge("melonkube_tuner_workers", "Workers that run here.", registry=registry)
        self.slots = Gauge("melonkube_tuner_slots", "Workers that may run here at once.", registry=registry)
        self.lost = Counter(
            "melonkube_tuner_leases_lost_total",
            "Attempts that ended without a result through no fault of the trial.",
            ("cause",),
            registry=registry,
        )
        self.handover = Histogram(
            "melonkube_tuner_handover_duration_seconds",
            "From a trial's completion to the decision what its worker does next, both stored.",
            buckets=BUCKETS,
            registry=registry,
        )
        self.suggestion = Histogram(
            "melonkube_tuner_suggestion_duration_seconds",
            "Time to work out one suggestion.",
            ("algorithm",),
            buckets=BUCKETS,
            registry=registry,
        )
        self.depth = Gauge(
            "melonkube_tuner_suggestions_ahead", "Suggestions that wait to be handed out.", registry=registry
        )
        self.outbox = Gauge(
            "melonkube_tuner_outbox_pending", "Calls the registry has yet to receive.", registry=registry
        )
