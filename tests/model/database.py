"""A store in memory, shared by processes: records, their whole history, and the feed of their changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, TypeVar

from service.errors import AlreadyExists, Conflict, HistoryLost, NotFound
from service.ports.clock import Clock
from service.ports.store import MARKER, Body, Change, Changed, Condition, Order, Page, Record
from service.times import timestamp
from tests.model.network import Network
from tests.model.simulation import Process

T = TypeVar("T")
Written = Callable[[Process, Record | None, Record], None]
_POLL = 0.25
_EMPTY_EVERY = 3


@dataclass(frozen=True)
class Entry:
    """One write, or a barrier."""

    seq: int
    kind: str
    key: str
    rev: int
    at: float


@dataclass(frozen=True)
class Token:
    """A place in the log; see :mod:`service.adapters.sqlite.feed` for the two numbers."""

    database: str
    seq: int
    seen: int

    def __str__(self) -> str:
        return f"{self.database}:{self.seq}:{self.seen}"


class Database:
    """What all processes share.

    ``moving``: a record stands in the log at its last write alone, as in SQLite; else at each, as in MongoDB.
    """

    def __init__(self, *, moving: bool) -> None:
        self.moving = moving
        self.name = "db1"
        self.records: dict[tuple[str, str], Record] = {}
        self.history: dict[str, list[Record]] = {}
        self.log: list[Entry] = []
        self.trimmed = 0
        self.written: Written = lambda process, old, new: None
        self.now: Callable[[], float] = lambda: 0.0
        self._counters: dict[str, int] = {}

    @property
    def end(self) -> int:
        return self.log[-1].seq if self.log else 0

    def record(self, kind: str, key: str) -> Record | None:
        return self.records.get((kind, key))

    def body(self, kind: str, key: str) -> Body:
        record = self.record(kind, key)
        return {} if record is None else record.body

    def put(self, process: Process, new: Record) -> Record:
        old = self.record(new.kind, new.key)
        self.records[new.kind, new.key] = new
        if new.kind == "asset":
            self.history.setdefault(new.key, []).append(new)
        self._append(new.kind, new.key, new.rev)
        self.written(process, old, new)
        return new

    def mark(self) -> Token:
        self._append(MARKER, f"marker_{self.end + 1}", 1)
        return self.place(self.end)

    def count_up(self, name: str, block: int) -> int:
        first = self._counters.get(name, 1)
        self._counters[name] = first + block
        return first

    def trim(self) -> None:
        """Forget the whole log: no feed can go back to before."""
        self.trimmed = self.end

    def place(self, seq: int) -> Token:
        return Token(self.name, seq, seq)

    def token(self, text: str) -> Token:
        name, seq, seen = text.split(":")
        if name != self.name:
            raise HistoryLost("another database's token")
        return Token(name, int(seq), int(seen))

    def read(self, place: Token, kinds: Sequence[str]) -> tuple[list[Changed], Token]:
        """Return what changed behind a place, and the place behind it."""
        if place.seq < self.trimmed:
            raise HistoryLost("the log does not go back so far")
        rows = [entry for entry in self.log[place.seq :] if entry.kind in kinds]
        if not self.moving:
            found = [Changed(row.kind, row.key, str(self.place(row.seq))) for row in rows]
            return found, self.place(rows[-1].seq) if rows else place
        last = {(row.kind, row.key): row.seq for row in rows}
        rows = [row for row in rows if last[row.kind, row.key] == row.seq]
        tokens = [str(Token(self.name, row.seq, place.seen)) for row in rows[:-1]] + [str(self.place(self.end))]
        found = [Changed(row.kind, row.key, token) for row, token in zip(rows, tokens, strict=False)]
        return found, self.place(self.end)

    def end_before(self, moment: float) -> int:
        """Return where the log ended at a time."""
        return max((entry.seq for entry in self.log if entry.at < moment), default=0)

    def owed(self, token: Token, since: int = 0) -> dict[str, int]:
        """Return the rev of each asset that whoever followed up to a token, from ``since`` on, has seen."""
        owed: dict[str, int] = {}
        latest: dict[str, int] = {}
        for entry in self.log:
            if entry.kind != "asset":
                continue
            latest[entry.key] = entry.seq
            if since < entry.seq <= token.seen:
                owed[entry.key] = entry.rev
        for key, seq in latest.items():
            if token.seen < seq <= token.seq and seq > since:
                owed[key] = self.history[key][-1].rev
        return owed

    def _append(self, kind: str, key: str, rev: int) -> None:
        self.log.append(Entry(self.end + 1, kind, key, rev, self.now()))


class FakeStore:
    """The store as one process sees it: the store port."""

    def __init__(self, database: Database, network: Network, process: Process, clock: Clock, random: Random) -> None:
        self._database = database
        self._network = network
        self._process = process
        self._clock = clock
        self._random = random

    async def get(self, kind: str, key: str) -> Record:
        def work() -> Record:
            record = self._database.record(kind, key)
            if record is None or record.tombstone:
                raise NotFound(kind, key)
            return record

        return await self._call(work)

    async def get_many(self, kind: str, keys: Sequence[str], *, tombstones: bool = False) -> dict[str, Record]:
        def work() -> dict[str, Record]:
            found = {key: self._database.record(kind, key) for key in keys}
            return {k: r for k, r in found.items() if r is not None and (tombstones or not r.tombstone)}

        return await self._call(work)

    async def insert(self, kind: str, key: str, body: Body) -> Record:
        def work() -> Record:
            if self._database.record(kind, key) is not None:
                raise AlreadyExists(kind, "key", key)
            return self._database.put(self._process, Record(kind, key, 1, dict(body), self._now()))

        return await self._call(work)

    async def update(self, kind: str, key: str, change: Change, *, expected_rev: int | None = None) -> Record:
        def work() -> Record:
            record = self._expected(kind, key, expected_rev)
            body = {k: v for k, v in record.body.items() if k not in change.unset} | dict(change.set)
            for path, step in change.increment.items():
                body[path] = (body.get(path) or 0) + step
            return self._database.put(self._process, Record(kind, key, record.rev + 1, body, self._now()))

        return await self._call(work)

    async def remove(self, kind: str, key: str, *, expected_rev: int | None = None, by: Body | None = None) -> Record:
        def work() -> Record:
            record = self._expected(kind, key, expected_rev)
            body = {name: value for name, value in record.body.items() if name == "org_id"}
            body |= {} if by is None else {"updated_by": by}
            gone = replace(record, rev=record.rev + 1, body=body, tombstone=True, updated_at=self._now())
            return self._database.put(self._process, gone)

        return await self._call(work)

    async def find(
        self,
        kind: str,
        where: Mapping[str, Condition],
        *,
        order: Order | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page:
        assert order is None, "the indexer lists in the order of keys"

        def work() -> Page:
            keys = sorted(k for held, k in self._database.records if held == kind and k > (after or ""))
            found = [record for k in keys if self._meets(record := self._database.records[kind, k], where)]
            more = len(found) > limit
            return Page(found[:limit], found[limit - 1].key if more else None)

        return await self._call(work)

    async def scan(self, kind: str, *, after: str | None = None, limit: int = 1000) -> list[Record]:
        def work() -> list[Record]:
            keys = sorted(k for held, k in self._database.records if held == kind and k > (after or ""))
            return [self._database.records[kind, k] for k in keys[:limit]]

        return await self._call(work)

    async def count(self, kind: str, where: Mapping[str, Condition]) -> int:
        return len((await self.find(kind, where, limit=10_000)).records)

    async def size(self, kind: str) -> int:
        return await self.count(kind, {})

    async def counter(self, name: str, block: int = 1) -> int:
        return await self._call(lambda: self._database.count_up(name, block))

    async def changes(
        self, after: str | None, *, kinds: Sequence[str], limit: int = 1000
    ) -> AsyncIterator[list[Changed]]:
        wanted = (*kinds, MARKER)
        database = self._database
        place = await self._call(lambda: database.place(database.end) if after is None else database.token(after))
        quiet = 0
        while True:
            found, place = await self._call(lambda place=place: database.read(place, wanted))  # type: ignore[misc]
            while found:
                quiet = 0
                cut = self._random.randint(1, limit)
                batch, found = found[:cut], found[cut:]
                if self._random.random() < 0.1:  # at least once: some show twice, with the token of what follows
                    batch = [*(replace(change, token=batch[0].token) for change in batch[:1]), *batch]
                yield batch
            quiet += 1
            if quiet % _EMPTY_EVERY == 0:
                yield []
            await asyncio.sleep(_POLL)

    async def barrier(self) -> str:
        return str(await self._call(self._database.mark))

    async def position(self, kinds: Sequence[str]) -> str:
        wanted = (*kinds, MARKER)
        last = max((entry.seq for entry in self._database.log if entry.kind in wanted), default=0)
        return str(self._database.place(last))

    def passed(self, token: str, mark: str) -> bool:
        return self._database.token(token).seen >= self._database.token(mark).seq

    async def _call(self, work: Callable[[], T]) -> T:
        return await self._network.call(self._process, work)

    def _now(self) -> str:
        return timestamp(self._clock.now())

    def _expected(self, kind: str, key: str, rev: int | None) -> Record:
        record = self._database.record(kind, key)
        if record is None or record.tombstone:
            raise NotFound(kind, key)
        if rev is not None and rev != record.rev:
            raise Conflict(kind, key, expected=rev, rev=record.rev)
        return record

    @staticmethod
    def _meets(record: Record, where: Mapping[str, Any]) -> bool:
        return not record.tombstone and all(record.body.get(path) == value for path, value in where.items())
