"""Threads for a blocking client: they never block the event loop, and their queue is bounded in time."""

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

    When an engine hangs, all of them wait for it. A caller that needs a thread then gives up ``stall`` seconds after
    the last sign of progress, instead of waiting for the timeouts of all calls before it. When the engine is only slow,
    every caller gets its turn: any call that ends other than with Unavailable is progress, and long calls report theirs
    with :meth:`note_progress`.
    """

    def __init__(self, size: int, stall: float, name: str) -> None:
        self._pool = ThreadPoolExecutor(size, thread_name_prefix=f"assetry-{name}")
        self._free = asyncio.Semaphore(size)
        self._stall = stall
        self._last_progress = time.monotonic()

    def note_progress(self) -> None:
        """Record progress. From any thread."""
        self._last_progress = time.monotonic()

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run blocking work. A cancelled caller still waits for it, so that none goes on unnoticed.

        Raises Unavailable, and any AssetryError that the work raises.
        """
        if self._free.locked():
            await self._wait()
        else:
            await self._free.acquire()  # at once
        try:
            future = asyncio.get_running_loop().run_in_executor(self._pool, self._guarded, work, *arguments)
        except RuntimeError as error:
            self._free.release()
            raise Unavailable(ENGINE, "the files engine is closed") from error
        future.add_done_callback(lambda _: self._free.release())
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])
            if not future.cancelled():
                future.exception()  # nobody is there to hear of it: it is no lost error
            raise

    async def _wait(self) -> None:
        """Wait for a thread, first come first served."""
        begun = time.monotonic()
        turn = asyncio.ensure_future(self._free.acquire())
        try:
            while not turn.done():
                left = max(begun, self._last_progress) + self._stall - time.monotonic()
                if left <= 0:
                    raise Unavailable(ENGINE, "the engine is too slow for the number of requests waiting for it")
                await asyncio.wait([turn], timeout=left)
        except BaseException:
            if not turn.cancel():  # it was granted just now: pass it on to the next caller
                self._free.release()
            raise

    async def close(self) -> None:
        """Finish the work in progress. Safe to call twice."""
        await asyncio.to_thread(self._pool.shutdown)

    def _guarded(self, work: Callable[..., T], *arguments: Any) -> T:
        try:
            with translated():
                done = work(*arguments)
        except AssetryError as error:
            if not isinstance(error, Unavailable):
                self.note_progress()
            raise
        self.note_progress()
        return done
