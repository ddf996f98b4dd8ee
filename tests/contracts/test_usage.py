"""Usage, on every store: written in batches, folded into assets once whatever happens in between."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast

import pytest

from service.core.events.folding import UsageFolder
from service.core.events.usage import UsageRecorder, Use
from service.errors import Unavailable
from service.ports.clock import SystemClock
from service.ports.store import Body, Change, Record, Store
from tests.support.clocks import Elsewhere
from tests.support.waiting import until

ZERO = {"downloads": 0, "views": 0, "shares": 0, "favorites": 0}


def folder(store: Store, **options: Any) -> UsageFolder:
    return UsageFolder(store, SystemClock(), **{"interval": timedelta(0), **options})


async def used(store: Store, *uses: tuple[Use, str], org: str = "acme", batch: int = 500) -> None:
    """Have something used, and write it."""
    recorder = UsageRecorder(store, SystemClock(), batch=batch)
    for use, asset_id in uses:
        recorder.record(use, org, "kim", asset_id=asset_id)
    await recorder.stop()


async def asset(store: Store, key: str, org: str = "acme") -> Record:
    return await store.insert("asset", key, {"org_id": org, "guid": key, "usage_stats": ZERO})


async def stats(store: Store, key: str) -> dict[str, int]:
    return cast("dict[str, int]", (await store.get("asset", key)).body["usage_stats"])


async def test_what_was_used_is_added_to_the_assets(store: Store) -> None:
    for key in ("a", "b", "c"):
        await asset(store, key)
    await used(store, *[(Use.VIEW, "a")] * 7, *[(Use.DOWNLOAD, "a")] * 3, (Use.SHARE, "b"), batch=4)
    await used(store, (Use.VIEW, "a"), (Use.FAVORITE, "b"), (Use.SEARCH, "b"))
    assert await folder(store).run() == 2
    assert await stats(store, "a") == {**ZERO, "views": 8, "downloads": 3}
    assert await stats(store, "b") == {**ZERO, "shares": 1}, "favourites are counted where they are set"
    assert (await store.get("asset", "c")).rev == 1
    assert await folder(store).run() == 0
    assert (await store.get("asset", "a")).rev == 2, "one write for all of a window"


async def test_another_organizations_asset_is_not_counted(store: Store) -> None:
    await asset(store, "a", org="other")
    await used(store, (Use.VIEW, "a"), (Use.VIEW, "gone"))
    assert await folder(store).run() == 0
    assert await stats(store, "a") == ZERO


async def test_an_asset_is_written_once_in_an_interval(store: Store) -> None:
    await asset(store, "a")
    slow = folder(store, interval=timedelta(hours=1))
    await used(store, (Use.VIEW, "a"))
    assert await slow.run() == 1
    await used(store, (Use.VIEW, "a"))
    assert await slow.run() == 0
    later = UsageFolder(store, Elsewhere(hours=1.1), interval=timedelta(hours=1))
    assert await later.run() == 1
    assert (await stats(store, "a"))["views"] == 2


async def test_a_window_is_bounded_and_the_next_takes_the_rest(store: Store) -> None:
    await asset(store, "a")
    for _ in range(5):
        await used(store, (Use.VIEW, "a"))
    seen = []
    for _ in range(4):
        await folder(store, records=2).run()
        seen.append((await stats(store, "a"))["views"])
    assert seen == [2, 4, 5, 5]


class Killed(Exception):
    """The process ends here."""


class Mortal:
    """A store whose process dies at the n-th write from now on, before or after it has happened."""

    def __init__(self, store: Store, lives: int, *, after: bool) -> None:
        self._store = store
        self._lives = lives
        self._after = after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def update(self, kind: str, key: str, change: Change, *, expected_rev: int | None = None) -> Record:
        self._lives -= 1
        if self._lives < 0 or (self._lives == 0 and not self._after):
            raise Killed
        record = await self._store.update(kind, key, change, expected_rev=expected_rev)
        if self._lives == 0:
            raise Killed
        return record


@pytest.mark.parametrize("after", [False, True])
async def test_a_fold_that_is_killed_anywhere_adds_nothing_twice_and_nothing_never(store: Store, after: bool) -> None:
    keys = [f"k{number}" for number in range(6)]
    for key in keys:
        await asset(store, key)
    for lives in range(1, 16):
        await used(store, *[(Use.VIEW, key) for key in keys], batch=4)
        mortal = cast("Store", Mortal(store, lives, after=after))
        try:
            await folder(mortal).run()
        except Killed:
            await folder(store).run()
        while await folder(store).run():
            pass
        assert [(await stats(store, key))["views"] for key in keys] == [lives] * len(keys)


async def test_several_processes_fold_the_same(store: Store) -> None:
    keys = [f"k{number}" for number in range(30)]
    for key in keys:
        await asset(store, key)
    for count in range(1, 5):
        await used(store, *[(Use.VIEW, key) for key in keys], batch=7)
        await asyncio.gather(*(folder(store).run() for _ in range(4)))
        await folder(store).run()
        assert [(await stats(store, key))["views"] for key in keys] == [count] * len(keys)


async def test_changes_of_an_asset_meanwhile_are_kept(store: Store) -> None:
    await asset(store, "a")
    await used(store, *[(Use.VIEW, "a")] * 3)

    class Busy(Mortal):
        async def get_many(self, kind: str, keys: list[str], **options: Any) -> dict[str, Record]:
            found = await self._store.get_many(kind, keys, **options)
            if kind == "asset":
                await self._store.update(
                    "asset", "a", Change(set={"title": "new", "usage_stats": {**ZERO, "favorites": 1}})
                )
            return found

    await folder(cast("Store", Busy(store, 100, after=False))).run()
    body = (await store.get("asset", "a")).body
    assert body["title"] == "new"
    assert body["usage_stats"] == {**ZERO, "favorites": 1, "views": 3}


async def test_old_records_are_swept_once_they_are_folded(store: Store) -> None:
    await asset(store, "a")
    await used(store, *[(Use.VIEW, "a")] * 3, batch=1)
    later = UsageFolder(store, Elsewhere(hours=48), interval=timedelta(0))
    assert await later.sweep(timedelta(hours=24)) == 0, "they are not folded yet"
    await folder(store).run()
    assert await later.sweep(timedelta(hours=72)) == 0
    assert await later.sweep(timedelta(hours=24)) == 3
    assert await store.scan("usage") == []


async def test_usage_is_written_in_batches_by_organization(store: Store) -> None:
    recorder = UsageRecorder(store, SystemClock(), seconds=3600, batch=10)
    recorder.start()
    for number in range(10):
        recorder.record(Use.VIEW, f"org{number % 2}", "kim", asset_id=f"a{number}")
    await until(lambda: recorder.status.waiting == 0, "a full batch is written at once")
    recorder.record(Use.SEARCH, "org0", text="x" * 1000, total=3)
    await recorder.stop()
    await recorder.stop()
    records = await store.scan("usage")
    assert sorted(len(record.body["events"]) for record in records) == [1, 5, 5]
    assert all(event["org_id"] == record.org_id for record in records for event in record.body["events"])
    search = next(event for record in records for event in record.body["events"] if event["type"] == "search")
    assert search == {"type": "search", "org_id": "org0", "text": "x" * 256, "total": 3, "at": search["at"]}


async def test_usage_waits_while_the_store_is_away_and_is_written_once(store: Store) -> None:
    class Away:
        failing = True

        async def insert_many(self, kind: str, bodies: Mapping[str, Body]) -> dict[str, Record | Exception]:
            outcome = await store.insert_many(kind, bodies)
            if self.failing:  # it was written, and the answer is lost
                raise Unavailable("store", "away")
            return outcome

    away = Away()
    recorder = UsageRecorder(cast("Store", away), SystemClock(), seconds=0.001, most=100)
    for number in range(120):
        recorder.record(Use.VIEW, "acme", asset_id=f"a{number}")
    assert (recorder.status.waiting, recorder.status.dropped) == (100, 20)
    with pytest.raises(Unavailable):
        await recorder.flush()
    away.failing = False
    await recorder.stop()
    records = await store.scan("usage")
    assert sum(len(record.body["events"]) for record in records) == 100
