"""Joining the pages of a store with the documents that have their keys: how a verify reads a store and an index.

The keys of a page of records bound a range of documents. So the documents of the next pages can be asked for before
those of this one have come, and the engine looks at what is in the range instead of all that comes after a key.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

L = TypeVar("L")
R = TypeVar("R")

Pages = Callable[[str | None], Awaitable[Sequence[L]]]
"""``await pages(after)`` returns the next page after a key, in order of keys; an empty one at the end."""

Range = Callable[[str | None, str | None], Awaitable[Sequence[R]]]
"""``await range(after, last)`` returns the next page after a key, up to and with ``last`` (None: to the end)."""

Pair = tuple[str, L | None, R | None]

AHEAD = 3
"""Pages in memory: one that is compared, and those whose documents are being read meanwhile."""

SLICE = 50
"""Pairs yielded at a time, after which other tasks of the event loop get a turn."""


@dataclass(frozen=True, slots=True)
class _Part(Generic[L, R]):
    """A page of the left side, and what the right side has in its range, of which the first page is being read."""

    left: Sequence[L]
    last: str | None
    first: asyncio.Future[Sequence[R]]


class _Join(Generic[L, R]):
    def __init__(
        self, left: Pages[L], left_key: Callable[[L], str], right: Range[R], right_key: Callable[[R], str]
    ) -> None:
        self._left = left
        self._left_key = left_key
        self._right = right
        self._right_key = right_key
        self._room = asyncio.Semaphore(AHEAD)
        self._parts: asyncio.Queue[_Part[L, R] | None] = asyncio.Queue()
        self._started: set[asyncio.Future[Sequence[R]]] = set()

    async def slices(self, after: str | None) -> AsyncGenerator[list[Pair[L, R]], None]:
        reading = asyncio.create_task(self._read(after))
        try:
            while (part := await self._parts.get()) is not None:
                pairs: list[Pair[L, R]] = []
                async for pair in self._pairs(part):
                    pairs.append(pair)
                    if len(pairs) == SLICE:
                        yield pairs
                        pairs = []
                        await asyncio.sleep(0)
                if pairs:
                    yield pairs
                self._room.release()
            await reading  # it has ended, or failed
        finally:
            unfinished: list[asyncio.Future[Any]] = [reading, *self._started]
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)

    async def _read(self, after: str | None) -> None:
        """Read the left side, and start to read what the right side has in the range of each page."""
        try:
            while True:
                await self._room.acquire()
                page = await self._left(after)
                last = self._left_key(page[-1]) if page else None
                first = asyncio.ensure_future(self._right_page(after, last))
                self._started.add(first)
                self._parts.put_nowait(_Part(page, last, first))
                if last is None:
                    return
                after = last
        finally:
            self._parts.put_nowait(None)

    async def _right_page(self, after: str | None, last: str | None) -> Sequence[R]:
        return await self._right(after, last)

    async def _pairs(self, part: _Part[L, R]) -> AsyncIterator[Pair[L, R]]:
        """Join a page with its range, in order of keys."""
        left = deque(part.left)
        async with aclosing(self._range(part)) as pages:
            async for page in pages:
                for theirs in page:
                    key = self._right_key(theirs)
                    while left and (mine := self._left_key(left[0])) < key:
                        yield mine, left.popleft(), None
                    same = bool(left) and self._left_key(left[0]) == key
                    yield key, left.popleft() if same else None, theirs
        for alone in left:
            yield self._left_key(alone), alone, None

    async def _range(self, part: _Part[L, R]) -> AsyncGenerator[Sequence[R], None]:
        page = await part.first
        self._started.discard(part.first)
        while page:
            yield page
            after = self._right_key(page[-1])
            if after == part.last:  # most ranges are one page, which ends where the range does
                return
            page = await self._right(after, part.last)


async def merged(
    left: Pages[L],
    left_key: Callable[[L], str],
    right: Range[R],
    right_key: Callable[[R], str],
    *,
    after: str | None = None,
) -> AsyncGenerator[list[Pair[L, R]], None]:
    """Yield slices of (key, left, right) in order of keys, after ``after``; a side without the key is None.

    Keys are compared by code point, which is the order of UTF-8 bytes, and must be unique on each side. Memory holds
    :data:`AHEAD` pages of the left side, and a page of the right side for each of them. Raises what a fetch raises.
    """
    async with aclosing(_Join(left, left_key, right, right_key).slices(after)) as slices:
        async for pairs in slices:
            yield pairs
