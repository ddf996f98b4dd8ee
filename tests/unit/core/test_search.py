"""What a search sends to the engine: its hits and its facets apart, so that each costs what it has to."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from query.types import SearchRequest
from service.core.access.keys import Principal
from service.core.search.search import Searches
from service.errors import Unavailable
from service.ports.clock import SystemClock
from service.ports.search import Json

WHO = Principal("acme", "user_1", frozenset())
HIT: Json = {"_source": {"id": "asset_1"}, "sort": [1]}
COUNTS: Json = {"facet0": {"values": {"buckets": [{"key": "image", "doc_count": 7}]}}}


class Engine:
    """Answers every body with one hit of 7, and keeps the bodies."""

    def __init__(self, failing: str = "") -> None:
        self.bodies: list[Json] = []
        self.cancelled = 0
        self._failing = failing

    async def search(self, index: str | None, body: Json, *, timeout: float = 10.0) -> Json:
        """Fail for bodies that have the member ``failing``; any other waits for that for ever."""
        self.bodies.append(body)
        if self._failing:
            if self._failing in body:
                raise Unavailable("search", "gone")
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        hits: Json = {"hits": [HIT][: body["size"]]}
        if body["track_total_hits"]:
            hits["total"] = {"value": 7, "relation": "eq"}
        if "aggs" not in body:
            return {"hits": hits}
        raised = {"facet0.values": COUNTS["facet0"]["values"]}
        return {"hits": hits, "aggregations": COUNTS if "facet0" in body["aggs"] else raised}


def searches(engine: Engine, *, totals_apart: bool = False) -> Searches:
    return Searches(engine, "assets", SystemClock(), b"k" * 32, totals_apart=totals_apart)  # type: ignore[arg-type]


@pytest.mark.parametrize("boosts", [(), ("recency",)])
async def test_hits_and_facets_are_asked_apart(boosts: tuple[str, ...]) -> None:
    engine = Engine()
    request = SearchRequest(text="lake", facets=["type"], filters={"type": "image"}, score_boosts=boosts)
    found = await searches(engine).run(WHO, request)
    assert (found.total, found.facets, len(found.hits)) == (7, {"type": {"image": 7}}, 1)
    facets, hits = sorted(engine.bodies, key=lambda body: "aggs" not in body)
    assert set(facets) == {"query", "post_filter", "timeout", "aggs", "track_total_hits", "size"}
    assert (facets["size"], facets["track_total_hits"]) == (0, True)
    assert "function_score" not in facets["query"]
    assert ("function_score" in hits["query"]) == bool(boosts)
    assert "aggs" not in hits
    assert (hits["size"], hits["track_total_hits"]) == (20, False)
    assert hits["post_filter"] == facets["post_filter"]


@pytest.mark.parametrize("more", [{"facets": ["type"], "limit": 0}, {"facets": []}], ids=str)
async def test_one_of_them_is_one_body(more: dict[str, Any]) -> None:
    engine = Engine()
    found = await searches(engine).run(WHO, SearchRequest(text="lake", **more))
    assert found.total == 7
    assert len(engine.bodies) == 1


async def test_facets_are_not_counted_under_a_filter_that_lets_everything_pass() -> None:
    """Each match would be looked at twice; what the filter is for, a selection in another field, keeps it."""
    engine = Engine()
    found = await searches(engine).run(WHO, SearchRequest(facets=["type"]))
    assert found.facets == {"type": {"image": 7}}
    (counted,) = [body["aggs"] for body in engine.bodies if "aggs" in body]
    assert counted == {"facet0.values": {"terms": {"field": "fold.type", "size": 50}}}
    await searches(engine).run(WHO, SearchRequest(facets=["type", "tags"], filters={"tags": "lake"}))
    names = [name for body in engine.bodies[2:] for name in body.get("aggs", ())]
    assert names == ["facet0", "facet1.values", "facet1.spellings"]


@pytest.mark.parametrize("text", ["", "lake", "width:>5"])
async def test_a_total_is_asked_apart_where_the_engine_ends_early(text: str) -> None:
    engine = Engine()
    found = await searches(engine, totals_apart=True).run(WHO, SearchRequest(text=text))
    assert (found.total, len(found.hits), found.facets) == (7, 1, {})
    total, hits = sorted(engine.bodies, key=lambda body: body["size"])
    assert set(total) == {"query", "timeout", "track_total_hits", "size"}
    assert (total["size"], total["track_total_hits"], hits["track_total_hits"]) == (0, True, False)
    assert total["query"] == hits["query"]


@pytest.mark.parametrize(
    "request_",
    [SearchRequest(text="filename:*_12*"), SearchRequest(text="lake sunsat~"), SearchRequest(text="lake", limit=0)],
    ids=["pattern", "fuzzy", "no hits"],
)
async def test_a_total_is_not_asked_apart_where_that_is_the_same_work_twice(request_: SearchRequest) -> None:
    engine = Engine()
    assert (await searches(engine, totals_apart=True).run(WHO, request_)).total == 7
    assert len(engine.bodies) == 1


async def test_counts_are_the_same_text_every_time_so_that_the_engine_keeps_them() -> None:
    """Whatever the page, the order and the moment: no `now`, no random value, no cursor of a moment."""
    engine = Engine()
    for request in (
        SearchRequest(facets=["type"]),
        SearchRequest(facets=["type"], offset=20),
        SearchRequest(facets=["type"], sort="title", limit=5),
    ):
        await searches(engine).run(WHO, request)
    counts = [body for body in engine.bodies if "aggs" in body]
    assert len(counts) == 3
    assert counts[0] == counts[1] == counts[2]


@pytest.mark.parametrize("failing", ["aggs", "sort"])
async def test_when_one_fails_the_search_fails(failing: str) -> None:
    """The facets' failure shows when the hits are there, or at once; the other's work is not waited for."""
    engine = Engine(failing)
    with pytest.raises(Unavailable):
        await asyncio.wait_for(searches(engine).run(WHO, SearchRequest(text="lake", facets=["type"])), 60)
    assert engine.cancelled == len(engine.bodies) - 1
