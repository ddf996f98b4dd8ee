from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from indexer.verify.scan import scan
from service.adapters.sqlite.store import SqliteStore
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

    await scan(store, sink, page=lambda: 4, lanes=3)
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

    await scan(store, sink, page=lambda: 2, lanes=3)
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
        await asyncio.wait_for(scan(store, sink, page=lambda: 2, lanes=3), 10)
    assert ended == 2


async def test_an_empty_store_is_scanned_too(tmp_path: Path) -> None:
    async def sink(records: list[Record]) -> None:
        raise AssertionError("nothing to give")

    async with SqliteStore(tmp_path / "empty.sqlite", SystemClock()) as store:
        await scan(store, sink, page=lambda: 10, lanes=2)
        assert await store.count("asset", {}) == 0


async def test_what_is_done_is_told_in_order_whatever_ends_first(store: SqliteStore) -> None:
    told: list[tuple[str, int]] = []
    first = asyncio.Event()

    async def sink(records: list[Record]) -> None:
        if records[0].key == "asset_0":
            await first.wait()
        elif records[0].key == "asset_2":
            assert told == []
            first.set()

    async def done(key: str, live: int) -> None:
        told.append((key, live))

    await scan(store, sink, page=lambda: 4, lanes=3, done=done)
    assert [key for key, _ in told] == sorted(key for key, _ in told)
    assert sum(live for _, live in told) == COUNT - 1


async def test_a_scan_goes_on_behind_a_key(store: SqliteStore) -> None:
    given: list[str] = []

    async def sink(records: list[Record]) -> None:
        given.extend(record.key for record in records)

    await scan(store, sink, page=lambda: 4, lanes=2, after="asset_5")
    assert sorted(given) == ["asset_6", "asset_7", "asset_8", "asset_9"]
