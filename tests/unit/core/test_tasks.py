from __future__ import annotations

import asyncio

from service.core.shared.tasks import cancelled


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
