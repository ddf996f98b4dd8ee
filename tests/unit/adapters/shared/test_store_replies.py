from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from service.adapters.shared import store_replies
from service.adapters.shared.store_replies import StoreReplies
from service.adapters.sqlite.store import SqliteStore
from service.errors import Unavailable
from service.ports.replies import KEPT, LEASE, Claim, InProgress, StoredReply
from service.ports.store import Record
from tests.support.waiting import until
from tests.unit.core.fakes import Clock

REPLY = StoredReply(201, {}, b"{}")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(tmp_path: Path, clock: Clock) -> AsyncIterator[SqliteStore]:
    async with SqliteStore(tmp_path / "a.db", clock) as store:
        yield store


async def keep(replies: StoreReplies, *slots: str) -> None:
    for slot in slots:
        mark = await replies.begin(slot, "print")
        assert isinstance(mark, Claim)
        assert not mark.repeated
        assert await replies.keep(mark, REPLY)


async def records(store: SqliteStore) -> list[Record]:
    return await store.scan("reply")


async def test_a_day_later_the_slot_is_anyone_s(store: SqliteStore, clock: Clock) -> None:
    replies = StoreReplies(store, clock)
    await keep(replies, "slot")
    clock.pass_(KEPT - 1)
    assert await replies.begin("slot", "print") == REPLY
    clock.pass_(1)
    mark = await replies.begin("slot", "another print")
    assert isinstance(mark, Claim)
    assert not mark.repeated
    assert await replies.begin("slot", "another print") == InProgress()
    assert len(await records(store)) == 1


async def test_expired_records_are_emptied_and_used_again(store: SqliteStore, clock: Clock) -> None:
    replies = StoreReplies(store, clock)
    await keep(replies, "a", "b", "c")
    assert await replies.sweep() == 0
    clock.pass_(KEPT)
    assert await replies.sweep() == 3
    assert await replies.sweep() == 0
    assert [record.body for record in await records(store)] == [{"free": True}] * 3
    await keep(replies, "d", "e", "f")
    assert len(await records(store)) == 3
    assert await replies.begin("d", "print") == REPLY
    await keep(replies, "g")
    assert len(await records(store)) == 4


async def test_a_sweep_is_bounded(store: SqliteStore, clock: Clock) -> None:
    replies = StoreReplies(store, clock)
    await keep(replies, "a", "b", "c")
    clock.pass_(KEPT)
    assert [await replies.sweep(limit=2) for _ in range(3)] == [2, 1, 0]


async def test_what_another_process_emptied_is_found(store: SqliteStore, clock: Clock) -> None:
    await keep(StoreReplies(store, clock), "a", "b")
    clock.pass_(KEPT)
    await StoreReplies(store, clock).sweep()
    one, two = StoreReplies(store, clock), StoreReplies(store, clock)
    await one.sweep()
    await two.sweep()
    await keep(one, "c")
    await keep(two, "d", "e")
    assert len(await records(store)) == 3, "both wanted the same, and one of them made a new one"
    assert await two.begin("c", "print") == REPLY


async def test_a_free_record_is_not_lost_to_a_slot_that_is_taken(store: SqliteStore, clock: Clock) -> None:
    replies = StoreReplies(store, clock)
    await keep(replies, "a")
    clock.pass_(KEPT)
    await replies.sweep()
    await keep(StoreReplies(store, clock), "b")
    assert await replies.begin("b", "print") == REPLY
    await keep(replies, "c")
    assert len(await records(store)) == 2


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_clock_that_is_wrong_blocks_nobody(store: SqliteStore, clock: Clock, hours: int) -> None:
    wrong = Clock()
    wrong.pass_(3600 * hours)
    mark = await StoreReplies(store, wrong).begin("slot", "print")
    assert isinstance(mark, Claim)
    taken = await StoreReplies(store, clock).begin("slot", "print")
    assert isinstance(taken, Claim)
    assert taken.repeated


async def test_a_lease_ends_by_the_clock(store: SqliteStore, clock: Clock) -> None:
    one, two = StoreReplies(store, clock), StoreReplies(store, clock)
    mark = await one.begin("slot", "print")
    assert isinstance(mark, Claim)
    clock.pass_(LEASE - 1)
    assert await two.begin("slot", "print") == InProgress()
    assert await one.renew(mark)
    clock.pass_(LEASE - 1)
    assert await two.begin("slot", "print") == InProgress()
    clock.pass_(1)
    assert isinstance(await two.begin("slot", "print"), Claim)


async def test_a_mark_that_timed_out_is_no_run(
    store: SqliteStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mark was written after its caller had given up: it must not block the retry."""
    replies = StoreReplies(store, clock)
    insert = store.insert

    async def late(*arguments: Any) -> Record:
        await insert(*arguments)
        raise Unavailable("store", "no answer in time")

    with monkeypatch.context() as patched:
        patched.setattr(store, "insert", late)
        with pytest.raises(Unavailable):
            await replies.begin("slot", "print")
    assert await StoreReplies(store, clock).begin("slot", "print") == InProgress(), "who else could know?"
    mark = await replies.begin("slot", "print")
    assert isinstance(mark, Claim)
    assert mark.repeated


async def test_a_reply_that_could_not_be_kept_blocks_no_retry(
    store: SqliteStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    replies = StoreReplies(store, clock)
    mark = await replies.begin("slot", "print")
    assert isinstance(mark, Claim)

    async def away(*_arguments: Any, **_options: Any) -> Record:
        raise Unavailable("store", "away")

    with monkeypatch.context() as patched:
        patched.setattr(store, "update", away)
        with pytest.raises(Unavailable):
            await replies.keep(mark, REPLY)
    assert isinstance(await replies.begin("slot", "print"), Claim)


async def test_it_sweeps_by_itself_and_outlives_faults(
    store: SqliteStore, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await keep(StoreReplies(store, clock), "a")
    clock.pass_(KEPT)
    monkeypatch.setattr(store_replies, "SWEEP_SECONDS", 0.01)
    faults: list[Exception] = [Unavailable("store", "away"), ZeroDivisionError()]
    update = store.update

    async def faulty(*arguments: Any, **options: Any) -> Record:
        if faults:
            raise faults.pop(0)
        return await update(*arguments, **options)

    monkeypatch.setattr(store, "update", faulty)
    with caplog.at_level(logging.WARNING):
        async with StoreReplies(store, clock) as replies:
            await until(lambda: bool(replies._free), "the expired one is emptied")
    assert len(caplog.records) == 2
    assert not asyncio.all_tasks() - {asyncio.current_task()}
