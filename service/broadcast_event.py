"""An event that wakes every task waiting for it at that moment."""

from __future__ import annotations

import asyncio


class BroadcastEvent:
    """Wakes all waiters at once. Unlike an Event it needs no clearing, so no waiter can miss or steal a wake-up."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """Wake all tasks that are waiting now."""
        event, self._event = self._event, asyncio.Event()
        event.set()

    def next(self) -> asyncio.Event:
        """Return the event of the next wake-up. Take it before you check your condition, so that none is missed."""
        return self._event


async def wait(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event for at most ``seconds``; return whether it was set."""
    try:
        async with asyncio.timeout(seconds):  # wait_for loses a cancel that comes together with the event (Python 3.11)
            await event.wait()
    except TimeoutError:
        return False
    return True
