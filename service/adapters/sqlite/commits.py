"""Noticing commits to a SQLite file, whichever process makes them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from service.adapters.sqlite.schema import connect
from service.broadcast_event import BroadcastEvent

POLL_SECONDS = 0.25
"""How often other processes' commits are looked for; this process's own are known at once."""


class CommitWatch:
    """Tells all feeds of a process that something was committed: one look serves them all.

    A look is ``PRAGMA data_version`` on a connection of its own: a number that changes with every commit of another
    connection, and that SQLite has in shared memory. It takes microseconds and waits for no lock, so it needs no
    thread. While no feed is open, nobody looks.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._event = BroadcastEvent()
        self._connection: sqlite3.Connection | None = None
        self._version: int | None = None
        self._watchers = 0
        self._task: asyncio.Task[None] | None = None

    def committed(self) -> None:
        """Wake the feeds: this process has committed. Its next look finds nothing new by that."""
        if self._task is not None:
            self._version = self._look()  # before the feeds read, so that nothing falls between the two
        self._event.set()

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[BroadcastEvent]:
        """Give the event that commits set, until the block ends."""
        self._watchers += 1
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="store-commits")
        try:
            yield self._event
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
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    async def _run(self) -> None:
        while True:
            before, self._version = self._version, self._look()
            if self._version is None or self._version != before:
                self._event.set()
            await asyncio.sleep(POLL_SECONDS)

    def _look(self) -> int | None:
        """Return the number; None if it cannot be told: then the feeds read for themselves, and say what is wrong."""
        try:
            if self._connection is None:
                self._connection = connect(self._path, writer=False)
                self._connection.execute("PRAGMA busy_timeout = 0")
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error:
            return None
