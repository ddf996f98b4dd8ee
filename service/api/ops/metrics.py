"""``/metrics``: every metric in one described table, and what Prometheus scrapes.

``docs/ref-metrics.md`` is generated from the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

PREFIX = "assetry_"


class Kind(StrEnum):
    """What Prometheus takes a metric for."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Described:
    """One metric: its name, kind, what it says in which unit, its labels, and the bounds of a histogram's buckets."""

    name: str
    kind: Kind
    doc: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SEARCHABLE = (0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1, 1.5, 2, 3, 5, 10, 30, 60, 300)
_BATCH = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500)

HTTP = (
    Described("http_requests_total", Kind.COUNTER, "Requests.", ("method", "route", "status")),
    Described(
        "http_request_seconds",
        Kind.HISTOGRAM,
        "Seconds from a request's first byte to its answer's last.",
        ("method", "route"),
        _SECONDS,
    ),
)
ENGINES = (
    Described("engine_up", Kind.GAUGE, "1 while the engine of a port answers and is ready.", ("port",)),
    Described("engine_info", Kind.GAUGE, "1 for the engine and version that answers.", ("port", "engine", "version")),
)

INDEX = (
    Described("index_lag_seconds", Kind.GAUGE, "How long changes have been waiting to be indexed."),
    Described("index_caught_up", Kind.GAUGE, "1 once searches see all writes from before the start."),
    Described("index_fed", Kind.GAUGE, "1 while an indexer works, in this process or another."),
    Described(
        "index_state", Kind.GAUGE, "1 for what the indexer does, 0 for all else; `halted` is the alarm.", ("state",)
    ),
    Described("index_outdated", Kind.GAUGE, "1 while the mapping or projection has changed and a reindex is due."),
    Described("index_dead_letters", Kind.GAUGE, "Documents that the engine refuses for good."),
    Described("index_indexed", Kind.GAUGE, "Assets written by the last full build."),
    Described("index_total", Kind.GAUGE, "Assets that the last full build had to write."),
    Described("index_fence", Kind.GAUGE, "The lease's number; it rises when another process takes over."),
    Described(
        "index_feed_window_hours",
        Kind.GAUGE,
        "Hours of changes that the feed still has behind what is indexed; at 0 the index has to be reconciled. Absent "
        "where the store cannot say, or never forgets.",
    ),
    Described("index_targets", Kind.GAUGE, "Indexes that get every write: 2 from a reindex until the purge."),
    Described("index_reindex_records", Kind.GAUGE, "Records written by the reindex under way.", ("index", "stage")),
    Described("index_reindex_total", Kind.GAUGE, "Records that it has to write.", ("index", "stage")),
    Described("index_reconcile_records", Kind.GAUGE, "Records compared by the reconcile under way.", ("index",)),
    Described("index_drift", Kind.GAUGE, "Differences that the last verify found.", ("class",)),
    Described("index_drift_left", Kind.GAUGE, "Differences that were there still when the last verify ended."),
    Described("index_verified_timestamp_seconds", Kind.GAUGE, "When the last verify ended, in seconds since 1970."),
)
"""What every process knows of the index, from its own indexer or from the one that follows."""

INDEXER = (
    Described("index_leader", Kind.GAUGE, "1 in the process that leads, 0 in one that stands by."),
    Described("index_records_per_second", Kind.GAUGE, "Records acknowledged a second, over the last ten seconds."),
    Described(
        "index_items_total",
        Kind.COUNTER,
        "Documents by what became of them: done, stale (the index had a newer one), retry, dead.",
        ("outcome",),
    ),
    Described(
        "index_commit_to_searchable_seconds",
        Kind.HISTOGRAM,
        "Seconds from a write's commit until searches see it.",
        (),
        _SEARCHABLE,
    ),
    Described("index_batch_changes", Kind.HISTOGRAM, "Changes in one batch of the feed.", (), _BATCH),
)
"""What only a process with an indexer shows, about its own work: they can be summed."""

EVENTS = (
    Described("event_streams", Kind.GAUGE, "Event streams that are open in this process."),
    Described("relay_leader", Kind.GAUGE, "1 in the process whose relay tells of changes, 0 in one that stands by."),
    Described("relay_lag_seconds", Kind.GAUGE, "How long the changes that were told last had waited; 0 when idle."),
    Described(
        "relay_events_total",
        Kind.COUNTER,
        "Events that this process's relay told; `resync` is the alarm: the change feed lost its history.",
        ("type",),
    ),
    Described("usage_events_total", Kind.COUNTER, "Views, downloads and searches that were noted.", ("type",)),
    Described("usage_events_waiting", Kind.GAUGE, "Those of them that are not stored yet."),
    Described("usage_events_dropped_total", Kind.COUNTER, "Those that were lost because the store was away too long."),
)
"""What a process shows of the events that it tells, sends and notes, as far as it does."""

GROUPS = {
    "Requests": HTTP,
    "Engines": ENGINES,
    "The index, as every process knows it": INDEX,
    "The indexer, in the processes that run one": INDEXER,
    "Events and usage": EVENTS,
}

METRICS = {metric.name: metric for group in GROUPS.values() for metric in group}

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


def render_metrics() -> str:
    """Return ``docs/ref-metrics.md``: a table of every metric."""
    rows = [
        "# Metrics",
        "",
        "Generated from `service/api/ops/metrics.py` by `scripts/docs`; do not edit.",
        "",
        "`GET /metrics` of `assetry serve`, and of `assetry index follow` and `assetry work` with a port, in",
        "Prometheus' text format. What to watch, and what to do about it, is in [how to recover](how-to-recover.md).",
    ]
    for title, group in GROUPS.items():
        rows += ["", f"## {title}", "", "| metric | kind | labels | what it says |", "|---|---|---|---|"]
        for metric in group:
            labels = ", ".join(f"`{label}`" for label in metric.labels)
            rows.append(f"| `{PREFIX}{metric.name}` | {metric.kind} | {labels} | {metric.doc} |")
    return "\n".join(rows) + "\n"
