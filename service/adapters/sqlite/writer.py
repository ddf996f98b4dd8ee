"""The only writer of a process: a thread that commits waiting writes together.

A durable commit costs a disk sync, however much it contains. So the thread takes all waiting writes, runs each in its
own savepoint, commits once, and only then answers them: each is durable when its caller continues, a failed one undoes
only itself, and with concurrent callers many writes share a sync.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from service.adapters.sqlite.errors import translated
from service.errors import AssetryError, Unavailable

T = TypeVar("T")

MAX_WAITING = 1000
"""The maximum number of waiting writes; further callers wait for room."""
MAX_GROUP = 200
"""The maximum number of writes per commit, so that the first of them does not wait long for the last."""


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[sqlite3.Connection], Any]
    future: asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class _Outcome:
    job: _Job
    value: Any = None
    error: BaseException | None = None


class Writer:
    """Runs writes, in groups.

    ``open_connection`` is called in the thread; ``committed`` is called on the event loop after each commit.
    """

    def __init__(self, open_connection: Callable[[], sqlite3.Connection], committed: Callable[[], None]) -> None:
        self._open_connection = open_connection
        self._committed = committed
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._room = asyncio.Semaphore(MAX_WAITING)
        self._opened: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="assetry-store-writer", daemon=True)
        self._closed = False

    async def start(self) -> None:
        """Open the connection. Raises what ``open_connection`` raises."""
        self._thread.start()
        await asyncio.wrap_future(self._opened)

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run a write and return its result once it is durable.

        Raises what ``work`` raises (then nothing of it was written), and Unavailable.
        """
        async with self._room:
            if self._closed:
                raise Unavailable("store", "the store is closed")
            future: asyncio.Future[T] = self._loop.create_future()
            self._jobs.put(_Job(work, future))
            return await future

    async def close(self) -> None:
        """Finish the waiting writes, then end the thread. Safe to call twice."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        try:
            connection = self._open_connection()
        except BaseException as error:  # noqa: BLE001 - handed to start(), which raises it
            self._opened.set_exception(error)
            return
        self._opened.set_result(None)
        try:
            while group := self._take():
                outcomes = _commit(connection, group)
                self._loop.call_soon_threadsafe(self._answer, outcomes)
        finally:
            connection.close()

    def _take(self) -> list[_Job]:
        """Wait for a job and take all others that are waiting; return none when the writer ends."""
        first = self._jobs.get()
        if first is None:
            return []
        group = [first]
        while len(group) < MAX_GROUP:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                self._jobs.put(None)  # for the next round: this group is written first
                break
            group.append(job)
        return group

    def _answer(self, outcomes: list[_Outcome]) -> None:
        self._committed()
        for outcome in outcomes:
            if outcome.job.future.done():
                continue  # the caller was cancelled
            if outcome.error is None:
                outcome.job.future.set_result(outcome.value)
            else:
                outcome.job.future.set_exception(outcome.error)


def _commit(connection: sqlite3.Connection, group: list[_Job]) -> list[_Outcome]:
    """Run a group in one transaction. If the transaction fails, all of its writes fail: all or nothing."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        outcomes = [_attempt(connection, job) for job in group]
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        with suppress(sqlite3.Error):  # then the next group fails too, and tries again: the thread must survive
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        return [_Outcome(job, error=_copy(error)) for job in group]
    return outcomes


def _attempt(connection: sqlite3.Connection, job: _Job) -> _Outcome:
    connection.execute("SAVEPOINT one")
    try:
        value = job.work(connection)
    except sqlite3.Error:
        raise  # a full disk or a damaged file affects all writes: SQLite may have rolled everything back
    except Exception as error:  # noqa: BLE001 - it belongs to the caller, who gets it
        connection.execute("ROLLBACK TO one")
        connection.execute("RELEASE one")
        return _Outcome(job, error=error)
    connection.execute("RELEASE one")
    return _Outcome(job, value=value)


def _copy(error: sqlite3.Error) -> AssetryError:
    # Each caller gets an exception of its own: a shared one would accumulate the tracebacks of all.
    copy = translated(error)
    copy.__cause__ = error
    return copy
