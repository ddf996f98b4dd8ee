"""A few read-only connections in threads, so that no read blocks the event loop or another read."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from service.adapters.sqlite.errors import translated
from service.adapters.sqlite.schema import connect
from service.errors import Unavailable

T = TypeVar("T")

CONNECTIONS = 4
READ_SECONDS = 10.0
"""The time limit of a read, after which it is interrupted and raises Unavailable."""
_STEPS = 20_000  # virtual machine steps between two checks of the clock: about a millisecond


class _Local(threading.local):
    """A thread's connection, and the deadline of its current read."""

    connection: sqlite3.Connection | None = None
    deadline: float = 0.0


class Readers:
    """Runs reads on read-only connections; a read that starts with BEGIN gets a snapshot."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = _Local()
        self._connections: list[sqlite3.Connection] = []
        self._pool = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="assetry-store-reader")
        self._closed = False

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run a read and return its result. Raises what ``work`` raises, and Unavailable."""
        if self._closed:
            raise Unavailable("store", "the store is closed")
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._read, work)

    async def close(self) -> None:
        """Finish reads in progress and close the connections. Safe to call twice."""
        self._closed = True
        await asyncio.to_thread(self._pool.shutdown)
        while self._connections:
            self._connections.pop().close()

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            connection = self._local.connection
            if connection is None:
                connection = self._local.connection = self._connect()
            self._local.deadline = time.monotonic() + READ_SECONDS
            try:
                return work(connection)
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise translated(error) from error

    def _connect(self) -> sqlite3.Connection:
        connection = connect(self._path, writer=False)
        connection.set_progress_handler(lambda: int(time.monotonic() > self._local.deadline), _STEPS)
        self._connections.append(connection)
        return connection
