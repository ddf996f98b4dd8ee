"""Doubles for tests of the indexer: a clock that is moved by hand, and a store of a few records."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

from service.errors import AlreadyExists, Conflict, NotFound, Unavailable
from service.ports.store import Body, Change, Condition, Order, Page, Record, Store

START = datetime(2024, 5, 1, 10, 0, tzinfo=UTC)


class HandClock:
    """A clock that stands still until it is moved; its ids are numbers."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.wall = START
        self._ids = 0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.seconds

    def guid(self) -> str:
        self._ids += 1
        return f"guid-{self._ids}"

    def sid(self) -> str:
        return self.guid()

    def move(self, seconds: float) -> None:
        self.seconds += seconds
        self.wall += timedelta(seconds=seconds)


class Notes:
    """Records in memory, with revs; the next writes can be lost before or after they happen."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], Record] = {}
        self.unanswered = 0
        self.refused = 0
        self.writes = 0
        self.gate = asyncio.Event()
        self.gate.set()

    def as_store(self) -> Store:
        return cast("Store", self)

    async def get(self, kind: str, key: str) -> Record:
        try:
            return self.records[kind, key]
        except KeyError:
            raise NotFound(kind, key) from None

    async def get_many(self, kind: str, keys: Sequence[str], *, tombstones: bool = False) -> dict[str, Record]:
        return {key: self.records[kind, key] for key in keys if (kind, key) in self.records}

    async def insert(self, kind: str, key: str, body: Body) -> Record:
        await self._begin()
        if (kind, key) in self.records:
            raise AlreadyExists(kind, "key", key)
        return self._put(Record(kind, key, 1, dict(body), "2024-05-01T10:00:00.000Z"))

    async def update(self, kind: str, key: str, change: Change, *, expected_rev: int | None = None) -> Record:
        await self._begin()
        held = await self.get(kind, key)
        if expected_rev is not None and held.rev != expected_rev:
            raise Conflict(kind, key, expected=expected_rev, rev=held.rev)
        body = {**held.body, **change.set}
        for path, amount in change.increment.items():
            body[path] = body.get(path, 0) + amount
        return self._put(replace(held, rev=held.rev + 1, body=body))

    async def find(
        self,
        kind: str,
        where: Mapping[str, Condition],
        *,
        order: Order | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page:
        found = [
            record
            for (of, _), record in sorted(self.records.items())
            if of == kind and all(record.body.get(name) == value for name, value in where.items())
        ]
        return Page(found, None)

    async def _begin(self) -> None:
        await self.gate.wait()
        if self.refused:
            self.refused -= 1
            raise Unavailable("store", "away")

    def _put(self, record: Record) -> Record:
        self.writes += 1
        self.records[record.kind, record.key] = record
        if self.unanswered:
            self.unanswered -= 1
            raise Unavailable("store", "the answer was lost")
        return record
