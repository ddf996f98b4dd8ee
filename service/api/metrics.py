"""``/metrics``: what Prometheus scrapes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

Gauges = Callable[[], Mapping[str, tuple[str, float]]]
"""Returns {name: (help, value)} at the moment of the scrape."""


class _GaugeCollector(Collector):
    def __init__(self, gauges: Gauges) -> None:
        self._gauges = gauges

    def collect(self) -> Iterable[Metric]:
        for name, (doc, value) in self._gauges().items():
            yield GaugeMetricFamily(f"assetry_{name}", doc, value=value)


class Metrics:
    """The counters of one service; a registry of its own, so that several may live in one process."""

    def __init__(self, gauges: Gauges) -> None:
        self._registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self._requests = Counter(
            "assetry_http_requests_total", "Requests by route and status.", labels, registry=self._registry
        )
        self._seconds = Histogram(
            "assetry_http_request_seconds",
            "Seconds from a request's first byte to its answer's last.",
            ("method", "route"),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._up = Gauge(
            "assetry_engine_up", "1 while the engine of a port answers and is ready.", ["port"], registry=self._registry
        )
        self._versions = Gauge(
            "assetry_engine_info",
            "1 for the engine and version that answers at a port.",
            ["port", "engine", "version"],
            registry=self._registry,
        )
        self._registry.register(_GaugeCollector(gauges))

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
