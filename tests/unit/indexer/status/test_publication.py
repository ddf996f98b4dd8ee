"""The indexer's status between processes: written into the store by one, read by others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from indexer.bulk.outcomes import Verdict
from indexer.status.model import (
    HEARTBEAT_SECONDS,
    NOBODY,
    STALE_SECONDS,
    UNKNOWN,
    FollowerStatus,
    Reconciling,
    Role,
    State,
    decode,
    encode,
    key_of,
)
from indexer.status.publication import IndexWatch, Publisher
from service.adapters.sqlite.store import SqliteStore
from service.errors import HistoryLost
from service.ports.store import Record, Store
from tests.support.waiting import eventually, until
from tests.unit.core.fakes import Clock

ALIAS = "assets"
GOOD = replace(UNKNOWN, state=State.FOLLOWING, index="assets-1", caught_up=True, last_error=None, role=Role.LEADER)


@dataclass
class Rig:
    store: Store
    clock: Clock
    stack: AsyncExitStack
    status: FollowerStatus = GOOD
    looks: int = 0

    def look(self) -> FollowerStatus:
        self.looks += 1
        return self.status

    async def looked(self) -> None:
        """Return when the publisher has looked at the status a few times more, and acted upon it."""
        goal = self.looks + 4
        await until(lambda: self.looks >= goal, "the publisher has looked at the status")

    def publisher(self) -> Publisher:
        """Start to publish this rig's status."""
        publisher = Publisher(self.store, self.clock, ALIAS, self.look)
        self.stack.push_async_callback(publisher.stop)
        publisher.start()
        return publisher

    async def watch(self) -> IndexWatch:
        """Start to watch."""
        watch = IndexWatch(self.store, self.clock, ALIAS)
        await watch.look()
        watch.start()
        self.stack.push_async_callback(watch.stop)
        return watch

    async def record(self) -> Record | None:
        return (await self.store.get_many("checkpoint", [key_of(ALIAS)])).get(key_of(ALIAS))

    async def written(self, **wanted: Any) -> Record:
        """Wait for a record with these fields."""

        async def is_there() -> bool:
            self.clock.pass_(0.3)
            record = await self.record()
            return record is not None and all(record.body[name] == value for name, value in wanted.items())

        await eventually(is_there, f"the status is published with {wanted}")
        record = await self.record()
        assert record is not None
        return record


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with AsyncExitStack() as stack:
        clock = Clock()
        store = await stack.enter_async_context(SqliteStore(tmp_path / "store.sqlite", clock))
        yield Rig(store, clock, stack)


def test_a_status_survives_the_way_through_the_store() -> None:
    status = replace(GOOD, items={Verdict.DONE: 5}, token="t", searchable="s", dead_letters=2, targets=("a", "b"))
    assert decode(encode(status)) == replace(status, items={"done": 5})
    repairing = replace(GOOD, reconciling=Reconciling("lost history", "a", "asset_7", 7, {"missing": 2}))
    assert decode(encode(repairing)) == repairing


def test_a_status_of_another_release_is_read_as_far_as_it_is_known() -> None:
    body = encode(GOOD) | {"state": "dreaming", "role": "guest", "new_field": 1}
    del body["dead_letters"]
    read = decode(body)
    assert (read.state, read.index, read.dead_letters) == (State.FOLLOWING, "assets-1", 0)
    assert read.role is Role.NONE


async def test_where_nobody_ever_indexed(rig: Rig) -> None:
    watch = await rig.watch()
    status = watch.status()
    assert (status.state, status.caught_up, status.last_error) == (State.STOPPED, False, NOBODY)
    assert not await watch.wait_for(await rig.store.barrier(), 0.05)


async def test_what_is_published_is_seen(rig: Rig) -> None:
    watch = await rig.watch()
    rig.publisher()
    mark = await rig.store.barrier()
    waiting = asyncio.create_task(watch.wait_for(mark, 10))
    await rig.written(index="assets-1")
    await until(watch.alive, "the sign of life is seen")
    assert not waiting.done()
    rig.status = replace(GOOD, searchable=mark)
    await rig.written(searchable=mark)
    assert await waiting
    assert watch.status() == rig.status


async def test_one_question_serves_all_who_wait(rig: Rig) -> None:
    rig.status = replace(GOOD, searchable=await rig.store.barrier())
    rig.publisher()
    await rig.written(index="assets-1")
    watch = await rig.watch()
    later = await rig.store.barrier()
    waiting = [asyncio.create_task(watch.wait_for(later, 10)) for _ in range(50)]
    rig.status = replace(GOOD, searchable=later)
    await rig.written(searchable=later)
    assert all(await asyncio.gather(*waiting))


async def test_a_foreign_token_is_refused(rig: Rig) -> None:
    rig.status = replace(GOOD, searchable=await rig.store.barrier())
    rig.publisher()
    await rig.written(index="assets-1")
    watch = await rig.watch()
    with pytest.raises(HistoryLost):
        await watch.wait_for("another:1", 1)


async def test_nothing_is_written_while_nothing_changes_but_a_sign_of_life(rig: Rig) -> None:
    rig.publisher()
    first = await rig.written(index="assets-1")
    rig.status = replace(GOOD, lag_seconds=0.4)
    rig.clock.pass_(HEARTBEAT_SECONDS / 2)
    await rig.looked()
    assert (await rig.record()) == first
    rig.clock.pass_(HEARTBEAT_SECONDS)
    assert (await rig.written(lag_seconds=0.4)).rev == first.rev + 1


async def test_an_indexer_that_is_silent_for_long_is_gone(rig: Rig) -> None:
    publisher = rig.publisher()
    watch = await rig.watch()

    async def looked() -> bool:
        await watch.look()
        return watch.alive()

    await eventually(looked, "the indexer is seen")
    frozen = replace(GOOD, state=State.STOPPED)  # as if it hung: nothing is written
    rig.status = frozen
    rig.clock.pass_(STALE_SECONDS + 1)
    status = watch.status()
    assert (status.state, status.caught_up, status.last_error) == (State.STOPPED, True, NOBODY)
    rig.status = GOOD
    rig.clock.pass_(HEARTBEAT_SECONDS)  # the first write may have ended, and been dated, only after the jump above
    await eventually(looked, "it is back")
    await publisher.stop()
    await watch.look()
    assert not watch.alive(), "an indexer that ends says so"


async def test_the_first_look_tells_an_old_status_by_its_time(rig: Rig) -> None:
    publisher = rig.publisher()
    await rig.written(index="assets-1")
    assert (await rig.watch()).alive()
    publisher._written = None  # it dies without a word
    await publisher.stop()
    rig.clock.pass_(STALE_SECONDS + 1)
    assert not (await rig.watch()).alive()


async def test_a_standby_keeps_silent(rig: Rig) -> None:
    rig.status = replace(GOOD, state=State.STANDBY, role=Role.STANDBY)
    publisher = rig.publisher()
    await rig.looked()
    await publisher.stop()
    assert await rig.record() is None


async def test_of_two_the_one_that_works_is_heard(rig: Rig) -> None:
    """A process that was frozen writes once at most over what its successor says: then it has looked at itself."""
    old, new = replace(GOOD, index="old"), replace(GOOD, index="new")
    rig.status = old
    rig.publisher()
    await rig.written(index="old")
    successor = Rig(rig.store, rig.clock, rig.stack, new)
    successor.publisher()
    await rig.written(index="new")
    rig.status = replace(old, state=State.STOPPED)
    rig.clock.pass_(HEARTBEAT_SECONDS + 1)
    await rig.looked()
    record = await rig.record()
    assert record is not None
    assert record.body["index"] == "new"


async def test_a_fault_does_not_silence_the_indexer(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.status = replace(GOOD, items={"done": object()})  # type: ignore[dict-item]
    rig.publisher()
    await until(lambda: "cannot publish" in caplog.text, "the fault is in the log")
    rig.status = GOOD
    await rig.written(index="assets-1")
