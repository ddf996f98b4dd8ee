"""The runs that are under way in this process."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable

from service.adapters.jobs import records as life
from service.adapters.jobs.leases import Leases
from service.adapters.jobs.limits import JobLimits
from service.adapters.jobs.run import OperationRun
from service.adapters.shared import liveness
from service.broadcast_event import BroadcastEvent
from service.errors import Conflict, NotFound, Unavailable
from service.ports.clock import Clock
from service.ports.jobs import Handler
from service.ports.store import Record, Store

log = logging.getLogger(__name__)


class ActiveRuns:
    """Claims operations and runs them, never more at once than the limits allow.

    ``ended(key)`` is awaited after each run, when its room is free again.
    """

    def __init__(self, store: Store, clock: Clock, limits: JobLimits, ended: Callable[[str], Awaitable[None]]) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._ended = ended
        self._handlers: dict[str, Handler] = {}
        self._types: dict[str, str] = {}  # of what is under way: key → type; claims that are being written are in it
        self._runs: dict[str, OperationRun] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._worker = ""
        self._leases = Leases(clock, limits.lease)
        self.ends = BroadcastEvent()
        self.claims = 0  # tried so far

    def register(self, type_: str, handler: Handler) -> None:
        """Say which handler runs operations of a type."""
        self._handlers[type_] = handler

    def open(self) -> None:
        """Join the workers; before the first :meth:`begin`."""
        self._worker = liveness.enlist(self._clock.guid())

    @property
    def active(self) -> bool:
        """Whether anything is under way."""
        return bool(self._types)

    def room(self, type_: str | None = None) -> int:
        """Return how many more operations may begin, of a type or of any."""
        left = self._limits.concurrency - len(self._types)
        if type_ is not None and type_ in self._limits.kinds:
            left = min(left, self._limits.most(type_) - Counter(self._types.values())[type_])
        return max(0, left)

    @property
    def types(self) -> list[str]:
        """The types that this process has handlers for: it leaves others alone."""
        return sorted(self._handlers)

    def open_types(self) -> list[str]:
        """Return those of its types that have room."""
        return [type_ for type_ in self.types if self.room(type_)]

    def is_known(self, operation: Record) -> bool:
        """Whether this process has a handler for an operation."""
        return operation.body.get("type") in self._handlers

    def overlong(self, waiting: str) -> list[OperationRun]:
        """Return the runs that have had their turn and stand in the way of an operation of the type ``waiting``."""
        before = self._clock.monotonic() - self._limits.turn
        late = [run for run in self._runs.values() if run.began <= before]
        return late if not self.room() else [run for run in late if self._types[run.key] == waiting]

    async def begin(self, operation: Record) -> bool:
        """Claim an operation and run it; False when there is no room, or another was faster. Raises Unavailable."""
        type_ = str(operation.body.get("type"))
        if operation.key in self._types or type_ not in self._handlers or not self.room(type_):
            return False
        self.claims += 1
        self._types[operation.key] = type_
        change = life.claimed(operation, self._worker, self._clock.now(), self._limits.lease)
        try:
            claimed = await self._store.update(life.KIND, operation.key, change, expected_rev=operation.rev)
        except (Conflict, NotFound):
            del self._types[operation.key]
            return False
        except BaseException:
            del self._types[operation.key]  # if it was written after all, the sweep finds it
            raise
        run = self._runs[operation.key] = OperationRun(
            self._store, self._clock, claimed, self._worker, self._limits.lease
        )
        task = asyncio.create_task(self._perform(run, type_), name=f"assetry-job-{run.key}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def cancel(self, operation_id: str) -> Record:
        """Ask for the operation's end and return its record. Raises NotFound."""
        while True:
            operation = await self._store.get(life.KIND, operation_id)
            change = life.asked_to_end(operation, self._clock.now())
            if change is None:
                return operation
            try:
                record = await self._store.update(life.KIND, operation_id, change, expected_rev=operation.rev)
            except Conflict:
                continue  # its run wrote meanwhile
            if run := self._runs.get(operation_id):
                run.cancel()
            self.ends.set()
            return record

    def is_lost(self, operation: Record) -> bool:
        """Whether an operation that its record calls running is run by nobody any more."""
        worker = str(operation.body.get("worker"))
        if self.is_own(operation):
            return operation.key not in self._types  # its end could not be written
        return self._leases.is_over(operation) or liveness.known_dead(worker)

    def is_own(self, operation: Record) -> bool:
        """Whether it is this process that an operation's record names as its worker."""
        return str(operation.body.get("worker")) == self._worker

    async def stop(self) -> None:
        """Let the runs finish or reach a checkpoint within the grace; cancel the others. Operations are put back."""
        for run in self._runs.values():
            run.give_way()
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=self._limits.grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        liveness.dismiss(self._worker)
        self.ends.set()

    async def _perform(self, run: OperationRun, type_: str) -> None:
        try:
            await run.perform(self._handlers[type_], self._limits)
        except Unavailable as error:
            log.warning("operation %s: its end was not written: %s", run.key, error.message)
        finally:
            del self._types[run.key], self._runs[run.key]
            self.ends.set()
            await self._ended(run.key)
