"""Both engines with the same library in each."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from mappings.index import index_body
from query.compile import compile_search, read_facets
from query.types import Caller, CompiledSearch, SearchRequest
from service.ports.search import SearchEngine
from tests.contracts.engines import ENGINES
from tests.support.library import NOW, ORG, items

INDEX = f"contract-differential-{os.getpid()}"
ME = Caller(ORG, "user_1")
PAGE = 10_000  # all that an offset reaches: the whole library in one answer
_BULK = 200  # less than a megabyte: past that, aiohttp warns of a large body


@dataclass(frozen=True)
class Answer:
    """What two engines must agree on."""

    ids: frozenset[int]
    total: int
    facets: dict[str, dict[str, int]]


@asynccontextmanager
async def filled(name: str) -> AsyncIterator[SearchEngine]:
    """Give an engine of the contract suite with the library in `INDEX`, which is deleted at the end."""
    async with ENGINES[name]() as engine:
        await engine.delete_index(INDEX)
        await engine.create_index(INDEX, index_body())
        try:
            documents = items()
            for start in range(0, len(documents), _BULK):
                outcomes = await engine.bulk(INDEX, documents[start : start + _BULK])
                assert {outcome.status for outcome in outcomes} == {201}, outcomes[0]
            await engine.refresh(INDEX)
            yield engine
        finally:
            await engine.delete_index(INDEX)


async def ask(engine: SearchEngine, text: str, facets: Sequence[str] = (), **more: Any) -> Answer:
    """Return what an engine finds for a query text."""
    compiled = compile_search(SearchRequest(text=text, facets=facets, **more), ME, NOW)
    return read(compiled, await run(engine, compiled))


async def run(engine: SearchEngine, compiled: CompiledSearch) -> dict[str, Any]:
    """Return an engine's answer with all hits on one page, of each its number alone."""
    body = {**compiled.body, "size": PAGE, "_source": ["number"]}
    return await engine.search(INDEX, body)


def read(compiled: CompiledSearch, answer: dict[str, Any]) -> Answer:
    """Return what has to agree of an answer."""
    assert not answer["timed_out"]
    assert answer["_shards"]["failed"] == 0, answer["_shards"]
    ids = frozenset(hit["_source"]["number"] for hit in answer["hits"]["hits"])
    facets = read_facets(compiled, answer["aggregations"]) if compiled.facets else {}
    return Answer(ids, answer["hits"]["total"]["value"], facets)
