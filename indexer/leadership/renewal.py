"""The lease renewer: the only task that writes the lease's record while the lease is held."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from indexer.crash_points import CrashPoint, crash_point
from indexer.leadership.lease import Lease, LeaseLost
from service.errors import AssetryError
from service.ports.clock import Clock
from service.ports.store import Body
from service.times import backoff

log = logging.getLogger(__name__)

RELEASE_SECONDS = 5.0


class LeaseRenewer:
    """Renews a lease and saves its owner's fields with it, soon but not at once: one writer keeps them in order.

    Fields are saved at most every ``save`` seconds; the lease is renewed every ``renew`` seconds. ``summary`` returns
    what is written each time as well. ``on_lost`` is called once, when the lease is no longer held.
    """

    def __init__(
        self,
        lease: Lease,
        clock: Clock,
        *,
        renew: float,
        save: float,
        summary: Callable[[], Body],
        on_lost: Callable[[], None],
    ) -> None:
        self._lease = lease
        self._clock = clock
        self._renew = renew
        self._save = save
        self._summary = summary
        self._on_lost = on_lost
        self._noted: Body = {}
        self._news = asyncio.Event()
        self._writing = asyncio.Lock()
        self._written = clock.monotonic()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start renewing the lease, which was just taken."""
        self._noted = {}
        self._news.clear()
        self._written = self._clock.monotonic()
        self._task = asyncio.create_task(self._run(), name="lease-renewal")
        self._task.add_done_callback(self._ended)

    async def stop(self, *, release: bool) -> None:
        """Stop; if asked to, save the fields and release the lease. Safe to call twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        if not (release and self._lease.held):
            return
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                await self._lease.release({**self._noted, **self._summary()})
            crash_point(CrashPoint.LEASE_RELEASED)
        except (AssetryError, LeaseLost, TimeoutError) as error:
            log.warning("the lease was not released, so others must wait for it to expire: %s", error)

    def note(self, fields: Body) -> None:
        """Have fields saved soon. A later note or :meth:`write` of the same field replaces this one."""
        self._noted.update(fields)
        self._news.set()

    async def write(self, fields: Body) -> None:
        """Save fields now; they are durable when this returns. Raises LeaseLost, Unavailable."""
        async with self._writing:
            for name in fields:
                self._noted.pop(name, None)
            await self._lease.write({**fields, **self._summary()})
            self._written = self._clock.monotonic()

    async def _run(self) -> None:
        attempt = 0
        while True:
            await self._due()
            try:
                await self._write_noted()
                attempt = 0
            except LeaseLost as error:
                log.warning("lost the lease: %s", error)
                self._on_lost()
                return
            except AssetryError as error:
                attempt += 1
                log.warning("cannot save the checkpoint: %s", error)
                await asyncio.sleep(min(backoff(attempt), self._renew))

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Stop leading when the renewal failed unexpectedly."""
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("cannot renew the lease", exc_info=error)
            self._lease.drop()
            self._on_lost()

    async def _due(self) -> None:
        """Wait until there is something to save and it is time, or until the lease has to be renewed."""
        if not await self._within(self._renew):
            return
        rest = self._written + self._save - self._clock.monotonic()
        if rest > 0:
            await asyncio.sleep(rest)

    async def _within(self, seconds: float) -> bool:
        """Wait for new fields for at most ``seconds`` after the last write; return whether there are any."""
        rest = self._written + seconds - self._clock.monotonic()
        try:
            async with asyncio.timeout(max(rest, 0.0)):
                await self._news.wait()
        except TimeoutError:
            return False
        return True

    async def _write_noted(self) -> None:
        async with self._writing:
            self._news.clear()
            noted, self._noted = self._noted, {}
            try:
                if "token" in noted:
                    crash_point(CrashPoint.SAVE_BEGINS)
                await self._lease.write({**noted, **self._summary()})
                if "token" in noted:
                    crash_point(CrashPoint.SAVED)
            except BaseException:
                self._noted = {**noted, **self._noted}
                self._news.set()
                raise
            self._written = self._clock.monotonic()
