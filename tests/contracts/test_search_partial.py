"""What a real OpenSearch tells of an index with a shard that is nowhere: never a part of it as if it were all."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest

from mappings.index import index_body
from service.adapters.opensearch.engine import Connection, OpenSearchEngine
from service.adapters.opensearch.raw_calls import probing
from service.errors import Unavailable
from service.ports.search import Json
from tests.contracts.engines import GIVEN
from tests.support.workers import own

pytestmark = [
    pytest.mark.engines,
    pytest.mark.skipif(GIVEN not in os.environ, reason=f"needs an OpenSearch of one node: {GIVEN}"),
]

INDEX = own("red")
ALL: Json = {"match_all": {}}
KEYS = [f"asset_{number}" for number in range(20)]
"""Some of these are of the one shard, some of the other."""


@pytest.fixture
async def engine() -> AsyncIterator[OpenSearchEngine]:
    """An engine with an index of two shards, of which only one may be on its node."""
    connection = Connection(hosts=(os.environ[GIVEN],))
    engine = OpenSearchEngine(connection)
    body = index_body(shards=2)
    body["settings"]["index"]["routing.allocation.total_shards_per_node"] = 1
    try:
        await engine.delete_index(INDEX)
        async with probing(connection) as probe:
            await probe.send("PUT", f"/{INDEX}", body, wait_for_active_shards="0")
            await probe.get(f"/_cluster/health/{INDEX}", wait_for_active_shards="1", timeout="3s")
        yield engine
    finally:
        await engine.delete_index(INDEX)
        await engine.close()


async def test_no_part_of_a_red_index_is_taken_for_all_of_it(engine: OpenSearchEngine) -> None:
    assert await engine.index_health(INDEX) == "red"
    with pytest.raises(Unavailable):
        await engine.search(INDEX, {"query": ALL})
    with pytest.raises(Unavailable):
        await engine.count(INDEX, ALL)
    with pytest.raises(Unavailable):
        await engine.scan_documents(INDEX, after=None, limit=10)
    with pytest.raises(Unavailable):
        await engine.open_pit(INDEX, "1m")
    with pytest.raises(Unavailable):
        await engine.versions(INDEX, KEYS)
    with pytest.raises(Unavailable):
        await engine.documents(INDEX, KEYS)
