"""What the model stands on: virtual time, and processes that die and stop as real ones do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from random import Random

import pytest

from service.errors import Unavailable
from tests.model.network import Limits, Network, Weather
from tests.model.schedules import run
from tests.model.simulation import Process, VirtualLoop


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    made = VirtualLoop()
    yield made
    made.close()


async def _ticks(seen: list[float]) -> None:
    while True:
        await asyncio.sleep(1.0)
        seen.append(asyncio.get_running_loop().time())


def test_an_hour_takes_no_time(loop: VirtualLoop) -> None:
    seen: list[float] = []
    process = Process("one")
    loop.spawn(process, _ticks(seen))
    loop.advance(3600.0)
    assert len(seen) in (3599, 3600)
    loop.kill(process)
    loop.advance(1.0)
    assert process.ended


def test_a_killed_process_does_nothing_more_even_while_it_is_taken_down(loop: VirtualLoop) -> None:
    network = Network(loop, Random(1), "store", Limits())
    done: list[str] = []
    process = Process("one")

    async def main() -> None:
        try:
            await asyncio.sleep(100.0)
        finally:
            await network.call(process, lambda: done.append("last words"))

    loop.spawn(process, main())
    loop.advance(1.0)
    loop.kill(process)
    loop.advance(5.0)
    assert process.ended
    assert not done


def test_a_stopped_process_goes_on_where_it_was(loop: VirtualLoop) -> None:
    seen: list[float] = []
    process = Process("one")
    loop.spawn(process, _ticks(seen))
    loop.advance(2.5)
    process.stopped = True
    loop.advance(60.0)
    assert len(seen) == 2
    loop.resume(process)
    loop.advance(2.5)
    assert len(seen) == 5
    loop.kill(process)
    loop.advance(1.0)


def test_a_timer_that_is_cancelled_while_its_process_is_stopped_stays_cancelled(loop: VirtualLoop) -> None:
    outcome: list[str] = []
    process = Process("one")
    news = asyncio.Event()

    async def main() -> None:
        async with asyncio.timeout(5.0):
            await news.wait()
        outcome.append("in time")

    loop.spawn(process, main())
    loop.advance(1.0)
    process.stopped = True
    loop.outside(1.0, news.set)
    loop.advance(30.0)  # the timer is due, too
    loop.resume(process)
    loop.advance(1.0)
    assert outcome == ["in time"]
    assert not loop.failed


def test_a_lost_answer_is_of_a_call_that_happened(loop: VirtualLoop) -> None:
    network = Network(loop, Random(1), "store", Limits())
    network.weather = Weather(mute=1.0)
    done: list[str] = []
    told: list[str] = []
    process = Process("one")

    async def main() -> None:
        try:
            await network.call(process, lambda: done.append("it"))
        except Unavailable as error:
            told.append(error.message)

    loop.spawn(process, main())
    loop.advance(5.0)
    assert (done, len(told)) == (["it"], 1)


def test_a_seed_is_one_schedule() -> None:
    assert run(7) == run(7)
