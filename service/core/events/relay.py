"""The relay: change feed → records read again → events → log, for ever.

The invariants that it keeps:

- At least once, and in order for a record: the token of a block is behind every change that its events, or those of
  earlier blocks, tell of; and a record is read after its change was seen, so its rev never falls.
- One event for a record and rev: changes that are faster than the relay are one event with the newest state, and what
  was told of a rev is not told again.
- One relay at a time tells. The leadership saves work; what makes it certain is the log
  (:mod:`service.core.events.log`), in which a relay that was overtaken finds its next number taken.
- A feed that has lost its history is never continued from "now" in silence: a ``resync`` event says so first.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from service.core.events.log import Block, EventLog, Overtaken
from service.core.events.records import EVENT_KINDS, RecordEvent, Told, event_of, resync
from service.errors import AssetryError, HistoryLost
from service.ports.clock import Clock
from service.ports.store import Body, Changed, Store
from service.tasks import cancelled
from service.times import backoff, timestamp

log = logging.getLogger(__name__)

BATCH = 500
"""Changes that are read and told at once; below :data:`service.core.events.log.BLOCK_EVENTS`."""

LOOK_SECONDS = 1.0
"""How often a relay that stands by looks whether it may lead."""

MARGIN = timedelta(seconds=60)
"""How far clocks may be apart, and how long a write may take, before a new record is told as a changed one."""

REMEMBERED = 50_000
"""Records of which it is kept what was told last (about 10 MB)."""

_RECALLED = 16
"""Blocks of the log that a new leader reads at once to know what was told within :data:`MARGIN`."""


class Leadership(Protocol):
    """The right to be the one relay, with the checkpoint that goes with it: {token, number}, both absent at first."""

    @property
    def held(self) -> bool:
        """Whether it is held, as far as this process knows."""
        ...

    async def take(self) -> Body | None:
        """Try to lead; the checkpoint if that succeeded, else None. Raises Unavailable."""
        ...

    async def save(self, checkpoint: Body) -> None:
        """Save the checkpoint; it is durable when this returns. Raises Unavailable, and what says that it is lost."""
        ...

    def note(self, checkpoint: Body) -> None:
        """Have the checkpoint saved soon."""
        ...

    async def leave(self) -> None:
        """Lead no more, so that the next one need not wait. Safe to call without leading."""
        ...


class LeadershipLost(Exception):
    """Another process leads: what this one saves is refused."""


@dataclass
class RelayStatus:
    """How a relay is: whether it leads, what it has told (by type), and how long changes waited for it."""

    leads: bool = False
    told: Counter[str] = field(default_factory=Counter)
    lag_seconds: float = 0.0
    """From the commit of the oldest change of the last batch until it was told; 0 once nothing waits."""


class Relay:
    """Tells of every change of the kinds in :data:`service.core.events.records.EVENT_KINDS`."""

    def __init__(
        self, store: Store, events: EventLog, leadership: Leadership, clock: Clock, *, look: float = LOOK_SECONDS
    ) -> None:
        self.status = RelayStatus()
        self._store = store
        self._log = events
        self._leadership = leadership
        self._clock = clock
        self._look = look
        self._kinds = tuple(EVENT_KINDS)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to relay, or to stand by, in a task of its own."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="relay")

    async def stop(self) -> None:
        """End and let go of the leadership; what is under way is told by the next relay. Safe to call twice."""
        task, self._task = self._task, None
        if task is not None:
            await cancelled(task)
            await self._leadership.leave()

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                checkpoint = await self._leadership.take()
                if checkpoint is None:
                    await asyncio.sleep(self._look)
                    continue
                session = _Session(self._store, self._log, self._leadership, self._clock, self._kinds, self.status)
                self.status.leads = True
                failures = 0
                await session.run(checkpoint)
            except (Overtaken, LeadershipLost) as error:
                log.warning("this relay leads no more: %s", error)
            except AssetryError as error:
                failures += 1
                log.warning("the relay of events is interrupted: %s", error)
                await asyncio.sleep(backoff(failures))
            except Exception:
                failures += 1
                log.exception("the relay of events failed; it goes on from its checkpoint")
                await asyncio.sleep(backoff(failures))
            finally:
                self.status.leads = False


class _Session:
    """One time of leading: it goes on from the log's head, or from the checkpoint if that is newer."""

    def __init__(
        self,
        store: Store,
        events: EventLog,
        leadership: Leadership,
        clock: Clock,
        kinds: Sequence[str],
        status: RelayStatus,
    ) -> None:
        self._store = store
        self._log = events
        self._leadership = leadership
        self._clock = clock
        self._kinds = kinds
        self._status = status
        self._told: OrderedDict[tuple[str, str], Told] = OrderedDict()
        self._number = 0
        self._since = ""

    async def run(self, checkpoint: Body) -> None:
        """Tell of changes until the leadership ends. Raises Overtaken, LeadershipLost, Unavailable."""
        token = await self._begin(checkpoint)
        while True:
            try:
                await self._follow(token)
            except HistoryLost as error:
                token = await self._lose(error)

    async def _begin(self, checkpoint: Body) -> str:
        """Find out where the last relay ended, and what it told in its last moments."""
        head = await self._log.head()
        saved = checkpoint.get("token")
        if head is None:
            if saved is None:  # the first relay of all: events begin here
                saved = await self._store.barrier()
                checkpoint = {"token": saved, "number": 0, "since": timestamp(self._clock.now())}
                await self._leadership.save(checkpoint)
            self._since = checkpoint.get("since", "")
            return str(saved)
        self._number = head.number
        self._since = _before(head.at)
        await self._recall(head)
        if saved is not None and checkpoint.get("number") == head.number:
            return str(saved)
        return head.token

    async def _recall(self, head: Block) -> None:
        """Read what was told within the margin before the head, the newest first."""
        last = head.number
        known = {(event.kind, event.key): Told(event.rev, event.trashed) for event in head.events if event.kind}
        while last > 0 and len(known) < REMEMBERED:
            first = max(0, last - _RECALLED)
            blocks = await self._log.behind(first, last - first)
            for block in reversed(blocks):
                for event in reversed(block.events):
                    if event.kind:
                        known.setdefault((event.kind, event.key), Told(event.rev, event.trashed))
            if not blocks or blocks[0].at < self._since:
                break
            last = first
        for key, told in reversed(known.items()):
            self._remember(key, told)

    async def _follow(self, token: str) -> None:
        async with _opened(self._store, token, self._kinds) as feed:
            async for batch in feed:
                if not self._leadership.held:
                    raise LeadershipLost("the lease went to another process")
                if batch:
                    await self._tell(batch)
                else:
                    self._status.lag_seconds = 0.0

    async def _tell(self, batch: list[Changed]) -> None:
        """Append the events of a batch, if there are any; note its token in any case."""
        token = batch[-1].token
        # A record that changed several times in the batch is told where it changed last.
        keys: dict[str, dict[str, None]] = {kind: {} for kind in self._kinds}
        for change in batch:
            if change.kind in keys:
                keys[change.kind].pop(change.key, None)
                keys[change.kind][change.key] = None
        events: list[RecordEvent] = []
        for kind, wanted in keys.items():
            if wanted:
                events += await self._events(kind, list(wanted))
        if not events:
            self._leadership.note({"token": token, "number": self._number})
            self._status.lag_seconds = 0.0
            return
        block = await self._log.append(self._number + 1, events, token)
        self._number = block.number
        self._since = _before(block.at)
        for event in events:
            self._remember((event.kind, event.key), Told(event.rev, event.trashed))
            self._status.told[event.type] += 1
        oldest = min(event.at for event in events)
        self._status.lag_seconds = max(0.0, (_moment(block.at) - _moment(oldest)).total_seconds())

    async def _events(self, kind: str, keys: Sequence[str]) -> list[RecordEvent]:
        found = await self._store.get_many(kind, keys, tombstones=True)
        events: list[RecordEvent] = []
        for key in keys:
            record = found.get(key)
            if record is None:
                log.warning("the %s %s is gone without a tombstone: there is no event of it", kind, key)
                continue
            told = self._told.get((kind, key))
            if record.org_id is None or (told is not None and told.rev >= record.rev):
                continue
            events.append(event_of(record, told, self._since))
        return events

    async def _lose(self, error: HistoryLost) -> str:
        """Say that events are missing, and return the token from which they go on."""
        log.error("the change feed has lost its history: followers are told to read everything again: %s", error)
        token = await self._store.barrier()
        now = timestamp(self._clock.now())
        self._number += 1
        event = resync(self._number, now, "The change feed lost its history: events before this one may be missing.")
        await self._log.append(self._number, [event], token)
        self._told.clear()
        self._since = now
        self._status.told[event.type] += 1
        return token

    def _remember(self, key: tuple[str, str], told: Told) -> None:
        self._told[key] = told
        self._told.move_to_end(key)
        while len(self._told) > REMEMBERED:
            self._told.popitem(last=False)


def _before(at: str) -> str:
    """Return the time before which nothing can have been made that was not told by ``at``."""
    return timestamp(_moment(at) - MARGIN)


def _moment(at: str) -> datetime:
    return datetime.fromisoformat(at)


@asynccontextmanager
async def _opened(store: Store, token: str, kinds: Sequence[str]) -> AsyncIterator[AsyncIterator[list[Changed]]]:
    """Open the feed behind a token, and close it in the end."""
    changes = store.changes(token, kinds=kinds, limit=BATCH)
    try:
        yield changes
    finally:
        if isinstance(changes, AsyncGenerator):  # both stores' are; the port does not promise it
            await changes.aclose()
