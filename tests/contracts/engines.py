"""The engines of the search port. Another joins the contract suite by one line in the table."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from service.adapters.embedded_search.engine import EmbeddedSearch
from service.adapters.embedded_search.process import OsmemProcess
from service.adapters.opensearch.engine import Connection, OpenSearchEngine
from service.ports.search import SearchEngine

EngineFactory = Callable[[], AbstractAsyncContextManager[SearchEngine]]


@asynccontextmanager
async def osmem() -> AsyncIterator[SearchEngine]:
    """The client on a server of its own."""
    process = OsmemProcess()
    engine = OpenSearchEngine(Connection(hosts=(await process.start(),)))
    try:
        yield engine
    finally:
        await engine.close()
        await process.close()


@asynccontextmanager
async def embedded() -> AsyncIterator[SearchEngine]:
    """The supervised engine that ``assetry serve`` uses."""
    engine = EmbeddedSearch()
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


@asynccontextmanager
async def opensearch() -> AsyncIterator[SearchEngine]:
    """The OpenSearch whose URL is in ``ASSETRY_TEST_OPENSEARCH_URL``; its indexes ``contract-*`` are deleted."""
    engine = OpenSearchEngine(Connection(hosts=(os.environ[GIVEN],)))
    try:
        yield engine
    finally:
        await engine.close()


GIVEN = "ASSETRY_TEST_OPENSEARCH_URL"
ENGINES: Mapping[str, EngineFactory] = {
    "osmem": osmem,
    "embedded": embedded,
    **({"opensearch": opensearch} if GIVEN in os.environ else {}),
}
