"""Numbers for new records, taken from the store's counter in blocks."""

from __future__ import annotations

import asyncio

from service.ports.store import Store

_BLOCK = 64
"""Numbers reserved at once: one round trip for so many records. What is left when the process ends is never used."""


class Numbers:
    """A sequence of numbers that no other process gets."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name
        self._next = 0
        self._end = 0
        self._lock = asyncio.Lock()

    async def next(self) -> int:
        """Return the next number."""
        return (await self.take(1))[0]

    async def take(self, count: int) -> list[int]:
        """Return ``count`` numbers in rising order."""
        async with self._lock:
            taken = list(range(self._next, min(self._end, self._next + count)))
            self._next += len(taken)
            if missing := count - len(taken):
                block = max(_BLOCK, missing)
                first = await self._store.counter(self._name, block)
                taken += range(first, first + missing)
                self._next, self._end = first + missing, first + block
            return taken
