from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from indexer.follow.refresh import SAMPLES, Refresher
from service.errors import HistoryLost, Unavailable
from service.ports.clock import SystemClock
from tests.support.memory_engine import HandClock
from tests.support.waiting import until


class Index:
    """Counts refreshes; fails as often as told; can be held up."""

    def __init__(self) -> None:
        self.refreshes = 0
        self.failures = 0
        self.open = asyncio.Event()
        self.open.set()

    async def refresh(self) -> None:
        self.refreshes += 1
        await self.open.wait()
        if self.failures:
            self.failures -= 1
            raise Unavailable("search", "away")


@asynccontextmanager
async def running(index: Index, seconds: float) -> AsyncIterator[Refresher]:
    refresher = Refresher(index.refresh, SystemClock(), seconds=seconds)
    task = asyncio.create_task(refresher.run())
    try:
        yield refresher
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_what_wrote_nothing_is_searchable_without_a_refresh() -> None:
    index = Index()
    async with running(index, 0) as refresher:
        refresher.acknowledged("5", written=False)
        assert refresher.searchable == "5"
    assert index.refreshes == 0


async def test_a_write_is_searchable_once_it_is_refreshed() -> None:
    index = Index()
    async with running(index, 0) as refresher:
        refresher.acknowledged("5", written=True)
        assert refresher.searchable is None
        await until(lambda: refresher.searchable == "5", "the refresh")


async def test_a_marker_behind_a_write_that_is_being_refreshed_waits_for_it() -> None:
    index = Index()
    index.open.clear()
    async with running(index, 0) as refresher:
        refresher.acknowledged("5", written=True)
        await until(lambda: index.refreshes == 1, "the refresh begins")
        refresher.acknowledged("6", written=False)
        assert refresher.searchable is None
        index.open.set()
        await until(lambda: refresher.searchable == "6", "both")


async def test_a_stream_of_writes_shares_refreshes_until_somebody_waits() -> None:
    index = Index()
    async with running(index, 3600) as refresher:
        refresher.acknowledged("1", written=True)
        await until(lambda: refresher.searchable == "1", "the first is at once")
        refresher.acknowledged("2", written=True)
        waiting = asyncio.create_task(refresher.wait(lambda searchable: int(searchable) >= 2))
        await asyncio.wait_for(waiting, 10)
        assert index.refreshes == 2


async def test_a_failed_refresh_is_tried_again() -> None:
    index = Index()
    index.failures = 1
    async with running(index, 0) as refresher:
        refresher.acknowledged("1", written=True)
        await until(lambda: refresher.searchable == "1", "the second attempt")
    assert index.refreshes == 2


async def test_a_refresh_of_a_lost_index_moves_nothing() -> None:
    index = Index()
    index.open.clear()
    async with running(index, 0) as refresher:
        refresher.acknowledged("1", written=True)
        await until(lambda: index.refreshes == 1, "the refresh begins")
        refresher.forget()
        index.open.set()
        refresher.acknowledged("0", written=True)
        await until(lambda: refresher.searchable == "0", "the new life's token")


async def test_while_it_is_held_nothing_is_claimed_but_searches_are_served() -> None:
    index = Index()
    async with running(index, 0) as refresher:
        refresher.acknowledged("1", written=True)
        await until(lambda: refresher.searchable == "1", "the refresh")
        refresher.hold()
        refresher.acknowledged("2", written=True)
        await until(lambda: index.refreshes == 2, "it refreshes all the same")
        refresher.acknowledged("3", written=False)
        assert refresher.searchable is None
        refresher.release()
        await until(lambda: refresher.searchable == "3", "it is claimed again")


async def test_the_way_from_commit_to_search_is_measured() -> None:
    index, clock, seen = Index(), HandClock(), list[float]()
    refresher = Refresher(index.refresh, clock, seconds=0, observe=seen.append)
    task = asyncio.create_task(refresher.run())
    now = clock.now().timestamp()
    refresher.acknowledged("1", written=True, commits=[now - 2, now - 1, now + 5])
    await until(lambda: refresher.searchable == "1", "the refresh")
    assert seen == [2.0, 1.0, 0.0]
    refresher.acknowledged("2", written=True, commits=[now] * 5000)
    await until(lambda: refresher.searchable == "2", "the refresh")
    assert len(seen) == 3 + SAMPLES
    task.cancel()
    await asyncio.wait([task])


async def test_a_stand_by_shows_what_another_process_says() -> None:
    refresher = Refresher(Index().refresh, SystemClock(), seconds=0)
    waiting = asyncio.create_task(refresher.wait(lambda searchable: searchable == "7"))
    refresher.mirror("6")
    await until(lambda: refresher.awaited, "it waits")
    assert not waiting.done()
    refresher.mirror("7")
    await asyncio.wait_for(waiting, 10)


async def test_who_waits_for_what_is_not_acknowledged_yet_hurries_no_refresh() -> None:
    index = Index()
    async with running(index, 3600) as refresher:
        refresher.acknowledged("1", written=True)
        await until(lambda: refresher.searchable == "1", "the first is at once")
        waiting = asyncio.create_task(refresher.wait(lambda searchable: int(searchable) >= 4))
        await until(lambda: refresher.awaited, "it waits")
        await asyncio.wait_for(refresher.rest(3600), 10)  # but nobody lingers while it does
        for token in ("2", "3"):
            refresher.acknowledged(token, written=True)
            await asyncio.wait([waiting], timeout=0.01)
        assert index.refreshes == 1
        refresher.acknowledged("4", written=True)
        await asyncio.wait_for(waiting, 10)
        assert (index.refreshes, refresher.searchable) == (2, "4")


async def test_a_repair_is_refreshed_although_no_token_moves() -> None:
    index = Index()
    async with running(index, 0) as refresher:
        refresher.touched()
        await until(lambda: index.refreshes == 1, "the refresh")
        assert refresher.searchable is None


async def test_a_mark_of_another_database_hurries_nobody() -> None:
    def foreign(searchable: str) -> bool:
        raise HistoryLost("The token is not of this database.")

    index = Index()
    async with running(index, 3600) as refresher:
        waiting = asyncio.create_task(refresher.wait(foreign))
        await until(lambda: refresher.awaited, "it waits")
        refresher.acknowledged("1", written=True)
        with pytest.raises(HistoryLost):
            await asyncio.wait_for(waiting, 10)
