"""A full build by the leader, when the alias points to no index: a new index, filled from the store, then shown."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from indexer.crash_points import CrashPoint, crash_point
from indexer.follow.context import LeaderContext
from indexer.follow.writer import KIND
from indexer.indexes.plan import PhysicalIndex, Plan
from indexer.indexes.targets import Target
from indexer.verify.scan import scan
from service.errors import Unavailable
from service.ports.store import Record
from service.times import backoff

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FilledIndex:
    """A new index that holds the whole store, and the token of the barrier from which to follow."""

    target: Target
    token: str


class Builder:
    """Builds an index. The order of its steps ensures that no write is lost.

    A write before the barrier is seen by the scan, a later one arrives through the feed from the barrier's token on.
    Searches see the new index only when it is complete. A build takes hours with millions of assets, so it waits for a
    store or an engine that is unavailable for a while.
    """

    def __init__(self, context: LeaderContext) -> None:
        self._context = context
        self._store = context.store
        self._engine = context.engine
        self._indexes = context.indexes
        self._plans = context.plans

    async def fill(self, check: Callable[[], None]) -> FilledIndex:
        """Return a new index with the content of the whole store; searches do not see it yet.

        ``check`` is called before each page; it raises to end the build. An interrupted build leaves an index that the
        plan names, and that the next build deletes.
        """
        progress, writer = self._context.progress, self._context.writer
        progress.indexed, progress.total = 0, await self._store.size(KIND)
        token = await self._store.barrier()
        target = await self._made()
        log.info("building the index %s from %d assets", target.index, progress.total)

        async def sink(records: list[Record]) -> None:
            check()
            await writer.put(records, [target])
            progress.indexed += sum(not record.tombstone for record in records)
            progress.meter.add(len(records))
            crash_point(CrashPoint.BUILD_PAGE)

        lanes, pause = self._context.options.lanes, self._context.control.pause
        await scan(self._store, sink, page=lambda: writer.page.next, lanes=lanes, pause=pause)
        await self._refreshed(target.index)
        crash_point(CrashPoint.BUILD_FILLED)
        check()
        return FilledIndex(target, token)

    async def show(self, target: Target) -> Plan:
        """Point the alias to a complete index, and save that in the plan."""
        await self._indexes.promote(target.index)
        crash_point(CrashPoint.BUILD_PROMOTED)
        plan = await self._plans.change(lambda plan: plan.built(target.physical))
        crash_point(CrashPoint.BUILD_SETTLED)
        log.info("the index %s is complete", target.index)
        return plan

    async def _refreshed(self, index: str) -> None:
        attempt = 0
        while True:
            try:
                return await self._engine.refresh(index)
            except Unavailable as error:
                attempt += 1
                await self._context.control.pause(backoff(attempt), error.message)

    async def _made(self) -> Target:
        """Return a new, empty index, after deleting that of an interrupted build."""
        while True:
            left = (await self._plans.load()).making
            if left is not None and (await self._indexes.described(left.index)).build == left.build:
                await self._indexes.drop(left.index)
            wanted = await self._indexes.named()
            await self._plans.change(partial(_making, wanted))
            crash_point(CrashPoint.BUILD_NOTED)
            if await self._indexes.create(wanted):
                break
        crash_point(CrashPoint.BUILD_CREATED)
        return Target(wanted, await self._identity(wanted))

    async def _identity(self, physical: PhysicalIndex) -> str:
        identity = await self._engine.identity(physical.index)
        # An index that vanished right after it was created is detected by the first write to it.
        return identity or ""


def _making(wanted: PhysicalIndex, plan: Plan) -> Plan:
    """Return the plan with another index being built; the previous one is abandoned."""
    left = () if plan.making is None else (plan.making.index,)
    return replace(plan, making=wanted, abandoned=(*plan.abandoned, *left))
