"""Numbers for new records, taken from the store's counter in blocks."""

from __future__ import annotations

import asyncio

from service.errors import Unavailable
from service.ports.store import Store

_BLOCK = 64
"""Numbers reserved at once: one round trip for so many records. What is left when the process ends is never used."""


class IdAllocator:
    """A sequence of numbers that no other process gets."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name
        self._next = 0
        self._end = 0
        self._lock = asyncio.Lock()
        self._failed = 0

    async def next(self) -> int:
        """Return the next number."""
        return (await self.take(1))[0]

    async def take(self, count: int) -> list[int]:
        """Return ``count`` numbers in rising order. Raises Unavailable."""
        failed = self._failed
        async with self._lock:
            if self._failed != failed:  # whoever was waited for found out for all: they do not try in turn
                raise Unavailable("store", "no number could be reserved")
            taken = list(range(self._next, min(self._end, self._next + count)))
            self._next += len(taken)
            if missing := count - len(taken):
                block = max(_BLOCK, missing)
                first = await self._reserve(block)
                taken += range(first, first + missing)
                self._next, self._end = first + missing, first + block
            return taken

    async def _reserve(self, block: int) -> int:
        try:
            return await self._store.counter(self._name, block)
        except Unavailable:
            self._failed += 1
            raise
