from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from service.errors import AlreadyExists, Conflict
from service.ports.store import MARKER, Change, Record, Store
from tests.contracts.adapters import STORES
from tests.contracts.children import child, said


async def test_a_hundred_increments_at_once(store: Store) -> None:
    await store.insert("asset", "a", {"n": 0})
    records = await asyncio.gather(*(store.update("asset", "a", Change(increment={"n": 1})) for _ in range(100)))
    assert sorted(record.rev for record in records) == list(range(2, 102))
    assert all(record.body["n"] == record.rev - 1 for record in records)
    assert (await store.get("asset", "a")).body == {"n": 100}


async def test_one_of_a_hundred_at_one_rev_wins(store: Store) -> None:
    await store.insert("asset", "a", {})
    updates = (store.update("asset", "a", Change(set={"by": n}), expected_rev=1) for n in range(100))
    outcomes = await asyncio.gather(*updates, return_exceptions=True)
    winners = [outcome for outcome in outcomes if isinstance(outcome, Record)]
    assert len(winners) == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 99
    assert await store.get("asset", "a") == winners[0]


async def test_a_read_and_write_loop_loses_nothing(store: Store) -> None:
    await store.insert("asset", "a", {"names": []})

    async def append(name: str) -> None:
        while True:
            record = await store.get("asset", "a")
            change = Change(set={"names": [*record.body["names"], name]})
            try:
                await store.update("asset", "a", change, expected_rev=record.rev)
            except Conflict:
                continue
            return

    await asyncio.gather(*(append(f"n{number}") for number in range(30)))
    assert sorted((await store.get("asset", "a")).body["names"]) == sorted(f"n{number}" for number in range(30))


async def test_one_of_a_hundred_takes_a_unique_value(store: Store) -> None:
    inserts = (store.insert("asset", f"k{n}", {"org_id": "o", "slug": "same"}) for n in range(100))
    outcomes = await asyncio.gather(*inserts, return_exceptions=True)
    assert sum(isinstance(outcome, Record) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, AlreadyExists) for outcome in outcomes) == 99
    assert await store.count("asset", {}) == 1


async def test_a_failed_write_spoils_none_beside_it(store: Store) -> None:
    await store.insert("asset", "taken", {"guid": "g"})
    inserts = [store.insert("asset", f"k{n}", {"guid": "g" if n % 2 else f"g{n}"}) for n in range(100)]
    outcomes = await asyncio.gather(*inserts, return_exceptions=True)
    assert [isinstance(outcome, Record) for outcome in outcomes] == [n % 2 == 0 for n in range(100)]
    assert await store.count("asset", {}) == 51


async def test_a_cancelled_caller_leaves_the_store_working(store: Store) -> None:
    tasks = [asyncio.create_task(store.insert("asset", f"k{n}", {})) for n in range(50)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for number, outcome in enumerate(outcomes):
        if isinstance(outcome, Record):
            assert await store.get("asset", f"k{number}") == outcome
        else:
            assert isinstance(outcome, asyncio.CancelledError)
    assert (await store.insert("asset", "later", {})).rev == 1


async def test_a_write_that_returned_is_seen_by_every_later_read(store: Store) -> None:
    async def work(worker: int) -> None:
        for number in range(20):
            key = f"w{worker}n{number}"
            written = await store.insert("asset", key, {"org_id": f"o{worker}"})
            assert await store.get("asset", key) == written
            assert await store.count("asset", {"org_id": f"o{worker}"}) == number + 1

    await asyncio.gather(*(work(worker) for worker in range(16)))


async def test_numbers_are_unique_among_tasks_and_processes(store: Store, store_name: str, tmp_path: Path) -> None:
    with (
        child(store_name, tmp_path, "reserve", "3", "200") as first,
        child(store_name, tmp_path, "reserve", "3", "200") as second,
    ):
        mine = await asyncio.gather(*(store.counter("number", 3) for _ in range(200)))
        theirs = [int(line) for process in (first, second) for line in await asyncio.to_thread(list, said(process))]
    firsts = sorted([*mine, *theirs])
    assert len(firsts) == 600
    assert firsts == list(range(1, 1801, 3))


async def test_numbers_are_not_given_twice_after_a_kill(store_name: str, tmp_path: Path) -> None:
    given: list[int] = []
    for _ in range(3):
        with child(store_name, tmp_path, "reserve", "2", "1000000") as process:
            lines = said(process)
            given += [int(next(lines)) for _ in range(20)]
            process.kill()
            given += [int(line) for line in lines]
    async with STORES[store_name](tmp_path) as store:
        given.append(await store.counter("number"))
    assert len(given) == len(set(given))
    assert given == sorted(given)


async def test_the_feed_shows_the_writes_of_another_process(store: Store, store_name: str, tmp_path: Path) -> None:
    async with asyncio.timeout(60):
        feed = store.changes(await store.barrier(), kinds=["asset"])
        arrived: set[str] = set()
        written: list[str] = []

        def listen() -> None:
            with child(store_name, tmp_path, "insert", "k", "50") as process:
                written.extend(said(process))

        listening = asyncio.create_task(asyncio.to_thread(listen))
        while len(arrived) < 50:
            arrived |= {change.key for change in await anext(feed) if change.kind != MARKER}
        await listening
    assert arrived == set(written) == {f"k{n}" for n in range(50)}


async def test_two_processes_write_at_once(store: Store, store_name: str, tmp_path: Path) -> None:
    with child(store_name, tmp_path, "insert", "theirs", "200") as process:
        await asyncio.gather(*(store.insert("asset", f"mine{n}", {"org_id": "o"}) for n in range(200)))
        theirs = await asyncio.to_thread(list, said(process))
        assert process.wait(30) == 0
    assert len(theirs) == 200
    assert await store.count("asset", {}) == 400


@pytest.mark.parametrize("times", [1])
async def test_many_open_one_new_place_at_once(store_name: str, tmp_path: Path, times: int) -> None:
    place = tmp_path / "fresh"
    place.mkdir()
    with (
        child(store_name, place, "insert", "a", str(times)) as one,
        child(store_name, place, "insert", "b", str(times)) as two,
        child(store_name, place, "insert", "c", str(times)) as three,
    ):
        assert [await asyncio.to_thread(process.wait, 60) for process in (one, two, three)] == [0, 0, 0]
    async with STORES[store_name](place) as store:
        assert {record.key for record in await store.scan("asset")} == {"a0", "b0", "c0"}
