"""Indexes over many values, on every store: lists of scalars, and of objects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from service.errors import InvalidInput
from service.ports.store import KINDS, MAX_MANY, Body, Change, Condition, Exists, In, Index, Order, Range, Store
from tests.contracts.adapters import STORES

pytestmark = pytest.mark.any_query

KIND = "backup"
INDEXES = (
    Index("labels", ("org_id", "labels"), many=True),
    Index("group", ("org_id", "places.group"), many=True),
    Index("free", ("free",), many=True),
    Index("created", ("org_id", "created_at")),
)

# fmt: off
RECORDS: dict[str, Body] = {
    "a": {"org_id": "o", "labels": ["x", "y", "x"], "places": [{"group": "g1", "position": "m"}], "created_at": "3"},
    "b": {"org_id": "o", "labels": ["y", 1, 1.0], "places": [{"group": "g1"}, {"group": "g2"}], "created_at": "1"},
    "c": {"org_id": "o", "labels": "x", "places": [], "created_at": "2"},
    "d": {"org_id": "p", "labels": ["x", True], "places": [{"position": "a"}, {"group": None}], "created_at": "1"},
    "e": {"org_id": "p", "labels": [], "places": None, "free": ["é", "x' OR 1=1 --"]},
    "f": {"labels": [None, "x"], "free": 7},
    "g": {"org_id": "o", "labels": None, "places": {"group": "g2"}},
    "h": {"org_id": "o", "created_at": "4", "free": [7, "z"]},
}
# fmt: on

CONDITIONS: list[tuple[Mapping[str, Condition], str]] = [
    ({"labels": "x"}, "acdf"),
    ({"labels": "X"}, ""),
    ({"org_id": "o", "labels": "x"}, "ac"),
    ({"org_id": In(["o", "p"]), "labels": "x"}, "acd"),
    ({"org_id": Exists(present=False), "labels": "x"}, "f"),
    ({"org_id": "nobody", "labels": "x"}, ""),
    ({"labels": 1}, "b"),
    ({"labels": In([1.0])}, "b"),
    ({"labels": True}, "d"),
    ({"labels": False}, ""),
    ({"labels": In(["x", "y", 1])}, "abcdf"),
    ({"org_id": "o", "labels": In(["x", "y"])}, "abc"),
    ({"labels": In([])}, ""),
    ({"labels": In([True, "y"])}, "abd"),
    ({"labels": Exists()}, "abcdf"),
    ({"labels": Exists(present=False)}, "egh"),
    ({"org_id": "o", "labels": Exists(present=False)}, "gh"),
    ({"places.group": "g1"}, "ab"),
    ({"org_id": "o", "places.group": "g2"}, "bg"),
    ({"org_id": "p", "places.group": "g2"}, ""),
    ({"places.group": In(["g1", "g2"])}, "abg"),
    ({"places.group": Exists()}, "abg"),
    ({"places.group": Exists(present=False)}, "cdefh"),
    ({"org_id": "o", "labels": "y", "places.group": "g2"}, "b"),
    ({"org_id": "o", "labels": "y", "places.group": In(["g1", "g3"])}, "ab"),
    ({"labels": In(["x", "y"]), "places.group": In(["g1", "g2"])}, "ab"),
    ({"labels": "x", "places.group": Exists(present=False)}, "cdf"),
    ({"labels": "x", "created_at": Range(gt="1")}, "ac"),
    ({"free": 7}, "fh"),
    ({"free": In([7, "z"])}, "fh"),
    ({"free": "é"}, "e"),
    ({"free": "x' OR 1=1 --"}, "e"),
]


@pytest.fixture
async def store(store_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    monkeypatch.setitem(KINDS, KIND, INDEXES)
    async with STORES[store_name](tmp_path) as store:
        yield store


@pytest.fixture
async def full(store: Store) -> Store:
    return await filled(store)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def library(store_name: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Store]:
    """The records, for tests that change nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(KINDS, KIND, INDEXES)
        async with STORES[store_name](tmp_path_factory.mktemp("library")) as store:
            yield await filled(store)


async def filled(store: Store) -> Store:
    await store.insert_many(KIND, dict(reversed(RECORDS.items())))
    await store.insert(KIND, "zz", RECORDS["b"])
    await store.remove(KIND, "zz")
    return store


async def keys(store: Store, where: Mapping[str, Condition], **more: Any) -> str:
    """Return the keys of all that is found, page by page."""
    seen: list[str] = []
    after: str | None = None
    while True:
        page = await store.find(KIND, where, after=after, **more)
        seen += [record.key for record in page.records]
        if (after := page.after) is None:
            assert await store.count(KIND, where) == len(seen)
            return "".join(seen)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("limit", [1, 2, 100])
@pytest.mark.parametrize(("where", "wanted"), CONDITIONS, ids=lambda value: str(value)[:70])
async def test_each_record_is_found_once_by_any_of_its_values(
    library: Store, where: Mapping[str, Condition], wanted: str, limit: int
) -> None:
    assert await keys(library, where, limit=limit) == wanted


ORDERS: list[tuple[Mapping[str, Condition], Order, str]] = [
    ({"org_id": "o", "labels": "x"}, Order("created_at"), "ca"),
    ({"org_id": "o", "labels": In(["x", "y"])}, Order("created_at"), "bca"),
    ({"org_id": "o", "labels": In(["x", "y"])}, Order("created_at", descending=True), "acb"),
    ({"labels": "x"}, Order("created_at"), "dcaf"),
    ({"labels": "x"}, Order("created_at", descending=True), "acdf"),
    ({"free": 7}, Order("created_at"), "hf"),
]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("limit", [1, 2, 100])
@pytest.mark.parametrize(("where", "order", "wanted"), ORDERS, ids=lambda value: str(value)[:60])
async def test_pages_in_an_order(
    library: Store, where: Mapping[str, Condition], order: Order, wanted: str, limit: int
) -> None:
    assert await keys(library, where, order=order, limit=limit) == wanted


async def test_what_is_written_is_found_by_what_it_has_now(full: Store) -> None:
    await full.update(KIND, "a", Change(set={"labels": ["new", "y"]}))
    assert [await keys(full, {"labels": label}) for label in ("x", "y", "new")] == ["cdf", "ab", "a"]
    await full.update(KIND, "a", Change(unset=["labels"], set={"places": [{"group": "g9"}]}))
    assert [await keys(full, {"labels": label}) for label in ("x", "y", "new")] == ["cdf", "b", ""]
    assert [await keys(full, {"places.group": group}) for group in ("g1", "g9")] == ["b", "a"]
    await full.update(KIND, "b", Change(increment={"views": 1}))
    assert await keys(full, {"labels": "y"}) == "b"
    await full.update(KIND, "b", Change(set={"org_id": "p"}))
    assert await keys(full, {"org_id": "o", "labels": "y"}) == ""
    assert await keys(full, {"org_id": "p", "labels": "y"}) == "b"
    await full.remove(KIND, "b")
    assert await keys(full, {"labels": "y"}) == ""
    await asyncio.gather(*(full.update(KIND, "c", Change(set={"labels": ["x", f"{n}"]})) for n in range(9)))
    (last,) = (await full.get(KIND, "c")).body["labels"][1:]
    assert [n for n in range(9) if await full.count(KIND, {"labels": f"{n}"})] == [int(last)]


BAD: list[Body] = [
    {"labels": [["x"]]},
    {"labels": [{"x": 1}]},
    {"labels": {"x": 1}},
    {"labels": [str(n) for n in range(MAX_MANY + 1)]},
    {"places": [{"group": ["x"]}]},
    {"places": [{"group": {"x": 1}}]},
    {"places": [[{"group": "x"}]]},
    {"places": ["x"]},
    {"places": {"group": {"x": 1}}},
]


@pytest.mark.parametrize("body", BAD, ids=lambda value: str(value)[:40])
async def test_other_shapes_are_refused(store: Store, body: Body) -> None:
    with pytest.raises(InvalidInput):
        await store.insert(KIND, "a", body)
    assert isinstance((await store.insert_many(KIND, {"a": body}))["a"], InvalidInput)
    await store.insert(KIND, "a", {"labels": ["kept"]})
    with pytest.raises(InvalidInput):
        await store.update(KIND, "a", Change(set=body))
    assert await keys(store, {"labels": "kept"}) == "a"


async def test_as_many_values_as_there_may_be(store: Store) -> None:
    many = [str(n) for n in range(MAX_MANY)]
    await store.insert(KIND, "a", {"org_id": "o", "labels": [*many, *many]})
    assert await keys(store, {"org_id": "o", "labels": In(many)}) == "a"
    assert await keys(store, {"org_id": "o", "labels": str(MAX_MANY - 1)}) == "a"


@pytest.mark.asyncio(loop_scope="module")
async def test_ranges_and_orders_of_many_values_are_bugs(library: Store) -> None:
    for where, order in ({"labels": Range(gt="a")}, None), ({}, Order("labels")), ({}, Order("places.group")):
        with pytest.raises(ValueError, match="many values"):
            await library.find(KIND, where, order=order)


async def test_pages_under_writes_show_what_stays_once(store: Store) -> None:
    await store.insert_many(KIND, {f"k{n:03}": {"org_id": "o", "labels": ["x", str(n % 3)]} for n in range(60)})
    seen: list[str] = []
    after: str | None = None
    step = 0
    while True:
        page = await store.find(KIND, {"org_id": "o", "labels": In(["x", "0"])}, limit=7, after=after)
        seen += [record.key for record in page.records]
        if (after := page.after) is None:
            break
        step += 1
        await store.insert(KIND, f"a{step:03}", {"org_id": "o", "labels": ["x"]})
        await store.update(KIND, page.records[-1].key, Change(set={"labels": ["0"]}))
        await store.update(KIND, "k059", Change(set={"labels": ["x", str(step)]}))
    assert len(seen) == len(set(seen))
    assert {f"k{n:03}" for n in range(60)} <= set(seen)
    assert await keys(store, {"org_id": "o", "labels": "x"}, limit=50) != ""


async def test_assets_are_found_by_tag_and_by_collection(store: Store) -> None:
    await store.insert("asset", "a", {"org_id": "o", "tags": ["sea", "sky"], "collections": ["Summer"]})
    await store.insert("asset", "b", {"org_id": "o", "tags": ["sky"], "collections": []})
    await store.insert("asset", "c", {"org_id": "p", "tags": ["sky"], "collections": ["Summer"]})
    assert await store.count("asset", {"org_id": "o", "tags": "sky"}) == 2
    found = await store.find("asset", {"org_id": "o", "collections": "Summer", "tags": "sky"})
    assert [record.key for record in found.records] == ["a"]


@pytest.mark.parametrize(("paths", "unique"), [(("x", "y"), False), (("org_id", "x", "y"), False), (("x",), True)])
def test_an_index_that_cannot_be_is_a_bug(paths: tuple[str, ...], unique: bool) -> None:
    with pytest.raises(ValueError, match="many values"):
        Index("i", paths, unique=unique, many=True)
