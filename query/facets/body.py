"""Facets to aggregations.

A facet ignores the selection in its own field and applies all others: selections become the `post_filter` of the hits,
and each facet is counted under a filter made of the other selections.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from mappings.fields import Field, FieldType
from mappings.folding import fold_keyword, fold_path, fold_sort
from query.facets.plan import PREFIX_LENGTH, FacetPlan, FacetRange
from query.facets.request import MAX_SIZE

FOREIGN = 1  # buckets of an open object that are none of its values: OpenSearch adds one for its other leaves
_SPELLINGS = 2  # spellings counted per returned value, so that each value can be shown as it is written
_PUNCTUATION = re.compile(r"[!-/:-@\[-^`{-~]")  # what may be a regex operator; `_` and letters never are
_ORDERS: dict[str, list[dict[str, str]]] = {
    "count": [{"_count": "desc"}, {"_key": "asc"}],
    "-count": [{"_count": "asc"}, {"_key": "asc"}],
    "value": [{"_key": "asc"}],
    "-value": [{"_key": "desc"}],
}

Dsl = dict[str, Any]


def facet_body(plan: FacetPlan, others: Sequence[Dsl], *, distinct: bool = False, spelled: bool = True) -> Dsl:
    """Return the aggregation that counts a facet over the records matching `others`, the selections in other fields.

    With `spelled` it also counts how its values are written (see `query.facets.spelling`).
    With `distinct` it also counts how many values there are, as far as the engines can: not of open objects, nor of
    those with a prefix.
    """
    aggs: Dsl = {"values": _values(plan)}
    if plan.request.missing:
        aggs["missing"] = _missing(plan.field)
    if spelled and plan.field.raw_path is not None:
        # Beside the values rather than below each one: a sub-aggregation per value would scan all values again.
        aggs["spellings"] = spellings_agg(plan)
    if distinct and _is_counted(plan):
        aggs["distinct"] = {"cardinality": {"field": plan.field.keyword_path}}
    condition: Dsl = {"bool": {"filter": list(others)}} if others else {"match_all": {}}
    return {"filter": condition, "aggs": aggs}


def spellings_agg(plan: FacetPlan) -> Dsl:
    """Return the aggregation that counts how the values of a facet are written."""
    return _terms(plan.field.raw_path, min(MAX_SIZE, _SPELLINGS * plan.size), _written(plan))


def spellings(field: Field, text: str) -> tuple[str, ...]:
    """Return what a value as it is written is a spelling of: itself, or a path and all above it."""
    return tuple(_levels(text)) if field.hierarchical else (text,)


def _levels(path: str) -> Iterator[str]:
    """Yield a path and all of its ancestors."""
    parts = [part for part in path.split("/") if part]
    for count in range(len(parts), 0, -1):
        yield "/".join(parts[:count])


def _values(plan: FacetPlan) -> Dsl:
    field = plan.field
    if plan.ranges:
        kind = "date_range" if field.type is FieldType.DATE else "range"
        return {kind: {"field": field.path, "ranges": [_range(at, one) for at, one in enumerate(plan.ranges)]}}
    if plan.interval:
        body: Dsl = {"field": field.path, "calendar_interval": plan.interval, "min_doc_count": 1}
        if plan.zone != "UTC":
            body["time_zone"] = plan.zone
        return {"date_histogram": body}
    if field.type is FieldType.FLAT:
        terms = _terms(field.path, plan.size + FOREIGN, "")
    elif field.type is FieldType.CUSTOM:
        terms = _terms(f"{field.path}.keyword", plan.size, _folded(plan))
    else:
        terms = _terms(field.keyword_path, plan.size, _folded(plan))
    if plan.order != "count":  # the engine's default
        terms["terms"]["order"] = _ORDERS[plan.order]
    if field.type is not FieldType.CUSTOM:
        return terms
    key = {"filter": _key(field), "aggs": {"values": terms}}
    return {"nested": {"path": field.path}, "aggs": {"key": key}}


def _is_counted(plan: FacetPlan) -> bool:
    """Return whether the number of values can be counted: those of a whole field."""
    request = plan.request
    part = plan.ranges or plan.interval or request.prefix or request.hierarchy
    return not part and plan.field.type not in {FieldType.FLAT, FieldType.CUSTOM}


def _key(field: Field) -> Dsl:
    return {"term": {f"{field.path}.key": field.key}}


def _missing(field: Field) -> Dsl:
    if field.type is not FieldType.CUSTOM:
        return {"missing": {"field": field.keyword_path}}
    return {"filter": {"bool": {"must_not": {"nested": {"path": field.path, "query": _key(field)}}}}}


def _range(at: int, one: FacetRange) -> Dsl:
    body: Dsl = {"key": f"r{at}"}
    if one.low is not None:
        body["from"] = one.low
    if one.high is not None:
        body["to"] = one.high
    return body


def _terms(path: str | None, size: int, include: str) -> Dsl:
    body: Dsl = {"field": path, "size": size}
    if include:
        body["include"] = include
    return {"terms": body}


def _folded(plan: FacetPlan) -> str:
    """Return the pattern of the folded values that are counted; empty for all."""
    prefix = plan.request.prefix
    if plan.request.hierarchy:
        above = literal(fold_path(prefix)[:PREFIX_LENGTH])
        return f"{above}/[^/]+" if above else "[^/]+"
    return f"{literal(fold(plan.field, prefix)[:PREFIX_LENGTH])}.*" if prefix else ""


def _written(plan: FacetPlan) -> str:
    """Return the pattern of the values as written that begin with the prefix in any case; empty for all."""
    prefix = plan.request.prefix
    if plan.request.hierarchy:
        above = any_case(fold_path(prefix)[:PREFIX_LENGTH])
        return f"/?{above}/.*" if above else ""
    return f"{any_case(fold(plan.field, prefix)[:PREFIX_LENGTH])}.*" if prefix else ""


def fold(field: Field, text: str) -> str:
    """Fold a text as the values of a field are."""
    return fold_sort(text) if field.type is FieldType.TEXT else fold_keyword(text)


def literal(text: str) -> str:
    """Return the regular expression that matches a text literally, valid in Lucene and elsewhere."""
    return _PUNCTUATION.sub(r"\\\g<0>", text)


def any_case(text: str) -> str:
    """Return the regular expression that matches a text regardless of case."""
    return "".join(_cases(sign) for sign in text)


def _cases(sign: str) -> str:
    forms = sorted({form for form in (sign, sign.lower(), sign.upper()) if len(form) == 1})
    return f"[{''.join(forms)}]" if len(forms) > 1 else literal(sign)
