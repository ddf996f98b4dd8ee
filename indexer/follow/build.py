"""A full build by the leader, where the alias shows no index: a new one, filled from the whole store, then shown."""

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
class Filled:
    """A new index that holds the whole store, and the token of the barrier from which to follow."""

    target: Target
    token: str


class Builder:
    """Builds an index. The order of its steps is what makes it lossless.

    A write from before the barrier is seen by the scan, one from after it comes by the feed behind the barrier's token.
    Searches see the new index when it is complete; until then they see none. A build takes hours where there are
    millions of assets, so it waits for a store or an engine that is away for a while.
    """

    def __init__(self, context: LeaderContext) -> None:
        self._context = context
        self._store = context.store
        self._engine = context.engine
        self._indexes = context.indexes
        self._plans = context.plans

    async def fill(self, check: Callable[[], None]) -> Filled:
        """Return a new index that is complete, and not shown yet.

        ``check`` is called before each page; it raises to end the build. Interrupted, it leaves an index that the plan
        names, and that the next build drops.
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
        return Filled(target, token)

    async def show(self, target: Target) -> Plan:
        """Put a complete index behind the alias, and write it down."""
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
        """Return a new, empty index, after the one of an interrupted build is dropped."""
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
        # One that vanished right after it was made is noticed by the first write to it.
        return identity or ""


def _making(wanted: PhysicalIndex, plan: Plan) -> Plan:
    """Return the plan with another index that is being made; the one before is to be forgotten."""
    left = () if plan.making is None else (plan.making.index,)
    return replace(plan, making=wanted, abandoned=(*plan.abandoned, *left))
