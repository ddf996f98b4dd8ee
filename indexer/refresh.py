"""When acknowledged writes become searchable, and who waits for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from indexer.backoff import delay
from service.errors import Unavailable
from service.ports.clock import Clock
from service.ports.search import Rejected

log = logging.getLogger(__name__)

Refresh = Callable[[], Awaitable[None]]
Passed = Callable[[str], bool]


class Refresher:
    """Refreshes the index after acknowledged writes: at most every ``seconds``, at once while somebody waits.

    A refresh costs an engine a new segment, so a stream of small writes shares one; but whoever reads their own write
    should not wait for the interval. ``searchable`` is the token up to which searches see every change.
    """

    def __init__(self, refresh: Refresh, clock: Clock, *, seconds: float) -> None:
        self.searchable: str | None = None
        self._refresh = refresh
        self._clock = clock
        self._seconds = seconds
        self._acked: str | None = None
        self._pending = False
        self._refreshing = False
        self._waiting = 0
        self._life = 0
        self._urgent = asyncio.Event()
        self._wake = asyncio.Event()
        self._moved = asyncio.Event()

    def acknowledged(self, token: str, *, written: bool) -> None:
        """Note that all changes up to the token are acknowledged, and whether documents were ``written`` for them."""
        self._acked = token
        if written or self._pending or self._refreshing:
            self._pending = True
            self._wake.set()
        else:
            self._move(token)

    def forget(self) -> None:
        """Note that the index is gone; a refresh of it that is still under way moves nothing."""
        self.searchable = self._acked = None
        self._life += 1

    async def wait(self, passed: Passed) -> None:
        """Return once ``passed(searchable)``; refreshes are urgent until then."""
        self._waiting += 1
        self._urgent.set()
        try:
            while self.searchable is None or not passed(self.searchable):
                await self._moved.wait()
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._urgent.clear()

    async def run(self) -> None:
        """Refresh when it is due, for ever; a failure is logged and tried again."""
        attempt = 0
        last = self._clock.monotonic() - self._seconds
        while True:
            await self._wake.wait()
            await self._due(last + self._seconds - self._clock.monotonic())
            self._wake.clear()
            token, life = self._acked, self._life
            self._pending, self._refreshing = False, True
            try:
                await self._refresh()
            except (Unavailable, Rejected) as error:
                attempt += 1
                self._pending = True
                self._wake.set()
                log.warning("the index can not be refreshed: %s", error)
                await asyncio.sleep(delay(attempt))
            else:
                attempt = 0
                if token is not None and life == self._life:
                    self._move(token)
            finally:
                self._refreshing = False
            last = self._clock.monotonic()

    async def _due(self, seconds: float) -> None:
        """Wait for the end of the interval, or until somebody waits."""
        if seconds <= 0:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._urgent.wait()
        except TimeoutError:
            return

    def _move(self, token: str) -> None:
        self.searchable = token
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
