from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.errors import AlreadyExists, Conflict, InvalidInput, NotFound, TooLarge
from service.ports.store import MAX_BODY_BYTES, Body, Change, Record, Store
from tests.contracts.adapters import STORES

BODY: Body = {
    "org_id": "o1",
    "title": 'Größe “x” 🙂 \\u0000 "quoted" \n',
    "number": 2**53 - 1,
    "big": -(2**63),
    "ratio": 0.1,
    "flag": True,
    "nothing": None,
    "tags": ["a", "b"],
    "lists": ["a", ["b", []]],
    "metadata": {"a.b": 1, "$c": {"": []}, "'; DROP TABLE asset; --": 1},
}


async def test_a_record_comes_back_as_it_was_written(store: Store) -> None:
    written = await store.insert("asset", "asset_1", BODY)
    assert written.rev == 1
    assert (written.kind, written.key, written.body, written.tombstone) == ("asset", "asset_1", BODY, False)
    assert written.org_id == "o1"
    assert await store.get("asset", "asset_1") == written


async def test_a_record_is_a_copy_of_what_the_caller_gave(store: Store) -> None:
    body: Body = {"tags": ["a"]}
    written = await store.insert("asset", "asset_1", body)
    body["tags"].append("b")
    written.body["tags"].append("c")
    assert (await store.get("asset", "asset_1")).body == {"tags": ["a"]}


async def test_kinds_are_apart(store: Store) -> None:
    await store.insert("asset", "same", {"n": 1})
    await store.insert("operation", "same", {"n": 2})
    assert (await store.get("asset", "same")).body == {"n": 1}
    assert (await store.get("operation", "same")).body == {"n": 2}


async def test_an_unknown_key_is_not_found(store: Store) -> None:
    for key in ("asset_1", "", "a\0b", "\ud800", "x" * 5000):
        with pytest.raises(NotFound):
            await store.get("asset", key)
        with pytest.raises(NotFound):
            await store.update("asset", key, Change(set={"a": 1}))
        with pytest.raises(NotFound):
            await store.remove("asset", key)
    assert await store.get_many("asset", ["asset_1", "\ud800", ""]) == {}


@pytest.mark.parametrize("key", ["", "a\0b", "\ud800", "x" * 5000], ids=["empty", "nul", "surrogate", "long"])
async def test_a_bad_key_is_refused(store: Store, key: str) -> None:
    with pytest.raises(InvalidInput):
        await store.insert("asset", key, {})


async def test_a_taken_key_is_refused(store: Store) -> None:
    await store.insert("asset", "asset_1", {"n": 1})
    with pytest.raises(AlreadyExists) as caught:
        await store.insert("asset", "asset_1", {"n": 2})
    assert (caught.value.index, caught.value.value) == ("key", "asset_1")
    assert (await store.get("asset", "asset_1")).body == {"n": 1}


async def test_keys_are_never_reused(store: Store) -> None:
    await store.insert("asset", "asset_1", {})
    await store.remove("asset", "asset_1")
    with pytest.raises(AlreadyExists):
        await store.insert("asset", "asset_1", {})


def _deep(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


BAD_BODIES: dict[str, Body] = {
    "nan": {"a": math.nan},
    "infinite": {"a": {"b": [math.inf]}},
    "over 64 bits": {"a": 2**63},
    "under 64 bits": {"a": [-(2**63) - 1]},
    "nul": {"a": "x\0y"},
    "nul in a key": {"a": {"x\0": 1}},
    "nul beside an escape": {"a": "\\u0000", "b": "\0"},
    "surrogate": {"a": "\ud800"},
    "key not text": {"a": {1: 2}},
    "not json": {"a": {1, 2}},
    "bytes": {"a": b"x"},
    "too deep": {"a": _deep(100)},
    "endlessly deep": {"a": _deep(5000)},
    "organization not text": {"org_id": 5},
    "list in an index": {"guid": ["x"]},
    "object in an index": {"sha256": {}},
}


@pytest.mark.parametrize("name", BAD_BODIES)
async def test_a_bad_body_is_refused(store: Store, name: str) -> None:
    bad = BAD_BODIES[name]
    with pytest.raises(InvalidInput):
        await store.insert("asset", "asset_1", bad)
    await store.insert("asset", "asset_2", {"guid": "g"})
    with pytest.raises(InvalidInput):
        await store.update("asset", "asset_2", Change(set=bad))
    outcomes = await store.insert_many("asset", {"asset_3": bad, "asset_4": {}})
    assert isinstance(outcomes["asset_3"], InvalidInput)
    assert isinstance(outcomes["asset_4"], Record)
    assert [record.key for record in await store.scan("asset")] == ["asset_2", "asset_4"]
    assert (await store.get("asset", "asset_2")).rev == 1


async def test_a_body_over_the_limit_is_refused(store: Store) -> None:
    half = "x" * (MAX_BODY_BYTES // 2)
    with pytest.raises(TooLarge):
        await store.insert("asset", "asset_1", {"a": half, "b": half})
    await store.insert("asset", "asset_1", {"a": half})
    with pytest.raises(TooLarge):
        await store.update("asset", "asset_1", Change(set={"b": half}))
    assert (await store.get("asset", "asset_1")).body == {"a": half}


CHANGES: dict[str, tuple[Body, Change, Body]] = {
    "set": ({"a": 1, "b": 2}, Change(set={"b": {"c": 3}, "d": None}), {"a": 1, "b": {"c": 3}, "d": None}),
    "set replaces whole fields": ({"a": {"x": 1}}, Change(set={"a": {"y": 2}}), {"a": {"y": 2}}),
    "unset": ({"a": 1, "b": 2}, Change(unset=["b", "absent"]), {"a": 1}),
    "increment": ({"n": 1}, Change(increment={"n": 2}), {"n": 3}),
    "decrement": ({"n": 1}, Change(increment={"n": -2}), {"n": -1}),
    "increment by a fraction": ({"n": 1}, Change(increment={"n": 0.5}), {"n": 1.5}),
    "increment a missing number": ({}, Change(increment={"u.views": 1, "u.likes": 2}), {"u": {"views": 1, "likes": 2}}),
    "increment null": ({"n": None, "u": None}, Change(increment={"n": 1, "u.v": 1}), {"n": 1, "u": {"v": 1}}),
    "all at once": ({"a": 1, "n": 1}, Change(set={"b": 1}, unset=["a"], increment={"n": 1}), {"b": 1, "n": 2}),
    "nothing": ({"a": 1}, Change(), {"a": 1}),
}


@pytest.mark.parametrize("name", CHANGES)
async def test_a_change(store: Store, name: str) -> None:
    before, change, after = CHANGES[name]
    first = await store.insert("asset", "asset_1", before)
    changed = await store.update("asset", "asset_1", change)
    assert (changed.body, changed.rev) == (after, 2)
    assert changed.updated_at >= first.updated_at
    assert await store.get("asset", "asset_1") == changed


@pytest.mark.parametrize(
    "change",
    [
        Change(increment={"text": 1}),
        Change(increment={"flag": 1}),
        Change(increment={"text.x": 1}),
        Change(increment={"list.x": 1}),
        Change(increment={"most": 1}),
        Change(increment={"n": math.inf}),
    ],
    ids=["text", "bool", "under text", "under a list", "over 64 bits", "infinite"],
)
async def test_an_increment_of_what_can_not_be_counted(store: Store, change: Change) -> None:
    body = {"text": "x", "flag": True, "list": [], "most": 2**63 - 1, "n": 0.5}
    written = await store.insert("asset", "asset_1", body)
    with pytest.raises(InvalidInput):
        await store.update("asset", "asset_1", change)
    assert await store.get("asset", "asset_1") == written


@pytest.mark.parametrize(
    "change",
    [
        Change(set={"a": 1}, unset=["a"]),
        Change(set={"a": {}}, increment={"a.b": 1}),
        Change(increment={"a": 1, "a.b": 1}),
        Change(unset=["a", "a"]),
        Change(set={"a.b": 1}),
        Change(unset=["a.b"]),
        Change(increment={"a b": 1}),
        Change(set={"$a": 1}),
        Change(set={"": 1}),
    ],
    ids=str,
)
async def test_a_malformed_change_is_a_bug(store: Store, change: Change) -> None:
    written = await store.insert("asset", "asset_1", {})
    with pytest.raises(ValueError, match=r"."):
        await store.update("asset", "asset_1", change)
    assert await store.get("asset", "asset_1") == written


async def test_a_write_may_name_the_rev_that_it_expects(store: Store) -> None:
    await store.insert("asset", "asset_1", {})
    await store.update("asset", "asset_1", Change(set={"a": 1}), expected_rev=1)
    with pytest.raises(Conflict) as caught:
        await store.update("asset", "asset_1", Change(set={"a": 2}), expected_rev=1)
    assert (caught.value.expected, caught.value.rev) == (1, 2)
    with pytest.raises(Conflict):
        await store.remove("asset", "asset_1", expected_rev=1)
    assert (await store.get("asset", "asset_1")).body == {"a": 1}
    assert (await store.remove("asset", "asset_1", expected_rev=2)).rev == 3


async def test_removing_leaves_a_tombstone(store: Store) -> None:
    await store.insert("asset", "asset_1", {"org_id": "o1", "title": "x"})
    stone = await store.remove("asset", "asset_1")
    assert (stone.rev, stone.tombstone, stone.body) == (2, True, {"org_id": "o1"})
    with pytest.raises(NotFound):
        await store.get("asset", "asset_1")
    with pytest.raises(NotFound):
        await store.update("asset", "asset_1", Change(set={"a": 1}))
    with pytest.raises(NotFound):
        await store.remove("asset", "asset_1")
    assert await store.get_many("asset", ["asset_1"]) == {}
    assert await store.get_many("asset", ["asset_1"], tombstones=True) == {"asset_1": stone}
    assert await store.count("asset", {}) == 0
    assert (await store.find("asset", {"org_id": "o1"})).records == []
    assert await store.scan("asset") == [stone]


async def test_a_tombstone_says_who_removed_the_record(store: Store) -> None:
    by = {"user_id": "kim", "call_id": None}
    await store.insert("asset", "a", {"org_id": "o", "title": "x"})
    await store.insert("asset", "b", {"title": "x"})
    stone, other = await store.remove("asset", "a", by=by), await store.remove("asset", "b", by=by)
    assert stone.body == {"org_id": "o", "updated_by": by}
    assert other.body == {"updated_by": by}
    assert (await store.get_many("asset", ["a", "b"], tombstones=True)) == {"a": stone, "b": other}
    await store.insert("asset", "c", {})
    with pytest.raises(InvalidInput):
        await store.remove("asset", "c", by={"user_id": "\0"})


async def test_a_record_without_an_organization_leaves_an_empty_tombstone(store: Store) -> None:
    await store.insert("checkpoint", "c", {"token": "t"})
    assert (await store.remove("checkpoint", "c")).body == {}


UNIQUE: dict[str, tuple[Body, Body, str | None]] = {
    "the same": ({"guid": "g"}, {"guid": "g"}, "guid"),
    "another": ({"guid": "g"}, {"guid": "h"}, None),
    "case counts": ({"sid": "abc"}, {"sid": "abC"}, None),
    "absent": ({"title": "x"}, {"title": "x"}, None),
    "null": ({"guid": None}, {"guid": None}, None),
    "a number": ({"number": 7}, {"number": 7}, "number"),
    "in one organization": ({"org_id": "o", "slug": "s"}, {"org_id": "o", "slug": "s"}, "slug"),
    "in two organizations": ({"org_id": "o", "slug": "s"}, {"org_id": "p", "slug": "s"}, None),
    "without organization": ({"slug": "s"}, {"slug": "s"}, "slug"),
    "last path null": ({"org_id": "o", "import_key": None}, {"org_id": "o", "import_key": None}, None),
}


@pytest.mark.parametrize("name", UNIQUE)
async def test_unique_indexes(store: Store, name: str) -> None:
    first, second, index = UNIQUE[name]
    await store.insert("asset", "asset_1", first)
    await store.insert("asset", "asset_3", {})
    attempts: list[Callable[[], Any]] = [
        lambda: store.insert("asset", "asset_2", second),
        lambda: store.update("asset", "asset_3", Change(set=second)),
    ]
    if index is None:
        await attempts[0]()
        return
    for attempt in attempts:
        with pytest.raises(AlreadyExists) as caught:
            await attempt()
        assert (caught.value.index, caught.value.value) == (index, second[index])
    assert (await store.get("asset", "asset_3")).rev == 1
    await store.remove("asset", "asset_1")
    await attempts[0]()  # the value is free again


async def test_a_unique_value_that_was_changed_is_free_again(store: Store) -> None:
    await store.insert("asset", "asset_1", {"guid": "g"})
    await store.update("asset", "asset_1", Change(set={"guid": "h"}))
    await store.insert("asset", "asset_2", {"guid": "g"})
    with pytest.raises(AlreadyExists):
        await store.update("asset", "asset_1", Change(set={"guid": "g"}))


async def test_insert_many_has_an_outcome_for_each(store: Store) -> None:
    await store.insert("asset", "taken", {})
    outcomes = await store.insert_many(
        "asset", {"a": {"guid": "g"}, "taken": {}, "b": {"guid": "g"}, "c": {"guid": "h"}}
    )
    assert list(outcomes) == ["a", "taken", "b", "c"]
    assert isinstance(outcomes["taken"], AlreadyExists)
    assert isinstance(outcomes["b"], AlreadyExists)
    assert outcomes["b"].index == "guid"
    assert outcomes["a"] == await store.get("asset", "a")
    assert outcomes["c"] == await store.get("asset", "c")
    assert await store.insert_many("asset", {}) == {}


async def test_get_many_takes_many_keys_once_each(store: Store) -> None:
    await store.insert_many("asset", {f"k{number:05}": {"n": number} for number in range(300)})
    keys = [f"k{number:05}" for number in range(9_000)]
    found = await store.get_many("asset", [*keys, *keys[:1000]])
    assert {key: record.body["n"] for key, record in found.items()} == {f"k{n:05}": n for n in range(300)}
    with pytest.raises(ValueError, match=r"10,000"):
        await store.get_many("asset", ["k"] * 10_001)


async def test_scan_walks_over_all_keys_in_order(store: Store) -> None:
    keys = ["B", "a", "aé", "a😀", "b", "z"]
    for key in reversed(keys):
        await store.insert("asset", key, {})
    await store.remove("asset", "b")
    seen: list[str] = []
    while page := await store.scan("asset", after=seen[-1] if seen else None, limit=4):
        seen += [record.key for record in page]
    assert seen == sorted(keys, key=lambda key: key.encode())


async def test_an_unknown_kind_is_a_bug(store: Store) -> None:
    for call in (
        lambda: store.get("assets", "k"),
        lambda: store.get_many("assets", ["k"]),
        lambda: store.insert("assets", "k", {}),
        lambda: store.insert_many("assets", {"k": {}}),
        lambda: store.update("assets", "k", Change()),
        lambda: store.remove("assets", "k"),
        lambda: store.find("assets", {}),
        lambda: store.scan("assets"),
        lambda: store.count("assets", {}),
    ):
        with pytest.raises(ValueError, match="assets"):
            await call()
    with pytest.raises(ValueError, match="assets"):
        store.changes(None, kinds=["assets"])


async def test_counters(store: Store) -> None:
    assert await store.counter("a") == 1
    assert await store.counter("a", 10) == 2
    assert await store.counter("a") == 12
    assert await store.counter("b", 5) == 1
    for block in (0, -1):
        with pytest.raises(ValueError, match="block"):
            await store.counter("a", block)


async def test_ping_names_the_engine(store: Store) -> None:
    answer = await store.ping()
    assert answer["engine"]
    assert answer["version"]


async def test_a_place_keeps_what_was_written(store_name: str, tmp_path: Path) -> None:
    async with STORES[store_name](tmp_path) as store:
        written = await store.insert("asset", "asset_1", BODY)
        await store.counter("number", 5)
        await store.close()
        await store.close()
    async with STORES[store_name](tmp_path) as store:
        assert await store.get("asset", "asset_1") == written
        assert await store.counter("number") == 6
