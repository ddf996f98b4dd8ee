"""Hits and counts asked apart, on a real engine: the same answers as in one body, and counts that the engine keeps."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mappings.index import index_body
from query.types import SearchRequest
from service.adapters.opensearch.engine import OpenSearchEngine
from service.core.access.keys import Principal
from service.core.search.search import Searches
from service.ports.clock import SystemClock
from service.ports.search import SearchEngine
from tests.contracts.engines import ENGINES
from tests.contracts.test_deep_cursors import KEY, WHO, item
from tests.support.workers import own

INDEX = own("caches")
COUNT = 400

pytestmark = pytest.mark.skipif(
    "opensearch" not in ENGINES, reason="needs OpenSearch (./scripts/engines up opensearch)"
)


@asynccontextmanager
async def filled() -> AsyncIterator[SearchEngine]:
    async with ENGINES["opensearch"]() as engine:
        await engine.delete_index(INDEX)
        await engine.create_index(INDEX, index_body())
        await engine.bulk(INDEX, [item(number) for number in range(COUNT)], refresh=True)
        yield engine
        await engine.delete_index(INDEX)


def searches(engine: SearchEngine, *, totals_apart: bool) -> Searches:
    return Searches(engine, INDEX, SystemClock(), KEY, totals_apart=totals_apart)


async def test_answers_are_the_same_as_in_one_body() -> None:
    async with filled() as engine:
        apart, whole = (searches(engine, totals_apart=apart) for apart in (True, False))
        for request in (
            SearchRequest(),
            SearchRequest(text="deep"),
            SearchRequest(text="water", limit=7, offset=30),
            SearchRequest(text="water", sort="number", filters={"number": {"gte": 100}}),
            SearchRequest(text="deep wat*", sort="-number"),
            SearchRequest(text="nothing"),
            SearchRequest(text="deep", facets=("type", "created_at")),
        ):
            expected, found = await whole.run(WHO, request), await apart.run(WHO, request)
            assert found == expected, request
        for who in (WHO, Principal("other", "user_1", frozenset())):
            seen: list[Any] = []
            for one in (whole, apart):
                first = await one.run(who, SearchRequest(limit=100), cursor="*")
                numbers = [hit.document["number"] for hit in first.hits]
                cursor = first.next_cursor
                while cursor is not None:
                    page = await one.run(who, SearchRequest(limit=100), cursor=cursor)
                    assert page.total == first.total
                    numbers += [hit.document["number"] for hit in page.hits]
                    cursor = page.next_cursor
                seen.append((first.total, numbers))
            assert seen[0] == seen[1]
            assert seen[0][0] == len(seen[0][1]) == (COUNT if who is WHO else 0)


async def test_counts_are_kept_for_every_further_page_and_order() -> None:
    async with filled() as engine:
        apart = searches(engine, totals_apart=True)
        await apart.run(WHO, SearchRequest(text="deep", facets=("type",)))
        for further in ({"offset": 20}, {"sort": "number"}, {"limit": 50}):
            before = await _kept(engine)
            await apart.run(WHO, SearchRequest(text="deep", facets=("type",), **further))
            assert await _kept(engine) == before + 1, further


async def test_a_total_is_kept_within_a_walk() -> None:
    async with filled() as engine:
        apart = searches(engine, totals_apart=True)
        first = await apart.run(WHO, SearchRequest(limit=50), cursor="*")
        before = await _kept(engine)
        await apart.run(WHO, SearchRequest(limit=50), cursor=first.next_cursor)
        assert await _kept(engine) == before + 1


async def _kept(engine: SearchEngine) -> int:
    """Return how many answers came out of the engine's request cache."""
    assert isinstance(engine, OpenSearchEngine)
    stats = await engine._described("stats", INDEX)
    return int(stats["indices"][INDEX]["total"]["request_cache"]["hit_count"])
