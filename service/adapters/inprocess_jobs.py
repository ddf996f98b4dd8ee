"""The embedded jobs: operations run as asyncio tasks of this process."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass

from service.adapters import job_records as life
from service.adapters import workers
from service.adapters.job_run import Run
from service.adapters.wake import Wake, wait
from service.errors import Conflict, NotFound, Unavailable
from service.ports.clock import Clock
from service.ports.jobs import Handler
from service.ports.store import Condition, Exists, Order, Range, Record, Store
from service.times import timestamp

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JobLimits:
    """How operations are run: counts, and times in seconds.

    ``concurrency`` operations are under way at once; each has ``attempts`` runs at most. The wait before the second
    run is ``backoff``, doubles with each further one up to ``longest_backoff``, and up to half of it is taken off at
    random. Every ``sweep`` the store is looked through for what is due and for what dead processes left. A run is
    believed to go on for ``lease`` without a sign of life.
    """

    concurrency: int = 2
    attempts: int = 3
    backoff: float = 2.0
    longest_backoff: float = 300.0
    sweep: float = 5.0
    lease: float = 30.0

    def delay(self, attempt: int) -> float:
        """Return the wait after the run number ``attempt`` (from 1) failed."""
        longest = min(self.longest_backoff, self.backoff * 2.0 ** (attempt - 1))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, hides nothing


@dataclass(slots=True)
class _Job:
    run: Run
    task: asyncio.Task[None]


class InprocessJobs:
    """The jobs port in the process; :class:`service.ports.jobs.Jobs` says what each method promises.

    The store is the queue: a dispatcher takes what is due from it, by a write that only one process can win. Close the
    jobs before the store.
    """

    def __init__(self, store: Store, clock: Clock, limits: JobLimits | None = None) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits or JobLimits()
        self._handlers: dict[str, Handler] = {}
        self._jobs: dict[str, _Job] = {}
        self._worker = ""
        self._dispatcher: asyncio.Task[None] | None = None
        self._claims = 0  # tried so far
        self._claiming = False
        self._stopping = False
        self._news = Wake()  # something may be due
        self._ends = Wake()  # something has ended

    def register(self, type_: str, handler: Handler) -> None:
        """Say which handler runs operations of a type."""
        self._handlers[type_] = handler

    async def enqueue(self, operation_id: str) -> None:
        """Run the operation soon. Raises NotFound."""
        await self._store.get(life.KIND, operation_id)
        self._news.set()

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
            if job := self._jobs.get(operation_id):
                job.run.cancel()
            self._ends.set()
            return record

    async def start(self) -> None:
        """Begin to work, with what an earlier process left first."""
        if self._dispatcher is None:
            self._stopping = False
            self._worker = workers.enlist(self._clock.guid())
            self._dispatcher = asyncio.create_task(self._dispatch(), name="assetry-jobs")

    async def drain(self) -> None:
        """Return when nothing runs, is due or waits for another try; at once if not started."""
        while self._dispatcher is not None:
            end, claims = self._ends.next(), self._claims
            # A run that was claimed or ended while the store was asked may have hidden from the answer.
            if not await self._has_work() and not self._is_active() and claims == self._claims and not end.is_set():
                return
            await wait(end, self._limits.sweep)

    async def close(self) -> None:
        """Cancel the runs, put their operations back, and stop. Safe to call twice."""
        if self._dispatcher is not None:
            dispatcher, self._dispatcher = self._dispatcher, None
            self._stopping = True
            self._news.set()
            await dispatcher  # not cancelled: a claim under way would be left without its run
            tasks = [job.task for job in self._jobs.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            workers.dismiss(self._worker)
            self._ends.set()

    async def _dispatch(self) -> None:
        while not self._stopping:
            news = self._news.next()
            pause = self._limits.sweep
            try:
                await self._recover()
                pause = await self._begin_due()
            except Unavailable as error:
                log.warning("the queue can not be read: %s", error.message)
            except Exception:  # the dispatcher outlives any fault, else the queue stands still
                log.exception("the queue can not be worked on")
            await wait(news, pause)

    async def _begin_due(self) -> float:
        """Begin what is due, as far as there is room, and return the seconds until there may be more to do."""
        due = Range(lte=timestamp(self._clock.now()))
        for condition, order in ((due, Order("run_after")), (Exists(present=False), None)):
            room = self._limits.concurrency - len(self._jobs)
            if room <= 0:
                return self._limits.sweep  # the end of a run is news
            where: dict[str, Condition] = {"status": "queued", "run_after": condition}
            page = await self._store.find(life.KIND, where, order=order, limit=room)
            for operation in page.records:
                if not self._stopping:
                    await self._begin(operation)
        page = await self._store.find(life.KIND, {"status": "queued"}, order=Order("run_after"), limit=1)
        waits = [max(0.01, life.seconds_until_due(operation, self._clock.now())) for operation in page.records]
        return min([self._limits.sweep, *waits])

    def _is_active(self) -> bool:
        return self._claiming or bool(self._jobs)

    async def _has_work(self) -> bool:
        conditions: tuple[dict[str, Condition], ...] = (
            {"run_after": Exists(present=False)},
            {"run_after": Range(lte=timestamp(self._clock.now()))},
            {"attempts": Range(gt=0)},
        )
        for condition in conditions:
            if await self._store.count(life.KIND, {"status": "queued", **condition}):
                return True
        return False

    async def _begin(self, operation: Record) -> None:
        self._claims += 1
        self._claiming = True
        change = life.claimed(operation, self._worker, self._clock.now(), self._limits.lease)
        try:
            claimed = await self._store.update(life.KIND, operation.key, change, expected_rev=operation.rev)
            run = Run(self._store, self._clock, claimed, self._worker, self._limits.lease)
            task = asyncio.create_task(self._perform(run, claimed), name=f"assetry-job-{run.key}")
            self._jobs[run.key] = _Job(run, task)
        except (Conflict, NotFound):
            return  # another process was faster, or it was cancelled
        finally:
            self._claiming = False

    async def _perform(self, run: Run, operation: Record) -> None:
        handler = self._handlers.get(str(operation.body.get("type")))
        try:
            await run.perform(handler, self._limits.attempts, self._limits.delay)
        except Unavailable as error:
            log.warning("operation %s: its end was not written: %s", run.key, error.message)
        finally:
            self._jobs.pop(run.key, None)
            self._news.set()
            self._ends.set()

    async def _recover(self) -> None:
        """Put back, or end, what runs no more although its record says so."""
        page = await self._store.find(life.KIND, {"status": "running"}, limit=1000)
        for operation in page.records:
            if self._is_lost(operation):
                change = life.recovered(operation, self._limits.attempts, self._clock.now())
                try:
                    await self._store.update(life.KIND, operation.key, change, expected_rev=operation.rev)
                except (Conflict, NotFound):
                    continue  # its worker lives, or another process was faster
                log.warning("operation %s: its worker %s is gone", operation.key, operation.body.get("worker"))

    def _is_lost(self, operation: Record) -> bool:
        worker = str(operation.body.get("worker"))
        if worker == self._worker:
            return operation.key not in self._jobs  # its end could not be written
        return not life.has_lease(operation, self._clock.now()) or workers.known_dead(worker)
