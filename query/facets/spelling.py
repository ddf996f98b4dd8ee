"""How the folded values of facets are written: counted beside them, or looked up in some records that have them.

Counting is exact, and costs as much as the values themselves. Looking up costs next to nothing for a value whose
spelling is known from before; what it shows is how most of :data:`SAMPLE` records write the value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mappings.fields import Field
from query.facets.body import fold, spellings, spellings_agg
from query.facets.plan import FacetPlan

SAMPLE = 10
"""Records that are asked how they write a value."""

Dsl = dict[str, Any]


def shown_values(plan: FacetPlan, aggregations: Mapping[str, Any]) -> list[str]:
    """Return the folded values of a facet that are shown as they are written; none if it has no spellings."""
    if plan.field.raw_path is None:
        return []
    buckets = aggregations.get(plan.id, {}).get("values", {}).get("buckets", ())
    return [str(bucket["key"]) for bucket in buckets[: plan.size] if bucket["doc_count"]]


def sample_body(org_id: str, field: Field, value: str) -> Dsl:
    """Return the body that finds records of an organization which have a value."""
    filters = [{"term": {"org_id": org_id}}, {"term": {field.keyword_path: value}}]
    return {
        "query": {"bool": {"filter": filters}},
        "size": SAMPLE,
        "terminate_after": SAMPLE,
        "track_total_hits": False,
        "_source": [field.raw_path],
    }


def sampled(field: Field, value: str, answer: Mapping[str, Any]) -> str | None:
    """Return how most of the records found write a value; None if none does, which was written meanwhile."""
    assert field.raw_path is not None
    path = field.raw_path.split(".")
    counts: Counter[str] = Counter()
    for hit in answer["hits"]["hits"]:
        written = {text for raw in _values(hit["_source"], path) for text in spellings(field, raw)}
        counts.update(text for text in written if fold(field, text) == value)
    return min(counts, key=lambda text: (-counts[text], text)) if counts else None


def counting_body(query: Dsl, plans: Iterable[FacetPlan], rest: Mapping[str, Any]) -> Dsl:
    """Return the body that counts the spellings of facets among what a query finds; ``rest`` are further members."""
    aggs = {plan.id: spellings_agg(plan) for plan in plans}
    return {"query": query, "size": 0, "track_total_hits": False, **rest, "aggs": aggs}


def counted(plan: FacetPlan, answer: Mapping[str, Any]) -> dict[str, str]:
    """Return {folded value: most frequent spelling} of a facet."""
    found: dict[str, str] = {}
    for bucket in answer["aggregations"][plan.id]["buckets"]:
        for text in spellings(plan.field, str(bucket["key"])):
            found.setdefault(fold(plan.field, text), text)
    return found


def with_spellings(
    aggregations: Mapping[str, Any], plans: Sequence[FacetPlan], known: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """Return aggregations as if the spellings had been counted in them; ``known`` are these by facet and value."""
    whole = dict(aggregations)
    for plan in plans:
        if plan.id in whole and plan.id in known:
            buckets = [{"key": text} for text in known[plan.id].values()]
            whole[plan.id] = {**whole[plan.id], "spellings": {"buckets": buckets}}
    return whole


def _values(source: Mapping[str, Any], path: Sequence[str]) -> Iterator[str]:
    node: Any = source
    for name in path:
        node = node.get(name) if isinstance(node, Mapping) else None
    for value in node if isinstance(node, list) else [node]:
        if value is not None:
            yield str(value)
