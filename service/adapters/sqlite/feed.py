# ruff: noqa: S608 - only question marks are put into the statement
"""The change feed of a SQLite store: tokens, and batches behind them."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial

from service.adapters.shared.broadcast_event import BroadcastEvent, wait
from service.adapters.sqlite.readers import Readers
from service.errors import HistoryLost
from service.ports.store import MARKER, Changed

POLL_SECONDS = 0.25
"""How often a feed looks for other processes' writes; this process's own wake it at once."""
ROUND = 100_000
"""Changes read in one snapshot at most (about 15 MB)."""
_EMPTY_EVERY = 3  # polls without news between two empty batches


@dataclass(frozen=True, slots=True)
class Token:
    """A place in a database's change log.

    A feed that stands here has seen every record whose row is at ``seq`` or before; it has seen every *write* up to
    ``seen`` only. The two differ because a row moves: a record written at 5 and again at 9 is found at 9 alone, so a
    feed at 7 has not seen the write at 5. They meet when the feed has read a snapshot to its end.
    Written ``<database id>:<seq>``, or ``<database id>:<seq>:<seen>`` where they differ.
    """

    database: str
    seq: int
    seen: int

    def __str__(self) -> str:
        return f"{self.database}:{self.seq}" + ("" if self.seen == self.seq else f":{self.seen}")


def read_token(text: str, database: str) -> Token:
    """Read a token. Raises HistoryLost when it is another database's, or no token at all."""
    owner, *places = text.split(":")
    if (
        owner != database
        or len(places) not in (1, 2)
        or not all(place.isascii() and place.isdigit() for place in places)
    ):
        raise HistoryLost(f"The token {text[:80]!r} is not of this database.")
    return Token(owner, int(places[0]), int(places[-1]))


class Feed:
    """One reader of the change log."""

    def __init__(self, readers: Readers, wake: BroadcastEvent, database: str, kinds: Sequence[str], limit: int) -> None:
        self._readers = readers
        self._wake = wake
        self._database = database
        self._kinds = tuple(dict.fromkeys([*kinds, MARKER]))
        self._limit = limit

    async def batches(self, after: str | None) -> AsyncIterator[list[Changed]]:
        """Yield batches for ever, as :meth:`service.ports.store.Store.changes` says."""
        place = await self._start(after)
        quiet = 0
        while True:
            news = self._wake.next()
            found, place = await self._readers.run(partial(self._read, place=place))
            for first in range(0, len(found), self._limit):
                quiet = 0
                yield found[first : first + self._limit]
            if found:
                continue
            quiet += 1
            if quiet % _EMPTY_EVERY == 0:
                yield []
            await wait(news, POLL_SECONDS)

    async def _start(self, after: str | None) -> Token:
        end = await self._readers.run(_end)
        if after is None:
            return Token(self._database, end, end)
        token = read_token(after, self._database)
        if token.seq > end:
            raise HistoryLost(f"The database ends before {after}: it was restored from an older backup.")
        return token

    def _read(self, connection: sqlite3.Connection, place: Token) -> tuple[list[Changed], Token]:
        """Return the changes behind a place, and the place behind all that was looked at."""
        connection.execute("BEGIN")  # one snapshot for both reads
        end = _end(connection)
        if end == place.seen:
            return [], place
        marks = ", ".join("?" * len(self._kinds))
        rows = connection.execute(
            f"SELECT kind, key, seq FROM changes WHERE seq > ? AND kind IN ({marks}) ORDER BY seq LIMIT ?",
            (place.seq, *self._kinds, ROUND + 1),
        ).fetchall()
        # A complete round saw all there is, so the tail of other kinds' changes need not be walked again.
        complete = len(rows) <= ROUND
        rows = rows[:ROUND]
        seq, seen = (end, end) if complete else (rows[-1][2], place.seen)
        last = Token(self._database, seq, seen)
        tokens = [str(Token(self._database, row[2], place.seen)) for row in rows[:-1]] + [str(last)]
        return [Changed(kind, key, token) for (kind, key, _), token in zip(rows, tokens, strict=False)], last


def _end(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT ifnull(max(seq), 0) FROM changes").fetchone()[0])


def newest(connection: sqlite3.Connection, kinds: Sequence[str]) -> int:
    """Return the place of the newest change of these kinds or barrier, 0 if there is none.

    It walks the log backwards. Other kinds' rows at its end are few (a row a record, and records of other kinds are
    few beside assets), and the index holds all that is looked at.
    """
    wanted = tuple(dict.fromkeys([*kinds, MARKER]))
    marks = ", ".join("?" * len(wanted))
    statement = f"SELECT seq FROM changes INDEXED BY changes_seq WHERE kind IN ({marks}) ORDER BY seq DESC LIMIT 1"
    row = connection.execute(statement, wanted).fetchone()
    return 0 if row is None else int(row[0])
