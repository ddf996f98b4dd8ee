"""Places are shared: by turns, with the slow leaving room, and never more waiting than allowed."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from service.core.shared.fair_share import SLOW_FOR, FairShare, Shares
from service.errors import TooManyRequests

SHARES = Shares(what="searches", places=2, slow_places=1, slow=1.0, waiting=50, patience=20.0)


class Work:
    """Work that ends when it is told to; ``order`` is whose began, in turn."""

    def __init__(self, shares: Shares = SHARES) -> None:
        self.now = 0.0
        self.share = FairShare(shares, lambda: self.now)
        self.order: list[str] = []
        self.running: list[tuple[str, asyncio.Event]] = []

    async def do(self, org: str) -> None:
        async with self.share.turn(org):
            self.order.append(org)
            end = asyncio.Event()
            self.running.append((org, end))
            await end.wait()

    def start(self, *orgs: str) -> list[asyncio.Task[None]]:
        return [asyncio.create_task(self.do(org)) for org in orgs]

    async def finish(self, seconds: float = 0.0) -> None:
        """End what began first, which took so long."""
        self.now += seconds
        _, end = self.running.pop(0)
        end.set()
        await settle()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def finish_all(work: Work, tasks: list[asyncio.Task[None]]) -> None:
    while work.running:
        await work.finish()
    await asyncio.gather(*tasks)


async def test_one_alone_has_every_place() -> None:
    work = Work()
    tasks = work.start("a", "a", "a")
    await settle()
    assert work.order == ["a", "a"]
    await finish_all(work, tasks)
    assert work.order == ["a", "a", "a"]


async def test_who_comes_late_waits_for_one_piece_of_work_not_for_the_queue() -> None:
    work = Work()
    tasks = work.start(*["a"] * 20, "b", "c")
    await settle()
    await work.finish()
    await work.finish()
    assert work.order[:4] == ["a", "a", "b", "c"]
    await finish_all(work, tasks)
    assert len(work.order) == 22


async def test_equals_have_their_turns() -> None:
    work = Work()
    tasks = work.start(*["a"] * 6, *["b"] * 6)
    await settle()
    await finish_all(work, tasks)
    assert work.order[2:10].count("b") >= 4


async def test_who_was_slow_leaves_a_place_free_for_a_while() -> None:
    work = Work()
    tasks = work.start("a")
    await settle()
    await work.finish(seconds=5)
    tasks += work.start("a", "a", "a")
    await settle()
    assert len(work.running) == 1, "one place stays free"
    tasks += work.start("b")
    await settle()
    assert [org for org, _ in work.running] == ["a", "b"]
    await finish_all(work, tasks)
    work.now += SLOW_FOR + 1
    tasks = work.start("a", "a")
    await settle()
    assert len(work.running) == 2
    await finish_all(work, tasks)


async def test_too_many_of_one_are_refused_and_others_are_not() -> None:
    work = Work(Shares(what="searches", places=1, slow_places=1, slow=1.0, waiting=2, patience=20.0))
    tasks = work.start("a", "a", "a")
    await settle()
    with pytest.raises(TooManyRequests, match="searches"):
        await work.do("a")
    tasks += work.start("b")
    await settle()
    await finish_all(work, tasks)
    assert sorted(work.order) == ["a", "a", "a", "b"]


async def test_who_waits_in_vain_is_told_so_and_leaves_no_trace() -> None:
    work = Work(Shares(what="files", places=1, slow_places=1, slow=1.0, waiting=2, patience=0.01))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(work.share.turn("a"))
        with pytest.raises(TooManyRequests):
            await work.do("b")
    async with work.share.turn("b"):
        pass
    assert not work.order


async def test_one_who_leaves_while_waiting_takes_no_place() -> None:
    work = Work()
    tasks = work.start("a", "a", "b", "c")
    await settle()
    tasks[2].cancel()
    await settle()
    await work.finish()
    assert work.order == ["a", "a", "c"]
    tasks.pop(2)
    await finish_all(work, tasks)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(work.share.turn("d"))


async def test_one_who_leaves_just_as_a_place_is_given_gives_it_on() -> None:
    work = Work(Shares(what="files", places=1, slow_places=1, slow=1.0, waiting=9, patience=20.0))
    tasks = work.start("a", "b", "c")
    await settle()
    _, end = work.running.pop(0)
    end.set()
    while not tasks[0].done():
        await asyncio.sleep(0)
    tasks[1].cancel()
    await settle()
    await finish_all(work, [tasks[0], tasks[2]])
    assert "c" in work.order


async def test_an_organization_without_a_name_has_its_turns_too() -> None:
    work = Work()
    tasks = work.start(*[""] * 5)
    await settle()
    await finish_all(work, tasks)
    assert work.order == [""] * 5
