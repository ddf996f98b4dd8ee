"""Publishing an indexer's status for processes that only serve the API, and watching it there."""

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
"""How often the follower's status, which is in memory, is checked for changes."""

QUIET_LOOK_SECONDS = 0.25
"""How often, once nothing has changed for :data:`QUIET_SECONDS`: twenty looks a second cost an idle service a third of
what it takes in all."""

QUIET_SECONDS = 5.0
"""How long nothing changes before that."""

WRITE_SECONDS = 0.25
"""The shortest time between two writes."""


class Publisher:
    """Writes a follower's status: soon after it changed, and every few seconds as a heartbeat.

    It writes by compare-and-set. If another process wrote meanwhile, it checks its own status again first: a process
    that was suspended and lost its lease then finds out, and stops writing.
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
        self._seen: FollowerStatus | None = None
        self._changed_at = clock.monotonic()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start publishing, in a task of its own."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="index-publisher")

    async def stop(self) -> None:
        """Publish that this follower has stopped, if it was the publishing one. Call it after the follower's stop."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.wait([task])
        if self._written is not None:
            try:
                await self._write(replace(self._status(), state=State.STOPPED))
            except (Unavailable, Conflict) as error:
                log.info("cannot publish that the indexer has stopped: %s", error.message)

    async def _run(self) -> None:
        while True:
            status = self._status()
            try:
                if status.role is not Role.LEADER:
                    await self._fall_silent(status)  # another process publishes
                elif status.state is not State.STOPPED and self._is_due(status):
                    await self._write(status)
            except Conflict:
                self._rev = None
            except Unavailable as error:
                self._written_at = self._clock.monotonic()  # retry after a while, not at once
                log.debug("cannot publish the indexer's status: %s", error.message)
            except Exception:  # whatever it is, it must not make the indexer look dead
                self._written_at = self._clock.monotonic()
                log.exception("cannot publish the indexer's status")
            await asyncio.sleep(QUIET_LOOK_SECONDS if self._is_quiet(status) else LOOK_SECONDS)

    def _is_quiet(self, status: FollowerStatus) -> bool:
        """Say whether nothing has changed for a while."""
        seen = _still(status)
        if seen != self._seen:
            self._seen, self._changed_at = seen, self._clock.monotonic()
        return self._clock.monotonic() - self._changed_at > QUIET_SECONDS

    async def _fall_silent(self, status: FollowerStatus) -> None:
        """Stop publishing, after reporting the stop if this follower was the publishing one."""
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
        """Write the status. Raises Conflict if another process wrote since the last read."""
        fields: dict[str, Any] = encode(status) | {"publisher": self._publisher, "at": timestamp(self._clock.now())}
        if self._rev is None:
            held = await find_record(self._store, KIND, self._key)
            self._rev = None if held is None else held.rev
        if self._rev is None:
            try:
                record = await self._store.insert(KIND, self._key, fields)
            except AlreadyExists:
                return  # the next read finds it
        else:
            record = await self._store.update(KIND, self._key, Change(set=fields), expected_rev=self._rev)
        self._rev, self._written, self._written_at = record.rev, status, self._clock.monotonic()


def _still(status: FollowerStatus) -> FollowerStatus:
    """Return a status without what changes all the time, which is published with the heartbeat."""
    return replace(status, lag_seconds=0.0, rate=0.0)


URGENT_SECONDS = 0.03
"""How often the store is read while callers wait for the index; one read serves all of them."""

CALM_SECONDS = 2.0
"""How often it is read while no caller waits."""


class IndexWatch:
    """Watches the status that a :class:`Publisher` writes; used like :class:`indexer.follow.follower.Follower`.

    The record's rev, which rises every few seconds, shows whether an indexer is alive: the clocks of two machines are
    compared only at a process's first read.
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
        """Start watching, in a task of its own."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="index-watch")

    async def stop(self) -> None:
        """Stop watching. Safe to call twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def status(self) -> FollowerStatus:
        """Return the indexer's last status; it is shown as stopped if no indexer is alive."""
        if self.alive():
            return self._said
        return replace(self._said, state=State.STOPPED, last_error=NOBODY, rate=0.0)

    def alive(self) -> bool:
        """Whether an indexer has published recently."""
        if self._heard_at is None or self._said.state is State.STOPPED:
            return False
        return self._clock.monotonic() - self._heard_at <= STALE_SECONDS

    async def wait_for(self, token: str, timeout: float) -> bool:
        """Return True once searches see every change up to ``token``, False if that takes over ``timeout`` seconds.

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
        """Return the age of the first status that was read, in seconds.

        It compares the wall clocks of two machines: if they differ, it is wrong until the next heartbeat.
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
                log.debug("cannot read the indexer's status: %s", error.message)
            except Exception:  # otherwise searches would wait forever
                log.exception("cannot read the indexer's status")
            if self._urgent.is_set():
                await asyncio.sleep(URGENT_SECONDS)
                continue
            try:
                async with asyncio.timeout(CALM_SECONDS):
                    await self._urgent.wait()
            except TimeoutError:
                continue
