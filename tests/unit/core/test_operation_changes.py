"""Operations that change records: each record once, also when the process dies at whichever write."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from pydantic import BaseModel

from service.adapters.sqlite.store import SqliteStore
from service.core.operations import changes
from service.core.operations.changes import MARK, Fail, RecordChanges, Skip
from service.core.operations.context import OperationContext
from service.core.operations.items import Item, ItemPages
from service.errors import Conflict
from service.ports.store import Body, Change, Record
from tests.support.operations import Killed, ReportedProgress
from tests.unit.core.fakes import Clock


class MortalStore(SqliteStore):
    """A store whose process dies at a write: instead of it, or right behind it."""

    dies_at = 0
    behind = False
    writes = 0

    async def insert(self, kind: str, key: str, body: Body) -> Record:
        self._die(behind=False)
        record = await super().insert(kind, key, body)
        self._die(behind=True)
        return record

    async def update(self, kind: str, key: str, change: Change, *, expected_rev: int | None = None) -> Record:
        self._die(behind=False)
        record = await super().update(kind, key, change, expected_rev=expected_rev)
        self._die(behind=True)
        return record

    def live(self, writes: int, *, behind: bool) -> None:
        """Live for so many writes; 0 means for ever."""
        self.writes, self.dies_at, self.behind = 0, writes, behind

    def _die(self, *, behind: bool) -> None:
        self.writes += behind == self.behind
        if behind == self.behind and self.writes == self.dies_at:
            raise Killed


class Nothing(BaseModel):
    pass


KEYS = [f"asset_{number}" for number in range(1, 13)]


@pytest.fixture
async def store(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MortalStore]:
    monkeypatch.setattr(changes, "PAGE", 4)
    async with MortalStore(tmp_path / "a.db", clock) as store:
        await store.insert("operation", "op", {"org_id": "o", "params": {}, "progress": {}})
        for number, key in enumerate(KEYS, 1):
            await store.insert("asset", key, {"org_id": "o", "number": number, "title": "old"})
        await store.remove("asset", "asset_4")
        await store.insert("asset", "asset_99", {"org_id": "another", "number": 99, "title": "old"})
        yield store


async def work(record: Record) -> Change | Skip | Fail:
    number = record.body["number"]
    if number % 5 == 0:
        return Fail("bad", f"Number {number} is bad.")
    return Change(set={"title": "new"}, unset=["pad"]) if record.body["title"] == "old" else Skip("unchanged", "It is.")


async def run(store: MortalStore, keys: list[str]) -> OperationContext[Nothing]:
    record = await store.get("operation", "op")
    context = OperationContext(store, record, ReportedProgress(store), Nothing())
    if context.checkpoint is None:
        await context.write_input(0, keys[:7])
        await context.write_input(1, keys[7:])
        await context.begin(len(keys), {"inputs": 2})
    await RecordChanges(store, "asset", context, work, concurrency=3).run(2)
    return context


async def items(store: MortalStore, status: str | None = None) -> list[Item]:
    counted = (await store.get("operation", "op")).body["checkpoint"]["pages"]
    found: list[Item] = []
    after: str | None = None
    while True:
        page, after = await ItemPages(store, "op", "o").page(counted, status=status, limit=2, after=after)
        found += page
        if after is None:
            return found


EXPECTED = {
    **dict.fromkeys(KEYS, ("succeeded", None)),
    "asset_4": ("skipped", "deleted"),
    "asset_5": ("failed", "bad"),
    "asset_10": ("failed", "bad"),
    "asset_99": ("failed", "not_found"),
    "asset_100": ("failed", "not_found"),
}
ASKED = [*KEYS, "asset_99", "asset_100"]


async def check(store: MortalStore, context: OperationContext[Nothing]) -> None:
    found = await items(store)
    assert sorted(item.key for item in found) == sorted(ASKED), "each item once"
    assert {item.key: (item.status, item.reason) for item in found} == EXPECTED
    assert context.counts == Counter(status for status, _ in EXPECTED.values())
    progress = (await store.get("operation", "op")).body["progress"]
    assert progress == {"total": len(ASKED), **context.counts}
    for key, (status, _) in EXPECTED.items():
        record = (await store.get_many("asset", [key], tombstones=True)).get(key)
        if status == "succeeded" and record is not None:
            assert (record.rev, record.body["title"], record.body[MARK]) == (2, "new", "op"), "changed once"
    other = await store.get("asset", "asset_99")
    assert (other.rev, other.body["title"]) == (1, "old"), "another organization's"


async def test_each_record_is_changed_once(store: MortalStore) -> None:
    context = await run(store, ASKED)
    await check(store, context)
    changed = next(item for item in await items(store, "succeeded") if item.key == "asset_1")
    assert (changed.rev, changed.before, changed.after) == (1, {"title": "old"}, {"title": "new"})
    assert {item.key for item in await items(store, "failed")} == {"asset_5", "asset_10", "asset_99", "asset_100"}


@pytest.mark.parametrize("behind", [False, True], ids=["instead of a write", "behind a write"])
@pytest.mark.parametrize("write", range(1, 22))
async def test_a_process_dies_at_one_write(store: MortalStore, write: int, behind: bool) -> None:
    store.live(write, behind=behind)
    with pytest.raises(Killed):
        await run(store, ASKED)
    store.live(0, behind=False)
    await check(store, await run(store, ASKED))


async def test_a_run_that_was_taken_for_dead_overwrites_nothing(store: MortalStore) -> None:
    record = await store.get("operation", "op")
    stale, alive = (OperationContext(store, record, ReportedProgress(store), Nothing()) for _ in range(2))
    await stale.plan([Item("asset_1", "succeeded", rev=1)], {})
    await alive.unfinished()
    await alive.advance([Item("asset_1", "failed", "bad", "It is bad.")], {})
    with pytest.raises(Conflict):
        await stale.advance([Item("asset_1", "succeeded", rev=1)], {})
    assert [item.status for item in await items(store)] == ["failed"]


@pytest.mark.parametrize("seed", range(10))
async def test_processes_die_again_and_again(store: MortalStore, seed: int) -> None:
    moments = random.Random(seed)
    for _ in range(500):
        store.live(moments.randint(1, 6), behind=moments.random() < 0.5)
        try:
            context = await run(store, ASKED)
        except Killed:
            continue
        await check(store, context)
        return
    raise AssertionError("it never came to its end")


async def test_what_another_writer_changes_meanwhile_is_worked_out_anew(store: MortalStore) -> None:

    async def busy(record: Record) -> Change | Skip | Fail:
        answer = await work(record)
        if record.key == "asset_1" and record.rev == 1:
            await store.update("asset", "asset_1", Change(set={"pad": "x"}))
        if record.key == "asset_2" and record.rev == 1:
            await store.update("asset", "asset_2", Change(set={"title": "new"}))
        if record.key == "asset_3" and record.rev == 1:
            await store.remove("asset", "asset_3")
        return answer

    context = OperationContext(store, await store.get("operation", "op"), ReportedProgress(store), Nothing())
    await context.write_input(0, KEYS[:3])
    await context.begin(3, {})
    await RecordChanges(store, "asset", context, busy, concurrency=3).run(1)
    found = {item.key: item for item in await items(store)}
    assert (found["asset_1"].status, found["asset_1"].rev, found["asset_1"].before) == (
        "succeeded", 2, {"title": "old", "pad": "x"},
    )  # fmt: skip
    assert (found["asset_2"].status, found["asset_2"].reason) == ("skipped", "unchanged")
    assert (found["asset_3"].status, found["asset_3"].reason) == ("skipped", "deleted")
    assert context.counts == {"succeeded": 1, "skipped": 2, "failed": 0}


async def test_one_that_never_comes_to_rest_fails(store: MortalStore) -> None:
    async def hopeless(record: Record) -> Change:
        await store.update("asset", record.key, Change(set={"pad": record.rev}))
        return Change(set={"title": "new"})

    context = OperationContext(store, await store.get("operation", "op"), ReportedProgress(store), Nothing())
    await context.write_input(0, KEYS[:1])
    await context.begin(1, {})
    await RecordChanges(store, "asset", context, hopeless, concurrency=3).run(1)
    assert [(item.status, item.reason) for item in await items(store)] == [("failed", "conflict")]


@pytest.mark.parametrize(("limit", "kept"), [(150, True), (20, False)])
async def test_pages_of_values_are_bounded(
    store: MortalStore, monkeypatch: pytest.MonkeyPatch, limit: int, kept: bool
) -> None:
    """Long values make more pages; one that is too long by itself is not kept, and its record changed all the same."""
    monkeypatch.setattr(changes, "PAGE_BYTES", limit)

    async def lengthen(record: Record) -> Change:
        return Change(set={"title": "x" * 80})

    context = OperationContext(store, await store.get("operation", "op"), ReportedProgress(store), Nothing())
    await context.write_input(0, KEYS[:3])
    await context.begin(3, {})
    await RecordChanges(store, "asset", context, lengthen, concurrency=3).run(1)
    written = (await store.get("operation", "op")).body["checkpoint"]["pages"]
    assert written == (3 if kept else 1)
    assert [item.before is not None for item in await items(store)] == [kept] * 3
    assert (await store.get("asset", "asset_1")).body["title"] == "x" * 80


async def test_a_fault_of_the_work_ends_the_run_and_its_siblings(store: MortalStore) -> None:
    seen: list[str] = []

    async def broken(record: Record) -> Change | Skip | Fail:
        seen.append(record.key)
        raise ValueError(record.key)

    context = OperationContext(store, await store.get("operation", "op"), ReportedProgress(store), Nothing())
    await context.write_input(0, KEYS[:3])
    await context.begin(3, {})
    with pytest.raises(ValueError, match="asset_"):
        await RecordChanges(store, "asset", context, broken, concurrency=1).run(1)
    assert context.counts == {"succeeded": 0, "skipped": 0, "failed": 0}


def test_a_context_says_who_started_it(store: MortalStore) -> None:
    by: Mapping[str, object] = {"user_id": "kim", "key_id": "key_1", "scopes": ["assets:write"]}
    record = Record("operation", "op", 1, {"org_id": "o", "started_by": by}, "")
    who = OperationContext(store, record, ReportedProgress(), Nothing()).started_by
    assert (who.org_id, who.user_id, who.key_id, who.scopes) == ("o", "kim", "key_1", frozenset({"assets:write"}))
