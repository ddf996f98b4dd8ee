"""Work that only one process at a time may do, protected by a lease of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from indexer.leadership.lease import Candidate, Lease, LeaseLost
from indexer.leadership.renewal import LeaseRenewer
from indexer.options import FollowOptions
from service.errors import Unavailable
from service.ports.clock import Clock
from service.ports.store import Body, Store

log = logging.getLogger(__name__)


def _nothing() -> Body:
    return {}


class ExclusiveTask:
    """The right to do one kind of ``work`` on an alias; the lease is ``<work>-<alias>``."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        options: FollowOptions,
        work: str,
        *,
        candidate: Candidate | None = None,
        waits: Callable[[str], None],
    ) -> None:
        self._work = work
        self._options = options
        self._waits = waits
        self._lease = Lease(
            store, clock, f"{work}-{options.alias}", candidate or Candidate(clock.guid()), ttl=options.ttl_seconds
        )
        self._renewer = LeaseRenewer(
            self._lease,
            clock,
            renew=options.renew_seconds,
            save=options.checkpoint_seconds,
            summary=_nothing,
            on_lost=lambda: log.warning("another process has taken over the %s", work),
        )

    @property
    def fence(self) -> int:
        """The fencing token of this process for the work."""
        return self._lease.fence

    def check(self) -> None:
        """Raise LeaseLost when another process has taken over the work."""
        if not self._lease.held:
            raise LeaseLost(self._work)

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Hold the right until the block ends. Raises Unavailable if another process has it, or takes it over."""
        await self._take()
        self._renewer.start()
        try:
            yield
        except LeaseLost as error:
            raise Unavailable("index", f"another process has taken over the {self._work}") from error
        finally:
            await self._renewer.stop(release=True)

    async def _take(self) -> None:
        """Take the lease; wait for one whose holder shows no sign of life to expire."""
        beat: int | None = None
        while not await self._lease.look():
            now = self._lease.body.get("beat")
            if beat is not None and now != beat:
                raise Unavailable("index", f"another process is running a {self._work} ({self._lease.holder})")
            beat = now
            self._waits(f"{self._lease.holder} is running a {self._work}, or has died")
            await asyncio.sleep(self._options.look_seconds)
