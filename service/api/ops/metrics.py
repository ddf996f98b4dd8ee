"""``/metrics``: what Prometheus scrapes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from service.api.ops.metric_table import METRICS, PREFIX

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Gauges = Callable[[], Iterable[Metric]]
"""Returns further metrics at the moment of the scrape; a process without any gives ``tuple``."""


class _Collected(Collector):
    def __init__(self, gauges: Gauges) -> None:
        self._gauges = gauges

    def collect(self) -> Iterable[Metric]:
        return self._gauges()


class Metrics:
    """The counters of one service; a registry of its own, so that several may live in one process."""

    def __init__(self, gauges: Gauges) -> None:
        self._registry = registry = CollectorRegistry()
        requests, seconds = METRICS["http_requests_total"], METRICS["http_request_seconds"]
        up, versions = METRICS["engine_up"], METRICS["engine_info"]
        self._requests = Counter(PREFIX + requests.name, requests.doc, requests.labels, registry=registry)
        self._seconds = Histogram(
            PREFIX + seconds.name, seconds.doc, seconds.labels, buckets=seconds.buckets, registry=registry
        )
        self._up = Gauge(PREFIX + up.name, up.doc, up.labels, registry=registry)
        self._versions = Gauge(PREFIX + versions.name, versions.doc, versions.labels, registry=registry)
        registry.register(_Collected(gauges))

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one finished request."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def engines(self, answers: Mapping[str, Mapping[str, Any]]) -> None:
        """Note how the engines are, by port, as ``/readyz`` shows them."""
        self._versions.clear()
        for port, answer in answers.items():
            self._up.labels(port).set(bool(answer["ready"] and not answer.get("degraded")))
            if "engine" in answer:
                self._versions.labels(port, str(answer["engine"]), str(answer.get("version") or "")).set(1)

    def render(self) -> bytes:
        """Return the exposition text."""
        return generate_latest(self._registry)
