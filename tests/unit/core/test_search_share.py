"""One organization's searches cannot keep another's from the engine."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from query.errors import QueryError
from query.facets.request import MAX_SIZE, FacetRequest
from query.types import SearchRequest
from service.core.access.keys import Principal
from service.core.search.search import EMBEDDED_SHARES, Searches
from service.core.shared.fair_share import FairShare
from service.ports.clock import SystemClock
from tests.support.waiting import until

ANSWER = {"hits": {"total": {"value": 1000, "relation": "eq"}, "hits": []}}


class Engine:
    """An engine that answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, asyncio.Event]] = []

    async def search(self, _index: str, body: dict[str, Any], *, timeout: float = 10.0) -> dict[str, Any]:
        event = asyncio.Event()
        self.asked.append(("acme" if "'acme'" in str(body) else "other", event))
        await event.wait()
        return ANSWER


async def test_one_organizations_dear_searches_leave_the_engine_to_others() -> None:
    engine = Engine()
    searches = Searches(engine, "assets", SystemClock(), b"k", FairShare(EMBEDDED_SHARES))  # type: ignore[arg-type]
    request = SearchRequest(text="x", suggest=False)

    def ask(org: str) -> asyncio.Task[Any]:
        return asyncio.create_task(searches.run(Principal(org, "kim", frozenset()), request))

    tasks = [ask("acme") for _ in range(50)]
    await until(lambda: len(engine.asked) == EMBEDDED_SHARES.places, "every place taken")
    tasks.append(ask("other"))
    await asyncio.sleep(0)
    engine.asked[0][1].set()
    await until(lambda: len(engine.asked) > EMBEDDED_SHARES.places, "the next search")
    assert engine.asked[-1][0] == "other", "it waits for one search, not for fifty"
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_the_values_of_all_facets_are_bounded_before_the_engine_is_asked() -> None:
    engine = Engine()
    searches = Searches(engine, "assets", SystemClock(), b"k")  # type: ignore[arg-type]
    facets = [FacetRequest("tags", MAX_SIZE, name=f"f{number}") for number in range(32)]
    with pytest.raises(QueryError, match="32000 values"):
        await searches.run(Principal("acme", "kim", frozenset()), SearchRequest(text="x", facets=facets))
    assert not engine.asked
