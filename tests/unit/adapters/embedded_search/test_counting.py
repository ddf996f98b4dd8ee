"""Facets counted over columns are what the engine counts, whatever is asked and whatever happens to documents."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import orjson
import pytest
import pytest_asyncio

from mappings.fields import REGISTRY
from mappings.index import index_body
from query.compile import compile_search, read_facets
from query.facets.request import FacetRequest
from query.types import Caller, SearchRequest
from service.adapters.embedded_search import counting
from service.adapters.embedded_search.aggregations import aggregate
from service.adapters.embedded_search.column import Rows
from service.adapters.embedded_search.columns import Columns
from service.adapters.embedded_search.engine import EmbeddedSearch
from service.ports.search import BulkItem, Json
from tests.support.library import NOW, ORG, items

pytestmark = pytest.mark.asyncio(loop_scope="module")

INDEX, ALIAS, SIZE = "counted-1", "counted", 160
ALIVE: Json = {"term": {"deleted": False}}
ME = Caller(ORG, "user_1", frozenset({"admin"}))
FIELDS = [field.name for field in REGISTRY.facets(frozenset({"admin"}))]
OPTIONS: Sequence[FacetRequest] = (
    FacetRequest("tags", size=3, order="-count", missing=True),
    FacetRequest("tags", order="value", prefix="Na", name="prefixed"),
    FacetRequest("tags", size=1000, order="-value", name="reversed"),
    FacetRequest("taxonomy", hierarchy=True, prefix="nature", name="below"),
    FacetRequest("taxonomy", hierarchy=True, name="roots"),
    FacetRequest("camera", missing=True),
    FacetRequest("width", ranges=({"to": 800}, {"from": 800, "to": 1024}, {"from": 1000, "key": "wide"})),
    FacetRequest("cost.amount", ranges=({"from": 0.1, "to": 0.2},), missing=True),
    FacetRequest("created_at", ranges=({"to": "2023-06"}, {"from": "2023-06", "key": "late"}), name="halves"),
    FacetRequest("captured_at", interval="year", missing=True),
    FacetRequest("created_at", interval="quarter"),
    FacetRequest("created_at", interval="week", name="weeks", zone="America/New_York"),
    FacetRequest("created_at", interval="day", name="days", zone="Asia/Kolkata"),
    FacetRequest("captured_at", interval="hour", name="hours", zone="Europe/Berlin", order="count"),
    FacetRequest("captured_at", interval="month", name="months", zone="Pacific/Apia"),
)
QUERIES = (
    "",
    "lake",
    "mountain OR tags:nature",
    '"snow summit"~3',
    "is:deleted",
    "-is:public rating:>2",
    "by:me",
    "no-such",
)
FILTERS: Sequence[dict[str, Any]] = (
    {},
    {"tags": ["nature"]},
    {"tags": ["lake", "café"], "type": "image"},
    {"camera": "EOS 5D"},
    {"width": {"gte": 800}, "created_at": {"gte": "2023-03-01"}, "is_public": True},
    {"custom.colour": "red"},
)


class Watched(EmbeddedSearch):
    """The embedded engine, which says how often its child had to count."""

    counted = 0

    async def search(self, index: str | None, body: Json, *, timeout: float = 10.0) -> Json:
        engine = self._running_engine()
        inner = engine.search

        async def watched(index: str | None, body: Json, *, timeout: float = 10.0) -> Json:
            self.counted += "aggs" in body
            return await inner(index, body, timeout=timeout)

        engine.search = watched  # type: ignore[method-assign]
        try:
            return await super().search(index, body, timeout=timeout)
        finally:
            engine.search = inner  # type: ignore[method-assign]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[Watched]:
    made = Watched()
    await made.start()
    await made.create_index(INDEX, index_body())
    documents = items(SIZE)
    for first in range(0, SIZE, 100):
        await made.bulk(INDEX, documents[first : first + 100])
    await made.update_aliases([{"add": {"index": INDEX, "alias": ALIAS, "filter": ALIVE}}])
    yield made
    await made.close()


async def both(engine: Watched, request: SearchRequest, index: str | None = ALIAS, **more: Any) -> tuple[Any, Any]:
    """Return what is counted here, and what the engine's child counts."""
    compiled = compile_search(request, ME, NOW)
    here = await engine.search(index, {**compiled.body, **more})
    there = await engine._running_engine().search(index, {**compiled.body, **more})
    assert here["hits"] == there["hits"]
    return read_facets(compiled, here["aggregations"]), read_facets(compiled, there["aggregations"])


PAIRS = [(text, FILTERS[at % len(FILTERS)]) for at, text in enumerate(QUERIES)] + [("", each) for each in FILTERS[1:]]


@pytest.mark.parametrize(("text", "filters"), PAIRS, ids=str)
async def test_every_field_is_counted_as_the_engine_counts_it(
    engine: Watched, text: str, filters: dict[str, Any]
) -> None:
    before = engine.counted
    for facets in (FIELDS[:30], FIELDS[30:], OPTIONS):
        here, there = await both(engine, SearchRequest(text=text, filters=filters, facets=facets, facet_size=100))
        assert here == there
    assert engine.counted == before, "the engine had to count"


async def test_the_order_of_values_is_the_engines(engine: Watched) -> None:
    for facet in OPTIONS:
        here, there = await both(engine, SearchRequest(facets=[facet]))
        assert [list(counts.items()) for counts in here.values()] == [list(counts.items()) for counts in there.values()]


async def test_a_condition_is_asked_once_until_something_is_written(engine: Watched) -> None:
    asked = 0
    inner = engine._running_engine()
    matching = inner.matching

    async def counted(index: str | None, body: Json, *, timeout: float) -> list[str] | None:
        nonlocal asked
        asked += 1
        return await matching(index, body, timeout=timeout)

    inner.matching = counted  # type: ignore[method-assign]
    try:
        request = SearchRequest(text="river", facets=["type", "tags", "width"], filters={"tags": ["lake"]})
        for _ in range(3):
            await both(engine, request)
        assert asked == 1
        await both(engine, replace(request, text="", facets=["type"]))
        assert asked == 1, "exact values are read off the columns"
        [item] = items(1)
        await engine.bulk(INDEX, [BulkItem(item.id, item.version, item.document)])
        await both(engine, request)
        assert asked == 2
    finally:
        inner.matching = matching  # type: ignore[method-assign]


def changed(number: int, version: int, **fields: Any) -> BulkItem:
    item = items(SIZE)[number]
    document = orjson.loads(item.document) if isinstance(item.document, bytes) else dict(item.document)
    return BulkItem(item.id, version, orjson.dumps(document | fields))


async def test_changes_deletions_and_late_writes_are_counted_like_the_engine_does(engine: Watched) -> None:
    request = SearchRequest(facets=["tags", "type", "rating", "created_at"], facet_size=1000)
    item = items(SIZE)[5]
    tags = {"tags": ["brand new"], "fold": {"tags": ["brand new"], "type": "audio"}, "rating": 4}
    tombstone: Json = {"asset_id": items(SIZE)[6].id, "org_id": ORG, "rev": 99, "deleted": True}
    steps = (
        engine.bulk(INDEX, [changed(5, 50, **tags)]),
        engine.bulk(INDEX, [changed(5, 49)]),  # older than what is there: the engine refuses it
        engine.bulk(INDEX, [BulkItem(tombstone["asset_id"], 99, orjson.dumps(tombstone))]),
        engine.delete_documents(INDEX, [(item.id, 60)]),
        engine.bulk(INDEX, [changed(5, 61, **tags | {"rating": [1, 2, 2]})]),
        engine.bulk(INDEX, [changed(6, 100), changed(7, 100, rating="many")]),  # the second is refused
    )
    for step in steps:
        await step
        before = engine.counted
        here, there = await both(engine, request)
        assert here == there
        assert engine.counted == before
    assert here["tags"]["brand new"] == 1


async def test_what_a_failed_write_leaves_is_the_engines_to_count(engine: Watched, monkeypatch: Any) -> None:
    inner = engine._running_engine()
    bulk = inner.bulk

    async def cut(*given: Any, **more: Any) -> Any:
        await bulk(*given, **more)
        raise ConnectionError

    monkeypatch.setattr(inner, "bulk", cut)
    with pytest.raises(ConnectionError):
        await engine.bulk(INDEX, [changed(9, 200, rating=3)])
    monkeypatch.undo()
    before = engine.counted
    here, there = await both(engine, SearchRequest(text="is:public OR -is:public", facets=["rating"]))
    assert here == there
    assert engine.counted == before + 1
    await engine.bulk(INDEX, [changed(9, 200, rating=3)])
    here, there = await both(engine, SearchRequest(facets=["rating"]))
    assert here == there
    assert engine.counted == before + 1, "the next attempt tells"


async def test_what_another_process_writes_is_noticed(engine: Watched) -> None:
    await engine._running_engine().bulk(INDEX, [changed(10, 300, asset_id="a-stranger")])
    stranger = replace(changed(10, 300), id="a-stranger")
    await engine._running_engine().bulk(INDEX, [stranger])
    before = engine.counted
    here, there = await both(engine, SearchRequest(facets=["rating"]))
    assert here == there
    assert engine.counted == before + 1
    await engine.bulk(INDEX, [stranger, changed(10, 301)])


async def test_a_pit_is_counted_as_it_was(engine: Watched) -> None:
    pit = await engine.open_pit(ALIAS, "1m")
    request = SearchRequest(facets=["rating", "tags"])
    more = {"pit": {"id": pit, "keep_alive": "1m"}}
    before = engine.counted
    first, there = await both(engine, request, None, **more)
    assert first == there
    assert engine.counted == before
    await engine.bulk(INDEX, [changed(11, 400, rating=5, fold={"tags": ["since then"]})])
    then, there = await both(engine, request, None, **more)
    assert then == there == first
    assert engine.counted == before + 1, "the columns are newer"


async def test_searches_during_writes_are_answered(engine: Watched) -> None:
    async def write(version: int) -> None:
        await engine.bulk(INDEX, [changed(number, version) for number in range(20, 30)])

    writes = [asyncio.create_task(write(500 + at)) for at in range(3)]
    while not all(task.done() for task in writes):
        answer = await engine.search(ALIAS, compile_search(SearchRequest(text="lake", facets=["type"]), ME, NOW).body)
        assert answer["aggregations"]["facet0"]["values"]["buckets"]
    await asyncio.gather(*writes)


UNKNOWN: Sequence[Json] = (
    {"terms": {"field": "fold.tags", "min_doc_count": 2}},
    {"terms": {"field": "fold.tags", "include": "a|b"}},
    {"terms": {"field": "fold.custom.key"}},
    {"terms": {"field": "fold.tags"}, "aggs": {"inner": {"terms": {"field": "fold.type"}}}},
    {"date_histogram": {"field": "created_at", "fixed_interval": "30d", "min_doc_count": 1}},
    {"range": {"field": "rating", "ranges": [{"from": 1}]}},
    {"filter": {"prefix": {"fold.tags": "na"}}, "aggs": {"values": {"terms": {"field": "fold.type"}}}},
    {"max": {"field": "rating"}},
)


@pytest.mark.parametrize("aggregation", UNKNOWN, ids=str)
async def test_what_columns_do_not_know_is_the_engines_to_say(engine: Watched, aggregation: Json) -> None:
    body: Json = {"query": {"term": {"org_id": ORG}}, "size": 0, "track_total_hits": True, "aggs": {"a": aggregation}}
    here = await engine.search(ALIAS, body)
    there = await engine._running_engine().search(ALIAS, body)
    assert here["aggregations"] == there["aggregations"]


async def test_the_engine_is_asked_for_what_is_left_alone(engine: Watched) -> None:
    before = engine.counted
    here, there = await both(engine, SearchRequest(facets=["type", "custom.colour", "tags"]))
    assert here == there
    assert here["custom.colour"]
    assert engine.counted == before + 1


async def test_many_documents_are_counted_in_a_thread(engine: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[str] = set()

    def noted(columns: Columns, rows: Rows, aggs: Json) -> Json:
        threads.add(threading.current_thread().name)
        return aggregate(columns, rows, aggs)

    monkeypatch.setattr(counting, "IN_THREAD", 1)
    monkeypatch.setattr(counting, "aggregate", noted)
    here, there = await both(engine, SearchRequest(facets=["type", "tags"], filters={"rating": {"gte": 1}}))
    assert here == there
    assert threads
    assert threading.main_thread().name not in threads
