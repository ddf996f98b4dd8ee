"""Durable consumers of the event log: each has a name, and its progress is kept under it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing

from service.core.events.following import Logged, LogReader
from service.core.events.records import RecordEvent, resync
from service.errors import AssetryError, NotFound
from service.ports.clock import Clock
from service.ports.store import Store, upsert
from service.tasks import cancelled
from service.times import backoff, timestamp

log = logging.getLogger(__name__)

KIND = "checkpoint"

Handle = Callable[[Sequence[RecordEvent]], Awaitable[None]]
"""Does what is to be done about events, in their order. It may get events again after a crash: their ids tell."""


class Consumer:
    """Hands every event to ``handle``, at least once and in the order of the log.

    Its progress is saved behind each page that was handled. Where events that it has not seen are no longer kept, it
    gets a ``resync`` event instead. A new consumer begins at the log's end. What ``handle`` raises interrupts it: the
    page is handed over again after a while.
    """

    def __init__(self, store: Store, reader: LogReader, clock: Clock, name: str, handle: Handle) -> None:
        self._store = store
        self._reader = reader
        self._clock = clock
        self._key = consumer_key(name)
        self._handle = handle
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin in a task of its own."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=self._key)

    async def stop(self) -> None:
        """End; what is under way is repeated. Safe to call twice."""
        task, self._task = self._task, None
        if task is not None:
            await cancelled(task)

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                async with aclosing(self._reader.follow(await self._position())) as pages:
                    async for page in pages:
                        await self._take(page)
                        failures = 0
            except AssetryError as error:
                log.warning("the consumer %s is interrupted: %s", self._key, error)
            except Exception:
                log.exception("the consumer %s failed; it gets the same events again", self._key)
            failures += 1
            await asyncio.sleep(backoff(failures))

    async def _position(self) -> int | None:
        try:
            position: int = (await self._store.get(KIND, self._key)).body["position"]
        except NotFound:
            return None
        return position

    async def _take(self, page: Sequence[Logged]) -> None:
        events = [item.event for item in page if item.event is not None]
        last = page[-1]
        if last.lost:
            at = timestamp(self._clock.now())
            events.append(resync(last.position, at, "Events that were not seen are no longer kept."))
        if events:
            await self._handle(events)
        await upsert(self._store, KIND, self._key, {"position": last.position})


def consumer_key(name: str) -> str:
    """Return the key of a consumer's progress, a record of kind ``checkpoint``."""
    return f"consumer-{name}"
