"""The metrics of the index, computed from its status at the time of the scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from prometheus_client import Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from indexer.status.model import FollowerStatus, Role, State
from service.api.ops.metrics import INDEXER, METRICS, PREFIX, Kind

Labels = tuple[str, ...]
Values = Mapping[Labels, float]


class IndexTimes:
    """The histograms of one indexer: filled while it works, read by a scrape."""

    def __init__(self) -> None:
        self._histograms = {
            metric.name: Histogram(PREFIX + metric.name, metric.doc, buckets=metric.buckets, registry=None)
            for metric in INDEXER
            if metric.kind is Kind.HISTOGRAM
        }

    def searchable(self, seconds: float) -> None:
        """Record the seconds from the commit of a change until it was searchable."""
        self._histograms["index_commit_to_searchable_seconds"].observe(seconds)

    def batch(self, changes: int) -> None:
        """Record the number of changes in a batch of the feed."""
        self._histograms["index_batch_changes"].observe(changes)

    def collected(self) -> Iterable[Metric]:
        """Return the current histograms."""
        for histogram in self._histograms.values():
            yield from histogram.collect()


def index_metrics(status: FollowerStatus, times: IndexTimes | None) -> list[Metric]:
    """Return the metrics of an index; ``times`` belong to an indexer in this process, None if there is none."""
    found = [_metric(name, values) for name, values in _index(status).items() if values]
    if times is not None:
        found += [_metric(name, values) for name, values in _indexer(status).items() if values]
        found += times.collected()
    return found


def _index(status: FollowerStatus) -> dict[str, Values]:
    """Return the values that every process knows: {name: {labels: value}}."""
    rebuild, reconciling, verified = status.rebuild, status.reconciling, status.verified
    window = status.window_hours
    stage: Labels = () if rebuild is None else (rebuild.index, rebuild.stage)
    return {
        "index_lag_seconds": {(): status.lag_seconds},
        "index_caught_up": {(): float(status.caught_up)},
        "index_fed": {(): float(status.state is not State.STOPPED)},
        "index_state": {(str(state),): float(status.state is state) for state in State},
        "index_outdated": {(): float(status.outdated)},
        "index_dead_letters": {(): float(status.dead_letters)},
        "index_indexed": {(): float(status.indexed)},
        "index_total": {(): float(status.total)},
        "index_fence": {(): float(status.fence)},
        "index_feed_window_hours": {} if window is None else {(): max(window - status.lag_seconds / 3600, 0.0)},
        "index_targets": {(): float(len(status.targets))},
        "index_reindex_records": {} if rebuild is None else {stage: float(rebuild.done)},
        "index_reindex_total": {} if rebuild is None else {stage: float(rebuild.total)},
        "index_reconcile_records": ({} if reconciling is None else {(reconciling.index,): float(reconciling.checked)}),
        "index_drift": {} if verified is None else {(drift,): float(n) for drift, n in verified.differences.items()},
        "index_drift_left": {} if verified is None else {(): float(verified.left)},
        "index_verified_timestamp_seconds": (
            {} if verified is None else {(): datetime.fromisoformat(verified.at).timestamp()}
        ),
    }


def _indexer(status: FollowerStatus) -> dict[str, Values]:
    """Return the values that only the indexer itself knows."""
    return {
        "index_leader": {(): float(status.role is Role.LEADER)},
        "index_records_per_second": {(): status.rate},
        "index_items_total": {(str(outcome),): float(count) for outcome, count in status.items.items()},
    }


def _metric(name: str, values: Values) -> Metric:
    described = METRICS[name]
    labels = list(described.labels)
    family: GaugeMetricFamily | CounterMetricFamily
    if described.kind is Kind.COUNTER:
        family = CounterMetricFamily(PREFIX + name, described.doc, labels=labels)
    else:
        family = GaugeMetricFamily(PREFIX + name, described.doc, labels=labels)
    for held, value in values.items():
        family.add_metric(list(held), value)
    return family


def collector(status: Callable[[], FollowerStatus], times: IndexTimes | None) -> Callable[[], list[Metric]]:
    """Return the function that a scrape calls."""
    return lambda: index_metrics(status(), times)
