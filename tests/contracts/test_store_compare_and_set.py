"""The loops over a store that core and indexer share, on every store."""

from __future__ import annotations

import asyncio

import pytest

from service.errors import AlreadyExists, Conflict, NotFound
from service.ports.store import Change, Order, Record, Store, compare_and_set, each_record, find_record


def counted(held: Record | None) -> Change:
    return Change(set={"n": 1 if held is None else held.body["n"] + 1})


async def test_each_of_many_writers_is_counted(store: Store) -> None:
    await asyncio.gather(*(compare_and_set(store, "checkpoint", "c", counted) for _ in range(12)))
    record = await store.get("checkpoint", "c")
    assert (record.body, record.rev) == ({"n": 12}, 12)


async def test_nothing_to_write_gives_what_is_there(store: Store) -> None:
    assert await compare_and_set(store, "checkpoint", "c", lambda held: None) is None
    made = await compare_and_set(store, "checkpoint", "c", counted)
    assert made is not None
    assert await compare_and_set(store, "checkpoint", "c", lambda held: None) == made
    assert await find_record(store, "checkpoint", "c") == made


async def test_a_record_that_is_always_another_is_given_up(store: Store) -> None:
    await store.insert("checkpoint", "c", {"n": 0})
    seen: list[int] = []

    def stale(held: Record | None) -> Change:
        assert held is not None
        seen.append(held.rev)
        return Change(set={"n": -1})

    class Faster:
        """A store in which somebody else always writes between the read and the write."""

        async def get(self, kind: str, key: str) -> Record:
            record = await store.get(kind, key)
            await store.update(kind, key, Change(increment={"n": 1}))
            return record

        async def update(self, kind: str, key: str, change: Change, *, expected_rev: int) -> Record:
            return await store.update(kind, key, change, expected_rev=expected_rev)

    with pytest.raises(Conflict):
        await compare_and_set(Faster(), "checkpoint", "c", stale, attempts=3)  # type: ignore[arg-type]
    assert len(seen) == 3


async def test_a_removed_record_is_not_made_again(store: Store) -> None:
    await store.insert("checkpoint", "c", {"n": 0})
    await store.remove("checkpoint", "c")
    with pytest.raises(AlreadyExists):
        await compare_and_set(store, "checkpoint", "c", counted)


async def test_a_unique_index_is_the_callers_to_settle(store: Store) -> None:
    await store.insert("asset", "a", {"org_id": "o", "slug": "s"})
    with pytest.raises(AlreadyExists) as caught:
        await compare_and_set(store, "asset", "b", lambda held: Change(set={"org_id": "o", "slug": "s"}))
    assert caught.value.index == "slug"


async def test_what_a_decision_raises_ends_it(store: Store) -> None:
    def refuse(held: Record | None) -> Change | None:
        raise NotFound("checkpoint", "c")

    with pytest.raises(NotFound):
        await compare_and_set(store, "checkpoint", "c", refuse)


async def test_every_record_comes_once_whatever_the_page(store: Store) -> None:
    await store.insert_many("asset", {f"k{n}": {"org_id": "o", "created_at": f"{9 - n}"} for n in range(9)})
    for page in (1, 4, 1000):
        keys = [record.key async for record in each_record(store, "asset", {"org_id": "o"}, page=page)]
        assert keys == [f"k{n}" for n in range(9)]
    order = Order("created_at")
    ordered = [record.key async for record in each_record(store, "asset", {"org_id": "o"}, order=order, page=2)]
    assert ordered == [f"k{n}" for n in reversed(range(9))]
