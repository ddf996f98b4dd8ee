"""Numbers come in blocks, no two callers get the same, and a store that is away is asked once."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from service.core.shared.ids import IdAllocator
from service.errors import Unavailable
from service.ports.store import Store


class Counter:
    """A store's counter whose answers wait until the test lets them go."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = False
        self.go = asyncio.Event()
        self._next = 1

    async def counter(self, name: str, block: int = 1) -> int:
        self.asked += 1
        await self.go.wait()
        if self.away:
            raise Unavailable("store", "it is away")
        first, self._next = self._next, self._next + block
        return first


def numbers(counter: Counter) -> IdAllocator:
    return IdAllocator(cast("Store", counter), "asset")


async def test_many_callers_share_blocks() -> None:
    counter = Counter()
    counter.go.set()
    made = numbers(counter)
    taken = await asyncio.gather(*(made.next() for _ in range(200)))
    assert sorted(taken) == list(range(1, 201))
    assert counter.asked == 4


async def test_whoever_waits_for_a_store_that_is_away_learns_it_at_once() -> None:
    counter = Counter()
    counter.away = True
    made = numbers(counter)
    waiting = [asyncio.create_task(made.next()) for _ in range(10)]
    await asyncio.sleep(0)
    counter.go.set()
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(error, Unavailable) for error in ended)
    assert counter.asked == 1
    with pytest.raises(Unavailable):
        await made.next()
    assert counter.asked == 2, "who comes later asks again"
    counter.away = False
    assert await made.next() == 1
