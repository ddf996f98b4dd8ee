from __future__ import annotations

import asyncio
import threading
import time

import pytest

from service.adapters.s3.threads import Threads
from service.errors import Unavailable
from tests.support.waiting import until

PATIENCE = 0.2


async def test_a_turn_comes_however_long_it_takes_while_something_moves() -> None:
    threads, gate = Threads(1, PATIENCE, "test"), threading.Event()

    def long() -> None:
        while not gate.wait(PATIENCE / 20):
            threads.note_progress()

    first, second = asyncio.create_task(threads.run(long)), asyncio.create_task(threads.run(str, 2))
    begun = time.monotonic()
    await until(lambda: time.monotonic() > begun + 3 * PATIENCE, "patience is over long since")
    assert not second.done()
    gate.set()
    assert await second == "2"
    await first
    await threads.close()


async def test_who_waits_while_nothing_moves_gives_up() -> None:
    threads, gate = Threads(1, PATIENCE, "test"), threading.Event()
    first = asyncio.create_task(threads.run(gate.wait))
    outcomes = await asyncio.gather(*(threads.run(str, 2) for _ in range(9)), return_exceptions=True)
    assert all(isinstance(outcome, Unavailable) for outcome in outcomes)
    gate.set()
    await first
    assert await threads.run(str, 3) == "3"
    await threads.close()


async def test_failures_are_no_sign_of_life() -> None:
    threads, gate = Threads(2, PATIENCE, "test"), threading.Event()

    def fail() -> None:
        gate.wait(PATIENCE / 2)
        raise OSError

    async def fails() -> None:
        while not gate.is_set():
            with pytest.raises(Unavailable):
                await threads.run(fail)

    failing = [asyncio.create_task(fails()) for _ in range(8)]
    await asyncio.sleep(0)  # they are before us
    with pytest.raises(Unavailable, match="too slow"):
        await threads.run(str, 1)
    gate.set()
    await asyncio.gather(*failing)
    await threads.close()


async def test_a_turn_that_is_given_up_is_the_next_ones() -> None:
    threads, gate = Threads(1, 60.0, "test"), threading.Event()
    first = asyncio.create_task(threads.run(gate.wait))
    waiting = [asyncio.create_task(threads.run(str, number)) for number in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    gate.set()
    await first
    waiting[1].cancel()  # its turn may have just come
    assert await waiting[2] == "2"
    assert await threads.run(str, 3) == "3"
    await threads.close()
