"""When acknowledged writes become searchable, and who waits for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from service.errors import HistoryLost, Unavailable
from service.ports.clock import Clock
from service.ports.search import Rejected
from service.times import backoff


class WatchedToken:
    """The token up to which something is done. None: nothing is known."""

    def __init__(self) -> None:
        self._token: str | None = None
        self._moved = asyncio.Event()
        self.waiting = 0

    @property
    def token(self) -> str | None:
        """Where it stands."""
        return self._token

    def move(self, token: str | None) -> None:
        """Put it somewhere else, and wake those who wait."""
        self._token = token
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def reach(self, passed: Callable[[str], bool]) -> None:
        """Return once ``passed(token)``. Raises what that raises."""
        self.waiting += 1
        try:
            while self._token is None or not passed(self._token):
                await self._moved.wait()
        finally:
            self.waiting -= 1


log = logging.getLogger(__name__)

Refresh = Callable[[], Awaitable[None]]
Passed = Callable[[str], bool]
Observe = Callable[[float], None]

REST = 0.2
"""The share of the interval for which the engine is left alone after a refresh that took longer than the interval."""

SAMPLES = 1000
"""Commits whose way to the searches is measured at once; of more, the first."""


def _nobody(seconds: float) -> None:
    """Learn nothing."""


def _nothing() -> None:
    """Do nothing."""


class Refresher:
    """Refreshes the index after acknowledged writes: at most every ``seconds``, at once where somebody waits for that.

    A refresh costs an engine a new segment, so a stream of small writes shares one; but whoever reads their own write
    should not wait for the interval once it is acknowledged. ``searchable`` is the token up to which searches see every
    change; ``observe`` learns of each change how many seconds after its commit that was, ``moved`` that there was one.
    """

    def __init__(
        self,
        refresh: Refresh,
        clock: Clock,
        *,
        seconds: float,
        observe: Observe = _nobody,
        moved: Callable[[], None] = _nothing,
    ) -> None:
        self._refresh = refresh
        self._clock = clock
        self._seconds = seconds
        self._observe = observe
        self._moved = moved
        self._searchable = WatchedToken()
        self._acked: str | None = None
        self._commits: list[float] = []
        self._held = False
        self._pending = False
        self._refreshing = False
        self._life = 0
        self._waiters: list[Passed] = []
        self._awaited = asyncio.Event()
        self._urgent = asyncio.Event()
        self._wake = asyncio.Event()

    @property
    def searchable(self) -> str | None:
        """The token up to which searches see every change."""
        return self._searchable.token

    @property
    def awaited(self) -> bool:
        """Whether somebody waits."""
        return self._searchable.waiting > 0

    def acknowledged(self, token: str, *, written: bool, commits: Sequence[float] = ()) -> None:
        """Note that all changes up to the token are acknowledged, and whether documents were ``written`` for them.

        ``commits`` are the times of the changes, in seconds since 1970.
        """
        self._acked = token
        self._see_what_is_urgent()
        self._commits += commits[: SAMPLES - len(self._commits)]
        if written or self._pending or self._refreshing:
            self._pending = True
            self._wake.set()
        else:
            self._move(token)

    def touched(self) -> None:
        """Note that documents were written for no change of the feed, a repair: they are made searchable, too."""
        self._pending = True
        self._wake.set()

    def mirror(self, token: str | None) -> None:
        """Take over what another process says of the same index."""
        if token != self.searchable:
            self._searchable.move(token)

    def hold(self) -> None:
        """Go on refreshing, but claim nothing: earlier changes may be missing from the index."""
        self._held = True
        self._searchable.move(None)

    def release(self) -> None:
        """Claim again what is acknowledged, with the next refresh."""
        if self._held:
            self._held, self._pending = False, True
            self._life += 1  # a refresh that is under way may have come before the last repair
            self._wake.set()

    def forget(self) -> None:
        """Note that the index is gone; a refresh of it that is still under way moves nothing."""
        self._searchable.move(None)
        self._acked = None
        self._held = False
        self._commits = []
        self._life += 1

    async def wait(self, passed: Passed) -> None:
        """Return once ``passed(searchable)``; a refresh is urgent as soon as it would bring that about."""
        self._waiters.append(passed)
        self._awaited.set()
        try:
            self._see_what_is_urgent()
            await self._searchable.reach(passed)
        finally:
            self._waiters.remove(passed)
            if not self._waiters:
                self._awaited.clear()
            self._see_what_is_urgent()

    async def rest(self, seconds: float) -> None:
        """Wait for so long, or until somebody waits for their write."""
        await _within(seconds, self._awaited)

    async def run(self) -> None:
        """Refresh when it is due, for ever; a failure is logged and tried again."""
        attempt = 0
        due = self._clock.monotonic()
        while True:
            await self._wake.wait()
            await _within(due - self._clock.monotonic(), self._urgent)
            began = self._clock.monotonic()
            self._wake.clear()
            token, life = self._acked, self._life
            commits, self._commits = self._commits, []
            self._pending, self._refreshing = False, True
            try:
                await self._refresh()
            except (Unavailable, Rejected) as error:
                attempt += 1
                self._pending = True
                self._commits = [*commits, *self._commits][:SAMPLES]
                self._wake.set()
                log.warning("the index cannot be refreshed: %s", error)
                await asyncio.sleep(backoff(attempt))
            else:
                attempt = 0
                self._measure(commits)
                if token is not None and life == self._life:
                    self._move(token)
            finally:
                self._refreshing = False
            # From beginning to beginning, or a slow refresh would add its time twice; but never without a rest.
            due = max(began + self._seconds, self._clock.monotonic() + self._seconds * REST)

    def _see_what_is_urgent(self) -> None:
        """Hurry only where a refresh would end somebody's wait: in a burst, one after each batch would only cost."""
        acked = self._acked
        if acked is not None and any(_passed(passed, acked) for passed in self._waiters):
            self._urgent.set()
        else:
            self._urgent.clear()

    def _measure(self, commits: Sequence[float]) -> None:
        now = self._clock.now().timestamp()
        for commit in commits:
            self._observe(max(now - commit, 0.0))

    def _move(self, token: str) -> None:
        if not self._held:
            self._searchable.move(token)
            self._moved()


async def _within(seconds: float, event: asyncio.Event) -> None:
    """Wait for so long, or until the event is set."""
    if seconds <= 0:
        return
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


def _passed(passed: Passed, token: str) -> bool:
    """Whether a waiter's mark is passed; one that cannot be compared hurries nobody, and its waiter is told so."""
    try:
        return passed(token)
    except HistoryLost:
        return False
