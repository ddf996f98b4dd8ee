"""Events of records, on every store: at least once, in order for a record, one for a record and rev, nothing lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import timedelta

import pytest

from service.core.events.consumers import Consumer, consumer_key
from service.core.events.following import LogReader
from service.core.events.log import BLOCK_EVENTS, START, EventLog, Overtaken
from service.core.events.records import RESYNC, RecordEvent, resync
from service.errors import NotFound
from service.ports.clock import SystemClock
from service.ports.store import Store
from tests.support.clocks import Elsewhere
from tests.support.events import Seat, add, begun, change, logged, relaying, told
from tests.support.waiting import eventually, until


def types(events: Sequence[RecordEvent]) -> list[tuple[str, str, int]]:
    return [(event.type, event.key, event.rev) for event in events]


async def test_every_kind_of_change_is_told_in_order(store: Store) -> None:
    seat = Seat()
    await begun(store, seat)
    steps: tuple[tuple[Callable[[], Awaitable[object]], tuple[str, int]], ...] = (
        (lambda: add(store, "a"), ("asset.created", 1)),
        (lambda: change(store, "a", title="new"), ("asset.updated", 2)),
        (lambda: change(store, "a", deleted_at="2026-01-01T00:00:00.000Z"), ("asset.trashed", 3)),
        (lambda: change(store, "a", title="newer"), ("asset.updated", 4)),
        (lambda: change(store, "a", "deleted_at"), ("asset.restored", 5)),
        (lambda: store.remove("asset", "a"), ("asset.deleted", 6)),
    )
    async with relaying(store, seat):
        for count, (write, _) in enumerate(steps, 1):
            await write()
            events = await told(store, count)
    assert [(event.type, event.rev) for event in events] == [expected for _, expected in steps]
    assert [event.id for event in events] == [f"asset/a/{rev}" for rev in range(1, 7)]
    assert {event.org_id for event in events} == {"acme"}
    assert [event.changed for event in events] == [
        (), ("title",), ("deleted_at",), ("title",), ("deleted_at",), None,
    ]  # fmt: skip
    assert [event.trashed for event in events] == [False, False, True, True, False, False]
    assert events[1].actor == {"user_id": "kim", "key_id": "key_1", "call_id": None}


async def test_what_happens_between_two_relays_is_told_by_the_second(store: Store) -> None:
    seat = Seat()
    await begun(store, seat)
    await add(store, "a")
    async with relaying(store, seat):
        await told(store, 1)
    await add(store, "b")
    await change(store, "a", title="new")
    async with relaying(store, seat):
        assert sorted(types(await told(store, 3))) == [
            ("asset.created", "a", 1), ("asset.created", "b", 1), ("asset.updated", "a", 2),
        ]  # fmt: skip


async def test_changes_that_are_faster_than_the_relay_are_one_event_with_the_newest_state(store: Store) -> None:
    seat = Seat()
    await begun(store, seat)
    await add(store, "a")
    for number in range(5):
        await change(store, "a", title=f"t{number}")
    async with relaying(store, seat):
        assert types(await told(store, 1)) == [("asset.created", "a", 6)], "nobody has heard of it before"
        for number in range(5):
            await change(store, "a", title=f"u{number}")
        await change(store, "a", deleted_at="2026-01-01T00:00:00.000Z")
        events = await eventually_rev(store, "a", 12)
    assert events[-1].type == "asset.trashed" or "asset.trashed" in {event.type for event in events}
    revs = [event.rev for event in events]
    assert revs == sorted(set(revs)), "each rev at most once, and rising"


async def eventually_rev(store: Store, key: str, rev: int) -> list[RecordEvent]:
    """Wait until a rev was told; return all events of the record."""
    count = 1
    while True:
        events = [event for event in await told(store, count) if event.key == key]
        if events[-1].rev >= rev:
            return events
        count += 1


async def test_the_trash_is_told_by_state_where_it_was_told_before(store: Store) -> None:
    """The write that moved the record is not the last one."""
    seat = Seat()
    await begun(store, seat)
    await add(store, "a")
    async with relaying(store, seat):
        await told(store, 1)
    await change(store, "a", deleted_at="2026-01-01T00:00:00.000Z")
    await change(store, "a", title="in the trash")
    async with relaying(store, seat):
        assert types(await told(store, 2))[1] == ("asset.trashed", "a", 3)


async def test_an_old_record_that_changes_while_no_relay_runs_is_no_new_one(store: Store) -> None:
    await add(store, "a", created_by={"at": "2020-01-01T00:00:00.000Z"})
    seat = Seat()
    await begun(store, seat)
    await change(store, "a", created_by={"at": "2020-01-01T00:00:00.000Z"})
    async with relaying(store, seat):
        assert types(await told(store, 1)) == [("asset.updated", "a", 2)]


async def test_an_idle_relay_moves_its_checkpoint_on(store: Store) -> None:
    seat = Seat()
    await begun(store, seat)
    before = seat.checkpoint["token"]
    async with relaying(store, seat):
        mark = await store.barrier()
        await until(lambda: store.passed(seat.checkpoint["token"], mark), "it noted a later token")
    assert seat.checkpoint["token"] != before
    assert await EventLog(store, SystemClock()).head() is None, "and told of nothing"


async def test_one_relay_leads_and_another_takes_over(store: Store) -> None:
    seat = Seat()
    await begun(store, seat)
    async with relaying(store, seat) as other:
        await until(lambda: other.status.leads, "one leads")
        async with relaying(store, seat) as stand_by:
            await add(store, "a")
            await told(store, 1)
            assert not stand_by.status.leads
            await other.stop()
            await add(store, "b")
            assert types(await told(store, 2))[1] == ("asset.created", "b", 1)
            assert stand_by.status.leads


async def test_of_two_relays_that_believe_to_lead_the_log_lets_one_tell(store: Store) -> None:
    seat = Seat()
    await begun(store, seat)
    async with relaying(store, seat, blind=True), relaying(store, seat, blind=True):
        for number in range(30):
            await add(store, f"k{number}")
        events = await told(store, 30)
    assert sorted(event.id for event in events) == sorted({f"asset/k{number}/1" for number in range(30)})


async def test_a_block_is_appended_once(store: Store) -> None:
    log = EventLog(store, SystemClock())
    event = resync(1, "2026-01-01T00:00:00.000Z", "x")
    await log.append(1, [event], "t")
    with pytest.raises(Overtaken):
        await log.append(1, [event], "t")
    for wrong in ([], [event] * (BLOCK_EVENTS + 1)):
        with pytest.raises(ValueError, match="1 to 1,000"):
            await log.append(2, wrong, "t")


async def test_a_lost_history_is_said_and_what_comes_then_is_told(store: Store, other_store: Store) -> None:
    seat = Seat()
    await begun(store, seat)
    await add(store, "a")
    async with relaying(store, seat):
        await told(store, 1)
    seat.checkpoint |= {"token": await other_store.barrier(), "number": 1}
    async with relaying(store, seat):
        assert [event.type for event in await told(store, 2)] == ["asset.created", RESYNC]
        await add(store, "b")
        events = await told(store, 3)
    assert events[2].key == "b"
    assert events[1].org_id is None
    assert events[1].reason
    async with relaying(store, seat):  # it goes on from there, and says it once
        await add(store, "c")
        assert [event.type for event in (await told(store, 4))[1:]] == [RESYNC, "asset.created", "asset.created"]


async def test_a_follower_goes_on_behind_any_position(store: Store) -> None:
    log = EventLog(store, SystemClock())
    for number in range(1, 8):
        await log.append(number, [resync(number * 10 + place, "", "x") for place in range(3)], "t")
    everything = [item for item in await logged(store, 21, position=START) if item.event is not None]
    assert [item.position for item in everything] == sorted({item.position for item in everything})
    for place, item in enumerate(everything[:-1]):
        rest = await logged(store, 20 - place, position=item.position)
        assert [one.event for one in rest if one.event] == [one.event for one in everything[place + 1 :]]
        assert not any(one.lost for one in rest)


async def test_followers_learn_of_what_is_appended_in_order(store: Store) -> None:
    log = EventLog(store, SystemClock())
    reader = LogReader(log, poll=0.02)
    seen: list[list[int]] = [[], [], []]
    begun: set[int] = set()

    async def follow(place: int) -> None:
        async with aclosing(reader.follow(None)) as pages:
            async for page in pages:
                begun.add(place)
                seen[place] += [item.position for item in page if item.event]

    tasks = [asyncio.create_task(follow(place)) for place in range(len(seen))]
    await until(lambda: len(begun) == len(seen), "all have begun")
    elsewhere = EventLog(store, SystemClock())  # as another process would append
    await log.append(1, [resync(0, "", "x")], "t")
    await until(lambda: all(seen), "all have the first")
    for number in range(2, 40):
        await elsewhere.append(number, [resync(number, "", "x")] * 2, "t")
    await until(lambda: all(len(one) == 77 for one in seen), "all have all")
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert seen[0] == seen[1] == seen[2] == sorted(set(seen[0]))


async def test_old_blocks_are_swept_and_who_was_there_is_told_so(store: Store) -> None:
    log, later = EventLog(store, SystemClock()), EventLog(store, Elsewhere(hours=2))
    for number in range(1, 120):
        await log.append(number, [resync(number, "", "x")], "t")
    assert await later.sweep(timedelta(hours=3)) == 0
    await later.append(120, [resync(120, "", "x")], "t")
    assert await later.sweep(timedelta(hours=1)) == 119
    assert await log.oldest() == 120
    assert await later.sweep(timedelta(0)) == 0, "the newest block stays: a relay goes on behind it"
    cases = {START: True, 118 * 1000: True, 119 * 1000 - 1: True, 119 * 1000 + 999: False, 120 * 1000: False,
             120 * 1000 + 999: False, 121 * 1000: True, 10**12: True}  # fmt: skip
    for position, lost in cases.items():
        async with aclosing(LogReader(log).follow(position)) as pages:
            first = (await anext(pages))[0]
        assert first.lost is lost, position
        assert first.position == (120 * 1000 + 999 if lost else position)


async def test_a_consumer_gets_everything_and_goes_on_where_it_was(store: Store) -> None:
    log = EventLog(store, SystemClock())
    got: list[str] = []
    failing = True

    async def handle(events: Sequence[RecordEvent]) -> None:
        nonlocal failing
        if failing:
            failing = False
            raise RuntimeError("not today")
        got.extend(event.id for event in events)

    def consumer() -> Consumer:
        return Consumer(store, LogReader(log, poll=0.02), SystemClock(), "test", handle)

    async def known() -> bool:
        try:
            return bool((await store.get("checkpoint", consumer_key("test"))).body)
        except NotFound:
            return False

    first = consumer()
    first.start()
    await eventually(known, "it has begun")
    await log.append(1, [resync(1, "", "x")], "t")
    await until(lambda: got == ["resync/1"], "it gets the event in the second attempt")
    await first.stop()
    await log.append(2, [resync(2, "", "x")], "t")
    second = consumer()
    second.start()
    await until(lambda: got[-1] == "resync/2", "the next one goes on")
    await second.stop()
    assert len(got) <= 3, "at most the last page is repeated"


async def test_a_consumer_that_was_away_for_too_long_is_told_so(store: Store) -> None:
    log, later = EventLog(store, SystemClock()), EventLog(store, Elsewhere(hours=2))
    await store.insert("checkpoint", consumer_key("test"), {"position": START})
    await log.append(1, [resync(1, "", "x")], "t")
    await later.append(2, [resync(2, "", "x")], "t")
    await later.sweep(timedelta(hours=1))
    got: list[RecordEvent] = []

    async def handle(events: Sequence[RecordEvent]) -> None:
        got.extend(events)

    consumer = Consumer(store, LogReader(log, poll=0.02), SystemClock(), "test", handle)
    consumer.start()
    await until(lambda: bool(got), "it hears of it")
    await consumer.stop()
    assert [event.type for event in got] == [RESYNC]
    assert "no longer kept" in str(got[0].reason)
