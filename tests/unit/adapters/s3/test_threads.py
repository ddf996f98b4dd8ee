from __future__ import annotations

import asyncio
import threading

import pytest

from service.adapters.s3 import threads as s3_threads
from service.adapters.s3.threads import Threads
from service.errors import Unavailable
from tests.support.waiting import until

PATIENCE = 0.2


class Clock:
    """A clock that a test moves; it stands in the place of the module ``time``."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked = 0

    def monotonic(self) -> float:
        self.asked += 1
        return self.now


async def test_a_turn_comes_however_long_it_takes_while_something_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, patience = Clock(), 0.01
    monkeypatch.setattr(s3_threads, "time", clock)
    threads, gate = Threads(1, patience, "test"), threading.Event()
    first, second = asyncio.create_task(threads.run(gate.wait)), asyncio.create_task(threads.run(str, 2))
    for _ in range(20):
        asked = clock.asked
        await until(lambda: clock.asked > asked, "the second looks whether to wait on")  # noqa: B023
        clock.now += 0.9 * patience
        threads.note_progress()
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
