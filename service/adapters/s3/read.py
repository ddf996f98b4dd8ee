"""Reading an object: one block ahead of the consumer, by threads that are free between blocks.

A thread that filled a queue would be occupied for as long as a slow client takes, and sixteen slow clients would occupy
all of them. Reading block by block, a slow client holds a connection and a block of memory, but no thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

from urllib3.response import BaseHTTPResponse, HTTPResponse

from service.adapters.s3.options import ENGINE, MIB
from service.adapters.s3.threads import Threads
from service.adapters.shared.memory_budget import MemoryBudget
from service.errors import Unavailable

_BLOCK_SECONDS = 0.5  # after which a partial block is passed on: from a slow engine, the first byte matters
_BLOCKS = 2  # that a thread reads ahead: starting it costs about as much as reading one


class Download:
    """The body of one answer of the engine; call :meth:`close` on it.

    Create it in a thread, since it reads the first block: a body no longer than that is then complete and holds
    nothing.
    """

    def __init__(self, response: BaseHTTPResponse, threads: Threads, budget: MemoryBudget) -> None:
        length = response.headers.get("content-length", "")
        if not length.isdigit():
            response.close()
            raise Unavailable(ENGINE, "the engine does not report the object's length")
        self.size = int(length)
        self._response = response
        self._threads = threads
        self._budget = budget
        self._ahead: asyncio.Task[list[bytes]] | None = None
        self._first = b""
        self._released = False
        self._fast = False
        try:
            self._first = self._read()
        finally:
            if not self._first or self._is_over():
                self._release()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the bytes in order. Raises Unavailable when the engine stops before the end."""
        blocks, self._first = [self._first], b""
        while any(blocks):  # a block is released as soon as it was yielded
            over = self._released or self._is_over()
            self._ahead = None if over else asyncio.create_task(self._threads.run(self._read_ahead))
            while blocks:
                yield blocks.pop(0)
            if self._ahead is not None:
                blocks, self._ahead = await asyncio.shield(self._ahead), None

    async def close(self) -> None:
        """Release the connection: back to the pool after the last byte, closed before that."""
        if self._released:
            return
        if self._ahead is not None and not self._ahead.done():
            with suppress(ValueError, RuntimeError):  # over TLS it cannot be cut; or the read has just ended
                if isinstance(self._response, HTTPResponse):
                    self._response.shutdown()
        if self._ahead is not None:
            await asyncio.gather(self._ahead, return_exceptions=True)  # its result is no longer needed
        self._release()

    def _is_over(self) -> bool:
        return self._response.length_remaining == 0

    def _release(self) -> None:
        self._released = True
        self._response.close()
        self._response.release_conn()

    def _read_ahead(self) -> list[bytes]:
        blocks: list[bytes] = []
        while len(blocks) < _BLOCKS and (block := self._read()):
            blocks.append(block)
        return blocks

    def _read(self) -> bytes:
        """Return a block, empty at the end; if the engine was slow with the previous one, what arrives in time."""
        began, size = time.monotonic(), self._budget.block
        if self._fast:  # saves three copies
            block = self._response.read(size, decode_content=False)
            self._threads.note_progress()
        else:
            block = self._read_in_time(size, began + _BLOCK_SECONDS)
        self._fast = time.monotonic() - began < _BLOCK_SECONDS
        return block

    def _read_in_time(self, size: int, end: float) -> bytes:
        """Return what arrives of a block by the time ``end``, waiting at most ``idle``."""
        block = bytearray()
        while piece := self._response.read1(size - len(block), decode_content=False):
            self._threads.note_progress()
            block += piece
            if len(block) == size or self._is_over() or time.monotonic() >= end:
                break
        return bytes(block)


def save(response: BaseHTTPResponse, path: Path, on_block: Callable[[], None]) -> None:
    """Write the body of an answer to a file, overwriting it. Blocking; raises OSError and what the client raises.

    ``on_block`` is called for each block.
    """
    try:
        with path.open("wb") as file:
            while block := response.read(MIB, decode_content=False):
                file.write(block)
                on_block()
    finally:
        response.close()
        response.release_conn()
