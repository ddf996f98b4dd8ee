"""Scanning every record of the store, in pages processed in parallel."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from service.errors import Unavailable
from service.ports.store import Record, Store
from service.times import backoff

FIRST = 50
"""The maximum number of records in the first page, before their size is known."""


class PageSize:
    """The length of the next page: at most ``count``, and fewer if the last records were large.

    A store pages by count alone. The average size in the last page decides, and a page is at most twice as long as the
    previous one, so that a few small records among large ones do not lead to a huge page.
    """

    def __init__(self, count: int, size: int) -> None:
        self._count = count
        self._size = size
        self._next = min(count, FIRST)

    @property
    def next(self) -> int:
        """The number of records to read in the next page."""
        return self._next

    def seen(self, records: int, size: int) -> None:
        """Record the number of records in a page, and the total size of their documents in bytes."""
        if records == 0:
            return
        fitting = max(1, self._size * records // max(size, 1))
        self._next = min(self._count, fitting, self._next * 2)


Sink = Callable[[list[Record]], Awaitable[None]]
Page = Callable[[], int]
Done = Callable[[str, int], Awaitable[None]]
"""``await done(key, live)``: all records up to the key are processed; ``live`` of the last page are no tombstones."""

Pause = Callable[[float, str], Awaitable[None]]
"""``await pause(seconds, reason)`` before another attempt; it may raise to end the scan."""

AHEAD = 4
"""Pages that may be processed ahead of an earlier, unfinished one, as a multiple of the lanes."""


@dataclass(slots=True)
class _Taken:
    task: asyncio.Task[None]
    last: str
    live: int


async def _ignored(key: str, live: int) -> None:
    """Ignore the progress."""


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
    """Pass every asset record after ``after``, including tombstones, to the sink, in pages by key.

    ``page()`` returns the next page's length. The sink processes at most ``lanes`` pages at once, so memory stays
    constant. Records that change meanwhile may be passed in either state. With ``pause``, it waits for a store that is
    unavailable. Returns when all are processed. Raises what the store or the sink raises, after cancelling the pages in
    progress.
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
    """Wait until one more page is processed; release the processed ones, in order. Raises what a sink raised."""
    waiting = [taken.task for taken in pages if not taken.task.done()]
    if waiting:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for taken in pages:
        if taken.task.done():
            taken.task.result()
    while pages and pages[0].task.done():
        first = pages.popleft()
        await done(first.last, first.live)
