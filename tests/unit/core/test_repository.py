from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from service.adapters.sqlite.store import SqliteStore
from service.core.shared.repository import ATTEMPTS, Repository
from service.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from service.ports.clock import SystemClock
from service.ports.store import Body, Change, Order, Record

Assets = Repository[Body]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with SqliteStore(tmp_path / "store.sqlite", SystemClock()) as store:
        yield store


@pytest.fixture
def assets(store: SqliteStore) -> Assets:
    return Repository(store, "asset", renames={"slug": lambda body: {"slug": f"{body['slug']}-{body['number']}"}})


def asset(number: int, slug: str = "a", org: str = "acme", **more: Any) -> Body:
    return {"org_id": org, "number": number, "slug": slug, **more}


def raised(record: Record) -> Change:
    return Change(set={"n": record.body.get("n", 0) + 1})


async def test_another_organizations_record_is_not_there(assets: Assets) -> None:
    await assets.insert("a", asset(1))
    for call in (
        assets.get("other", "a"),
        assets.get_at("other", "a", 7),
        assets.change("other", "a", raised),
        assets.change("other", "a", raised, expected_rev=7),
        assets.remove("other", "a"),
        assets.remove("other", "a", expected_rev=7),
    ):
        with pytest.raises(NotFound):
            await call
    assert (await assets.get("acme", "a")).rev == (await assets.get_any("a")).rev == 1
    assert (await assets.page("other", limit=10)).records == []


async def test_changes_at_the_same_time_all_count(assets: Assets) -> None:
    await assets.insert("a", asset(1))
    await asyncio.gather(*(assets.change("acme", "a", raised) for _ in range(ATTEMPTS)))
    assert (await assets.get("acme", "a")).body["n"] == ATTEMPTS


async def test_an_expected_rev_is_the_only_one_at_which_it_is_changed(assets: Assets) -> None:
    await assets.insert("a", asset(1))
    outcomes = await asyncio.gather(
        *(assets.change("acme", "a", raised, expected_rev=1) for _ in range(5)), return_exceptions=True
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict"] * 4 + ["Record"]
    with pytest.raises(Conflict) as caught:
        await assets.remove("acme", "a", expected_rev=1)
    assert (caught.value.expected, caught.value.rev) == (1, 2)


async def test_a_change_of_nothing_writes_nothing(assets: Assets) -> None:
    made = await assets.insert("a", asset(1))
    assert await assets.change("acme", "a", lambda record: None) == made


async def test_a_taken_slug_is_renamed_on_insert_and_on_change(assets: Assets) -> None:
    await assets.insert("a", asset(1))
    assert (await assets.insert("b", asset(2))).body["slug"] == "a-2"
    await assets.insert("c", asset(3, "c"))
    changed = await assets.change("acme", "c", lambda record: Change(set={"slug": "a", "x": 1}, increment={"n": 2}))
    assert (changed.body["slug"], changed.body["x"], changed.body["n"]) == ("a-3", 1, 2)
    assert (await assets.insert("d", asset(4, org="other"))).body["slug"] == "a"
    with pytest.raises(AlreadyExists) as caught:
        await assets.insert("e", asset(3))
    assert caught.value.index == "number"


async def test_many_are_written_each_by_itself(assets: Assets) -> None:
    outcomes = await assets.insert_many({"a": asset(1), "b": asset(2), "c": asset(1, "c"), "d": {"org_id": 5}})
    slugs = {key: found.body["slug"] for key, found in outcomes.items() if isinstance(found, Record)}
    assert slugs == {"a": "a", "b": "a-2"}
    assert isinstance(outcomes["c"], AlreadyExists)
    assert isinstance(outcomes["d"], InvalidInput)
    assert await assets.insert_many({}) == {}


@pytest.mark.any_query
async def test_pages_say_how_many_there_are_and_where_they_go_on(assets: Assets) -> None:
    await assets.insert_many({f"k{n}": asset(n, f"s{n}", created_at=f"202{n}") for n in range(1, 6)})
    seen: list[str] = []
    after: str | None = None
    while True:
        page = await assets.page("acme", order=Order("created_at", descending=True), limit=2, after=after)
        assert page.total == 5
        seen += [record.key for record in page.records]
        if (after := page.after) is None:
            break
    assert seen == ["k5", "k4", "k3", "k2", "k1"]
    assert [record.key async for record in assets.each({"created_at": "2023"})] == ["k3"]
    first = await assets.first({"number": 4})
    assert first is not None
    assert first.key == "k4"
    assert await assets.first({"number": 9}) is None
