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
        return {"hits": hits, **({"aggregations": COUNTS} if "aggs" in body else {})}


def searches(engine: Engine) -> Searches:
    return Searches(engine, "assets", SystemClock(), b"k" * 32)  # type: ignore[arg-type]


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


@pytest.mark.parametrize("failing", ["aggs", "sort"])
async def test_when_one_fails_the_search_fails(failing: str) -> None:
    """The facets' failure shows when the hits are there, or at once; the other's work is not waited for."""
    engine = Engine(failing)
    with pytest.raises(Unavailable):
        await asyncio.wait_for(searches(engine).run(WHO, SearchRequest(text="lake", facets=["type"])), 60)
    assert engine.cancelled == len(engine.bodies) - 1
