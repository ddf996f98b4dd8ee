"""Facets as they are asked for: names, or objects that say how to count."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from query.errors import QueryError, QueryProblem

DEFAULT_SIZE = 50  # values of a facet that are returned
MAX_SIZE = 1000
MAX_FACETS = 32
MAX_RANGES = 64
MISSING = "(missing)"
ORDERS = ("count", "-count", "value", "-value")
INTERVALS = ("year", "quarter", "month", "week", "day", "hour")


@dataclass(frozen=True, slots=True)
class FacetRequest:
    """One facet: a field, and how its values are counted.

    `size` is the most values returned. `order` is `count` (the most frequent first), `-count`, `value` (from a to z,
    from low to high) or `-value`; without one, dates come in their order and everything else by count. `prefix` keeps
    the values that begin so, in any case. `missing` adds how many records have no value, as `(missing)`. `ranges` are
    objects {key?, from?, to?}, the lower bound included and the upper one not, for numbers and dates. `interval` is one
    of `INTERVALS`, for dates, counted on the calendar of `zone` (that of the request if empty). `hierarchy` counts the
    values of a field of paths that lie directly below the path `prefix`. `name` is the key in the answer: the field as
    asked for, if empty.
    """

    field: str
    size: int = DEFAULT_SIZE
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
        """The key of the facet in the answer."""
        return self.name or self.field


def parse_facets(text: str) -> list[FacetRequest]:
    """Return the facets of a text: names between commas, or a JSON list of names and of objects.

    An object has the members of `FacetRequest`. Raises QueryError(field="facets").
    """
    text = text.strip()
    if text[:1] not in {"[", "{"}:
        return [FacetRequest(name) for name in map(str.strip, text.split(",")) if name]
    try:
        items = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise facet_error("syntax", "facets is neither a list of names nor JSON.") from error
    return [read_request(item) for item in (items if isinstance(items, list) else [items])]


def read_request(item: Any) -> FacetRequest:
    """Return the facet of one item of a JSON list. Raises QueryError(field="facets")."""
    if isinstance(item, str):
        return FacetRequest(item.strip())
    if not isinstance(item, Mapping) or not isinstance(item.get("field"), str):
        raise facet_error("wrong_type", 'A facet is the name of a field or an object: {"field": "tags", "size": 10}.')
    name = item["field"].strip()
    for key, value in item.items():
        check = _MEMBERS.get(str(key))
        if check is None:
            known = ", ".join(_MEMBERS)
            raise facet_error("unsupported", f"A facet has no {str(key)[:40]}; it takes {known}.", name)
        if not check(value):
            raise facet_error("wrong_type", f"{key} of the facet {name[:60]} is not {_WANTED[check]}.", name)
    return FacetRequest(**{**item, "field": name})


def facet_error(reason: str, message: str, key: str = "", suggestion: str | None = None) -> QueryError:
    """Return the error of a facet, `key` being its name."""
    return QueryError(QueryProblem(reason, message, suggestion=suggestion), field="facets", key=key)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _text_or_none(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, Mapping) for item in value)


_WANTED: dict[Callable[[Any], bool], str] = {
    _text: "a string",
    _text_or_none: "a string",
    _flag: "true or false",
    _count: "a whole number",
    _objects: "a list of objects with from and to",
}
_MEMBERS: dict[str, Callable[[Any], bool]] = {
    "field": _text,
    "size": _count,
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
