"""Verify and repair over a SQLite store and the embedded engine, with an indexer that the test plays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from indexer.documents import bulk_item, encoded, plain_item, version
from indexer.verify.drift import Drift, VerifyReport
from indexer.verify.verify import Dead, IndexerView, Repair, Settle, Verify, VerifyOptions, Write
from mappings.index import index_body
from service.adapters.embedded_search.process import OsmemProcess
from service.adapters.opensearch.engine import Connection, OpenSearchEngine
from service.adapters.sqlite.store import SqliteStore
from service.ports.clock import SystemClock
from service.ports.search import BulkItem, Indexed
from service.ports.store import Change, Record
from tests.support.examples import THOROUGH

INDEX = "verify-1"
COUNT = 60
SMALL = VerifyOptions(page=7, recheck=5, suspects=11)


class World:
    """A store and an index that agree, until a test changes one of them."""

    def __init__(self, store: SqliteStore, engine: OpenSearchEngine) -> None:
        self.store = store
        self.engine = engine
        self.settled = 0
        self.late: set[str] = set()

    async def insert(self, number: int, **fields: Any) -> Record:
        key = f"asset_{number}"
        body = {"org_id": "acme", "number": number, "guid": f"g{number}", "sid": f"s{number}", "title": f"No. {number}"}
        return await self.store.insert("asset", key, {**body, "metadata": {"duration": 2.0}, **fields})

    async def index(self, *keys: str) -> None:
        """Do what the indexer would."""
        records = await self.store.get_many("asset", keys, tombstones=True)
        await self.write(INDEX, [bulk_item(record) for record in records.values()])

    async def write(self, index: str, items: Sequence[BulkItem]) -> None:
        for outcome in await self.engine.bulk(index, items):
            assert outcome.status < 300 or outcome.status == 409, outcome

    async def settle(self) -> None:
        """Bring the index up to the store, as an indexer that passes a barrier has."""
        self.settled += 1
        for key in await self.changed():
            await self.index(key)

    async def changed(self) -> list[str]:
        records = await self.store.scan("asset", limit=10_000)
        held = await self.engine.versions(INDEX, [record.key for record in records])
        return [r.key for r in records if r.key in held and held[r.key] < version(r) and r.key in self.late]

    def verify(
        self,
        *,
        options: VerifyOptions = SMALL,
        settle: Settle | None = None,
        dead: Dead | None = None,
        repair: Write | None = None,
    ) -> Verify:
        indexer = IndexerView(settle or self.settle)
        return Verify(
            self.store,
            self.engine,
            SystemClock(),
            INDEX,
            indexer=indexer if dead is None else replace(indexer, dead=dead),
            repair=None if repair is None else Repair(repair),
            options=options,
        )

    async def searchable(self) -> dict[str, Indexed]:
        await self.engine.refresh(INDEX)
        return {d.id: d for d in await self.engine.scan_documents(INDEX, after=None, limit=1000)}


@asynccontextmanager
async def opened(place: Path) -> AsyncIterator[World]:
    process = OsmemProcess()
    engine = OpenSearchEngine(Connection(hosts=(await process.start(),)))
    try:
        async with SqliteStore(place / "store.sqlite", SystemClock()) as store:
            await engine.create_index(INDEX, index_body())
            world = World(store, engine)
            for number in range(COUNT):
                await world.insert(number)
            await store.remove("asset", "asset_5")
            await world.index(*(f"asset_{number}" for number in range(COUNT)))
            yield world
    finally:
        await engine.close()
        await process.close()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with opened(tmp_path) as world:
        yield world


def counts(report: VerifyReport) -> dict[str, int]:
    return {str(drift): count for drift, count in report.found.items() if count}


async def test_a_true_index_is_clean_and_costs_no_wait(world: World) -> None:
    report = await world.verify().run()
    assert report.clean
    assert report.checked == COUNT
    assert world.settled == 0


@pytest.mark.parametrize("bodies", [True, False])
async def test_every_class_is_found_by_name(world: World, bodies: bool) -> None:
    await damage(world)
    report = await world.verify(options=VerifyOptions(page=7, recheck=5, bodies=bodies)).run()
    expected = {"missing": 1, "stale": 2, "ahead": 1, "orphan": 2, "body": 1}
    if not bodies:
        del expected["body"]
    assert counts(report) == expected
    named = {(difference.key, difference.drift) for difference in report.examples}
    assert {
        ("asset_60", Drift.MISSING),
        ("asset_7", Drift.STALE),
        ("asset_8", Drift.STALE),
        ("asset_9", Drift.AHEAD),
        ("asset_999", Drift.ORPHAN),
        ("stray", Drift.ORPHAN),
    } <= named
    assert report.left == report.differences


async def damage(world: World) -> None:
    await world.insert(60)  # never indexed
    await world.store.update("asset", "asset_7", Change(set={"title": "changed"}))
    await world.store.remove("asset", "asset_8")
    await _write(world, "asset_9", 5, title="from the future")
    await _write(world, "asset_10", 1, title="another")
    await _write(world, "asset_999", 3)
    await world.write(INDEX, [BulkItem("stray", 1, {"title": "no id", "deleted": False})])


async def _write(world: World, key: str, at: int, **fields: Any) -> None:
    held = (await world.engine.documents(INDEX, [key])).get(key)
    source = held.source if held is not None and held.source is not None else {"asset_id": key, "org_id": "acme"}
    await world.write(INDEX, [BulkItem(key, at, {"deleted": False, **source, **fields})])


async def test_repair_fixes_every_class(world: World) -> None:
    await damage(world)
    world.late = {"asset_9"}  # raised by the repair, then brought by the feed
    report = await world.verify(repair=world.write).run()
    assert (report.differences, report.left) == (7, 0)
    again = await world.verify().run()
    assert again.clean
    held = await world.searchable()
    assert held["asset_999"].deleted
    assert (await world.engine.documents(INDEX, ["stray"]))["stray"].deleted
    assert held["asset_8"].deleted
    record = await world.store.get("asset", "asset_9")
    assert record.rev > 5
    assert (held["asset_9"].source or {})["title"] == "No. 9"
    assert (held["asset_7"].source or {})["title"] == "changed"
    assert (held["asset_10"].source or {})["title"] == "No. 10"


async def test_any_number_of_documents_of_somebody_else_is_counted_and_hidden(world: World) -> None:
    await world.write(INDEX, [BulkItem(f"stray-{n}", 1, {"title": "no id", "deleted": False}) for n in range(20)])
    report = await world.verify().run()
    assert (counts(report), report.left) == ({"orphan": 20}, 20)
    report = await world.verify(repair=world.write).run()
    assert (counts(report), report.left) == ({"orphan": 20}, 0)
    assert (await world.verify().run()).clean


async def test_what_is_only_late_is_no_difference(world: World) -> None:
    world.late = {"asset_1", "asset_2"}
    await world.store.update("asset", "asset_1", Change(set={"title": "late"}))
    await world.store.remove("asset", "asset_2")
    report = await world.verify().run()
    assert report.clean
    assert world.settled == 1


async def test_constant_writes_give_no_false_alarm(world: World) -> None:
    """An indexer runs a little behind, and every record is written to again and again while it is verified."""
    stop = asyncio.Event()

    async def write() -> None:
        number = 0
        while not stop.is_set():
            await world.store.update("asset", f"asset_{number % 50 + 10}", Change(increment={"n": 1}))
            number += 1

    world.late = {f"asset_{number}" for number in range(COUNT)}

    async def follow() -> None:
        while not stop.is_set():
            for key in await world.changed():
                await world.index(key)
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(write()), asyncio.create_task(follow())]
    try:
        for _ in range(5 if THOROUGH else 2):
            report = await world.verify().run()
            assert report.clean, report.as_json()
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def test_a_known_refusal_is_no_difference(world: World) -> None:
    await world.store.update("asset", "asset_7", Change(set={"title": "poison"}))
    report = await world.verify(dead={"asset_7": 2}.get).run()
    assert report.clean
    assert report.dead_letters == 1
    report = await world.verify(dead={"asset_7": 1}.get).run()
    assert counts(report) == {"stale": 1}  # an older refusal explains nothing


async def test_a_refusal_explains_the_version_that_was_due_though_it_was_written_to_since(world: World) -> None:
    refused: dict[str, int] = {}

    async def settle() -> None:
        # The leader refuses version 2 of asset_7 while it is waited for; then somebody writes version 3.
        refused["asset_7"] = 2
        await world.store.update("asset", "asset_7", Change(set={"title": "poison again"}))

    await world.store.update("asset", "asset_7", Change(set={"title": "poison"}))
    report = await world.verify(settle=settle, dead=refused.get).run()
    assert report.clean
    assert report.dead_letters == 1


async def test_a_record_that_can_not_be_projected_is_found_and_stops_nothing(world: World) -> None:
    def project(record: Record) -> BulkItem:
        if record.key == "asset_20":
            raise ValueError("poison")
        return bulk_item(record)

    await _unseal(world, "asset_20")
    await world.insert(60)
    report = await world.verify(options=replace(SMALL, project=project), repair=world.write).run()
    assert counts(report) == {"missing": 1, "body": 1}
    assert report.left == 1


async def test_documents_that_are_as_they_were_made_are_not_made_again(world: World) -> None:
    made: list[str] = []

    def project(record: Record) -> BulkItem:
        made.append(record.key)
        return plain_item(record)

    await _unseal(world, "asset_20")
    assert (await world.verify(options=replace(SMALL, project=project)).run()).clean
    assert made == ["asset_20", "asset_5"]  # one without a checksum, and a tombstone


async def _unseal(world: World, key: str) -> None:
    """Write a document as an index has it that was built before there were checksums."""
    (record,) = (await world.store.get_many("asset", [key])).values()
    item = plain_item(record)
    assert isinstance(item.document, dict)
    del item.document["fold"]["checksum"]
    await world.write(INDEX, [encoded(item)])


async def test_a_record_with_what_is_no_json_stops_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """MongoDB has types that JSON has not, and whoever writes to it past Assetry may use them."""
    scan = world.store.scan

    async def odd(*args: Any, **options: Any) -> Sequence[Record]:
        records = await scan(*args, **options)
        return [replace(record, body={**record.body, "odd": b"\x00"}) for record in records]

    monkeypatch.setattr(world.store, "scan", odd)
    await world.insert(60)
    report = await world.verify(repair=world.write).run()
    assert (report.checked, counts(report), report.left) == (COUNT + 1, {"missing": 1}, 0)


async def test_a_purged_tombstone_is_no_difference(world: World) -> None:
    await world.engine.delete_index(INDEX)
    await world.engine.create_index(INDEX, index_body())
    await world.index(*(f"asset_{number}" for number in range(COUNT) if number != 5))
    assert (await world.verify().run()).clean


@pytest.mark.parametrize("bodies", [True, False])
async def test_a_removed_asset_that_the_index_shows_at_a_later_version_is_hidden(world: World, bodies: bool) -> None:
    """As after a restored backup: the tombstone is older than what the index holds, so the engine refuses it."""
    await _write(world, "asset_5", 9, title="shown", deleted=False)
    await _write(world, "asset_6", 9, title="shown")
    await world.store.remove("asset", "asset_6")
    await world.index("asset_6")
    options = VerifyOptions(page=7, recheck=5, bodies=bodies)
    report = await world.verify(options=options, repair=world.write).run()
    assert (counts(report), report.left) == ({"ahead": 2}, 0)
    held = await world.searchable()
    assert [held[key].deleted for key in ("asset_5", "asset_6")] == [True, True]
    assert (await world.verify(options=options).run()).clean


async def test_a_tombstone_that_may_be_needed_is_missed(world: World) -> None:
    """An older write of the asset may be under way still: only the tombstone's document keeps it out."""
    await world.engine.delete_index(INDEX)
    await world.engine.create_index(INDEX, index_body())
    await world.index(*(f"asset_{number}" for number in range(COUNT) if number != 5))
    removed_at = (await world.store.get_many("asset", ["asset_5"], tombstones=True))["asset_5"].updated_at
    later = VerifyOptions(removed_since=removed_at + "Z")
    assert (await world.verify(options=later).run()).clean
    since = VerifyOptions(bodies=False, removed_since=removed_at)
    report = await world.verify(options=since, repair=world.write).run()
    assert (counts(report), report.left) == ({"missing": 1}, 0)
    held = (await world.engine.documents(INDEX, ["asset_5"]))["asset_5"]
    assert held.deleted
    assert (await world.verify(options=since).run()).clean


async def test_an_empty_index_is_filled_by_repair(world: World) -> None:
    await world.engine.delete_index(INDEX)
    await world.engine.create_index(INDEX, index_body())
    report = await world.verify(repair=world.write).run()
    assert counts(report) == {"missing": COUNT - 1}
    assert report.left == 0
    assert (await world.verify().run()).clean


@pytest.mark.parametrize("bodies", [True, False])
async def test_of_heavy_assets_few_are_read_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch, bodies: bool
) -> None:
    weight = 20_000
    for number in range(COUNT, 4 * COUNT):
        await world.insert(number, description="x" * weight)
    await world.index(*(f"asset_{number}" for number in range(COUNT, 3 * COUNT)))
    sizes: list[int] = []

    def watched(name: str, call: Any) -> Any:
        async def read(*args: Any, **options: Any) -> Any:
            found = await call(*args, **options)
            if name != "scan_documents" or options["sources"]:
                sizes.append(len(found))
            return found

        return read

    for owner, name in ((world.store, "scan"), (world.engine, "scan_documents"), (world.engine, "documents")):
        monkeypatch.setattr(owner, name, watched(name, getattr(owner, name)))
    options = VerifyOptions(page_bytes=10 * weight, bodies=bodies)
    report = await world.verify(options=options, settle=lambda: asyncio.sleep(0)).run()
    assert (report.checked, counts(report)) == (4 * COUNT, {"missing": COUNT})
    assert max(sizes) < 2 * COUNT, sizes  # where light ones are among them
    assert sum(sizes) <= 20 * len(sizes), sizes


async def test_an_interrupted_verify_goes_on_behind_its_cursor(world: World) -> None:
    class Interrupted(Exception):
        pass

    seen: list[tuple[int, str | None]] = []

    async def on_progress(report: VerifyReport, key: str | None) -> None:
        seen.append((report.checked, key))
        if report.checked >= 20:
            raise Interrupted

    with pytest.raises(Interrupted):
        await world.verify().run(on_progress=on_progress)
    checked, cursor = seen[-1]
    rest = await world.verify().run(after=cursor)
    assert checked + rest.checked == COUNT


def test_a_report_is_json() -> None:
    report = VerifyReport("assets-1")
    assert orjson.loads(orjson.dumps(report.as_json()))["clean"] is True
