"""The jobs of several processes: workers are woken by arq on Redis, and nothing but the wake-up goes through it."""

from __future__ import annotations

import asyncio
import logging
import random
from itertools import groupby
from types import TracebackType
from typing import Self

from service.adapters.jobs import records as life
from service.adapters.jobs.arq_queues import Listener, QueueWorker, connected, queue, queues, send, wake_up
from service.adapters.jobs.limits import JobLimits
from service.adapters.jobs.store_jobs import StoredJobs
from service.adapters.redis.client import RedisOptions, check_server, pool, time_limit
from service.errors import NotFound, Unavailable
from service.ports.clock import Clock
from service.ports.store import Record, Store

log = logging.getLogger(__name__)


class ArqJobs(StoredJobs):
    """The jobs port by arq; :class:`service.ports.jobs.Jobs` says what each method promises.

    The operation's record is the truth: Redis may be gone, emptied or full at any time, and only the wait until an
    operation begins grows. Every worker sends the wake-ups that are missing, and takes operations from the store by
    itself when Redis does not answer, or leaves one lying for more than two sweeps.

    Use it as a context: entering connects, and raises as :func:`service.adapters.redis.client.connect` does. Without
    :meth:`start` it only enqueues and cancels.
    """

    def __init__(self, store: Store, clock: Clock, options: RedisOptions, limits: JobLimits | None = None) -> None:
        super().__init__(store, clock, limits)
        self._options = options
        self._pool = pool(options)
        self._redis = connected(self._pool, queue(options.prefix, self.limits, ""))
        self._alone = False  # whether operations are taken from the store as soon as there is room
        self._unheard = False  # whether the last wake-up could not be sent
        self._next_sweep = float("-inf")
        self._listeners = {name: self._listener(name) for name in queues(options.prefix, self.limits)}

    async def __aenter__(self) -> Self:
        try:
            await check_server(self._redis, self._options)
        except BaseException:
            await self._pool.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
        await self._pool.aclose()

    async def announce(self, operation: Record) -> None:
        """Send a wake-up for the time when the operation is due."""
        try:
            await self._send(operation)
        except Unavailable as error:
            # One word of warning for an outage, not one a request.
            level = logging.DEBUG if self._unheard else logging.WARNING
            log.log(level, "operation %s: nobody was woken, a sweep will find it: %s", operation.key, error.message)
            self._unheard = True
        else:
            self._unheard = False

    async def feed(self) -> float:
        """Send the wake-ups that are missing; begin what should have begun long ago, or with no Redis anything due."""
        self._alone = self._deaf()
        if self._alone:
            return await self.begin_due()
        self._alone = await self._begin_overdue()
        try:
            await self._resend()
        except Unavailable as error:  # it answers, and takes no writes
            log.warning("no worker can be woken, operations are taken from the store: %s", error.message)
            self._alone = True
            return await self.begin_due()
        return self.limits.sweep * random.uniform(0.75, 1.25)  # noqa: S311 - spreads workers, hides nothing

    async def run_ended(self, operation_id: str) -> None:
        """Send a wake-up if the operation is to run again."""
        if self._alone or self._deaf():
            self.rounds.wake()
        try:
            operation = await self.store.get(life.KIND, operation_id)
        except (NotFound, Unavailable):
            return  # removed; or a sweep will find it
        if operation.body["status"] == "queued":
            await self.announce(operation)

    async def start(self) -> None:
        """Begin to work, with what an earlier process left first."""
        if not self.rounds.running:
            await super().start()
            for listener in self._listeners.values():
                listener.start()

    async def close(self) -> None:
        """Let the runs finish within the grace, put the others back for other workers, and stop. Safe to call twice."""
        await asyncio.gather(*(listener.stop() for listener in self._listeners.values()))
        await super().close()

    async def _send(self, *operations: Record) -> None:
        async with time_limit(self._options.timeout):
            await send(self._redis, self._options.prefix, self.limits, operations, self.clock.now())

    async def _begin_overdue(self) -> bool:
        """Begin what waits for much longer than a wake-up takes, as far as there is room; whether there was any."""
        room, types = self.runs.room(), self.runs.open_types()
        if not room or not types:
            return self._alone  # there was no look
        operations = await self.queue.due(room, types, for_seconds=2 * self.limits.sweep)
        for operation in operations:
            if not self.rounds.stopping:
                await self.begin(operation)
        return bool(operations)

    async def _resend(self) -> None:
        """Send the wake-ups of operations that are due and in no queue (any more), of a page of them each sweep."""
        if self.clock.monotonic() < self._next_sweep:
            return  # a round because a run ended
        self._next_sweep = self.clock.monotonic() + 0.7 * self.limits.sweep
        operations = sorted(await self.queue.sweep(self.runs.types), key=self._queue)
        for name, group in groupby(operations, self._queue):
            due = {wake_up(self._options.prefix, operation): operation for operation in group}
            async with time_limit(self._options.timeout):
                scores = await self._redis.zmscore(name, list(due))
            missing = [operation for operation, score in zip(due.values(), scores, strict=True) if score is None]
            if missing:
                await self._send(*missing)
                log.info("%d operations were due and in no queue: they are in one again", len(missing))

    async def _wake(self, operation_id: str) -> None:
        """See to it that an operation begins: the one whose wake-up came, or another whose turn is before.

        Wake-ups come in the order in which they were sent, whoever sent them. Each lets one operation begin, also when
        its own has begun by the wake-up of another, so none is left when all have come.
        """
        try:
            operation = await self.store.get(life.KIND, operation_id)
            if not self.runs.is_known(operation):
                return  # a sweep of a worker that knows the type sends the wake-up again
            if operation.body["status"] == "queued" and life.seconds_until_due(operation, self.clock.now()):
                return
            # Other wake-ups that are being taken, here and elsewhere, may be faster with the first of them.
            while turns := await self.queue.due(1 + self._taking(), self._of_one_queue(operation)):
                for turn in turns:
                    if await self.begin(turn):
                        return
        except NotFound:
            return
        except Unavailable as error:
            log.warning("operation %s was not begun, a sweep will find it: %s", operation_id, error.message)

    def _listener(self, name: str) -> Listener:
        return Listener(
            lambda heard: QueueWorker(self._redis, name, self._wake, lambda: self._room(name), heard), self.rounds.wake
        )

    def _room(self, name: str) -> int:
        """Return how many more wake-ups of a queue may be taken: those being taken will need room, too."""
        kind = name.removeprefix(queue(self._options.prefix, self.limits, "")).removeprefix(":")
        return min(self.runs.room() - self._taking(), self.runs.room(kind or None) - self._listeners[name].taking)

    def _taking(self) -> int:
        """Return how many wake-ups are being taken."""
        return sum(listener.taking for listener in self._listeners.values())

    def _queue(self, operation: Record) -> str:
        return queue(self._options.prefix, self.limits, str(operation.body.get("type")))

    def _of_one_queue(self, operation: Record) -> list[str]:
        """Return the types that have room and whose wake-ups come by the same queue as the operation's."""
        return [type_ for type_ in self.runs.open_types() if self._queue_of(type_) == self._queue(operation)]

    def _queue_of(self, type_: str) -> str:
        return queue(self._options.prefix, self.limits, type_)

    def _deaf(self) -> bool:
        return any(listener.deaf for listener in self._listeners.values())
