"""Facets resolved by the registry: the field, the bounds of ranges, and how its values are counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from mappings.fields import NUMERIC, REGISTRY, FacetKind, Field, FieldType
from query.clauses import Range
from query.dsl.emit import instant
from query.errors import BadValue
from query.facets.request import (
    DEFAULT_SIZE,
    INTERVALS,
    MAX_FACETS,
    MAX_RANGES,
    MAX_SIZE,
    MAX_VALUES,
    ORDERS,
    FacetRequest,
    facet_error,
)
from query.language import field_values
from query.language.dates import Clock, zone_of
from query.language.flags import PSEUDO

_NOWHERE = (0, 0)
_BOUNDS = ("from", "to")
PREFIX_LENGTH = 200  # a character may take four in a pattern, which is limited to 1,000


@dataclass(frozen=True, slots=True)
class FacetRange:
    """One range: its key in the response, its bounds, the lower one inclusive (None: open), and its condition."""

    key: str
    low: int | float | str | None
    high: int | float | str | None
    clause: Range | None = None


@dataclass(frozen=True, slots=True)
class FacetPlan:
    """One facet of a search: its `name` in the response, its field, the aggregation `id`, and how it is counted.

    `interval` is set for dates counted by the calendar of `zone`, `ranges` for values counted by range; otherwise each
    value is counted.
    """

    name: str
    field: Field
    id: str
    request: FacetRequest
    order: str
    size: int = DEFAULT_SIZE
    zone: str = "UTC"
    interval: str | None = None
    ranges: tuple[FacetRange, ...] = ()


def plan_facets(
    wanted: Sequence[str | FacetRequest], roles: Set[str], clock: Clock, *, size: int | None, zone: str
) -> tuple[FacetPlan, ...]:
    """Return the plans for names, aliases and requests; `size` and `zone` are the defaults.

    Raises QueryError(field="facets") for facets that cannot be counted as requested.
    """
    requests = [FacetRequest(item.strip(), size) if isinstance(item, str) else item for item in wanted]
    by_label: dict[str, FacetRequest] = {}
    for request in requests:
        if request.field and by_label.setdefault(request.label, request) != request:
            raise facet_error(
                "unsupported", f"Two facets are called {request.label[:60]}. Set name on one of them.", request.label
            )
    if len(by_label) > MAX_FACETS:
        raise facet_error("limit", f"At most {MAX_FACETS} facets are allowed, not {len(by_label)}.")
    plans = tuple(_plan(request, f"facet{at}", roles, clock, zone) for at, request in enumerate(by_label.values()))
    values = sum(plan.size for plan in plans if not plan.interval and not plan.ranges)
    if values > MAX_VALUES:
        message = f"The facets ask for {values} values together; at most {MAX_VALUES} are allowed."
        raise facet_error("limit", f"{message} Ask for fewer values, or for fewer facets at once.")
    return plans


def _plan(request: FacetRequest, id_: str, roles: Set[str], clock: Clock, zone: str) -> FacetPlan:
    field = _countable(request.field, roles)
    try:
        _check(request, field)
        clock = replace(clock, zone=zone_of(request.zone)) if request.zone else clock
        ranges = _ranges(request.ranges, field, clock)
        interval = request.interval
        if field.type is FieldType.DATE and not ranges:
            interval = interval or "month"
        order = request.order or ("value" if interval else "count")
        size = request.size or (MAX_SIZE if interval else DEFAULT_SIZE)
        return FacetPlan(request.label, field, id_, request, order, size, request.zone or zone, interval, ranges)
    except BadValue as error:
        raise facet_error(error.reason, error.message, request.label, error.suggestion) from error


def _countable(name: str, roles: Set[str]) -> Field:
    field = REGISTRY.resolve(name, roles)
    if field is not None and field.facet is not FacetKind.NONE:
        return field
    if name.lower() in PSEUDO:
        raise facet_error("unsupported", f"{name} is a condition, not a field: its values cannot be counted.", name)
    near = REGISTRY.near(name, roles, among=[n for f in REGISTRY.facets(roles) for n in (f.name, *f.aliases)])
    if field is not None and field.type in {FieldType.FLAT, FieldType.CUSTOM}:
        message = f"{field.name} holds many values: name one of its keys, as in {field.example.partition(':')[0]}."
        raise facet_error("unsupported", message, name)
    message = f"{field.name} cannot be counted in a facet." if field else f"Unknown facet field {name[:60]}."
    if near:
        message += f" Did you mean {' or '.join(near)}?"
    raise facet_error("unsupported" if field else "unknown_field", message, name, near[0] if near else None)


def _check(request: FacetRequest, field: Field) -> None:
    """Raise BadValue for options that the field or another option does not allow."""
    whole = field.type in {FieldType.KEYWORD, FieldType.TEXT, FieldType.CUSTOM}
    if request.size is not None and not 1 <= request.size <= MAX_SIZE:
        raise BadValue("limit", f"A facet returns 1 to {MAX_SIZE} values, not {request.size}.")
    if request.order is not None and request.order not in ORDERS:
        raise BadValue("unsupported", f"order must be one of {', '.join(ORDERS)}; not {request.order[:40]}.")
    if request.interval is not None and request.interval not in INTERVALS:
        raise BadValue("unsupported", f"interval must be one of {', '.join(INTERVALS)}; not {request.interval[:40]}.")
    if len(request.prefix) > PREFIX_LENGTH:
        raise BadValue("limit", f"A prefix can have at most {PREFIX_LENGTH} characters, not {len(request.prefix)}.")
    if request.interval and (field.type is not FieldType.DATE or request.ranges):
        raise BadValue("unsupported", "Only dates can be counted by interval, and not together with ranges.")
    if request.ranges and field.type not in NUMERIC | {FieldType.DATE}:
        raise BadValue("unsupported", f"{field.name} does not support ranges; only numbers and dates do.")
    if request.ranges and request.size is not None:
        raise BadValue("unsupported", "A facet by ranges returns each of its ranges: leave size out.")
    if request.prefix and not whole:
        raise BadValue("unsupported", f"{field.name} does not support prefixes; only texts and keywords do.")
    if request.hierarchy and not field.hierarchical:
        names = " and ".join(f.name for f in REGISTRY.fields if f.hierarchical)
        raise BadValue("unsupported", f"{field.name} is not a hierarchy; {names} are.")


def _ranges(given: Sequence[Mapping[str, Any]], field: Field, clock: Clock) -> tuple[FacetRange, ...]:
    if len(given) > MAX_RANGES:
        raise BadValue("limit", f"A facet can have at most {MAX_RANGES} ranges, not {len(given)}.")
    found = tuple(_range(item, field, clock) for item in given)
    keys = {item.key for item in found}
    if len(keys) < len(found):
        raise BadValue("wrong_range", "Two ranges of a facet have the same key.")
    return found


def _range(item: Mapping[str, Any], field: Field, clock: Clock) -> FacetRange:
    extra = set(item) - {"key", *_BOUNDS}
    if extra:
        raise BadValue("unsupported", f"Unknown key {str(min(extra, key=str))[:40]} in a range. Use key, from and to.")
    low, high = (_shown(item.get(name), name) for name in _BOUNDS)
    key = item.get("key", f"{low or '*'}-{high or '*'}")
    if not isinstance(key, str) or not key:
        raise BadValue("wrong_type", "The key of a range must be a string.")
    if low is None and high is None:
        raise BadValue("wrong_type", f"The range {key[:40]} needs from, to or both.")
    clause = field_values.interval(field, low, high, (True, False), _NOWHERE, clock)
    assert isinstance(clause, Range)
    return FacetRange(key, _bound(clause.low), _bound(clause.high), clause)


def _shown(bound: Any, name: str) -> str | None:
    """Return a bound as text; None for an open bound."""
    if bound is None or bound in ("", "*"):
        return None
    if isinstance(bound, bool) or not isinstance(bound, str | int | float):
        raise BadValue("wrong_type", f"{name} of a range must be a number or a string.")
    return str(bound)


def _bound(value: object) -> int | float | str | None:
    if isinstance(value, datetime):
        return instant(value)
    return value if isinstance(value, int | float) else None
