"""Joining two sorted streams of pages by key: how a verify reads a store and an index side by side."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Generic, TypeVar

L = TypeVar("L")
R = TypeVar("R")
T = TypeVar("T")

Fetch = Callable[[str | None], Awaitable[Sequence[T]]]
"""``await fetch(after)`` returns the next page after a key, in order of keys; an empty one at the end."""

SLICE = 50
"""Pairs yielded at a time, after which other tasks of the event loop get a turn."""


class _Side(Generic[T]):
    """One stream, whose next page is fetched while the current one is used: at most two pages are in memory."""

    def __init__(self, fetch: Fetch[T], key: Callable[[T], str], after: str | None) -> None:
        self._fetch = fetch
        self._key = key
        self._page: deque[T] = deque()
        self._coming: asyncio.Task[Sequence[T]] | None = asyncio.ensure_future(self._call(after))

    async def _call(self, after: str | None) -> Sequence[T]:
        return await self._fetch(after)

    async def head(self) -> str | None:
        """Return the next key, None at the end."""
        if not self._page and self._coming is not None:
            page = await self._coming
            self._page.extend(page)
            self._coming = asyncio.ensure_future(self._call(self._key(page[-1]))) if page else None
        return self._key(self._page[0]) if self._page else None

    @property
    def ready(self) -> bool:
        """Whether the next key is known without waiting."""
        return bool(self._page) or self._coming is None

    def peek(self) -> str | None:
        """Return the next key of a side that is ready."""
        return self._key(self._page[0]) if self._page else None

    def take(self) -> T:
        """Return the next item and move past it."""
        return self._page.popleft()

    async def close(self) -> None:
        """Cancel the fetch in progress."""
        if self._coming is not None:
            self._coming.cancel()
            await asyncio.gather(self._coming, return_exceptions=True)


async def merged(
    left: Fetch[L],
    left_key: Callable[[L], str],
    right: Fetch[R],
    right_key: Callable[[R], str],
    *,
    after: str | None = None,
) -> AsyncGenerator[list[tuple[str, L | None, R | None]], None]:
    """Yield slices of (key, left, right) in order of keys, after ``after``; a side without the key is None.

    Keys are compared by code point, which is the order of UTF-8 bytes, and must be unique on each side. Memory holds
    two pages per side. Raises what a fetch raises.
    """
    one, other = _Side(left, left_key, after), _Side(right, right_key, after)
    try:
        while True:
            if await one.head() is None and await other.head() is None:
                return
            await other.head()
            pairs: list[tuple[str, L | None, R | None]] = []
            while one.ready and other.ready and len(pairs) < SLICE:
                mine, theirs = one.peek(), other.peek()
                if mine is None and theirs is None:
                    break
                key = min(k for k in (mine, theirs) if k is not None)
                pairs.append((key, one.take() if mine == key else None, other.take() if theirs == key else None))
            yield pairs
            await asyncio.sleep(0)
    finally:
        await one.close()
        await other.close()
