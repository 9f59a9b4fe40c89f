"""What a server tells Prometheus: requests, seconds, batches, what waits, abstentions.

Knows prometheus_client, nothing of requests. One registry for each application, or files that all
its worker processes share where `PROMETHEUS_MULTIPROC_DIR` is set.
"""

from __future__ import annotations

import os

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

CONTENT_TYPE = CONTENT_TYPE_LATEST
SHARED = "PROMETHEUS_MULTIPROC_DIR"

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_QUESTIONS = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """The figures of one application."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "pullquote_requests", "Requests.", ("method", "path", "status"), registry=registry
        )
        self.seconds = Histogram(
            "pullquote_request_seconds",
            "From a request's head to the end of its answer.",
            ("path",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.batch = Histogram(
            "pullquote_batch_questions",
            "Questions that were read together.",
            buckets=_QUESTIONS,
            registry=registry,
        )
        self.waiting = Gauge(
            "pullquote_waiting_questions",
            "Questions that wait for a batch.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.open = Gauge(
            "pullquote_open_requests",
            "Requests with questions that have no answer yet.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.questions = Counter("pullquote_questions", "Questions answered.", registry=registry)
        self.abstentions = Counter(
            "pullquote_abstentions", "Questions to which there was no answer.", registry=registry
        )

    def text(self) -> bytes:
        """Prometheus' text format."""
        registry = self.registry
        if SHARED in os.environ:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)

    def close(self) -> None:
        """Forget what this process counted as going on."""
        if SHARED in os.environ:
            multiprocess.mark_process_dead(os.getpid())  # type: ignore[no-untyped-call]
