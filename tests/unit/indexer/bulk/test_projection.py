from __future__ import annotations

import asyncio

from indexer.bulk.projection import SLICE, project
from indexer.documents import bulk_item, vanished_item
from service.ports.store import Body, Record


def record(number: int, body: Body | None = None, *, tombstone: bool = False) -> Record:
    held = {"org_id": "acme", "number": number} if body is None else body
    return Record("asset", f"asset_{number}", 2, held, "2024-05-01T10:00:00.000Z", tombstone)


async def test_each_key_becomes_an_item_in_order() -> None:
    records = {kept.key: kept for kept in (record(1), record(2, tombstone=True))}
    items, refused = await project(["asset_2", "asset_3", "asset_1"], records, 4)
    assert items == [bulk_item(records["asset_2"], 4), vanished_item("asset_3", 4), bulk_item(records["asset_1"], 4)]
    assert refused == []


async def test_a_record_that_can_not_be_projected_is_refused_and_stops_none() -> None:
    records = {kept.key: kept for kept in (record(1), record(2, {"number": 2}), record(3))}
    items, refused = await project(list(records), records, 0)
    assert [item.id for item in items] == ["asset_1", "asset_3"]
    assert [(outcome.id, outcome.version, outcome.status) for outcome in refused] == [("asset_2", 2, 400)]


async def test_others_have_their_turn_between_slices() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    records = {kept.key: kept for kept in map(record, range(1, 10 * SLICE + 1))}
    await project(list(records), records, 0)
    task.cancel()
    assert turns >= 10
