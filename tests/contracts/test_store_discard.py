"""Records of a journal can be dropped without a trace, and no feed is misled by it."""

from __future__ import annotations

import pytest

from service.errors import NotFound
from service.ports.store import JOURNALS, KINDS, MARKER, Store
from tests.contracts.test_store_feed import drained, feed, keys, until


async def test_what_is_discarded_is_gone_without_a_tombstone(store: Store) -> None:
    await store.insert_many("event", {f"k{number}": {"number": number} for number in range(4)})
    await store.discard("event", ["k0", "k2", "never"])
    assert [record.key for record in await store.scan("event")] == ["k1", "k3"]
    assert await store.get_many("event", ["k0", "k1"], tombstones=True) == {"k1": await store.get("event", "k1")}
    with pytest.raises(NotFound):
        await store.get("event", "k0")
    assert await store.count("event", {}) == 2
    await store.discard("event", [])


async def test_the_key_is_free_again(store: Store) -> None:
    await store.insert("event", "k", {"number": 1})
    await store.discard("event", ["k"])
    assert (await store.insert("event", "k", {"number": 2})).rev == 1


async def test_a_feed_behind_the_newest_record_sees_the_next_write(store: Store) -> None:
    """The place of what was dropped is not given again: a feed that has passed it would miss the next write."""
    start = await store.barrier()
    async with feed(store, start, kinds=("event", "asset")) as changes:
        await store.insert("event", "k", {"number": 1})
        seen = await until(changes, lambda seen: bool(keys(seen)))
        await store.discard("event", ["k"])
        await store.insert("asset", "a", {})
        seen = await until(changes, lambda seen: "a" in keys(seen))
    behind = await drained(store, next(c.token for c in seen if c.key == "a"), kinds=("asset",))
    assert {change.kind for change in behind} <= {MARKER}


async def test_a_feed_from_before_still_sees_all_else(store: Store) -> None:
    start = await store.barrier()
    await store.insert("asset", "a", {})
    await store.insert("event", "k", {"number": 1})
    await store.insert("asset", "b", {})
    await store.discard("event", ["k"])
    seen = keys(await drained(store, start, kinds=("asset", "event")))
    assert [key for key in seen if key != "k"] == ["a", "b"]


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - JOURNALS))
async def test_other_kinds_are_never_discarded(store: Store, kind: str) -> None:
    with pytest.raises(ValueError, match="removed, not discarded"):
        await store.discard(kind, ["k"])


async def test_a_discard_is_bounded(store: Store) -> None:
    with pytest.raises(ValueError, match="at most 1,000"):
        await store.discard("event", [f"k{number}" for number in range(1001)])
