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

_EVERYTHING: Body = {"match_all": {}}
_JOINT = "."
"""Between the name of a facet and that of its part; neither has it."""


def parted(body: Body, *, totals: bool = False) -> tuple[Body, Body | None]:
    """Return the body of the hits and the body of the counts; None if the first one is to be sent whole.

    With ``totals`` a total alone is asked apart, too: hits by date then end after the first page. An engine that does
    not end early would only do all of it twice.
    """
    if not body["size"] or ("aggs" not in body and not (totals and body["track_total_hits"])):
        return body, None
    counted = {name: body[name] for name in _COUNTED if name in body} | {"size": 0}
    if "function_score" in counted["query"]:  # only changes the order, and with the time: it would never be kept
        counted["query"] = counted["query"]["function_score"]["query"]
    if "aggs" in body:
        counted["aggs"] = _raised(body["aggs"])
    return {name: value for name, value in body.items() if name != "aggs"} | {"track_total_hits": False}, counted


def joined(hits: Mapping[str, Any], counts: Mapping[str, Any]) -> Body:
    """Return the answers to both bodies as one."""
    whole = {**hits, "hits": {**hits["hits"], "total": counts["hits"]["total"]}}
    return {**whole, "aggregations": _lowered(counts["aggregations"])} if "aggregations" in counts else whole


def _raised(aggs: Mapping[str, Any]) -> Body:
    """Return aggregations without the filters that let everything pass: they would look at every match again."""
    raised: Body = {}
    for name, body in aggs.items():
        if body.get("filter") == _EVERYTHING and "aggs" in body:
            raised |= {f"{name}{_JOINT}{part}": inner for part, inner in body["aggs"].items()}
        else:
            raised[name] = body
    return raised


def _lowered(answers: Mapping[str, Any]) -> Body:
    """Return the answers to raised aggregations as those to the ones that were given."""
    lowered: Body = {}
    for name, answer in answers.items():
        facet, joint, part = name.partition(_JOINT)
        if joint:
            lowered.setdefault(facet, {})[part] = answer
        else:
            lowered[name] = answer
    return lowered
