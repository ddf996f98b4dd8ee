"""Chunks on their way to a thread: gathered to blocks, for a thread costs more than a small chunk is worth."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from service.adapters.shared.memory_budget import MemoryBudget


class ChunkBuffer:
    """Passes what is added on to ``write``, in order: while it works on one block, the next is gathered."""

    def __init__(self, write: Callable[[bytes], Awaitable[None]], budget: MemoryBudget) -> None:
        self._write = write
        self._budget = budget
        self._chunks: list[bytes] = []
        self._gathered = 0
        self._writing: asyncio.Task[None] | None = None

    async def add(self, chunk: bytes) -> None:
        """Take a chunk. Raises what a write raises."""
        self._chunks.append(chunk)
        self._gathered += len(chunk)
        if self._gathered >= self._budget.block:
            await self._written()
            self._writing = asyncio.create_task(self._pass_on())

    async def flush(self) -> None:
        """Pass on what is left and wait for it. Raises what a write raises."""
        await self._written()
        if self._chunks:
            await self._pass_on()

    async def settle(self) -> None:
        """Wait until nothing is being written any more, however it ends."""
        if self._writing is not None:
            await asyncio.gather(self._writing, return_exceptions=True)  # who added has heard, or is past caring

    async def _written(self) -> None:
        if self._writing is not None:
            await self._writing
            self._writing = None

    async def _pass_on(self) -> None:
        block = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks, self._gathered = [], 0
        await self._write(block)
