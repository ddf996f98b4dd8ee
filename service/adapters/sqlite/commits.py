"""Noticing commits to a SQLite file, whichever process makes them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from service.adapters.sqlite.readers import Readers
from service.broadcast_event import BroadcastEvent
from service.errors import Unavailable

POLL_SECONDS = 0.25
"""How often other processes' commits are looked for; this process's own are known at once."""


class CommitWatch:
    """Tells all feeds of a process that something was committed: one look serves them all.

    A look is ``PRAGMA data_version`` on a connection of its own: a number that changes with every commit of another
    connection, and that SQLite knows without reading the file. While no feed is open, nobody looks.
    """

    def __init__(self, readers: Readers, committed: BroadcastEvent) -> None:
        self._readers = readers
        self._committed = committed
        self._connection: sqlite3.Connection | None = None
        self._watchers = 0
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[BroadcastEvent]:
        """Give the event that commits set, until the block ends."""
        self._watchers += 1
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="store-commits")
        try:
            yield self._committed
        finally:
            self._watchers -= 1
            if not self._watchers:
                await self.close()

    async def close(self) -> None:
        """Stop looking. Safe to call twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> None:
        last: int | None = None
        while True:
            version: int | None = None
            with suppress(Unavailable):  # the feeds then read for themselves, and say what is wrong
                version = await self._readers.run(self._version)
            if version is None or version != last:
                self._committed.set()
            last = version
            await asyncio.sleep(POLL_SECONDS)

    def _version(self, _: sqlite3.Connection) -> int:
        if self._connection is None:
            self._connection = self._readers.connect()  # the pool's connections change from look to look
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
