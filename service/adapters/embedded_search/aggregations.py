"""Aggregations over columns: what the engine would count, in the shape in which it would answer.

Known are the kinds that facets use: ``filter``, ``terms``, ``missing``, ``range``, ``date_range``, ``date_histogram``
and ``cardinality``. Anything else, and any option that is not named here, is :class:`Unsupported`, and the engine's to
answer.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import chain
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from service.adapters.embedded_search.column import Column, NumberColumn, Rows, Unreadable
from service.adapters.embedded_search.columns import Columns
from service.adapters.embedded_search.conditions import Unsupported, select
from service.ports.search import Json

K = TypeVar("K", bound=Hashable)

_DAY = 86_400_000
_QUARTER = 900_000
_EVEN_OFFSETS = 94_694_400_000
"""From 1973 on every time zone's offset is a multiple of a quarter of an hour: one conversion does for each quarter."""

_PATTERNS = re.compile(r"(?:[^\\.\[\]*?+|(){}^$#@&<>~\"]|\\[^\w\s]|\.\*|\[\^?[^\\\[\]&^-]+\][*+?]?|/\?)*", re.DOTALL)
"""The regular expressions that mean the same to Lucene and to Python."""


def aggregate(columns: Columns, rows: Rows, aggs: Mapping[str, Json]) -> Json:
    """Return the answers to aggregations over these rows, by name. Raises Unsupported."""
    return {name: _answer(columns, rows, body) for name, body in aggs.items()}


def _answer(columns: Columns, rows: Rows, body: Json) -> Json:
    inner = body.get("aggs")
    kinds = [kind for kind in body if kind != "aggs"]
    if len(kinds) != 1:
        raise Unsupported("not one aggregation")
    options = body[kinds[0]]
    if kinds[0] == "filter":
        inside = select(columns, rows, options)
        return {"doc_count": len(inside), **aggregate(columns, inside, inner or {})}
    rule = _RULES.get(kinds[0])
    if rule is None or inner:
        raise Unsupported(kinds[0])
    known, count = rule
    column = columns.column(options.get("field", ""))
    if column is None or not set(options) <= known:
        raise Unsupported(f"{kinds[0]} of {options.get('field')}")
    return count(column, rows, options)


def _by_code(column: Column, rows: Rows) -> Counter[Any]:
    """Return in how many of the rows each code is."""
    found = column.single(rows)
    found.update(chain.from_iterable(column.several(rows)))
    return found


def _by_place(column: Column, rows: Rows, places: Callable[[Any], Iterable[K]]) -> Counter[K]:
    """Return how many of the rows have a code in each place; a row with several codes in one place counts once."""
    found: Counter[K] = Counter()
    for code, count in column.single(rows).items():
        for place in places(code):
            found[place] += count
    for codes in column.several(rows):
        found.update({place for code in codes for place in places(code)})
    return found


def _terms(column: Column, rows: Rows, options: Json) -> Json:
    counts = [(column.value(code), count) for code, count in _by_code(column, rows).items()]
    if "include" in options:
        if isinstance(column, NumberColumn):
            raise Unsupported("include of numbers")
        matches = _pattern(options["include"]).fullmatch
        counts = [(value, count) for value, count in counts if matches(value)]
    size = options.get("size", 10)
    shown = heapq.nsmallest(size, counts, key=_order(options.get("order")))
    buckets = [_bucket(column, value, count) for value, count in shown]
    others = sum(count for _, count in counts) - sum(count for _, count in shown)
    return {"doc_count_error_upper_bound": 0, "sum_other_doc_count": others, "buckets": buckets}


def _bucket(column: Column, value: Any, count: int) -> Json:
    kind = column.kind if isinstance(column, NumberColumn) else ""
    if kind == "boolean":
        return {"key": value, "key_as_string": "true" if value else "false", "doc_count": count}
    if kind == "date":
        return {"key": value, "key_as_string": _iso(value), "doc_count": count}
    return {"key": value, "doc_count": count}


def _order(given: Any) -> Callable[[tuple[Any, int]], Any]:
    """Return the sort key of an order; ties go by value, ascending, as in the engine."""
    keys = [given] if isinstance(given, dict) else given or [{"_count": "desc"}, {"_key": "asc"}]
    order = tuple(pair for key in keys for pair in key.items())
    order = order if order[-1][0] == "_key" else (*order, ("_key", "asc"))
    found = _ORDERS.get(order)
    if found is None:
        raise Unsupported(f"order {given}")
    return found


class _Reversed:
    """A value that sorts the other way round."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: _Reversed) -> bool:
        return bool(other.value < self.value)


_ORDERS: Mapping[tuple[tuple[str, str], ...], Callable[[tuple[Any, int]], Any]] = {
    (("_count", "desc"), ("_key", "asc")): lambda item: (-item[1], item[0]),
    (("_count", "asc"), ("_key", "asc")): lambda item: (item[1], item[0]),
    (("_key", "asc"),): lambda item: item[0],
    (("_key", "desc"),): lambda item: _Reversed(item[0]),
}


@lru_cache(256)
def _pattern(text: str) -> re.Pattern[str]:
    if not _PATTERNS.fullmatch(text):
        raise Unsupported("include")
    return re.compile(text, re.DOTALL)


def _missing(column: Column, rows: Rows, options: Json) -> Json:
    return {"doc_count": column.missing(rows)}


def _cardinality(column: Column, rows: Rows, options: Json) -> Json:
    return {"value": len(_by_code(column, rows))}


def _ranges(column: Column, rows: Rows, options: Json) -> Json:
    if not isinstance(column, NumberColumn):
        raise Unsupported("range of texts")
    bounds = [_bounds(column, one) for one in options["ranges"]]
    counts = _by_place(column, rows, lambda code: [at for at, (low, high) in enumerate(bounds) if low <= code < high])
    order = sorted(range(len(bounds)), key=lambda at: bounds[at])
    return {"buckets": [{"key": options["ranges"][at]["key"], "doc_count": counts[at]} for at in order]}


def _bounds(column: NumberColumn, one: Json) -> tuple[float, float]:
    if not set(one) <= {"key", "from", "to"} or "key" not in one:
        raise Unsupported("range")
    try:
        low, high = (
            open_ if one.get(name) is None else _bound(column, one[name])
            for name, open_ in (("from", float("-inf")), ("to", float("inf")))
        )
    except Unreadable as error:
        raise Unsupported("range") from error
    return low, high


def _bound(column: NumberColumn, value: Any) -> float:
    # The range of a whole number may begin at a fraction.
    if column.kind == "date":
        return float(column.code(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unsupported("range")
    return value


def _histogram(column: Column, rows: Rows, options: Json) -> Json:
    if not isinstance(column, NumberColumn) or column.kind != "date" or options.get("min_doc_count") != 1:
        raise Unsupported("date_histogram")
    unit, zone = options.get("calendar_interval", ""), _zone(options.get("time_zone", "UTC"))
    first = _FIRST_DAY.get(unit)
    if first is None and unit != "hour":
        raise Unsupported(f"calendar_interval {unit}")
    known: dict[int, int] = {}  # beginnings by day or quarter of an hour: most values share one

    def beginning(at: int) -> tuple[int]:
        if zone is None and first is not None:
            part = at // _DAY
        elif at >= _EVEN_OFFSETS:
            part = at // _QUARTER
        else:
            return (_beginning(at, first, zone),)
        found = known.get(part)
        if found is None:
            found = known[part] = _beginning(at, first, zone)
        return (found,)

    counts = _by_place(column, rows, beginning)
    return {"buckets": [{"key": key, "key_as_string": _iso(key), "doc_count": counts[key]} for key in sorted(counts)]}


def _beginning(at: int, first: Callable[[date], date] | None, zone: ZoneInfo | None) -> int:
    """Return when the period of a moment begins by the calendar of a zone, in ms since 1970."""
    moment = _EPOCH + timedelta(milliseconds=at)
    local = moment if zone is None else moment.astimezone(zone)
    if first is None:  # an hour begins a whole number of minutes before, whatever the clock does in between
        return at - ((local.minute * 60 + local.second) * 1000 + local.microsecond // 1000)
    day = first(local.date())
    begins = datetime(day.year, day.month, day.day, tzinfo=zone or UTC)
    # Where clocks were put forward at midnight, the day begins an hour later: that hour does not exist.
    existing = begins.astimezone(UTC).astimezone(begins.tzinfo)
    return (existing - _EPOCH) // timedelta(milliseconds=1)


def _zone(name: str) -> ZoneInfo | None:
    if name == "UTC":
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise Unsupported(f"time_zone {name}") from error


def _iso(at: int) -> str:
    return (_EPOCH + timedelta(milliseconds=at)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_DAY: Mapping[str, Callable[[date], date]] = {
    "year": lambda day: day.replace(month=1, day=1),
    "quarter": lambda day: day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1),
    "month": lambda day: day.replace(day=1),
    "week": lambda day: day - timedelta(days=day.weekday()),
    "day": lambda day: day,
}
_RULES: Mapping[str, tuple[frozenset[str], Callable[[Column, Rows, Json], Json]]] = {
    "terms": (frozenset({"field", "size", "include", "order"}), _terms),
    "missing": (frozenset({"field"}), _missing),
    "range": (frozenset({"field", "ranges"}), _ranges),
    "date_range": (frozenset({"field", "ranges"}), _ranges),
    "date_histogram": (frozenset({"field", "calendar_interval", "time_zone", "min_doc_count"}), _histogram),
    "cardinality": (frozenset({"field", "precision_threshold"}), _cardinality),
}
