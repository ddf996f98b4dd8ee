"""A relay to be tried on any store: its leadership in memory, and ways to write assets as the use cases do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from service.core.events.following import Logged, LogReader
from service.core.events.log import START, EventLog
from service.core.events.records import RecordEvent
from service.core.events.relay import LeadershipLost, Relay
from service.core.shared.authorship import Actor, acting, signed, signed_new
from service.ports.clock import Clock, SystemClock
from service.ports.store import Body, Change, Record, Store
from service.times import timestamp

KIM = Actor("kim", "key_1")


class Seat:
    """The one leadership of a test, and its checkpoint."""

    def __init__(self) -> None:
        self.holder: Chair | None = None
        self.checkpoint: Body = {}


class Chair:
    """One candidate for a seat. A ``blind`` one believes that it leads whatever others do."""

    def __init__(self, seat: Seat, *, blind: bool = False) -> None:
        self.seat = seat
        self.blind = blind

    @property
    def held(self) -> bool:
        return self.blind or self.seat.holder is self

    async def take(self) -> Body | None:
        if self.seat.holder not in (None, self) and not self.blind:
            return None
        self.seat.holder = self
        return dict(self.seat.checkpoint)

    async def save(self, checkpoint: Body) -> None:
        if self.seat.holder is not self:
            raise LeadershipLost("somebody else sits there")
        self.seat.checkpoint |= checkpoint

    def note(self, checkpoint: Body) -> None:
        if self.seat.holder is self:
            self.seat.checkpoint |= checkpoint

    async def leave(self) -> None:
        if self.seat.holder is self:
            self.seat.holder = None


@asynccontextmanager
async def relaying(
    store: Store, seat: Seat | None = None, *, clock: Clock | None = None, blind: bool = False
) -> AsyncIterator[Relay]:
    """Run a relay until the block ends."""
    clock = clock or SystemClock()
    chair = Chair(seat or Seat(), blind=blind)
    relay = Relay(store, EventLog(store, clock), chair, clock, look=0.02)
    relay.start()
    try:
        yield relay
    finally:
        await relay.stop()


async def begun(store: Store, seat: Seat) -> None:
    """Let a relay begin, so that what is written from now on is told, also while none runs."""
    async with relaying(store, seat):
        async with asyncio.timeout(20):
            while "token" not in seat.checkpoint:
                await asyncio.sleep(0.005)


async def add(store: Store, key: str, org: str = "acme", **fields: object) -> Record:
    """Insert an asset as the use cases do."""
    body: Body = {"org_id": org, "guid": key, "title": key, **fields}
    with acting(KIM):
        return await store.insert("asset", key, {**signed_new(body, timestamp(SystemClock().now())), **fields})


async def change(store: Store, key: str, *unset: str, **fields: object) -> Record:
    """Change an asset as the use cases do."""
    with acting(KIM):
        return await store.update("asset", key, signed(Change(set=fields, unset=unset)))


async def told(store: Store, count: int, *, position: int = START) -> list[RecordEvent]:
    """Wait until so many events are in the log behind a position, and return all that are there then."""
    return [item.event for item in await logged(store, count, position=position) if item.event is not None]


async def logged(store: Store, count: int, *, position: int = START) -> list[Logged]:
    """Wait until so many events are in the log behind a position, and return what a follower learns till then."""
    reader = LogReader(EventLog(store, SystemClock()), poll=0.02)
    found: list[Logged] = []
    async with asyncio.timeout(20), aclosing(reader.follow(position)) as pages:
        async for page in pages:
            found += page
            if sum(item.event is not None for item in found) >= count:
                break
    return found
