"""Ending tasks that go on for ever."""

from __future__ import annotations

import asyncio
from typing import Any

_AGAIN_SECONDS = 0.5


async def cancelled(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks and return when all have ended; how they ended is for whoever looks at them.

    It is cancelled again and again: a driver may take a cancel in the middle of an operation for a connection that
    broke (PyMongo's async client does), and the task would go on.
    """
    while left := [task for task in tasks if not task.done()]:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=_AGAIN_SECONDS)
