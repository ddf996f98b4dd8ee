"""What every adapter of the jobs port shares: the operations in the store are the queue."""

from __future__ import annotations

from abc import ABC, abstractmethod

from service.adapters.jobs import records as life
from service.adapters.jobs.limits import JobLimits
from service.adapters.jobs.queue import JobQueue
from service.adapters.jobs.rounds import PollingLoop
from service.adapters.jobs.runs import ActiveRuns
from service.broadcast_event import wait
from service.ports.clock import Clock
from service.ports.jobs import Handler
from service.ports.store import Record, Store


class StoredJobs(ABC):
    """The jobs port over the store; :class:`service.ports.jobs.Jobs` says what each method promises.

    An operation is begun by a write that only one process can win, whatever called the worker's attention to it. An
    adapter says how workers hear of operations (:meth:`announce`), and what a round begins (:meth:`feed`). Close the
    jobs before the store.
    """

    def __init__(self, store: Store, clock: Clock, limits: JobLimits | None = None) -> None:
        self.store = store
        self.clock = clock
        self.limits = limits or JobLimits()
        self.queue = JobQueue(store, clock, self.limits)
        self.runs = ActiveRuns(store, clock, self.limits, self.run_ended)
        self.rounds = PollingLoop(self._round, self.limits.sweep)

    @abstractmethod
    async def announce(self, operation: Record) -> None:
        """Tell the workers of a queued operation. Never fails: what is not heard of is swept up."""

    @abstractmethod
    async def feed(self) -> float:
        """Begin what is due, or see to it that it begins; return the seconds until the next round."""

    @abstractmethod
    async def run_ended(self, operation_id: str) -> None:
        """Note that there is room again, and perhaps an operation to be tried again. Never fails."""

    def register(self, type_: str, handler: Handler) -> None:
        """Say which handler runs operations of a type."""
        self.runs.register(type_, handler)

    async def enqueue(self, operation_id: str) -> None:
        """Run the operation soon. Raises NotFound."""
        operation = await self.store.get(life.KIND, operation_id)
        if operation.body["status"] == "queued":
            await self.announce(operation)

    async def cancel(self, operation_id: str) -> Record:
        """Ask for the operation's end and return its record. Raises NotFound."""
        return await self.runs.cancel(operation_id)

    async def start(self) -> None:
        """Begin to work, with what an earlier process left first."""
        if not self.rounds.running:
            self.runs.open()
            self.rounds.start()

    async def drain(self) -> None:
        """Return when nothing runs, is due or waits for another try; at once if not started."""
        while self.rounds.running:
            end, claims = self.runs.ends.next(), self.runs.claims
            # A run that was claimed or ended while the store was asked may have hidden from the answer.
            has_work = await self.queue.has_work(self.runs.types)
            if not has_work and not self.runs.active and claims == self.runs.claims and not end.is_set():
                return
            await wait(end, self.limits.sweep)

    async def close(self) -> None:
        """Let the runs finish within the grace, put the others back, and stop. Safe to call twice."""
        if self.rounds.running:
            await self.rounds.stop()
            await self.runs.stop()

    async def begin_due(self) -> float:
        """Begin what is due in the store, as far as there is room; return the seconds until there may be more."""
        while True:
            types = self.runs.open_types()
            room = self.runs.room()
            if room <= 0 or not types:
                return self.limits.sweep  # the end of a run is news
            for operation in await self.queue.due(room, types):
                if not self.rounds.stopping:
                    await self.begin(operation)
            if self.rounds.stopping or types == self.runs.open_types():
                break  # else a type is full now, and took the place of others in the answer
        waiting = await self.queue.seconds_to_next()
        return self.limits.sweep if waiting is None else min(self.limits.sweep, max(0.01, waiting))

    async def begin(self, operation: Record) -> bool:
        """Claim an operation and run it; False when there is no room, or another was faster. Raises Unavailable."""
        begun = await self.runs.begin(operation)
        if begun:
            self.queue.began(operation)
        return begun

    async def _round(self) -> float:
        await self.queue.recover(self.runs.is_lost, self.runs.is_own)
        pause = await self.feed()
        await self._make_way()
        return pause

    async def _make_way(self) -> None:
        """Let a long run of an organization give way to one that has fewer under way and waits for the room."""
        open_types = self.runs.open_types() if self.runs.room() else []
        full = [type_ for type_ in self.runs.types if type_ not in open_types]
        if not any(self.runs.overlong(type_) for type_ in full):
            return
        under_way = await self.queue.under_way()
        for waiting in await self.queue.due(1, full):
            runs = self.runs.overlong(str(waiting.body["type"]))
            longest = max(runs, key=lambda run: under_way[str(run.org_id)], default=None)
            if longest is not None and under_way[str(longest.org_id)] > under_way[str(waiting.org_id)]:
                longest.give_way()
