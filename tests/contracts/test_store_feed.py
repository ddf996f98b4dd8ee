from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from service.errors import HistoryLost
from service.ports.store import MARKER, Change, Changed, Store

Feed = AsyncIterator[list[Changed]]


@asynccontextmanager
async def feed(
    store: Store, after: str | None, *, limit: int = 1000, kinds: tuple[str, ...] = ("asset",)
) -> AsyncIterator[Feed]:
    changes = store.changes(after, kinds=kinds, limit=limit)
    try:
        yield changes
    finally:
        if isinstance(changes, AsyncGenerator):
            await changes.aclose()


async def until(changes: Feed, done: Callable[[list[Changed]], bool]) -> list[Changed]:
    """Collect changes until ``done`` says that they are enough."""
    seen: list[Changed] = []
    async with asyncio.timeout(20):
        while not done(seen):
            seen += await anext(changes)
    return seen


def keys(changes: list[Changed]) -> list[str]:
    return [change.key for change in changes if change.kind != MARKER]


async def drained(store: Store, after: str, *, limit: int = 1000, kinds: tuple[str, ...] = ("asset",)) -> list[Changed]:
    """Return all changes from ``after`` up to a barrier of now."""
    mark = await store.barrier()
    async with feed(store, after, limit=limit, kinds=kinds) as changes:
        return await until(changes, lambda seen: bool(seen) and store.passed(seen[-1].token, mark))


def keys_seen(changes: list[Changed]) -> bool:
    return bool(keys(changes))


WRITES: dict[str, Callable[[Store], Awaitable[object]]] = {
    "insert": lambda store: store.insert("asset", "new", {}),
    "insert_many": lambda store: store.insert_many("asset", {"new": {}}),
    "update": lambda store: store.update("asset", "old", Change(set={"a": 1})),
    "an empty update": lambda store: store.update("asset", "old", Change()),
    "remove": lambda store: store.remove("asset", "old"),
}


@pytest.mark.parametrize("name", WRITES)
async def test_every_write_shows(store: Store, name: str) -> None:
    await store.insert("asset", "old", {})
    start = await store.barrier()
    await WRITES[name](store)
    assert keys(await drained(store, start)) == ["new" if name.startswith("insert") else "old"]


async def test_a_write_that_failed_does_not_show(store: Store) -> None:
    await store.insert("asset", "old", {"guid": "g"})
    start = await store.barrier()
    await store.insert_many("asset", {"old": {}, "other": {"guid": "g"}})
    assert keys(await drained(store, start)) == []


async def test_an_open_feed_shows_writes_as_they_come(store: Store) -> None:
    async with feed(store, await store.barrier()) as changes:
        for number in range(20):
            await store.insert("asset", f"k{number}", {})
            assert keys(await until(changes, keys_seen)) == [f"k{number}"]


async def test_a_feed_shows_its_kinds_and_barriers_only(store: Store) -> None:
    start = await store.barrier()
    await store.insert("operation", "op", {})
    await store.insert("asset", "a", {})
    await store.insert("key", "k", {})
    changes = await drained(store, start, kinds=("asset", "key"))
    assert [(change.kind, change.key) for change in changes if change.kind != MARKER] == [("asset", "a"), ("key", "k")]


async def test_the_last_change_of_each_key_comes_in_the_order_of_commits(store: Store) -> None:
    start = await store.barrier()
    await store.insert_many("asset", {f"k{number}": {} for number in range(10)})
    for number in (3, 1, 3, 7):
        await store.update("asset", f"k{number}", Change(increment={"n": 1}))
    seen = keys(await drained(store, start))
    last = {key: place for place, key in enumerate(seen)}
    assert sorted(last, key=lambda key: last[key])[-3:] == ["k1", "k3", "k7"]
    assert set(seen) == {f"k{number}" for number in range(10)}


@pytest.mark.parametrize("limit", [1, 3, 1000])
async def test_a_feed_goes_on_from_any_token(store: Store, limit: int) -> None:
    """Whatever token a reader had last, the changes from there on are all that it lacks."""
    start = await store.barrier()
    for number in range(10):
        await store.insert("asset", f"k{number}", {})
    everything = await drained(store, start, limit=limit)
    for stop in range(1, len(everything)):
        seen = {change.key for change in everything[:stop]}
        rest = await drained(store, everything[stop - 1].token, limit=limit)
        assert {f"k{number}" for number in range(10)} <= seen | {change.key for change in rest}


async def test_a_batch_holds_at_most_limit_changes(store: Store) -> None:
    start = await store.barrier()
    await store.insert_many("asset", {f"k{number}": {} for number in range(10)})
    async with feed(store, start, limit=4) as changes:
        sizes = [len(await anext(changes)) for _ in range(3)]
    assert max(sizes) <= 4
    assert sum(sizes) == 10


async def test_none_means_from_now_on(store: Store) -> None:
    await store.insert("asset", "before", {})
    async with feed(store, None) as changes:
        assert await asyncio.wait_for(anext(changes), 5) == []
        await store.insert("asset", "after", {})
        assert keys(await until(changes, bool)) == ["after"]


async def test_empty_batches_keep_coming(store: Store) -> None:
    async with feed(store, await store.barrier()) as changes:
        for _ in range(3):
            assert await asyncio.wait_for(anext(changes), 2) == []


async def test_an_idle_feed_passes_a_barrier(store: Store) -> None:
    start = await store.barrier()
    async with feed(store, start) as changes:
        mark = await store.barrier()
        assert not store.passed(start, mark)
        seen = await until(changes, bool)
        assert [change.kind for change in seen] == [MARKER]
        assert store.passed(seen[-1].token, mark)
        assert store.passed(mark, mark)
        assert store.passed(mark, start)


async def test_a_feed_that_passed_a_barrier_has_seen_every_write_before_it(store: Store) -> None:
    """Also when a record was written before the barrier and again behind it, and the reader is slow."""
    start = await store.barrier()
    await store.insert_many("asset", {f"k{number}": {} for number in range(20)})
    mark = await store.barrier()
    await store.insert("asset", "other", {})
    for number in range(0, 20, 2):
        await store.update("asset", f"k{number}", Change())
    async with feed(store, start, limit=3) as changes:
        seen = await until(changes, lambda seen: bool(seen) and store.passed(seen[-1].token, mark))
    assert {f"k{number}" for number in range(20)} <= set(keys(seen))


async def test_barriers_under_load(store: Store) -> None:
    """Every reader that passed a barrier has seen the write that returned before it was asked for."""
    seen: set[str] = set()
    token = await store.barrier()
    passed = asyncio.Condition()

    async def follow(changes: Feed) -> None:
        nonlocal token
        async for batch in changes:
            async with passed:
                seen.update(keys(batch))
                token = batch[-1].token if batch else token
                passed.notify_all()

    async def write(worker: int) -> None:
        for number in range(20):
            key = f"w{worker}n{number}"
            await store.insert("asset", key, {})
            await store.update("asset", "hot", Change(increment={"n": 1}))
            mark = await store.barrier()
            async with passed:
                await passed.wait_for(lambda mark=mark: store.passed(token, mark))  # type: ignore[misc]
                assert key in seen

    await store.insert("asset", "hot", {})
    async with feed(store, token, limit=5) as changes, asyncio.timeout(60):
        follower = asyncio.create_task(follow(changes))
        await asyncio.gather(*(write(worker) for worker in range(8)))
        follower.cancel()
        await asyncio.wait([follower])
    assert (await store.get("asset", "hot")).rev == 161


async def test_a_position_is_passed_like_a_barrier(store: Store) -> None:
    """By a feed that is open and idle, too, and without a write of its own."""
    start = await store.barrier()
    await store.insert("asset", "a", {})
    mark = await store.position(("asset",))
    await store.insert("key", "k", {})
    assert not store.passed(start, mark)
    async with feed(store, start) as changes:
        seen = await until(changes, lambda seen: bool(seen) and store.passed(seen[-1].token, mark))
        assert keys(seen) == ["a"]
    assert await store.position(("asset",)) == mark, "it writes nothing, and other kinds do not move it"


async def test_a_position_without_changes_is_passed_by_every_feed(store: Store) -> None:
    start = await store.barrier()
    await store.insert("key", "k", {})
    assert store.passed(start, await store.position(("asset",)))
    with pytest.raises(ValueError, match="unknown kind"):
        await store.position(("nonsense",))


async def test_a_position_of_a_new_database(store: Store) -> None:
    mark = await store.position(("asset",))
    assert store.passed(await store.barrier(), mark)


async def test_a_feed_that_passed_a_position_has_seen_every_write_before_it(store: Store) -> None:
    """Also when the record that the position names is written again before the feed comes to it."""
    start = await store.barrier()
    await store.insert_many("asset", {f"k{number}": {} for number in range(20)})
    await store.update("asset", "k3", Change())
    mark = await store.position(("asset",))
    for number in (3, *range(0, 20, 2)):
        await store.update("asset", f"k{number}", Change())
    async with feed(store, start, limit=3) as changes:
        seen = await until(changes, lambda seen: bool(seen) and store.passed(seen[-1].token, mark))
    assert {f"k{number}" for number in range(20)} <= set(keys(seen))


async def test_several_feeds_see_the_same(store: Store) -> None:
    start = await store.barrier()
    async with feed(store, start) as one, feed(store, start) as other:
        await store.insert("asset", "a", {})
        assert keys(await until(one, bool)) == ["a"]
        assert keys(await until(other, bool)) == ["a"]


async def test_a_foreign_token_is_lost_history(store: Store, other_store: Store) -> None:
    foreign = await other_store.barrier()
    mine = await store.barrier()
    for token in (foreign, "", "nonsense", "1:2", f"{mine}:9:9", "x:" + "9" * 30):
        async with feed(store, token) as changes:
            with pytest.raises(HistoryLost):
                await anext(changes)
        with pytest.raises(HistoryLost):
            store.passed(token, mine)
        with pytest.raises(HistoryLost):
            store.passed(mine, token)
