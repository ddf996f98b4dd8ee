from __future__ import annotations

import asyncio

import pytest

from service.tasks import all_of, both, cancelled


async def test_a_task_that_swallows_a_cancel_ends_all_the_same() -> None:
    begun = asyncio.Event()
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while True:
            begun.set()
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 2:
                    raise

    async def failing() -> None:
        raise LookupError

    tasks = asyncio.create_task(stubborn()), asyncio.create_task(failing())
    await begun.wait()
    await cancelled(*tasks)
    await cancelled(*tasks)
    await cancelled()
    assert tasks[0].cancelled()
    assert isinstance(tasks[1].exception(), LookupError)


async def wait_for_ever(cancels: list[str]) -> str:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        cancels.append("cancelled")
        raise
    return "never"


async def number(value: int) -> int:
    await asyncio.sleep(0)
    return value


async def fail() -> int:
    await asyncio.sleep(0)
    raise LookupError("gone")


async def test_results_come_in_order() -> None:
    assert await all_of(map(number, [3, 1, 2])) == [3, 1, 2]
    assert await all_of([]) == []
    assert await both(number(1), number(2)) == (1, 2)


async def test_the_first_failure_ends_the_others() -> None:
    cancels: list[str] = []
    with pytest.raises(LookupError, match="gone"):
        await both(wait_for_ever(cancels), fail())
    with pytest.raises(LookupError, match="gone"):
        await all_of([fail(), number(1)])
    assert cancels == ["cancelled"]
