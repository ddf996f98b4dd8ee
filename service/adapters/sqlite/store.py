# ruff: noqa: S608 - the names in the statements are kinds, from Assetry's own table
"""The embedded store: canonical records in one SQLite file."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import orjson

from service.adapters.shared.arguments import (
    MAX_COUNTER,
    check_kind,
    check_range,
    checked,
    checked_change,
    checked_many,
    discarded,
    find_key,
    find_keys,
    tombstone_body,
)
from service.adapters.shared.pages import Cursor, read_cursor, write_cursor
from service.adapters.sqlite import rows
from service.adapters.sqlite.commits import CommitWatch
from service.adapters.sqlite.errors import translated
from service.adapters.sqlite.feed import Feed, Token, newest, read_token
from service.adapters.sqlite.query import COLUMNS, page_sql, where_sql
from service.adapters.sqlite.readers import Readers
from service.adapters.sqlite.schema import connect, prepare, size_sql
from service.adapters.sqlite.writer import Writer
from service.errors import AlreadyExists, InvalidInput, NotFound, Unavailable
from service.ports.clock import Clock
from service.ports.store import Body, Change, Changed, Condition, Order, Page, Record
from service.times import timestamp

T = TypeVar("T")


class SqliteStore:
    """The store port on a SQLite file in WAL mode; :class:`service.ports.store.Store` states what each method promises.

    Several processes on one machine may share the file. ``path`` is the file; its folder must exist.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._writer: Writer | None = None
        self._readers: Readers | None = None
        self._commits = CommitWatch(path)
        self._database = ""

    async def open(self) -> None:
        """Open the file, and create or upgrade its schema.

        Raises:
            SettingsError: the file belongs to another program or a newer version; names ``--data``.
            Unavailable: the file cannot be opened, or another process holds a lock on it.
        """
        writer = Writer(self._open_for_writing, self._commits.committed)
        try:
            await writer.start()
        except sqlite3.Error as error:
            raise translated(error) from error
        self._writer = writer
        self._readers = Readers(self._path)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def get(self, kind: str, key: str) -> Record:
        """Return the record. Raises NotFound."""
        check_kind(kind)
        find_key(kind, key)
        statement = f'SELECT {COLUMNS} FROM "{kind}" WHERE key = ? AND tombstone = 0'
        row = await self._read(lambda connection: connection.execute(statement, (key,)).fetchone())
        if row is None:
            raise NotFound(kind, key)
        return rows.record(kind, row)

    async def get_many(self, kind: str, keys: Sequence[str], *, tombstones: bool = False) -> dict[str, Record]:
        """Return the existing records, by key."""
        check_kind(kind)
        wanted = orjson.dumps(find_keys(keys)).decode()
        live = "" if tombstones else "AND tombstone = 0"
        statement = f'SELECT {COLUMNS} FROM "{kind}" WHERE key IN (SELECT value FROM json_each(?)) {live}'

        def read(connection: sqlite3.Connection) -> dict[str, Record]:
            return {row[0]: rows.record(kind, row) for row in connection.execute(statement, (wanted,))}

        return await self._read(read)

    async def insert(self, kind: str, key: str, body: Body) -> Record:
        """Write a new record at rev 1. Raises AlreadyExists, InvalidInput."""
        text = checked(kind, key, body)
        return await self._write(lambda connection: rows.insert(connection, kind, key, text, self._now()))

    async def insert_many(self, kind: str, bodies: Mapping[str, Body]) -> dict[str, Record | Exception]:
        """Insert several records in one commit. Each succeeds or fails on its own."""
        check_kind(kind)
        texts = await asyncio.to_thread(checked_many, kind, dict(bodies))

        def write(connection: sqlite3.Connection) -> dict[str, Record | Exception]:
            now = self._now()
            outcomes: dict[str, Record | Exception] = {}
            for key, text in texts.items():
                if isinstance(text, InvalidInput):
                    outcomes[key] = text
                    continue
                try:
                    outcomes[key] = rows.insert(connection, kind, key, text, now)
                except AlreadyExists as error:
                    outcomes[key] = error
            return outcomes

        return await self._write(write)

    async def update(self, kind: str, key: str, change: Change, *, expected_rev: int | None = None) -> Record:
        """Apply ``change`` and return the record after it. Raises NotFound, Conflict, AlreadyExists, InvalidInput."""
        check_kind(kind)
        find_key(kind, key)
        frozen = checked_change(kind, change)
        return await self._write(
            lambda connection: rows.update(connection, kind, key, frozen, expected_rev, self._now())
        )

    async def remove(self, kind: str, key: str, *, expected_rev: int | None = None, by: Body | None = None) -> Record:
        """Replace the record with a tombstone at rev+1 and return it. Raises NotFound, Conflict."""
        check_kind(kind)
        find_key(kind, key)
        rest = tombstone_body(kind, by)
        return await self._write(lambda connection: rows.remove(connection, kind, key, rest, expected_rev, self._now()))

    async def discard(self, kind: str, keys: Sequence[str]) -> None:
        """Drop records of a journal without a trace."""
        gone = discarded(kind, keys)
        if gone:
            await self._write(lambda connection: rows.discard(connection, kind, gone))

    async def find(
        self,
        kind: str,
        where: Mapping[str, Condition],
        *,
        order: Order | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page:
        """Return a page of the records that meet every condition. Raises InvalidInput (a bad value or cursor)."""
        check_kind(kind)
        check_range("limit", limit, 1000)
        parts = page_sql(kind, where, order, read_cursor(order, after))

        def read(connection: sqlite3.Connection) -> Page:
            connection.execute("BEGIN")  # one snapshot for both parts
            found: list[tuple[Any, ...]] = []
            for part in parts:  # one row more than requested tells whether there is a next page
                found += connection.execute(part.text, (*part.values, limit + 1 - len(found)))
                if len(found) > limit:
                    break
            records = [rows.record(kind, row) for row in found[:limit]]
            last = Cursor(found[limit - 1][-1], found[limit - 1][0]) if len(found) > limit else None
            return Page(records, None if last is None else write_cursor(order, last))

        return await self._read(read)

    async def scan(self, kind: str, *, after: str | None = None, limit: int = 1000) -> list[Record]:
        """Return up to ``limit`` records in key order, after the key ``after``, including tombstones."""
        check_kind(kind)
        check_range("limit", limit, 10_000)
        statement = f'SELECT {COLUMNS} FROM "{kind}" WHERE key > ? ORDER BY key LIMIT ?'

        def read(connection: sqlite3.Connection) -> list[Record]:
            return [rows.record(kind, row) for row in connection.execute(statement, (after or "", limit))]

        return await self._read(read)

    async def count(self, kind: str, where: Mapping[str, Condition]) -> int:
        """Return how many records meet every condition."""
        check_kind(kind)
        if not where:
            return await self.size(kind)
        clause = where_sql(kind, where)
        statement = f"SELECT count(*) FROM {clause.source} WHERE {clause.text}"
        return await self._read(lambda connection: int(connection.execute(statement, clause.values).fetchone()[0]))

    async def size(self, kind: str) -> int:
        """Return how many records a kind has."""
        check_kind(kind)
        return await self._read(lambda connection: int(connection.execute(size_sql(kind)).fetchone()[0]))

    async def counter(self, name: str, block: int = 1) -> int:
        """Reserve ``block`` numbers and return the first."""
        check_range("block", block, MAX_COUNTER)
        return await self._write(lambda connection: rows.reserve(connection, name, block))

    def changes(self, after: str | None, *, kinds: Sequence[str], limit: int = 1000) -> AsyncIterator[list[Changed]]:
        """Yield batches of changes and barriers after ``after``, forever. Raises HistoryLost."""
        for kind in kinds:
            check_kind(kind)
        check_range("limit", limit, 10_000)
        return Feed(self._opened_readers(), self._commits, self._database, kinds, limit).batches(after)

    async def barrier(self) -> str:
        """Write a marker and return its token."""
        seq = await self._write(rows.mark)
        return str(Token(self._database, seq, seq))

    async def position(self, kinds: Sequence[str]) -> str:
        """Return the token of the newest write to these kinds, or of the newest barrier."""
        for kind in kinds:
            check_kind(kind)
        seq = await self._read(lambda connection: newest(connection, kinds))
        return str(Token(self._database, seq, seq))

    def passed(self, token: str, mark: str) -> bool:
        """Whether a feed whose last token is ``token`` has passed ``mark``. Raises HistoryLost for a foreign token."""
        return read_token(token, self._database).seen >= read_token(mark, self._database).seq

    async def window(self) -> None:
        """Return None: the feed reaches back without limit, as its log holds the last change of every key."""

    async def ping(self) -> Mapping[str, Any]:
        """Return the engine and its version after reading from the file. Raises Unavailable."""
        await self._read(lambda connection: connection.execute("SELECT value FROM meta").fetchone())
        return {"engine": "sqlite", "version": sqlite3.sqlite_version}

    async def close(self) -> None:
        """Finish writes in progress and close the file. Safe to call twice."""
        if self._writer is not None:
            await self._writer.close()
        await self._commits.close()
        if self._readers is not None:
            await self._readers.close()

    def _open_for_writing(self) -> sqlite3.Connection:
        connection = connect(self._path, writer=True)
        try:
            self._database = prepare(connection, self._path, self._clock.guid())
        except BaseException:
            connection.close()
            raise
        return connection

    def _opened_readers(self) -> Readers:
        if self._readers is None:
            raise Unavailable("store", "the store is not open")
        return self._readers

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self._opened_readers().run(work)

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._writer is None:
            raise Unavailable("store", "the store is not open")
        return await self._writer.run(work)

    def _now(self) -> str:
        return timestamp(self._clock.now())
