"""Chunks on their way to a thread, gathered into blocks: handing over a small chunk costs more than writing it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from service.adapters.shared.memory_budget import MemoryBudget


class ChunkBuffer:
    """Passes the added chunks to ``write``, in order: while one block is being written, the next is gathered."""

    def __init__(self, write: Callable[[bytes], Awaitable[None]], budget: MemoryBudget) -> None:
        self._write = write
        self._budget = budget
        self._chunks: list[bytes] = []
        self._size = 0
        self._writing: asyncio.Task[None] | None = None

    async def add(self, chunk: bytes) -> None:
        """Add a chunk. Raises whatever a write raises."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size >= self._budget.block:
            await self._wait_for_write()
            self._writing = asyncio.create_task(self._write_block())

    async def flush(self) -> None:
        """Write what is left and wait for it. Raises whatever a write raises."""
        await self._wait_for_write()
        if self._chunks:
            await self._write_block()

    async def settle(self) -> None:
        """Wait until nothing is being written any more, whatever the outcome."""
        if self._writing is not None:
            await asyncio.gather(
                self._writing, return_exceptions=True
            )  # an error has been raised by add, or no longer matters

    async def _wait_for_write(self) -> None:
        if self._writing is not None:
            await self._writing
            self._writing = None

    async def _write_block(self) -> None:
        block = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks, self._size = [], 0
        await self._write(block)
