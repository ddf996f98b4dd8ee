"""Threads for a blocking client: never the event loop, never an endless queue."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from service.adapters.s3.errors import translated
from service.adapters.s3.options import ENGINE
from service.errors import AssetryError, Unavailable

T = TypeVar("T")


class Threads:
    """A pool of ``size`` threads for blocking calls that may raise what the client raises.

    Behind an engine that hangs all of them wait. Who then wants one gives up ``patience`` seconds after the last sign
    of life, instead of waiting for the time-outs of all who came before. Behind one that is only slow, everybody's turn
    comes: whatever ends but as Unavailable is a sign of life, and so is what long work says by :meth:`moved`.
    """

    def __init__(self, size: int, patience: float, name: str) -> None:
        self._pool = ThreadPoolExecutor(size, thread_name_prefix=f"assetry-{name}")
        self._free = asyncio.Semaphore(size)
        self._patience = patience
        self._moved = time.monotonic()

    def moved(self) -> None:
        """Note a sign of life. From any thread."""
        self._moved = time.monotonic()

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run blocking work. A caller that is cancelled waits for it: none is left behind its back.

        Raises Unavailable, and what the work raises of our own errors.
        """
        if self._free.locked():
            await self._wait()
        else:
            await self._free.acquire()  # at once
        try:
            future = asyncio.get_running_loop().run_in_executor(self._pool, self._guarded, work, *arguments)
        except RuntimeError as error:
            self._free.release()
            raise Unavailable(ENGINE, "the files are closed") from error
        future.add_done_callback(lambda _: self._free.release())
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])
            if not future.cancelled():
                future.exception()  # nobody is there to hear of it: it is no lost error
            raise

    async def _wait(self) -> None:
        """Wait for a thread, in turn."""
        begun = time.monotonic()
        turn = asyncio.ensure_future(self._free.acquire())
        try:
            while not turn.done():
                left = max(begun, self._moved) + self._patience - time.monotonic()
                if left <= 0:
                    raise Unavailable(ENGINE, "the engine is too slow for the requests that wait for it")
                await asyncio.wait([turn], timeout=left)
        except BaseException:
            if not turn.cancel():  # it came just now: the next one's then
                self._free.release()
            raise

    async def close(self) -> None:
        """Finish what is under way. Safe to call twice."""
        await asyncio.to_thread(self._pool.shutdown)

    def _guarded(self, work: Callable[..., T], *arguments: Any) -> T:
        try:
            with translated():
                done = work(*arguments)
        except AssetryError as error:
            if not isinstance(error, Unavailable):
                self.moved()
            raise
        self.moved()
        return done
