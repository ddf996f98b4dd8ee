"""What an indexer in another process says of itself: for processes that serve the API alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from indexer.status.model import (
    HEARTBEAT_SECONDS,
    KIND,
    NOBODY,
    STALE_SECONDS,
    UNKNOWN,
    FollowerStatus,
    Role,
    State,
    decode,
    encode,
    key_of,
)
from service.errors import AlreadyExists, Conflict, Unavailable
from service.ports.clock import Clock
from service.ports.store import Change, Store, find_record
from service.times import timestamp

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.05
"""How often the status is looked at: what is looked at is in memory."""

WRITE_SECONDS = 0.25
"""The shortest time between two writes."""


class Publisher:
    """Writes what a follower says of itself: soon after it changed, and every few seconds as a sign of life.

    It writes by compare-and-set. Whoever finds that another one wrote meanwhile looks at its own status again first: a
    process that was frozen and lost its lease then knows, and keeps silent.
    """

    def __init__(self, store: Store, clock: Clock, alias: str, status: Callable[[], FollowerStatus]) -> None:
        self._store = store
        self._clock = clock
        self._key = key_of(alias)
        self._status = status
        self._publisher = clock.guid()
        self._rev: int | None = None
        self._written: FollowerStatus | None = None
        self._written_at = clock.monotonic() - WRITE_SECONDS
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to publish, in a task of its own."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="index-publisher")

    async def stop(self) -> None:
        """Publish once more, if this one was speaking, that it has stopped; then end. After the follower's stop."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.wait([task])
        if self._written is not None:
            try:
                await self._write(replace(self._status(), state=State.STOPPED))
            except (Unavailable, Conflict) as error:
                log.info("the indexer's end was not published: %s", error.message)

    async def _run(self) -> None:
        while True:
            status = self._status()
            try:
                if status.role is not Role.LEADER:
                    await self._fall_silent(status)  # another one speaks
                elif status.state is not State.STOPPED and self._is_due(status):
                    await self._write(status)
            except Conflict:
                self._rev = None
            except Unavailable as error:
                self._written_at = self._clock.monotonic()  # try again after a while, not at once
                log.debug("the indexer's status was not published: %s", error.message)
            except Exception:  # whatever it is, the indexer must not seem dead because of it
                self._written_at = self._clock.monotonic()
                log.exception("the indexer's status was not published")
            await asyncio.sleep(LOOK_SECONDS)

    async def _fall_silent(self, status: FollowerStatus) -> None:
        """Say no more; but that this one has stopped, if it was speaking."""
        spoke, self._written = self._written is not None, None
        if spoke and status.state is State.STOPPED:
            await self._write(status)
            self._written = None

    def _is_due(self, status: FollowerStatus) -> bool:
        waited = self._clock.monotonic() - self._written_at
        if waited >= HEARTBEAT_SECONDS:
            return True
        if self._written is None:
            return waited >= WRITE_SECONDS
        return waited >= WRITE_SECONDS and _still(status) != _still(self._written)

    async def _write(self, status: FollowerStatus) -> None:
        """Write the status. Raises Conflict when another one wrote since the last look."""
        fields: dict[str, Any] = encode(status) | {"publisher": self._publisher, "at": timestamp(self._clock.now())}
        if self._rev is None:
            held = await find_record(self._store, KIND, self._key)
            self._rev = None if held is None else held.rev
        if self._rev is None:
            try:
                record = await self._store.insert(KIND, self._key, fields)
            except AlreadyExists:
                return  # the next look finds it
        else:
            record = await self._store.update(KIND, self._key, Change(set=fields), expected_rev=self._rev)
        self._rev, self._written, self._written_at = record.rev, status, self._clock.monotonic()


def _still(status: FollowerStatus) -> FollowerStatus:
    """Return a status without what moves with every look, which comes with the heartbeat."""
    return replace(status, lag_seconds=0.0, rate=0.0)


URGENT_SECONDS = 0.03
"""How often the store is asked while somebody waits for the index; one question for all who wait."""

CALM_SECONDS = 2.0
"""How often it is asked while nobody does."""


class IndexWatch:
    """Follows the status that a :class:`Publisher` writes; used like :class:`indexer.follow.follower.Follower`.

    Whether an indexer lives is told by its record's rev, which rises every few seconds: no two clocks are compared, but
    for the first look of a process.
    """

    def __init__(self, store: Store, clock: Clock, alias: str) -> None:
        self._store = store
        self._clock = clock
        self._key = key_of(alias)
        self._said = UNKNOWN
        self._rev: int | None = None
        self._heard_at: float | None = None
        self._waiting = 0
        self._task: asyncio.Task[None] | None = None
        self._urgent = asyncio.Event()
        self._looked = asyncio.Event()

    def start(self) -> None:
        """Begin to watch, in a task of its own."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="index-watch")

    async def stop(self) -> None:
        """End the watch. Safe to call twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def status(self) -> FollowerStatus:
        """Return what the indexer said last, as stopped where none does."""
        if self.alive():
            return self._said
        return replace(self._said, state=State.STOPPED, last_error=NOBODY, rate=0.0)

    def alive(self) -> bool:
        """Whether an indexer has given a sign of life lately."""
        if self._heard_at is None or self._said.state is State.STOPPED:
            return False
        return self._clock.monotonic() - self._heard_at <= STALE_SECONDS

    async def wait_for(self, token: str, timeout: float) -> bool:
        """Return True once searches see every change up to ``token``, False when that takes over ``timeout`` seconds.

        Raises HistoryLost for a token of another database.
        """
        self._waiting += 1
        self._urgent.set()
        try:
            async with asyncio.timeout(timeout):
                while not self._passed(token):
                    await self._looked.wait()
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._urgent.clear()
        return True

    async def look(self) -> FollowerStatus:
        """Read the status now and return it. Raises Unavailable."""
        record = await find_record(self._store, KIND, self._key)
        if record is None:
            self._said, self._rev, self._heard_at = UNKNOWN, None, None
        elif record.rev != self._rev:
            self._heard_at = self._clock.monotonic()
            if self._rev is None:
                self._heard_at -= self._age(str(record.body.get("at")))
            self._said, self._rev = decode(record.body), record.rev
        looked, self._looked = self._looked, asyncio.Event()
        looked.set()
        return self.status()

    def _passed(self, token: str) -> bool:
        searchable = self._said.searchable
        return searchable is not None and self._store.passed(searchable, token)

    def _age(self, at: str) -> float:
        """Return how long ago the first status that was read was written, in seconds.

        By the wall clocks of two machines: where they differ it is wrong until the next heartbeat.
        """
        try:
            return max(0.0, (self._clock.now() - datetime.fromisoformat(at)).total_seconds())
        except ValueError:
            return 0.0

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except Unavailable as error:
                log.debug("the indexer's status cannot be read: %s", error.message)
            except Exception:  # searches would wait for ever
                log.exception("the indexer's status cannot be read")
            if self._urgent.is_set():
                await asyncio.sleep(URGENT_SECONDS)
                continue
            try:
                async with asyncio.timeout(CALM_SECONDS):
                    await self._urgent.wait()
            except TimeoutError:
                continue
