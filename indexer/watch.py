"""What an indexer in another process says of itself: for processes that serve the API alone."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import datetime

from indexer.published import KIND, NOBODY, STALE_SECONDS, UNKNOWN, decode, key_of
from indexer.status import FollowerStatus, State
from service.errors import NotFound, Unavailable
from service.ports.clock import Clock
from service.ports.store import Store

log = logging.getLogger(__name__)

URGENT_SECONDS = 0.03
"""How often the store is asked while somebody waits for the index; one question for all who wait."""

CALM_SECONDS = 2.0
"""How often it is asked while nobody does."""


class IndexWatch:
    """Follows the status that :class:`indexer.publish.Publisher` writes; used like a :class:`indexer.follow.Follower`.

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
        try:
            record = await self._store.get(KIND, self._key)
        except NotFound:
            self._said, self._rev, self._heard_at = UNKNOWN, None, None
        else:
            if record.rev != self._rev:
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
                log.debug("the indexer's status can not be read: %s", error.message)
            except Exception:  # searches would wait for ever
                log.exception("the indexer's status can not be read")
            if self._urgent.is_set():
                await asyncio.sleep(URGENT_SECONDS)
                continue
            try:
                async with asyncio.timeout(CALM_SECONDS):
                    await self._urgent.wait()
            except TimeoutError:
                continue
