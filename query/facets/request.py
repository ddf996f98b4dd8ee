"""Facet requests: names, or objects that say how to count."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from query.errors import QueryError, QueryProblem
from query.language.field_values import MISSING as MISSING

DEFAULT_SIZE = 50  # values returned per facet
MAX_SIZE = 1000
MAX_FACETS = 32
MAX_VALUES = 5000  # values of all facets of a request: the engine's work and the answer's size grow with them
MAX_RANGES = 64
ORDERS = ("count", "-count", "value", "-value")
INTERVALS = ("year", "quarter", "month", "week", "day", "hour")


@dataclass(frozen=True, slots=True)
class FacetRequest:
    """One facet: a field, and how its values are counted.

    `size` is the maximum number of values returned: 50 by default, of dates counted by the calendar 1,000, the
    newest or, by count, the most frequent. `order` is `count` (most frequent first), `-count`, `value` (A to
    Z, low to high) or `-value`; by default dates are in chronological order and everything else is by count. `prefix`
    keeps the values that start with it, regardless of case. `missing` adds the number of records without a value, as
    `(missing)`. `ranges` are objects {key?, from?, to?} for numbers and dates, with an inclusive lower and an exclusive
    upper bound. `interval` is one of `INTERVALS`, for dates, by the calendar of `zone` (if empty, that of the request).
    `hierarchy` counts the paths directly below the path `prefix`. `name` is the key in the response; if empty, the
    field as requested.
    """

    field: str
    size: int | None = None
    order: str | None = None
    prefix: str = ""
    missing: bool = False
    ranges: Sequence[Mapping[str, Any]] = ()
    interval: str | None = None
    zone: str = ""
    hierarchy: bool = False
    name: str = ""

    @property
    def label(self) -> str:
        """The key of the facet in the response."""
        return self.name or self.field


def parse_facets(text: str) -> list[FacetRequest]:
    """Parse facets: comma-separated names, or a JSON list of names and objects.

    An object has the members of `FacetRequest`. Raises QueryError(field="facets").
    """
    text = text.strip()
    if text[:1] not in {"[", "{"}:
        return [FacetRequest(name) for name in map(str.strip, text.split(",")) if name]
    try:
        items = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise facet_error("syntax", "facets must be comma-separated field names or a JSON list.") from error
    return [read_request(item) for item in (items if isinstance(items, list) else [items])]


def read_request(item: Any) -> FacetRequest:
    """Return the facet request for one item of a JSON list. Raises QueryError(field="facets")."""
    if isinstance(item, str):
        return FacetRequest(item.strip())
    if not isinstance(item, Mapping) or not isinstance(item.get("field"), str):
        raise facet_error(
            "wrong_type", 'A facet must be a field name or an object such as {"field": "tags", "size": 10}.'
        )
    name = item["field"].strip()
    for key, value in item.items():
        check = _MEMBERS.get(str(key))
        if check is None:
            known = ", ".join(_MEMBERS)
            raise facet_error("unsupported", f"Unknown facet option {str(key)[:40]}. Use {known}.", name)
        if not check(value):
            raise facet_error("wrong_type", f"{key} of the facet {name[:60]} must be {_WANTED[check]}.", name)
    return FacetRequest(**{**item, "field": name})


def facet_error(reason: str, message: str, key: str = "", suggestion: str | None = None) -> QueryError:
    """Return the error of a facet; `key` is its name."""
    return QueryError(QueryProblem(reason, message, suggestion=suggestion), field="facets", key=key)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _text_or_none(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _count_or_none(value: Any) -> bool:
    return value is None or _count(value)


def _objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, Mapping) for item in value)


_WANTED: dict[Callable[[Any], bool], str] = {
    _text: "a string",
    _text_or_none: "a string",
    _flag: "true or false",
    _count_or_none: "a whole number",
    _objects: "a list of objects with from and to",
}
_MEMBERS: dict[str, Callable[[Any], bool]] = {
    "field": _text,
    "size": _count_or_none,
    "order": _text_or_none,
    "prefix": _text,
    "missing": _flag,
    "ranges": _objects,
    "interval": _text_or_none,
    "zone": _text,
    "hierarchy": _flag,
    "name": _text,
}
assert set(_MEMBERS) == {member.name for member in fields(FacetRequest)}
