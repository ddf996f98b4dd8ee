from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from service.adapters.sqlite import writer as sqlite_writer
from service.adapters.sqlite.writer import Writer
from service.errors import Conflict, Unavailable


class Bench:
    """A writer on a table of its own, whose statements and commits are noted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.statements: list[str] = []
        self.committed = 0
        self.gate = threading.Event()
        self.gate.set()

    def open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        connection.execute("CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, pad TEXT)")
        connection.set_trace_callback(self.statements.append)
        return connection

    def hold(self, connection: sqlite3.Connection) -> None:
        """Keep the writer busy until the gate opens."""
        self.gate.wait(10)

    def note(self) -> None:
        self.committed += 1

    def rows(self) -> list[int]:
        connection = sqlite3.connect(self.path)
        found = [row[0] for row in connection.execute("SELECT n FROM t ORDER BY n")]
        connection.close()
        return found

    @asynccontextmanager
    async def writer(self) -> AsyncIterator[Writer]:
        writer = Writer(self.open, self.note)
        await writer.start()
        try:
            yield writer
        finally:
            self.gate.set()
            await writer.close()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "t.sqlite")


def insert(connection: sqlite3.Connection, number: int) -> int:
    connection.execute("INSERT INTO t (n) VALUES (?)", (number,))
    return number


async def waiting(writer: Writer, bench: Bench, *works: Callable[[sqlite3.Connection], Any]) -> list[asyncio.Task[Any]]:
    """Queue writes behind one that holds the writer, so that they form one group; then let them go."""
    bench.gate.clear()
    tasks: list[asyncio.Task[Any]] = [asyncio.create_task(writer.run(bench.hold))]
    while "SAVEPOINT one" not in bench.statements:
        await asyncio.sleep(0.001)
    bench.statements.clear()
    tasks += [asyncio.create_task(writer.run(work)) for work in works]
    await asyncio.sleep(0)
    bench.gate.set()
    await asyncio.wait(tasks)
    return tasks[1:]


async def test_writes_that_wait_share_a_commit(bench: Bench) -> None:
    async with bench.writer() as writer:
        works = [lambda connection, n=n: insert(connection, n) for n in range(50)]
        tasks = await waiting(writer, bench, *works)
    assert [task.result() for task in tasks] == list(range(50))
    assert bench.rows() == list(range(50))
    assert bench.statements.count("COMMIT") == 2  # the one that held the writer, and the group
    assert bench.committed == 2


async def test_a_group_is_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_writer, "MAX_GROUP", 10)
    async with bench.writer() as writer:
        works = [lambda connection, n=n: insert(connection, n) for n in range(25)]
        await waiting(writer, bench, *works)
    assert bench.statements.count("COMMIT") == 4
    assert bench.rows() == list(range(25))


async def test_one_that_fails_undoes_only_itself(bench: Bench) -> None:
    def halfway(connection: sqlite3.Connection) -> None:
        insert(connection, 100)
        raise Conflict("asset", "a", expected=1, rev=2)

    async with bench.writer() as writer:
        first, failed, last = await waiting(writer, bench, lambda c: insert(c, 1), halfway, lambda c: insert(c, 2))
    assert (first.result(), last.result()) == (1, 2)
    assert isinstance(failed.exception(), Conflict)
    assert bench.rows() == [1, 2]


async def test_a_full_disk_fails_the_whole_group_and_nothing_is_kept(bench: Bench) -> None:
    def fill(connection: sqlite3.Connection) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        connection.execute("INSERT INTO t (n, pad) VALUES (100, ?)", ("x" * 1_000_000,))

    async with bench.writer() as writer:
        tasks = await waiting(writer, bench, lambda c: insert(c, 1), fill, lambda c: insert(c, 2))
        errors = [task.exception() for task in tasks]
        assert all(isinstance(error, Unavailable) and "disk is full" in str(error) for error in errors)
        assert len({id(error) for error in errors}) == 3
        assert bench.rows() == []
        assert await writer.run(lambda c: insert(c, 3)) == 3
    assert bench.rows() == [3]


async def test_callers_wait_for_room(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_writer, "MAX_WAITING", 5)
    async with bench.writer() as writer:
        works = [lambda connection, n=n: insert(connection, n) for n in range(20)]
        tasks = await waiting(writer, bench, *works)
    assert [task.result() for task in tasks] == list(range(20))


async def test_close_finishes_what_waits_and_refuses_what_comes(bench: Bench) -> None:
    async with bench.writer() as writer:
        tasks = [asyncio.create_task(writer.run(lambda c, n=n: insert(c, n))) for n in range(20)]  # type: ignore[misc]
        await asyncio.sleep(0)
        await writer.close()
        assert [task.result() for task in tasks] == list(range(20))
        with pytest.raises(Unavailable, match="closed"):
            await writer.run(lambda c: insert(c, 99))
    assert bench.rows() == list(range(20))


async def test_a_connection_that_can_not_be_opened_says_why(bench: Bench) -> None:
    def fail() -> sqlite3.Connection:
        raise LookupError("no such place")

    writer = Writer(fail, bench.note)
    with pytest.raises(LookupError):
        await writer.start()
    await writer.close()
