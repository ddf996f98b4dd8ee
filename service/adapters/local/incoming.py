"""Content being received into a folder."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from service.adapters.local.part_file import PartFile
from service.adapters.shared.chunk_buffer import ChunkBuffer
from service.adapters.shared.memory_budget import MemoryBudget
from service.ports.files import Put, check_key

T = TypeVar("T")


class Run(Protocol):
    """Runs blocking work in a thread."""

    def __call__(self, work: Callable[..., T], *arguments: Any) -> Awaitable[T]:
        """Return what the work returns. Raises Unavailable, and any AssetryError that the work raises."""
        ...


class LocalIncoming:
    """The Incoming of the files port: a part, created with the first bytes. Call :meth:`close` on it."""

    def __init__(
        self,
        run: Run,
        new_part: Callable[[], PartFile],
        store: Callable[[str, PartFile, str | None], Put],
        budget: MemoryBudget,
    ) -> None:
        self._run = run
        self._new_part = new_part
        self._store = store
        self._part: PartFile | None = None
        self._intake = ChunkBuffer(self._append, budget)

    async def write(self, chunk: bytes) -> None:
        """Append. Raises TooLarge."""
        await self._intake.add(chunk)

    async def sha256(self) -> str:
        """Return the hash of everything written so far."""
        return (await self._whole()).sha256

    async def path(self) -> Path:
        """Return the path of the part file."""
        return (await self._whole()).path

    async def keep(self, space: str, *, expected_sha256: str | None = None) -> Put:
        """Store it by its content. Raises InvalidInput."""
        check_key(space)
        return await self.finish(lambda part: self._store(space, part, expected_sha256))

    async def finish(self, keep: Callable[[PartFile], T]) -> T:
        """Pass the complete part to ``keep``, in a thread that then closes it."""
        part = await self._whole()

        def work() -> T:
            try:
                return keep(part)
            finally:
                part.discard()

        return await self._run(work)

    async def close(self) -> None:
        """Remove the content unless it was kept."""
        await self._intake.settle()
        if self._part is not None and not self._part.closed:
            await asyncio.to_thread(self._part.discard)  # works even if the files engine was closed meanwhile

    async def _whole(self) -> PartFile:
        await self._intake.flush()
        if self._part is None:  # no byte arrived
            await self._append(b"")
        assert self._part is not None
        return self._part

    async def _append(self, block: bytes) -> None:
        await self._run(self._write, block)

    def _write(self, block: bytes) -> None:
        if self._part is None:
            self._part = self._new_part()
        self._part.write(block)
