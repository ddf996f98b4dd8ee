"""The lease: one active holder of a name, proved by its fencing token, whose state is kept in the same record.

No clocks are compared. The holder keeps rewriting the record; a candidate that has seen it unchanged for the time to
live *on its own monotonic clock* takes over. Every write is a compare-and-set on the record's rev, so a holder that was
suspended and resumes after another process took over cannot save anything: it learns that it lost the lease.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from service.errors import AlreadyExists, Conflict, NotFound
from service.ports.clock import Clock
from service.ports.store import Body, Change, Record, Store, find_record

log = logging.getLogger(__name__)

KIND = "checkpoint"
TTL = 10.0
"""Seconds without a renewal after which a lease is taken over."""


class LeaseLost(Exception):
    """Another process holds the lease: nothing that this one still does may be saved."""


def _never(holder: str) -> bool:
    return False


async def _nothing() -> Body:
    return {}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A candidate for the lease: a name that no other run of any process ever has, and a way to detect dead holders.

    ``dead(holder)`` tells whether the process behind a name is certainly dead; without it, the lease of a killed
    holder has to expire.
    """

    name: str
    dead: Callable[[str], bool] = _never


class Lease:
    """One candidate's view of a lease: a record ``{holder, fence, beat, released, …}`` of kind ``checkpoint``.

    ``body`` is the record's content as last written or read by this candidate; ``fence`` is the fencing token, which
    rises with every change of the holder. ``first`` returns the initial content of a new record.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        key: str,
        candidate: Candidate,
        *,
        ttl: float = TTL,
        first: Callable[[], Awaitable[Body]] = _nothing,
    ) -> None:
        self.held = False
        self.fence = 0
        self.body: Body = {}
        self._store = store
        self._clock = clock
        self._key = key
        self._candidate = candidate
        self._ttl = ttl
        self._first = first
        self._rev = 0
        self._writing = asyncio.Lock()
        self._since = self._looked = clock.monotonic()

    @property
    def holder(self) -> str | None:
        """The holder of the lease when it was last read."""
        return None if self.body.get("released", True) else self.body["holder"]

    async def look(self) -> bool:
        """Read the lease and take it if it is free; return whether it is held now. Raises Unavailable."""
        record = await find_record(self._store, KIND, self._key)
        if record is None:
            await self._found()
        elif self._is_mine(record):  # an earlier attempt succeeded, but its answer was lost
            self._take(record)
        elif self._is_free(record):
            await self._take_over(record)
        else:
            self.body = record.body
        return self.held

    async def write(self, fields: Body) -> None:
        """Write fields to the record and renew the lease. Raises LeaseLost, Unavailable (it may be written)."""
        async with self._writing:
            while True:
                if not self.held:
                    raise LeaseLost(self._key)
                change = Change(set={**fields, "beat": self.body["beat"] + 1})
                try:
                    record = await self._store.update(KIND, self._key, change, expected_rev=self._rev)
                except (Conflict, NotFound):
                    await self._reread()
                else:
                    self._take(record)
                    return

    async def release(self, fields: Body) -> None:
        """Write fields and release the lease, so that the next candidate need not wait. Raises as :meth:`write`."""
        await self.write({**fields, "released": True})
        self.held = False

    def drop(self) -> None:
        """Stop holding the lease without releasing it: it will expire."""
        self.held = False

    async def _reread(self) -> None:
        """After a conflict: this candidate's own write, whose answer was lost, or another's. Raises LeaseLost."""
        record = await find_record(self._store, KIND, self._key)
        if record is not None and self._is_mine(record) and record.body["fence"] == self.fence:
            self._take(record)
            return
        self.held = False
        self.body = {} if record is None else record.body
        raise LeaseLost(f"{self._key} is held by {self.holder}")

    async def _found(self) -> None:
        """Create the record."""
        body = {**await self._first(), "holder": self._candidate.name, "fence": 1, "beat": 1, "released": False}
        try:
            self._take(await self._store.insert(KIND, self._key, body))
        except AlreadyExists:
            log.debug("another candidate created the lease %s", self._key)

    async def _take_over(self, record: Record) -> None:
        fields = {
            "holder": self._candidate.name,
            "fence": record.body["fence"] + 1,
            "beat": record.body["beat"] + 1,
            "released": False,
        }
        try:
            self._take(await self._store.update(KIND, self._key, Change(set=fields), expected_rev=record.rev))
        except (Conflict, NotFound):
            log.debug("another candidate took the lease %s", self._key)

    def _take(self, record: Record) -> None:
        self.held = not record.body["released"]
        self.body, self.fence, self._rev = record.body, record.body["fence"], record.rev

    def _is_mine(self, record: Record) -> bool:
        return record.body["holder"] == self._candidate.name and not record.body["released"]

    def _is_free(self, record: Record) -> bool:
        """Whether its holder released it, is dead, or did not renew it for the whole time to live."""
        now = self._clock.monotonic()
        # A candidate that was itself suspended between two reads has not seen the record unchanged for that time.
        if record.rev != self._rev or now - self._looked > self._ttl / 2:
            self._rev, self._since = record.rev, now
        self._looked = now
        if record.body["released"] or self._candidate.dead(record.body["holder"]):
            return True
        return now - self._since >= self._ttl
