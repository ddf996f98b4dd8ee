"""Faults on the wire between the service and OpenSearch: each call ends in its time, and the next one is well again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager

import pytest

from mappings.index import index_body
from scripts.enginelib.faults import Missing
from scripts.enginelib.table import ENGINES
from service.adapters.embedded_search.process import OsmemProcess
from service.adapters.opensearch.engine import Connection, OpenSearchEngine
from service.errors import Unavailable
from service.ports.search import BulkItem, Json
from tests.faults.toxics import UP, Proxy, proxied

pytestmark = [pytest.mark.engines]

INDEX = f"contract-wire-{os.getpid()}"
ALL: Json = {"query": {"match_all": {}}}
SECONDS = 0.5


@pytest.fixture(scope="module")
def control() -> Iterator[str]:
    """The URL of a Toxiproxy: the one that runs, or one for this module."""
    toxiproxy = ENGINES["toxiproxy"]
    ran = toxiproxy.url()
    try:
        url = ran or toxiproxy.up()
    except Missing as error:
        pytest.skip(str(error))
    yield url
    if ran is None:
        toxiproxy.down()


@pytest.fixture
async def backend() -> AsyncIterator[str]:
    """The OpenSearch of the run, else the embedded engine."""
    given = os.environ.get(ENGINES["opensearch"].variable)
    if given is not None:
        yield given
        return
    process = OsmemProcess()
    try:
        yield await process.start()
    finally:
        await process.close()


@pytest.fixture
def way(control: str, backend: str) -> Iterator[Proxy]:
    with proxied(control, backend) as proxy:
        yield proxy


@pytest.fixture
async def engine(way: Proxy, backend: str) -> AsyncIterator[OpenSearchEngine]:
    engine = OpenSearchEngine(Connection((way.url,), timeout=SECONDS, bulk_timeout=SECONDS))
    patient = OpenSearchEngine(Connection((backend,), timeout=60, bulk_timeout=60))
    await patient.delete_index(INDEX)
    await patient.create_index(INDEX, index_body())
    await patient.bulk(INDEX, [item(1)], refresh=True)
    try:
        yield engine
    finally:
        await patient.delete_index(INDEX)
        await patient.close()
        await engine.close()


def item(number: int, size: int = 10) -> BulkItem:
    key = f"asset_{number}"
    return BulkItem(key, 1, {"asset_id": key, "deleted": False, "description": "word " * (size // 5)})


FAULTS = {
    "half open": lambda way: way.toxic("timeout", timeout=0),
    "half open, the other half": lambda way: way.toxic("timeout", UP, timeout=0),
    "reset": lambda way: way.toxic("reset_peer", timeout=0),
    "cut in the answer": lambda way: way.toxic("limit_data", bytes=40),
    "slower than a call may be": lambda way: way.toxic("latency", latency=3000),
    "no way": lambda way: way.cut(),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_calls_end_in_time_and_the_next_ones_are_well(engine: OpenSearchEngine, way: Proxy, fault: str) -> None:
    clock = asyncio.get_running_loop().time
    context: AbstractContextManager[None] = FAULTS[fault](way)
    with context:
        began = clock()
        calls = [engine.search(INDEX, ALL, timeout=SECONDS) for _ in range(40)]
        answers = await asyncio.gather(*calls, engine.bulk(INDEX, [item(2)]), return_exceptions=True)
        assert {type(answer) for answer in answers} == {Unavailable}
        assert clock() - began < len(calls) * SECONDS / 2  # none waits for the time-outs of others
    for _ in range(20):
        assert (await engine.search(INDEX, ALL))["hits"]["hits"]


async def test_a_slow_way_is_slow_and_no_more(engine: OpenSearchEngine, way: Proxy) -> None:
    with way.toxic("latency", latency=100, jitter=20):
        assert await engine.count(INDEX, {"match_all": {}}) == 1


async def test_an_answer_in_slices_is_whole(engine: OpenSearchEngine, way: Proxy) -> None:
    with way.toxic("slicer", average_size=7, size_variation=3, delay=10):
        assert (await engine.search(INDEX, ALL, timeout=5))["hits"]["total"]["value"] == 1


async def test_a_narrow_way_ends_a_large_bulk_in_time_and_lets_small_calls_pass(
    engine: OpenSearchEngine, way: Proxy
) -> None:
    with way.toxic("bandwidth", UP, rate=100):
        with pytest.raises(Unavailable, match="in time"):
            await engine.bulk(INDEX, [item(number, 200_000) for number in range(20)])
        assert await engine.count(INDEX, {"match_all": {}}) == 1


async def test_a_lost_acknowledgement_is_no_lost_write_and_the_next_try_no_second_one(
    engine: OpenSearchEngine, way: Proxy, backend: str
) -> None:
    """The engine takes the bulk, its answer never arrives: the same documents are sent again and meet themselves."""
    with way.toxic("timeout", timeout=0), pytest.raises(Unavailable):
        await engine.bulk(INDEX, [item(2), item(3)], refresh=True)
    direct = OpenSearchEngine(Connection((backend,)))
    assert await direct.versions(INDEX, ["asset_2", "asset_3"]) == {"asset_2": 1, "asset_3": 1}
    await direct.close()
    outcomes = await engine.bulk(INDEX, [item(2), item(3)], refresh=True)
    assert [outcome.status for outcome in outcomes] == [200, 200]
    assert await engine.count(INDEX, {"match_all": {}}) == 3
