"""One run of one operation: its handler, its lease, its progress and its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from service.adapters.jobs import records as life
from service.adapters.jobs.limits import JobLimits
from service.errors import AssetryError, Conflict, InvalidInput, NotFound, Unavailable
from service.ports.clock import Clock
from service.ports.jobs import Cancelled, Handler
from service.ports.store import Change, Record, Store

log = logging.getLogger(__name__)

PROGRESS_SECONDS = 0.25
"""The shortest time between two writes of a run's progress, but for the first and the last."""


class _GivesWay(Cancelled):
    """The run ends here and goes on later."""


class OperationRun:
    """A run that this worker has claimed. It writes only as long as the record still names the worker.

    It is what its handler reports to: the :class:`service.ports.jobs.Progress`.
    """

    def __init__(self, store: Store, clock: Clock, operation: Record, worker: str, lease: float) -> None:
        self.key = operation.key
        self._store = store
        self._clock = clock
        self._operation = operation
        self._worker = worker
        self._lease = lease
        self._cancel = life.is_asked_to_end(operation)
        self._lost = False
        self._written = float("-inf")
        self._gives_way = False
        self._attempt = life.attempts(operation)
        self._outages = life.outages(operation)
        self.org_id = operation.org_id
        self.began = clock.monotonic()

    def cancel(self) -> None:
        """Let the handler's next call of ``progress`` raise Cancelled."""
        self._cancel = True

    def give_way(self) -> None:
        """Let the handler's next ``save`` end the run, to go on when others have had their turn."""
        self._gives_way = True

    async def perform(self, handler: Handler, limits: JobLimits) -> None:
        """Run the handler and write how it ended, or when it is tried again.

        Raises Unavailable when the end cannot be written (the lease then runs out, and the operation runs again), and
        CancelledError when the process stops; the operation is then put back.
        """
        task = asyncio.current_task()
        assert task is not None
        heartbeat = asyncio.create_task(self._keep_lease(task))
        try:
            end = await self._outcome(handler, limits)
        except asyncio.CancelledError:
            if self._lost:
                log.warning("operation %s: another worker has taken it over", self.key)
                task.uncancel()
                return
            await self._finish(life.requeued(self._attempt - 1))
            raise
        finally:
            heartbeat.cancel()
        try:
            await self._finish(end)
        except InvalidInput as error:  # the result is not JSON
            await self._finish(life.failed(self._operation, life.described(error), self._clock.now()))

    async def __call__(self, completed: int, total: int) -> None:
        """Write the progress, a few times a second at most. Raises Cancelled."""
        now = self._clock.monotonic()
        if completed == total or now - self._written >= PROGRESS_SECONDS:
            self._written = now
            await self._write(Change(set={"progress": life.progress(completed, total)}))
        self._go_on()

    async def save(
        self, checkpoint: Mapping[str, Any], *, total: int, succeeded: int, skipped: int, failed: int
    ) -> None:
        """Write a checkpoint and its counts. Raises Cancelled, Unavailable (it may have been written all the same)."""
        counts = {"total": total, "succeeded": succeeded, "skipped": skipped, "failed": failed}
        await self._write(life.saved(checkpoint, counts))
        self._attempt = 1
        self._outages = 0
        self._go_on()
        if self._gives_way:
            raise _GivesWay

    def _go_on(self) -> None:
        if self._cancel or self._lost:
            raise Cancelled

    async def _outcome(self, handler: Handler, limits: JobLimits) -> Change:
        try:
            return life.completed(self._operation, await handler(self._operation, self), self._clock.now())
        except _GivesWay:
            log.info("operation %s gives way to another organization's", self.key)
            return life.gave_way(self._clock.now())
        except Cancelled:
            return life.cancelled(self._operation, self._clock.now())
        except Exception as error:  # noqa: BLE001 - whatever a handler raises ends its run only
            return self._after(error, limits)

    def _after(self, error: Exception, limits: JobLimits) -> Change:
        known = isinstance(error, AssetryError)
        log.warning(
            "operation %s (%s) failed: %r", self.key, self._operation.body.get("type"), error, exc_info=not known
        )
        now, described = self._clock.now(), life.described(error)
        if isinstance(error, Unavailable) and not self._cancel:  # an outage is not the operation's fault
            delay = limits.outage_delay(self._outages + 1)
            return life.waiting(described, self._attempt, self._outages + 1, now, delay)
        if isinstance(error, InvalidInput) or self._attempt >= limits.attempts:
            return life.failed(self._operation, described, now)
        if self._cancel:
            return life.cancelled(self._operation, now)
        return life.retried(described, now, limits.delay(self._attempt))

    async def _keep_lease(self, task: asyncio.Task[None]) -> None:
        while True:
            await asyncio.sleep(self._lease / 3)
            try:
                await self._write(life.renewed(self._clock.now(), self._lease))
            except AssetryError as error:
                log.warning("operation %s: its lease was not renewed: %s", self.key, error.message)
            if self._lost:
                task.cancel()
                return

    async def _finish(self, end: Change) -> None:
        """Write the end, also when the process stops just now."""
        write = asyncio.ensure_future(self._write(end))
        try:
            await asyncio.shield(write)
        except asyncio.CancelledError:
            await write
            raise

    async def _write(self, change: Change) -> None:
        """Change the record if it still is this worker's; else note that the run is lost."""
        while not self._lost:
            try:
                operation = await self._store.get(life.KIND, self.key)
                if operation.body.get("worker") != self._worker:
                    self._lost = True
                    return
                self._cancel = self._cancel or life.is_asked_to_end(operation)
                if self._cancel and change.set.get("status") == "queued":  # there is no other run to cancel
                    change = life.cancelled(operation, self._clock.now())
                await self._store.update(life.KIND, self.key, change, expected_rev=operation.rev)
            except Conflict:
                continue  # a cancel or the lease came in between
            except NotFound:
                self._lost = True
            return
