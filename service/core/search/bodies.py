"""How a search is sent: its hits, and what is counted over all of its matches, in bodies of their own.

In one body they hinder each other: the engine scores every match for the hits while it counts it for the facets, and
keeps no answer. Apart, hits that need no total end early, and counts are kept by the engine for every further page and
order. A write in between may be in one and not in the other, as on the next page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Body = dict[str, Any]

_COUNTED = ("query", "post_filter", "pit", "timeout", "aggs", "track_total_hits")
"""The members of a body that facets and totals depend on."""


def parted(body: Body) -> tuple[Body, Body | None]:
    """Return the body of the hits and the body of the counts; None if the first one is to be sent whole."""
    if "aggs" not in body or not body["size"]:
        return body, None
    counted = {name: body[name] for name in _COUNTED if name in body} | {"size": 0}
    if "function_score" in counted["query"]:  # only changes the order, and with the time: it would never be kept
        counted["query"] = counted["query"]["function_score"]["query"]
    return {name: value for name, value in body.items() if name != "aggs"} | {"track_total_hits": False}, counted


def joined(hits: Mapping[str, Any], counts: Mapping[str, Any]) -> Body:
    """Return the answers to both bodies as one."""
    whole = {**hits, "hits": {**hits["hits"], "total": counts["hits"]["total"]}}
    return whole if "aggregations" not in counts else {**whole, "aggregations": counts["aggregations"]}
