"""The log of events: numbered blocks in the store, appended by one relay at a time, read by many.

A block is one record of kind ``event``: its key is its number, written so that keys sort as numbers do, and it holds
the events of one batch of the change feed together with the feed's token behind that batch. So

- what a relay has told and how far it has come are one write: a relay that is killed repeats nothing and skips nothing;
- of two relays that both believe to lead, one finds the next number taken, and knows by that that it does not;
- blocks become visible in the order of their numbers, without gaps: whoever has read up to one has missed nothing.

An event's *position* is ``number of its block · 1000 + place in it``: it rises from event to event, and is what
followers remember.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from service.broadcast_event import BroadcastEvent
from service.core.events.records import RecordEvent
from service.errors import AlreadyExists
from service.ports.clock import Clock
from service.ports.store import Body, Order, Record, Store
from service.times import timestamp

KIND = "event"
BLOCK_EVENTS = 1000
"""Events of one block at most."""

START = BLOCK_EVENTS - 1
"""The position of the beginning: blocks are numbered from 1."""

_DIGITS = 12
_PAGE = 4
"""Blocks read at once where nothing is known of their size."""
_SWEPT = 50
"""Blocks dropped at once."""


@dataclass(frozen=True, slots=True)
class Block:
    """Events that were told at once, when (``at``), and the token of the change feed behind them."""

    number: int
    events: tuple[RecordEvent, ...]
    token: str
    at: str

    @property
    def end(self) -> int:
        """The position behind which the next block begins."""
        return self.number * BLOCK_EVENTS + BLOCK_EVENTS - 1

    def position(self, place: int) -> int:
        """Return the position of the event at a place."""
        return self.number * BLOCK_EVENTS + place


class Overtaken(Exception):
    """Another relay has appended a block: this one leads no more."""


class EventLog:
    """The log of a store. ``news`` is set when this process has appended a block."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.news = BroadcastEvent()
        self._store = store
        self._clock = clock

    async def append(self, number: int, events: Sequence[RecordEvent], token: str) -> Block:
        """Append the block of this number, which follows the head's.

        Raises Overtaken, Unavailable (it may be appended: read the head before anything else).
        """
        if not 1 <= len(events) <= BLOCK_EVENTS:
            raise ValueError(f"a block holds 1 to {BLOCK_EVENTS:,} events, not {len(events):,}")
        block = Block(number, tuple(events), token, timestamp(self._clock.now()))
        body: Body = {
            "number": number,
            "at": block.at,
            "token": token,
            "events": [event.as_body() for event in events],
        }
        try:
            await self._store.insert(KIND, block_key(number), body)
        except AlreadyExists:
            raise Overtaken(f"the block {number} of the event log was appended by another relay") from None
        self.news.set()
        return block

    async def head(self) -> Block | None:
        """Return the newest block, None of an empty log. Raises Unavailable."""
        page = await self._store.find(KIND, {}, order=Order("number", descending=True), limit=1)
        return _block(page.records[0]) if page.records else None

    async def oldest(self) -> int | None:
        """Return the number of the oldest block that is kept, None of an empty log. Raises Unavailable."""
        found = await self._store.scan(KIND, limit=1)
        return number_of(found[0]) if found else None

    async def behind(self, number: int, limit: int = _PAGE) -> list[Block]:
        """Return the next blocks behind the one of this number, in order. Raises Unavailable."""
        return [_block(record) for record in await self._store.scan(KIND, after=block_key(number), limit=limit)]

    async def sweep(self, keep: timedelta) -> int:
        """Drop blocks that are older than ``keep``, but never the newest: it is where a relay goes on.

        Returns how many went. Raises Unavailable.
        """
        head = await self.head()
        if head is None:
            return 0
        limit = timestamp(self._clock.now() - keep)
        dropped = 0
        while True:
            page = await self._store.scan(KIND, limit=_SWEPT)
            old = [record.key for record in page if record.body["at"] < limit and number_of(record) < head.number]
            await self._store.discard(KIND, old)
            dropped += len(old)
            if len(old) < _SWEPT:
                return dropped


def block_key(number: int) -> str:
    """Return the key of a block: keys sort as their numbers do."""
    return f"{number:0{_DIGITS}d}"


def number_of(record: Record) -> int:
    """Return the number of a block's record."""
    return int(record.key)


def next_block(position: int) -> int:
    """Return the number of the block that holds what comes next behind a position."""
    return (position + 1) // BLOCK_EVENTS


def _block(record: Record) -> Block:
    body: dict[str, Any] = record.body
    events = tuple(RecordEvent.read(event) for event in body["events"])
    return Block(number_of(record), events, body["token"], body["at"])
