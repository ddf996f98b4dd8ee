"""Content being received, on its way to S3."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from service.adapters.s3.spool import Spool
from service.adapters.s3.threads import Threads
from service.adapters.shared.chunk_buffer import ChunkBuffer
from service.adapters.shared.memory_budget import MemoryBudget
from service.ports.files import Put, check_key, check_sha256

INLINE = 64 * 1024
"""Blocks up to this size are hashed at once, as starting a thread would take longer; larger ones by a thread."""

Store = Callable[[str, Spool], Awaitable[Put]]


class S3Incoming:
    """The Incoming of the files port: a spool, which ``store`` sends to its key. Call :meth:`close` on it."""

    def __init__(self, spool: Spool, threads: Threads, store: Store, budget: MemoryBudget) -> None:
        self._spool = spool
        self._threads = threads
        self._store = store
        self._intake = ChunkBuffer(self._append, budget)

    async def write(self, chunk: bytes) -> None:
        """Append. Raises TooLarge."""
        await self._intake.add(chunk)

    async def spooled(self) -> Spool:
        """Return the spool with the complete content. Raises TooLarge."""
        await self._intake.flush()
        return self._spool

    async def sha256(self) -> str:
        """Return the hash of everything written so far."""
        return (await self.spooled()).sha256

    async def path(self) -> Path:
        """Return the path of a temporary file."""
        return await self._threads.run((await self.spooled()).path)

    async def keep(self, space: str, *, expected_sha256: str | None = None) -> Put:
        """Store it by its content. Raises InvalidInput."""
        check_key(space)
        spool = await self.spooled()
        check_sha256(spool.sha256, expected_sha256)
        return await self._store(space, spool)

    async def close(self) -> None:
        """Release the spool."""
        await self._intake.settle()
        if self._spool.on_disk:
            await asyncio.to_thread(self._spool.close)  # works even if the files engine was closed meanwhile

    async def _append(self, block: bytes) -> None:
        if self._spool.size + len(block) <= INLINE:
            self._spool.write(block)  # stays in memory
        else:
            await self._threads.run(self._spool.write, block)
