"""Reading an object: one block ahead of who asks, by threads that are free between blocks.

A thread that filled a queue would be held for as long as a slow client takes, and sixteen slow clients would hold all
of them. A block at a time, a slow client holds a connection and a block of memory, no thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

from urllib3.response import BaseHTTPResponse, HTTPResponse

from service.adapters.s3_options import MIB
from service.adapters.s3_threads import Threads

CHUNK = 256 * 1024
"""Bytes in a chunk at most."""
_BLOCK = MIB  # bytes that a thread reads at once


class Download:
    """The body of one answer of the engine; :meth:`close` it."""

    def __init__(self, response: BaseHTTPResponse, threads: Threads) -> None:
        self._response = response
        self._threads = threads
        self._ahead: asyncio.Task[bytes] | None = None
        self._done = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """Give the bytes in order. Raises Unavailable when the engine stops before the end."""
        while block := await self._next():
            for first in range(0, len(block), CHUNK):
                yield block[first : first + CHUNK]

    async def close(self) -> None:
        """Let go of the connection: back to the pool after the last byte, cut before."""
        if self._ahead is not None and not self._ahead.done():
            with suppress(ValueError, RuntimeError):  # over TLS it can not be cut; or the read has just ended
                if isinstance(self._response, HTTPResponse):
                    self._response.shutdown()
        if self._ahead is not None:
            await asyncio.gather(self._ahead, return_exceptions=True)  # what is read too late interests nobody
        self._response.close()
        self._response.release_conn()

    async def _next(self) -> bytes:
        if self._done:
            return b""
        if self._ahead is None:
            self._ahead = asyncio.create_task(self._threads.run(self._read))
        block = await asyncio.shield(self._ahead)
        self._done = not block or self._response.length_remaining == 0
        self._ahead = None if self._done else asyncio.create_task(self._threads.run(self._read))
        return block

    def _read(self) -> bytes:
        return self._response.read(_BLOCK, decode_content=False)


def save(response: BaseHTTPResponse, path: Path) -> None:
    """Write the body of an answer over a file. Blocking; raises OSError and what the client raises."""
    try:
        with path.open("wb") as file:
            while block := response.read(_BLOCK, decode_content=False):
                file.write(block)
    finally:
        response.close()
        response.release_conn()
