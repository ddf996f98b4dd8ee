"""A walk over every record of the store, pages in parallel."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from service.errors import Unavailable
from service.ports.store import Record, Store
from service.times import backoff

FIRST = 50
"""Records in the first page at most: how heavy they are is not known before."""


class PageSize:
    """A count for the next page: at most ``count``, and fewer where the records seen last were heavy.

    A store pages by count alone. The average of the last page decides, and a page at most doubles the one before, so
    that a few light records among heavy ones do not open the flood.
    """

    def __init__(self, count: int, size: int) -> None:
        self._count = count
        self._size = size
        self._next = min(count, FIRST)

    @property
    def next(self) -> int:
        """Records to read with the next page."""
        return self._next

    def seen(self, records: int, size: int) -> None:
        """Note that a page of so many records made so many bytes of documents."""
        if records == 0:
            return
        fitting = max(1, self._size * records // max(size, 1))
        self._next = min(self._count, fitting, self._next * 2)


Sink = Callable[[list[Record]], Awaitable[None]]
Page = Callable[[], int]
Done = Callable[[str, int], Awaitable[None]]
"""``await done(key, live)``: all records up to the key are taken; so many of the last page are no tombstones."""

Pause = Callable[[float, str], Awaitable[None]]
"""``await pause(seconds, reason)`` before another attempt; it may raise to end the scan."""

AHEAD = 4
"""Pages that may be taken, in pages for each lane, while an earlier one is still under way."""


@dataclass(slots=True)
class _Taken:
    task: asyncio.Task[None]
    last: str
    live: int


async def _ignored(key: str, live: int) -> None:
    """Learn nothing."""


async def scan(
    store: Store,
    sink: Sink,
    *,
    page: Page,
    lanes: int,
    after: str | None = None,
    done: Done = _ignored,
    pause: Pause | None = None,
) -> None:
    """Give every asset record behind ``after``, tombstones included, to the sink in pages by key.

    ``page()`` is the next page's length. At most ``lanes`` pages are in the sink's hands at once, so memory stays flat.
    Records that change meanwhile may be given in either state. With ``pause`` a store that is away is waited for.
    Returns when all are taken. Raises what the store or the sink raises, after the other pages under way are cancelled.
    """
    pages: deque[_Taken] = deque()

    async def read(after: str | None, limit: int) -> list[Record]:
        attempt = 0
        while True:
            try:
                return await store.scan("asset", after=after, limit=limit)
            except Unavailable as error:
                if pause is None:
                    raise
                attempt += 1
                await pause(backoff(attempt), error.message)

    try:
        while records := await read(after, page()):
            after = records[-1].key
            live = sum(not record.tombstone for record in records)
            pages.append(_Taken(asyncio.ensure_future(sink(records)), after, live))
            while len(pages) >= AHEAD * lanes or sum(not taken.task.done() for taken in pages) >= lanes:
                await _settle(pages, done)
        while pages:
            await _settle(pages, done)
    finally:
        for taken in pages:
            taken.task.cancel()
        await asyncio.gather(*(taken.task for taken in pages), return_exceptions=True)


async def _settle(pages: deque[_Taken], done: Done) -> None:
    """Wait until one more page is taken; let go of those that are, in order. Raises what a sink raised."""
    waiting = [taken.task for taken in pages if not taken.task.done()]
    if waiting:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for taken in pages:
        if taken.task.done():
            taken.task.result()
    while pages and pages[0].task.done():
        first = pages.popleft()
        await done(first.last, first.live)
