# ruff: noqa: S608 - only question marks are interpolated into the statement
"""The change feed of a SQLite store: its tokens, and the batches that follow them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial

from service.adapters.sqlite.commits import CommitWatch
from service.adapters.sqlite.readers import Readers
from service.broadcast_event import wait
from service.errors import HistoryLost
from service.ports.store import MARKER, Changed

QUIET_SECONDS = 0.75
"""How long a feed says nothing while nothing changes; then it yields an empty batch."""
ROUND = 100_000
"""The maximum number of changes read in one snapshot (about 15 MB)."""


@dataclass(frozen=True, slots=True)
class Token:
    """A position in a database's change log.

    A feed at this position has seen every record whose row is at ``seq`` or before, but every *write* only up to
    ``seen``. The two differ because rows move: a record written at 5 and again at 9 is found at 9 alone, so a feed at 7
    has not seen the write at 5. They become equal when the feed has read a snapshot to its end. Written as
    ``<database id>:<seq>``, or as ``<database id>:<seq>:<seen>`` if they differ.
    """

    database: str
    seq: int
    seen: int

    def __str__(self) -> str:
        return f"{self.database}:{self.seq}" + ("" if self.seen == self.seq else f":{self.seen}")


def read_token(text: str, database: str) -> Token:
    """Parse a token. Raises HistoryLost if it belongs to another database, or is not a token."""
    owner, *places = text.split(":")
    if (
        owner != database
        or len(places) not in (1, 2)
        or not all(place.isascii() and place.isdigit() for place in places)
    ):
        raise HistoryLost(f"The token {text[:80]!r} does not belong to this database.")
    return Token(owner, int(places[0]), int(places[-1]))


class Feed:
    """One reader of the change log."""

    def __init__(self, readers: Readers, commits: CommitWatch, database: str, kinds: Sequence[str], limit: int) -> None:
        self._readers = readers
        self._commits = commits
        self._database = database
        self._kinds = tuple(dict.fromkeys([*kinds, MARKER]))
        self._limit = limit

    async def batches(self, after: str | None) -> AsyncIterator[list[Changed]]:
        """Yield batches forever, as :meth:`service.ports.store.Store.changes` promises."""
        position = await self._start(after)
        async with self._commits.watched() as committed:
            spoke = time.monotonic()
            while True:
                wake_up = committed.next()
                found, position = await self._readers.run(partial(self._read, position=position))
                for first in range(0, len(found), self._limit):
                    yield found[first : first + self._limit]
                    spoke = time.monotonic()
                while not found and not wake_up.is_set():
                    if not await wait(wake_up, max(0.0, spoke + QUIET_SECONDS - time.monotonic())):
                        yield []
                        spoke = time.monotonic()

    async def _start(self, after: str | None) -> Token:
        end = await self._readers.run(_end)
        if after is None:
            return Token(self._database, end, end)
        token = read_token(after, self._database)
        if token.seq > end:
            raise HistoryLost(f"The database ends before {after}: it was restored from an older backup.")
        return token

    def _read(self, connection: sqlite3.Connection, position: Token) -> tuple[list[Changed], Token]:
        """Return the changes after a position, and the position after everything that was examined."""
        connection.execute("BEGIN")  # one snapshot for both reads
        end = _end(connection)
        if end == position.seen:
            return [], position
        marks = ", ".join("?" * len(self._kinds))
        rows = connection.execute(
            # Left to itself, SQLite searches by kind: it reads every row of these kinds and sorts what is new.
            f"SELECT kind, key, seq FROM changes INDEXED BY changes_seq WHERE seq > ? AND kind IN ({marks})"
            " ORDER BY seq LIMIT ?",
            (position.seq, *self._kinds, ROUND + 1),
        ).fetchall()
        # A complete round saw everything, so the other kinds' changes at the end need not be read again.
        complete = len(rows) <= ROUND
        rows = rows[:ROUND]
        seq, seen = (end, end) if complete else (rows[-1][2], position.seen)
        last = Token(self._database, seq, seen)
        tokens = [str(Token(self._database, row[2], position.seen)) for row in rows[:-1]] + [str(last)]
        return [Changed(kind, key, token) for (kind, key, _), token in zip(rows, tokens, strict=False)], last


def _end(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT ifnull(max(seq), 0) FROM changes").fetchone()[0])


def newest(connection: sqlite3.Connection, kinds: Sequence[str]) -> int:
    """Return the position of the newest change of these kinds or barrier, 0 if there is none.

    It reads the log backwards. Rows of other kinds at its end are few (there is one row per record, and far fewer
    records of other kinds than assets), and the index covers everything that is read.
    """
    wanted = tuple(dict.fromkeys([*kinds, MARKER]))
    marks = ", ".join("?" * len(wanted))
    statement = f"SELECT seq FROM changes INDEXED BY changes_seq WHERE kind IN ({marks}) ORDER BY seq DESC LIMIT 1"
    row = connection.execute(statement, wanted).fetchone()
    return 0 if row is None else int(row[0])
