"""A limit on work at once that organizations share: each has its turn, and slow work cannot take every place."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from service.errors import TooManyRequests

SLOW_FOR = 600.0
"""Seconds for which an organization whose work was slow leaves places to others."""

_REMEMBERED = 10_000
"""Organizations of slow work that are remembered; the earliest is forgotten first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How work is shared.

    ``places`` is how much of it runs at once. An organization has all of them while nobody else wants one; once a piece
    of its work took longer than ``slow`` seconds, at most ``slow_places``. At most ``waiting`` of an organization wait,
    each for ``patience`` seconds. ``what`` is the work in words ("searches").
    """

    what: str
    places: int
    slow_places: int
    slow: float
    waiting: int
    patience: float


class FairShare:
    """Gives the places of :class:`Shares` out: to the organization with the fewest, in turn among equals.

    Use it from one event loop only.
    """

    def __init__(self, shares: Shares, clock: Callable[[], float] = time.monotonic) -> None:
        self._shares = shares
        self._clock = clock
        self._running: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._turns = itertools.count(1)
        self._last_turn: dict[str, int] = {}
        self._slow: OrderedDict[str, float] = OrderedDict()

    @asynccontextmanager
    async def turn(self, org_id: str) -> AsyncIterator[None]:
        """Hold a place while the context lasts.

        Raises TooManyRequests when too many of the organization wait already, or none came in time.
        """
        await self._take(org_id)
        begun = self._clock()
        try:
            yield
        finally:
            if self._clock() - begun > self._shares.slow:
                self._note_slow(org_id)
            self._release(org_id)

    def _most(self, org_id: str) -> int:
        until = self._slow.get(org_id)
        if until is None:
            return self._shares.places
        if until <= self._clock():
            del self._slow[org_id]
            return self._shares.places
        return self._shares.slow_places

    def _is_free(self, org_id: str) -> bool:
        return self._running.total() < self._shares.places and self._running[org_id] < self._most(org_id)

    async def _take(self, org_id: str) -> None:
        queue = self._waiting.get(org_id)
        if queue is None and self._is_free(org_id):
            self._begin(org_id)
            return
        if queue is None:
            queue = self._waiting[org_id] = deque()
        if len(queue) >= self._shares.waiting:
            raise self._busy()
        place = asyncio.get_running_loop().create_future()
        queue.append(place)
        try:
            async with asyncio.timeout(self._shares.patience):
                await place
        except BaseException as error:
            if place.done() and not place.cancelled():
                self._release(org_id)  # it was given just now
            else:
                self._leave(org_id, place)
            if isinstance(error, TimeoutError):
                raise self._busy() from None
            raise

    def _leave(self, org_id: str, place: asyncio.Future[None]) -> None:
        queue = self._waiting.get(org_id)
        if queue is not None and place in queue:
            queue.remove(place)
            if not queue:
                del self._waiting[org_id]
                if not self._running[org_id]:
                    self._last_turn.pop(org_id, None)

    def _begin(self, org_id: str) -> None:
        self._running[org_id] += 1
        self._last_turn[org_id] = next(self._turns)

    def _release(self, org_id: str) -> None:
        self._running[org_id] -= 1
        if not self._running[org_id]:
            del self._running[org_id]
            if org_id not in self._waiting:
                del self._last_turn[org_id]
        while (chosen := self._next()) is not None:  # an organization may have an empty name
            queue = self._waiting[chosen]
            place = queue.popleft()
            if not queue:
                del self._waiting[chosen]
            if not place.done():
                self._begin(chosen)
                place.set_result(None)

    def _next(self) -> str | None:
        free = [org_id for org_id in self._waiting if self._is_free(org_id)]
        return min(free, key=lambda org_id: (self._running[org_id], self._last_turn.get(org_id, 0)), default=None)

    def _note_slow(self, org_id: str) -> None:
        self._slow[org_id] = self._clock() + SLOW_FOR
        self._slow.move_to_end(org_id)
        while len(self._slow) > _REMEMBERED:
            self._slow.popitem(last=False)

    def _busy(self) -> TooManyRequests:
        return TooManyRequests(
            f"Too many {self._shares.what} of your organization are waiting. Send fewer at once.",
            retry_after=1,
            headers={},
        )
