"""When acknowledged writes become searchable, and who is waiting for that."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from service.errors import HistoryLost, Unavailable
from service.ports.clock import Clock
from service.ports.search import Rejected
from service.times import backoff


class WatchedToken:
    """The token up to which something is done, which tasks can wait for. None: unknown."""

    def __init__(self) -> None:
        self._token: str | None = None
        self._moved = asyncio.Event()
        self.waiting = 0

    @property
    def token(self) -> str | None:
        """The current token."""
        return self._token

    def move(self, token: str | None) -> None:
        """Set the token, and wake the waiting tasks."""
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
"""The pause after a refresh that took longer than the interval, as a share of the interval."""

SAMPLES = 1000
"""The maximum number of commits for which the time to searchability is measured at once; of more, the first."""


def _ignore(seconds: float) -> None:
    """Ignore the measurement."""


def _nothing() -> None:
    """Do nothing."""


class Refresher:
    """Refreshes the index after acknowledged writes: at most every ``seconds``, but at once when a caller waits for it.

    Each refresh costs the engine a new segment, so a stream of small writes shares one; but a caller that reads its own
    write should not wait for the interval once it is acknowledged. ``searchable`` is the token up to which searches see
    every change; ``observe`` receives for each change the seconds from its commit until then, and ``moved`` is called
    when the token moves.
    """

    def __init__(
        self,
        refresh: Refresh,
        clock: Clock,
        *,
        seconds: float,
        observe: Observe = _ignore,
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
        """Whether a caller is waiting."""
        return self._searchable.waiting > 0

    def acknowledged(self, token: str, *, written: bool, commits: Sequence[float] = ()) -> None:
        """Record that all changes up to the token are acknowledged, and whether documents were ``written`` for them.

        ``commits`` are the times of the changes, in seconds since 1970.
        """
        self._acked = token
        self._check_urgency()
        self._commits += commits[: SAMPLES - len(self._commits)]
        if written or self._pending or self._refreshing:
            self._pending = True
            self._wake.set()
        else:
            self._move(token)

    def touched(self) -> None:
        """Record that documents were written without a change in the feed (a repair), which need a refresh as well."""
        self._pending = True
        self._wake.set()

    def mirror(self, token: str | None) -> None:
        """Adopt the token that another process reports for the same index."""
        if token != self.searchable:
            self._searchable.move(token)

    def hold(self) -> None:
        """Keep refreshing, but stop reporting: earlier changes may be missing from the index."""
        self._held = True
        self._searchable.move(None)

    def release(self) -> None:
        """Resume reporting what is acknowledged, with the next refresh."""
        if self._held:
            self._held, self._pending = False, True
            self._life += 1  # a refresh in progress may have started before the last repair
            self._wake.set()

    def forget(self) -> None:
        """Record that the index is gone; a refresh of it that is still in progress moves no token."""
        self._searchable.move(None)
        self._acked = None
        self._held = False
        self._commits = []
        self._life += 1

    async def wait(self, passed: Passed) -> None:
        """Return once ``passed(searchable)``; a refresh is urgent as soon as it would achieve that."""
        self._waiters.append(passed)
        self._awaited.set()
        try:
            self._check_urgency()
            await self._searchable.reach(passed)
        finally:
            self._waiters.remove(passed)
            if not self._waiters:
                self._awaited.clear()
            self._check_urgency()

    async def rest(self, seconds: float) -> None:
        """Wait for ``seconds``, or until a caller waits for its write."""
        await _within(seconds, self._awaited)

    async def run(self) -> None:
        """Refresh whenever it is due, forever; a failure is logged and retried."""
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
                log.warning("cannot refresh the index: %s", error)
                await asyncio.sleep(backoff(attempt))
            else:
                attempt = 0
                self._measure(commits)
                if token is not None and life == self._life:
                    self._move(token)
            finally:
                self._refreshing = False
            # Measured from start to start, or a slow refresh would add its time twice; but never without a pause.
            due = max(began + self._seconds, self._clock.monotonic() + self._seconds * REST)

    def _check_urgency(self) -> None:
        """Refresh early only if that ends a caller's wait: in a burst, a refresh after each batch would only cost."""
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
    """Wait for ``seconds``, or until the event is set."""
    if seconds <= 0:
        return
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


def _passed(passed: Passed, token: str) -> bool:
    """Whether a waiter's mark is passed; a mark that cannot be compared is not, and its waiter learns that itself."""
    try:
        return passed(token)
    except HistoryLost:
        return False
