"""Facet counts, read from the engine's response."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from itertools import islice
from typing import Any

from mappings.fields import FieldType
from query.facets.body import fold
from query.facets.body import spellings as spellings_of
from query.facets.plan import FacetPlan
from query.facets.request import MISSING
from query.language.dates import zone_of

_FOREIGN = re.compile(r"java\.lang\.Object@[0-9a-f]+")  # OpenSearch's key for the other leaves of a flat_object
Bucket = Mapping[str, Any]


def read_facet(plan: FacetPlan, aggregations: Mapping[str, Any]) -> dict[str, int]:
    """Return {value: count} of one facet in its order; ranges keep the order of the request."""
    answer = aggregations.get(plan.id, {})
    values = answer.get("values", {})
    buckets = values.get("key", {}).get("values", values).get("buckets", ())
    if plan.ranges:
        counts = _by_range(plan, buckets)
    elif plan.interval:
        counts = _by_time(plan, buckets)
    else:
        counts = _by_value(plan, buckets, answer.get("spellings", {}).get("buckets", ()))
    missing = answer.get("missing", {}).get("doc_count", 0)
    if missing:
        counts[MISSING] = missing
    return counts


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What a facet does not show: how many values (None: not counted), and their counts of records together."""

    values: int | None
    records: int


def left_out(plan: FacetPlan, aggregations: Mapping[str, Any]) -> LeftOut:
    """Return how much of a facet is beyond its size."""
    answer = aggregations.get(plan.id, {})
    values = answer.get("values", {})
    values = values.get("key", {}).get("values", values)
    buckets = values.get("buckets", ())
    if plan.ranges:
        return LeftOut(0, 0)
    if plan.interval:
        counts = _periods(plan, buckets)
        kept = _by_time(plan, buckets)
        return LeftOut(len(counts) - len(kept), sum(counts.values()) - sum(kept.values()))
    shown = [bucket for bucket in buckets if bucket["doc_count"] and not _FOREIGN.fullmatch(str(bucket["key"]))]
    records = values.get("sum_other_doc_count", 0) + sum(bucket["doc_count"] for bucket in shown[plan.size :])
    if not records:
        return LeftOut(0, 0)
    distinct = answer.get("distinct", {}).get("value")
    return LeftOut(None if distinct is None else max(1, distinct - plan.size), records)


def _by_range(plan: FacetPlan, buckets: Sequence[Bucket]) -> dict[str, int]:
    counts = {bucket["key"]: bucket["doc_count"] for bucket in buckets}
    return {one.key: counts.get(f"r{at}", 0) for at, one in enumerate(plan.ranges)}


def _by_time(plan: FacetPlan, buckets: Sequence[Bucket]) -> dict[str, int]:
    """Return the newest periods, or the most frequent ones, in the plan's order."""
    items = list(_periods(plan, buckets).items())
    if plan.order.endswith("count"):
        items.sort(key=lambda item: item[1], reverse=plan.order == "count")
    elif plan.order == "-value":
        items.reverse()
        return dict(items[: plan.size])
    return dict(items[: plan.size] if plan.order.endswith("count") else items[-plan.size :])


def _periods(plan: FacetPlan, buckets: Sequence[Bucket]) -> dict[str, int]:
    """Return all periods that have records, in the order of time."""
    assert plan.interval is not None
    name, zone = _TIMES[plan.interval], zone_of(plan.zone)
    counts: dict[str, int] = {}
    for bucket in buckets:
        if bucket["doc_count"]:
            key = name(_local(bucket["key"], zone))
            counts[key] = counts.get(key, 0) + bucket["doc_count"]  # an hour that occurs twice when clocks go back
    return counts


def _local(milliseconds: int, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone(zone)


def _week(at: datetime) -> str:
    year, week, _ = at.isocalendar()
    return f"{year:04}-W{week:02}"


# Each key can be sent back as a value of the field and then means the whole period.
_TIMES: dict[str, Callable[[datetime], str]] = {
    "year": lambda at: f"{at.year:04}",
    "quarter": lambda at: f"{at.year:04}-Q{(at.month + 2) // 3}",
    "month": lambda at: f"{at.year:04}-{at.month:02}",
    "week": _week,
    "day": lambda at: at.date().isoformat(),
    "hour": lambda at: f"{at.date().isoformat()}T{at.hour:02}",
}


def _by_value(plan: FacetPlan, buckets: Sequence[Bucket], spellings: Sequence[Bucket]) -> dict[str, int]:
    show = _SHOW.get(plan.field.type) or _as_written(plan, spellings)
    counts: dict[str, int] = {}
    for bucket in buckets:
        if bucket["doc_count"] and not _FOREIGN.fullmatch(str(bucket["key"])):
            counts.setdefault(show(bucket), bucket["doc_count"])
    return dict(islice(counts.items(), plan.size))


def _as_written(plan: FacetPlan, spellings: Sequence[Bucket]) -> Callable[[Bucket], str]:
    """Return a function that shows a folded value in its most frequent spelling, or unchanged if none was counted."""
    written: dict[str, str] = {}
    for spelling in spellings:
        for text in spellings_of(plan.field, str(spelling["key"])):
            written.setdefault(fold(plan.field, text), text)
    return lambda bucket: written.get(str(bucket["key"]), str(bucket["key"]))


def _formatted(bucket: Bucket) -> str:
    return str(bucket.get("key_as_string", bucket["key"]))


def _number(bucket: Bucket) -> str:
    value = bucket["key"]
    return str(int(value)) if float(value).is_integer() else f"{value:.15g}"


_SHOW: dict[FieldType, Callable[[Bucket], str]] = {
    FieldType.BOOLEAN: _formatted,
    FieldType.INTEGER: _number,
    FieldType.FLOAT: _number,
}
