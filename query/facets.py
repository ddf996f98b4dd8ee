"""Facets: what is counted, and the counts read back.

A facet ignores the selection made in its own field and honours all others: the selections are the `post_filter` of the
hits, and each facet counts under a filter of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from mappings.fields import REGISTRY, FacetKind, Field, FieldType
from mappings.folding import fold_keyword, fold_sort
from query.errors import QueryError, QueryProblem

DEFAULT_SIZE = 50  # values of a facet that are returned
MAX_SIZE = 1000
MAX_FACETS = 32
_SPELLINGS = 2  # spellings counted for each value returned, so that each value finds the one it is written in

Dsl = dict[str, Any]
Bucket = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FacetPlan:
    """One facet of a search: `name` as asked for, its field, and the aggregation `id` that holds its counts."""

    name: str
    field: Field
    id: str


def plan_facets(names: Sequence[str], roles: Set[str]) -> tuple[FacetPlan, ...]:
    """Return the facets for names or aliases; raise QueryError(field="facets") for those that can not be counted."""
    wanted = list(dict.fromkeys(name.strip() for name in names if name.strip()))
    if len(wanted) > MAX_FACETS:
        raise QueryError(
            QueryProblem("limit", f"At most {MAX_FACETS} facets are allowed, not {len(wanted)}."), field="facets"
        )
    return tuple(FacetPlan(name, _countable(name, roles), f"facet{at}") for at, name in enumerate(wanted))


def _countable(name: str, roles: Set[str]) -> Field:
    field = REGISTRY.resolve(name, roles)
    if field is not None and field.facet is not FacetKind.NONE:
        return field
    near = REGISTRY.near(name, roles, among=[n for f in REGISTRY.facets(roles) for n in (f.name, *f.aliases)])
    message = f"{field.name} can not be counted in a facet." if field else f"There is no field {name[:60]} to count."
    if near:
        message += f" Did you mean {' or '.join(near)}?"
    problem = QueryProblem("unsupported" if field else "unknown_field", message, suggestion=near[0] if near else None)
    raise QueryError(problem, field="facets", key=name)


def facet_body(plan: FacetPlan, others: Sequence[Dsl], *, size: int, zone: str) -> Dsl:
    """Return the aggregation of a facet that counts the records which meet `others`, the selections in other fields."""
    date = plan.field.facet is FacetKind.DATE
    aggs: Dsl = {"values": _histogram(plan.field, zone) if date else _terms(plan.field.keyword_path, size)}
    if plan.field.raw_path is not None:
        # Beside the values and not below each: a count a spelling and value would cost a pass over all values again.
        aggs["spellings"] = _terms(plan.field.raw_path, min(MAX_SIZE, _SPELLINGS * size))
    condition: Dsl = {"bool": {"filter": list(others)}} if others else {"match_all": {}}
    return {"filter": condition, "aggs": aggs}


def _histogram(field: Field, zone: str) -> Dsl:
    body: Dsl = {"field": field.path, "calendar_interval": "month", "format": "yyyy-MM", "min_doc_count": 1}
    if zone != "UTC":
        body["time_zone"] = zone
    return {"date_histogram": body}


def _terms(path: str | None, size: int) -> Dsl:
    return {"terms": {"field": path, "size": size}}


def read_facet(plan: FacetPlan, aggregations: Mapping[str, Any]) -> dict[str, int]:
    """Return {value: count} of one facet: the most frequent first, months in their order."""
    answer = aggregations.get(plan.id, {})
    show = _SHOW.get(plan.field.type) or _as_written(plan.field, answer.get("spellings", {}).get("buckets", ()))
    counts: dict[str, int] = {}
    for bucket in answer.get("values", {}).get("buckets", ()):
        if bucket["doc_count"]:
            counts.setdefault(show(bucket), bucket["doc_count"])
    return counts


def _as_written(field: Field, spellings: Sequence[Bucket]) -> Callable[[Bucket], str]:
    """Return what shows a folded value in its most frequent spelling (as it is, where none was counted)."""
    fold = fold_sort if field.type is FieldType.TEXT else fold_keyword
    written: dict[str, str] = {}
    for spelling in spellings:
        text = str(spelling["key"])
        written.setdefault(fold(text), text)
    return lambda bucket: written.get(str(bucket["key"]), str(bucket["key"]))


def _formatted(bucket: Bucket) -> str:
    return str(bucket.get("key_as_string", bucket["key"]))


def _number(bucket: Bucket) -> str:
    value = bucket["key"]
    return str(int(value)) if float(value).is_integer() else f"{value:.15g}"


_SHOW: dict[FieldType, Callable[[Bucket], str]] = {
    FieldType.DATE: _formatted,
    FieldType.BOOLEAN: _formatted,
    FieldType.INTEGER: _number,
    FieldType.FLOAT: _number,
}
