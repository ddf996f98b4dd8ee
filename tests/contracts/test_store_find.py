from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio

from service.errors import InvalidInput
from service.ports.store import Body, Change, Condition, Exists, In, Order, Range, Store
from tests.contracts.adapters import STORES

pytestmark = pytest.mark.any_query

# fmt: off
RECORDS: dict[str, Body] = {
    "a": {"org_id": "o", "n": 1, "flag": True, "bits": ["x", "y"], "meta": {"w": 10, "s": 0}, "created_at": "2024-01"},
    "b": {"org_id": "o", "n": 1.0, "flag": False, "bits": ["y", 2], "meta": {"w": 20}, "created_at": "2024-02-01"},
    "c": {"org_id": "o", "n": "1", "flag": None, "bits": "x", "meta": {"w": None}, "created_at": "2024-03-01"},
    "d": {"org_id": "p", "n": True, "flag": 1, "bits": [], "meta": "w", "created_at": "2024-03-01"},
    "e": {"org_id": "p", "n": -5, "bits": [["x"], {"x": "y"}], "meta": {"w": "20"}, "created_at": None},
    "f": {"n": 2.5, "bits": {"x": "y"}, "meta": [{"w": 10}], "created_at": "2023-12-31"},
    "g": {"org_id": "o", "n": '["x"]', "sha256": "é", "created_at": 20240101},
    "h": {"org_id": "5", "n": ["x"], "sha256": "h1", "bits": [True, None]},
}
# fmt: on

CONDITIONS: list[tuple[Mapping[str, Condition], str]] = [
    ({}, "abcdefgh"),
    ({"org_id": "o"}, "abcg"),
    ({"org_id": 5}, ""),
    ({"org_id": "5"}, "h"),
    ({"org_id": In(["o", "p"]), "n": 1}, "ab"),
    ({"n": 1}, "ab"),
    ({"n": 1.0}, "ab"),
    ({"n": "1"}, "c"),
    ({"n": True}, "d"),
    ({"n": '["x"]'}, "g"),
    ({"n": "x"}, "h"),
    ({"flag": True}, "a"),
    ({"flag": False}, "b"),
    ({"flag": 1}, "d"),
    ({"bits": "x"}, "ac"),
    ({"bits": "y"}, "ab"),
    ({"bits": 2}, "b"),
    ({"bits": True}, "h"),
    ({"bits": In(["x", 2])}, "abc"),
    ({"bits": In([])}, ""),
    ({"n": In([1, "1", True, 99])}, "abcd"),
    ({"meta.w": 10}, "a"),
    ({"meta.w": "20"}, "e"),
    ({"meta.w": In([10, 20])}, "ab"),
    ({"meta.w.z": 1}, ""),
    ({"absent": "x"}, ""),
    ({"sha256": "é"}, "g"),
    ({"sha256": In(["h1", "h2"])}, "h"),
    ({"n": Range(gte=1)}, "abf"),
    ({"n": Range(gt=1)}, "f"),
    ({"n": Range(lt=1)}, "e"),
    ({"n": Range(gte=-5, lt=2)}, "abe"),
    ({"n": Range(lte=2.5)}, "abef"),
    ({"n": Range(gte="1")}, "cg"),
    ({"n": Range(lt="Z")}, "c"),
    ({"n": Range()}, "abcefg"),
    ({"meta.w": Range(gt=10)}, "b"),
    ({"created_at": Range(gte="2024-01", lt="2024-03")}, "ab"),
    ({"created_at": Range(gt="2024-03-01")}, ""),
    ({"created_at": Range(gte=0)}, "g"),
    ({"flag": Exists()}, "abd"),
    ({"flag": Exists(present=False)}, "cefgh"),
    ({"meta.w": Exists()}, "abe"),
    ({"bits": Exists()}, "abcdefh"),
    ({"org_id": Exists(present=False)}, "f"),
    ({"created_at": Exists(present=False)}, "eh"),
    ({"org_id": "o", "bits": "y", "n": Range(gte=1), "meta.s": Exists()}, "a"),
    ({"n": "x' OR 1=1 --"}, ""),
]


@pytest.fixture
async def full(store: Store) -> Store:
    return await filled(store)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def library(store_name: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Store]:
    """The records, for tests that change nothing."""
    async with STORES[store_name](tmp_path_factory.mktemp("library")) as store:
        yield await filled(store)


async def filled(store: Store) -> Store:
    for key, body in reversed(RECORDS.items()):
        await store.insert("asset", key, body)
    await store.insert("asset", "zz", RECORDS["a"])
    await store.remove("asset", "zz")
    return store


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("where", "keys"), CONDITIONS, ids=lambda value: str(value)[:60])
async def test_conditions(library: Store, where: Mapping[str, Condition], keys: str) -> None:
    page = await library.find("asset", where)
    assert "".join(record.key for record in page.records) == keys
    assert page.after is None
    assert await library.count("asset", where) == len(keys)


async def test_a_size_leaves_out_what_was_removed(full: Store) -> None:
    await full.remove("asset", "a")
    assert await full.size("asset") == len(RECORDS) - 1
    assert await full.size("operation") == 0


BAD: list[Mapping[str, Any]] = [
    {"n": Range(gte=1, lt="2")},
    {"n": Range(gte=True)},
    {"n": float("nan")},
    {"n": 2**63},
    {"n": "\ud800"},
    {"n": In(list(range(1001)))},
    {"n": In([None])},
    {"n": {"$ne": 1}},
    {"n": ["x"]},
    {"n": None},
]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("where", BAD, ids=lambda value: str(value)[:40])
async def test_a_value_that_no_record_can_hold_is_refused(library: Store, where: Mapping[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        await library.find("asset", where)
    with pytest.raises(InvalidInput):
        await library.count("asset", where)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("path", ["", "a b", "a'b", 'a"', "a..b", ".a", "a.", "$a", "a[0]", "a;--"])
async def test_a_malformed_path_is_a_bug(library: Store, path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        await library.find("asset", {path: 1})
    with pytest.raises(ValueError, match="path"):
        await library.find("asset", {}, order=Order(path))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("limit", [0, -1, 1001])
async def test_a_limit_out_of_range_is_a_bug(library: Store, limit: int) -> None:
    with pytest.raises(ValueError, match="limit"):
        await library.find("asset", {}, limit=limit)


ORDERS: list[tuple[Mapping[str, Condition], Order | None, str]] = [
    ({}, None, "abcdefgh"),
    ({"created_at": Range(gte="")}, Order("created_at"), "fabcd"),
    ({"created_at": Range(gte="")}, Order("created_at", descending=True), "cdbaf"),
    ({"org_id": In(["o", "p"]), "n": Range(gte=-9)}, Order("meta.w"), "abe"),
    ({"n": Range(gte=-9)}, Order("n"), "eabf"),
    ({"n": Range(gte=-9)}, Order("n", descending=True), "fabe"),
    ({"org_id": "o"}, Order("sha256"), "gabc"),
    ({"org_id": "o"}, Order("sha256", descending=True), "gabc"),
    ({"org_id": "o"}, Order("absent", descending=True), "abcg"),
    ({"org_id": "p"}, Order("created_at"), "de"),
    ({"org_id": "p"}, Order("created_at", descending=True), "de"),
    ({"org_id": In(["o", "p"])}, Order("org_id", descending=True), "deabcg"),
]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("limit", [1, 2, 3, 100])
@pytest.mark.parametrize(("where", "order", "keys"), ORDERS, ids=lambda value: str(value)[:60])
async def test_order_and_pages(
    library: Store, where: Mapping[str, Condition], order: Order | None, keys: str, limit: int
) -> None:
    seen: list[str] = []
    after: str | None = None
    while True:
        page = await library.find("asset", where, order=order, limit=limit, after=after)
        assert len(page.records) <= limit
        seen += [record.key for record in page.records]
        if (after := page.after) is None:
            break
        assert page.records, "a page that promises more holds something"
    assert "".join(seen) == keys


async def test_pages_under_writes_show_what_stays_once(store: Store) -> None:
    await store.insert_many("asset", {f"k{n:03}": {"org_id": "o", "v": n % 7} for n in range(100)})
    seen: list[str] = []
    after: str | None = None
    for step in range(1000):
        page = await store.find("asset", {"org_id": "o"}, order=Order("v"), limit=7, after=after)
        seen += [record.key for record in page.records]
        if (after := page.after) is None:
            break
        # What was shown and what was not is changed, removed and added while the reader walks.
        await store.insert("asset", f"new{step:03}", {"org_id": "o", "v": step % 9})
        await store.remove("asset", page.records[-1].key)
        await store.update("asset", "k099", Change(increment={"hits": 1}))
    assert len(seen) == len(set(seen))
    assert {f"k{n:03}" for n in range(100)} <= set(seen)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("after", ["", "x", "€", "W10", "bnVsbA", "eyJhIjogMX0", "WzEsMiwzXQ", "/+/+"])
async def test_a_bad_cursor_is_refused(library: Store, after: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await library.find("asset", {}, after=after)
    assert caught.value.field == "after"


@pytest.mark.asyncio(loop_scope="module")
async def test_a_cursor_is_bound_to_its_order(library: Store) -> None:
    page = await library.find("asset", {}, order=Order("n"), limit=2)
    for order in (None, Order("n", descending=True), Order("created_at")):
        with pytest.raises(InvalidInput):
            await library.find("asset", {}, order=order, after=page.after)


async def test_organizations_are_found_one_behind_the_other(store: Store) -> None:
    """As the queue looks for those that have something queued; a record of no organization is in no such range."""
    for number, org_id in enumerate(["b", "a", "c", "b"]):
        await store.insert("operation", f"k{number}", {"org_id": org_id, "status": "queued", "type": "t"})
    await store.insert("operation", "nobody", {"status": "queued", "type": "t"})
    found: list[str] = []
    last = ""
    while True:
        where: dict[str, Condition] = {"status": "queued", "type": "t", "org_id": Range(gt=last)}
        page = await store.find("operation", where, order=Order("org_id"), limit=1)
        if not page.records:
            break
        last = str(page.records[0].org_id)
        found.append(last)
    assert found == ["a", "b", "c"]
    everybody = await store.find("operation", {"org_id": Range(gte="b")}, order=Order("org_id", descending=True))
    assert [record.key for record in everybody.records] == ["k2", "k0", "k3"]
