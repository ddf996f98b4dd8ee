"""How assets are used: views, downloads, shares, searches and favourites, appended to the kind ``usage`` in batches.

Nobody waits for it: an event is put into a buffer, and a task writes what has gathered, a record for each organization.
A process that is killed loses what it had not written yet, :data:`FLUSH_SECONDS` of it at most; one that is stopped
loses nothing. While the store is away the buffer fills, and what is over its bound is dropped and counted.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from service.errors import AlreadyExists, AssetryError
from service.ports.clock import Clock
from service.ports.store import Body, Store
from service.tasks import cancelled
from service.times import backoff, timestamp

log = logging.getLogger(__name__)

KIND = "usage"
FLUSH_SECONDS = 2.0
"""How long an event waits for company."""

BATCH = 500
"""Events of one record at most; when so many have gathered, they are written at once."""

BUFFER = 20_000
"""Events that wait at most (about 10 MB); more are dropped."""

_TEXT = 256
"""Characters of a search's text that are kept."""


class Use(StrEnum):
    """What somebody did."""

    VIEW = "view"
    DOWNLOAD = "download"
    SHARE = "share"
    SEARCH = "search"
    FAVORITE = "favorite"


@dataclass
class UsageStatus:
    """What became of usage events, by their type; ``waiting`` are in the buffer."""

    recorded: Counter[str]
    dropped: int = 0
    waiting: int = 0


class UsageRecorder:
    """Gathers usage events and writes them."""

    def __init__(
        self, store: Store, clock: Clock, *, seconds: float = FLUSH_SECONDS, batch: int = BATCH, most: int = BUFFER
    ) -> None:
        self.status = UsageStatus(Counter())
        self._store = store
        self._clock = clock
        self._seconds = seconds
        self._batch = batch
        self._most = most
        self._waiting: deque[Body] = deque()
        self._writing: dict[str, Body] = {}
        self._full = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def record(
        self,
        use: Use,
        org_id: str,
        user_id: str | None = None,
        *,
        asset_id: str | None = None,
        text: str | None = None,
        total: int | None = None,
    ) -> None:
        """Note that something was used; at once, and without an error whatever happens to it.

        ``text`` and ``total`` are a search's, and how many it found.
        """
        if len(self._waiting) >= self._most:
            self.status.dropped += 1
            return
        facts: Mapping[str, Any] = {
            "type": use.value,
            "org_id": org_id,
            "user_id": user_id or None,
            "asset_id": asset_id,
            "text": None if text is None else text[:_TEXT],
            "total": total,
            "at": timestamp(self._clock.now()),
        }
        self._waiting.append({name: value for name, value in facts.items() if value is not None})
        self.status.waiting = len(self._waiting)
        self.status.recorded[use.value] += 1
        if len(self._waiting) >= self._batch:
            self._full.set()

    def start(self) -> None:
        """Begin to write what gathers, in a task of its own."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="usage")

    async def stop(self) -> None:
        """Write what is left, and end. Safe to call twice."""
        task, self._task = self._task, None
        if task is not None:
            await cancelled(task)
        try:
            while self._waiting or self._writing:
                await self.flush()
        except AssetryError as error:
            log.warning("%s usage events are lost: %s", len(self._waiting) + self._size(), error)

    async def flush(self) -> None:
        """Write up to a batch of what waits. Raises Unavailable; then the same records are tried again next time."""
        if not self._writing:
            self._take()
        if not self._writing:
            return
        for key, outcome in (await self._store.insert_many(KIND, self._writing)).items():
            # One that is there already was written by an attempt whose answer was lost.
            if isinstance(outcome, Exception) and not isinstance(outcome, AlreadyExists):
                log.error("the usage events of %s cannot be stored: %s", key, outcome)
        self._writing = {}

    def _take(self) -> None:
        """Make records of what waits: one for each organization."""
        events = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._batch))]
        self.status.waiting = len(self._waiting)
        by_org: dict[str, list[Body]] = {}
        for event in events:
            by_org.setdefault(event["org_id"], []).append(event)
        for org_id, own in by_org.items():
            # Keys begin with the time, so that the oldest come first. Window 0: they are not folded yet.
            key = f"{int(self._clock.now().timestamp() * 1000):014d}-{self._clock.sid()}"
            self._writing[key] = {"org_id": org_id, "at": own[0]["at"], "window": 0, "events": own}

    def _size(self) -> int:
        return sum(len(body["events"]) for body in self._writing.values())

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                async with asyncio.timeout(self._seconds):
                    await self._full.wait()
            except TimeoutError:
                pass
            self._full.clear()
            try:
                while self._waiting or self._writing:
                    await self.flush()
                    failures = 0
            except AssetryError as error:
                failures += 1
                log.warning("usage events wait: %s", error)
                await asyncio.sleep(backoff(failures))
            except Exception:
                failures += 1
                log.exception("usage events cannot be written; they wait")
                await asyncio.sleep(backoff(failures))
