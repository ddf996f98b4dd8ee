"""Cursors behind the 10,000th result, on the engines that serve: nothing is left out where the engine's window ends."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mappings.index import RESULT_WINDOW, index_body
from mappings.projection import fold_object
from query.compile import compile_search
from query.cursors import KEEP_ALIVE, encode
from query.types import Caller, Cursor, SearchRequest
from service.core.access.keys import Principal
from service.core.search.search import Searches
from service.ports.clock import SystemClock
from service.ports.search import BulkItem, SearchEngine
from tests.contracts.engines import ENGINES
from tests.support.workers import own

INDEX = own("deep")
COUNT = RESULT_WINDOW + 250
KEY = b"k" * 32
WHO = Principal("acme", "user_1", frozenset())


def item(number: int) -> BulkItem:
    key = f"asset_{number}"
    title = "deep" if number % 2 else "deep water"
    body = {"number": number, "title": title}
    document = {"asset_id": key, "org_id": "acme", "rev": 1, "deleted": False, **body, "fold": fold_object(body)}
    return BulkItem(key, 1, document)


@pytest.mark.parametrize("name", [name for name in ENGINES if name != "osmem"])
async def test_a_walk_passes_the_window(name: str) -> None:
    async with ENGINES[name]() as engine:
        await engine.delete_index(INDEX)
        await engine.create_index(INDEX, index_body())
        for start in range(0, COUNT, 2500):
            await engine.bulk(INDEX, [item(number) for number in range(start, min(COUNT, start + 2500))], refresh=True)
        for sort in ("", "-number"):
            await walk(engine, SearchRequest(text="deep", limit=100, sort=sort))
        await engine.delete_index(INDEX)


async def walk(engine: SearchEngine, request: SearchRequest) -> None:
    """Read the first page, then go from shortly before the end of the window to the end of the results."""
    expected = [*range(COUNT - 1, -1, -1)]
    if not request.sort:  # the shorter title scores higher
        expected = [number for number in expected if number % 2] + [number for number in expected if not number % 2]
    searches = Searches(engine, INDEX, SystemClock(), KEY)
    first = await searches.run(WHO, request, cursor="*")
    assert [hit.document["number"] for hit in first.hits] == expected[:100]
    assert first.total == COUNT
    seen = RESULT_WINDOW - 200
    cursor: str | None = await cursor_behind(engine, request, seen)
    numbers: list[int] = []
    while cursor is not None:
        found = await searches.run(WHO, request, cursor=cursor)
        numbers += [hit.document["number"] for hit in found.hits]
        cursor = found.next_cursor
    assert numbers == expected[seen:]


async def cursor_behind(engine: SearchEngine, request: SearchRequest, seen: int) -> str:
    """Return the cursor that a walk would have after so many results."""
    pit = await engine.open_pit(INDEX, KEEP_ALIVE)
    compiled = compile_search(replace(request, cursor=Cursor(pit)), Caller("acme", "user_1"), SystemClock().now())
    assert compiled.cursor is not None
    body = {**compiled.body, "from": seen - 1, "size": 1}
    (last,) = (await engine.search(None, body))["hits"]["hits"]
    return encode(replace(compiled.cursor, after=tuple(last["sort"]), seen=seen), KEY)
