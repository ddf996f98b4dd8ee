"""A wake-up call to everybody who waits at this moment."""

from __future__ import annotations

import asyncio


class BroadcastEvent:
    """Wakes all waiters at once; unlike an Event it needs no clearing, so that no waiter can miss or steal a call."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """Wake all that wait now."""
        event, self._event = self._event, asyncio.Event()
        event.set()

    def next(self) -> asyncio.Event:
        """Return the event of the next call. Take it before you look, so that no call falls in between."""
        return self._event


async def wait(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event for so many seconds at most; whether it came."""
    try:
        async with asyncio.timeout(seconds):  # wait_for loses a cancel that comes together with the event (Python 3.11)
            await event.wait()
    except TimeoutError:
        return False
    return True
