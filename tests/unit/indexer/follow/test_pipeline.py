"""Batches in a row: begun together, settled in order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from indexer.follow.pipeline import Pipeline
from tests.support.waiting import until


class Works:
    """Works that end when they are told to, and what is settled of them."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.settled: list[str] = []
        self._ends: dict[str, asyncio.Future[None]] = {}

    def work(self, name: str) -> Callable[[], Awaitable[str]]:
        """Return a work that ends by :meth:`end`."""
        end = self._ends[name] = asyncio.get_running_loop().create_future()

        async def run() -> str:
            self.begun.append(name)
            await end
            return name

        return run

    def end(self, name: str, error: Exception | None = None) -> None:
        """End a work, or let it fail."""
        if error is None:
            self._ends[name].set_result(None)
        else:
            self._ends[name].set_exception(error)


async def test_batches_are_settled_in_order() -> None:
    works = Works()
    async with Pipeline(2) as line:
        await line.put("a", works.work("one"), works.settled.append)
        await line.put("b", works.work("two"), works.settled.append)
        await until(lambda: works.begun == ["one", "two"], "both begin")
        works.end("two")
        third = asyncio.create_task(line.put("c", works.work("three"), works.settled.append))
        await asyncio.wait([third], timeout=0.01)
        assert (works.settled, works.begun, third.done()) == ([], ["one", "two"], False)
        works.end("one")
        await third
        assert works.settled[0] == "one"
        works.end("three")
        await line.drain()
        assert works.settled == ["one", "two", "three"]
        assert not line


async def test_no_key_is_in_two_batches_at_once() -> None:
    works = Works()
    async with Pipeline(4) as line:
        await line.put(["k", "x"], works.work("one"), works.settled.append)
        again = asyncio.create_task(line.put(["y", "k"], works.work("two"), works.settled.append))
        await until(lambda: works.begun == ["one"], "the first begins")
        assert not again.done()
        works.end("one")
        await again
        assert works.settled == ["one"]
        works.end("two")
        await line.drain()


async def test_what_is_behind_a_failure_is_never_settled() -> None:
    works = Works()
    async with Pipeline(3) as line:
        for name in ("one", "two", "three"):
            await line.put([name], works.work(name), works.settled.append)
        works.end("three")
        works.end("one")
        works.end("two", ValueError("no"))
        with pytest.raises(ValueError, match="no"):
            await line.drain()
    assert works.settled == ["one"]


async def test_a_failure_ends_what_goes_on_beside() -> None:
    works, ended = Works(), asyncio.Event()

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with Pipeline(2) as line:
        await line.put("a", works.work("one"), works.settled.append)
        works.end("one", ValueError("no"))
        with pytest.raises(ValueError, match="no"):
            await line.beside(wait())
    assert ended.is_set()


async def test_what_goes_on_beside_returns_or_raises_by_itself() -> None:
    works = Works()

    async def answer() -> int:
        return 7

    async def fail() -> None:
        raise LookupError("none")

    async with Pipeline(2) as line:
        await line.put("a", works.work("one"), works.settled.append)
        assert await line.beside(answer()) == 7
        with pytest.raises(LookupError):
            await line.beside(fail())
        assert len(line) == 1
    assert works.settled == []


async def test_leaving_cancels_what_is_under_way() -> None:
    works = Works()
    async with Pipeline(2) as line:
        await line.put("a", works.work("one"), works.settled.append)
        await line.put("b", works.work("two"), works.settled.append)
    assert not line
    assert works.settled == []
