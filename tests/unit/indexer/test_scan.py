from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from indexer.scan import scan
from service.adapters.sqlite_store import SqliteStore
from service.ports.clock import SystemClock
from service.ports.store import Record

COUNT = 25


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with SqliteStore(tmp_path / "store.sqlite", SystemClock()) as store:
        await store.insert_many(
            "asset",
            {
                f"asset_{number}": {"org_id": "acme", "number": number, "guid": f"g{number}", "sid": f"s{number}"}
                for number in range(COUNT)
            },
        )
        await store.remove("asset", "asset_3")
        yield store


async def test_every_record_and_tombstone_is_given_once(store: SqliteStore) -> None:
    given: list[Record] = []

    async def sink(records: list[Record]) -> None:
        await asyncio.sleep(0)
        given.extend(records)

    await scan(store, sink, page=4, lanes=3)
    assert sorted(record.key for record in given) == sorted(f"asset_{number}" for number in range(COUNT))
    assert [record.key for record in given if record.tombstone] == ["asset_3"]


async def test_no_more_pages_than_lanes_are_under_way(store: SqliteStore) -> None:
    under_way = most = 0
    full = asyncio.Event()

    async def sink(records: list[Record]) -> None:
        nonlocal under_way, most
        assert len(records) <= 2
        under_way += 1
        most = max(most, under_way)
        if under_way == 3:
            full.set()
        await full.wait()  # nobody goes on before the third is here, so the lanes must be used
        under_way -= 1

    await scan(store, sink, page=2, lanes=3)
    assert (most, under_way) == (3, 0)


async def test_a_failing_sink_ends_the_scan_and_its_other_pages(store: SqliteStore) -> None:
    ended = 0

    async def sink(records: list[Record]) -> None:
        nonlocal ended
        if any(record.key == "asset_12" for record in records):
            raise RuntimeError("sink")
        try:
            await asyncio.Event().wait()
        finally:
            ended += 1

    with pytest.raises(RuntimeError, match="sink"):
        await asyncio.wait_for(scan(store, sink, page=2, lanes=3), 10)
    assert ended == 2


async def test_an_empty_store_is_scanned_too(tmp_path: Path) -> None:
    async def sink(records: list[Record]) -> None:
        raise AssertionError("nothing to give")

    async with SqliteStore(tmp_path / "empty.sqlite", SystemClock()) as store:
        await scan(store, sink, page=10, lanes=2)
        assert await store.count("asset", {}) == 0
