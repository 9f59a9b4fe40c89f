"""Prometheus metrics: requests, latencies, batch sizes, queue length, abstentions.

Knows prometheus_client, nothing of requests. Each application has its own registry. With several
processes, `PROMETHEUS_MULTIPROC_DIR` names a folder of files in which they add up their metrics:
`processes` makes the files.
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
MULTIPROCESS_DIR = "PROMETHEUS_MULTIPROC_DIR"

_SECONDS_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_QUESTIONS_BUCKETS = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """The metrics of one application."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "pullquote_requests", "Requests.", ("method", "path", "status"), registry=registry
        )
        self.seconds = Histogram(
            "pullquote_request_seconds",
            "From a request's head to the end of its answer.",
            ("path",),
            buckets=_SECONDS_BUCKETS,
            registry=registry,
        )
        self.closed = Counter(
            "pullquote_closed_connections",
            "Connections that the server closed since their clients broke a limit.",
            ("code",),
            registry=registry,
        )
        self.batch = Histogram(
            "pullquote_batch_questions",
            "Questions that were read together.",
            buckets=_QUESTIONS_BUCKETS,
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
        for gauge in (self.waiting, self.open):
            gauge.set(0)  # a process that ended may have left another value in its file
        self.questions = Counter("pullquote_questions", "Questions answered.", registry=registry)
        self.abstentions = Counter(
            "pullquote_abstentions", "Questions to which there was no answer.", registry=registry
        )

    def text(self) -> bytes:
        """All metrics in Prometheus' text format; of all processes where there are several."""
        registry = self.registry
        if MULTIPROCESS_DIR in os.environ:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)

    def close(self) -> None:
        """Take the gauges of this process out of those of all processes."""
        for gauge in (self.waiting, self.open):
            gauge.set(0)
