"""The reindex: a new index by the current mapping and projection, filled while writes go on, then swapped in.

Each stage of :class:`indexer.indexes.plan.Stage` has one action that leads to the next (:mod:`indexer.reindex.stages`),
and the plan has the current stage: a reindex that was killed at any point continues from there, in any process. The
alias decides which index is live. Once the leader has acknowledged the new index, every write goes there as well; so
the scan may take any time, and the previous index is kept up to date until the purge.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

from indexer.bulk.loop import Halted, IndexGone
from indexer.crash_points import CrashPoint, crash_point
from indexer.documents import TOMBSTONES
from indexer.follow.follower import Follower
from indexer.indexes.plan import ENDED, Plan, Rebuild, Stage
from indexer.indexes.swap_permits import withdraw_permit
from indexer.leadership.exclusive import ExclusiveTask
from indexer.leadership.lease import Candidate
from indexer.operator import POLL_SECONDS, OperatorTools
from indexer.options import FollowOptions
from indexer.reindex.purge import PurgeResult, purge
from indexer.reindex.result import OnProgress, ReindexProgress, ReindexRefused, ReindexResult
from indexer.reindex.stages import StageActions
from mappings.index import mapping_hash
from service.ports.clock import Clock
from service.ports.search import SearchEngine
from service.ports.store import Store
from service.times import timestamp

__all__ = ["PurgeResult", "Reindex", "ReindexProgress", "ReindexResult"]


def _ignore_progress(progress: ReindexProgress) -> None:
    """Ignore the progress."""


class Reindex:
    """The operator's reindex of one alias, for commands and schedulers.

    Only one process at a time may run one, by the lease ``reindex-<alias>``. ``follower`` is a follower of the same
    store and engine that has not been started: it stands by meanwhile, so that there is a leader even if no other
    process runs one. All methods raise Unavailable and Rejected; after an interruption at any point, call them again.
    """

    def __init__(
        self,
        store: Store,
        engine: SearchEngine,
        clock: Clock,
        options: FollowOptions,
        *,
        follower: Follower | None = None,
        candidate: Candidate | None = None,
        on_progress: OnProgress = _ignore_progress,
    ) -> None:
        self._clock = clock
        self._follower = follower
        self._report_progress = on_progress
        self._stage = Stage.NOTED
        self._alone = ExclusiveTask(store, clock, options, "reindex", candidate=candidate, waits=self._waits)
        self._tools = OperatorTools(
            store, engine, clock, options,
            check=self._alone.check, waits=self._waits, worker=lambda: self._alone.fence,
        )  # fmt: skip
        self._indexes = self._tools.indexes
        self._plans = self._tools.plans

    async def run(self, *, accept_dead_letters: bool = False) -> ReindexResult:
        """Start or continue a reindex, and swap if there are no differences and no dead letters.

        ``accept_dead_letters``: swap even if documents are rejected, for example because they always were.
        """
        works = self._works(accept_dead_letters=accept_dead_letters)
        async with self._working():
            try:
                rebuild = await self._begin(works)
                while rebuild.stage not in ENDED:
                    self._stage = rebuild.stage
                    self._report_progress(ReindexProgress(rebuild.stage, rebuild.done, rebuild.total))
                    await works[rebuild.stage](await self._plans.load(), rebuild)
                    self._alone.check()
                    rebuild = (await self._plans.load()).rebuild or rebuild
            except ReindexRefused as refused:
                return refused.outcome
            except (IndexGone, Halted) as error:
                return await self._given_up(error)
        swapped = rebuild.stage is Stage.SWAPPED
        return ReindexResult(swapped, rebuild.target.index, "" if swapped else rebuild.reason or str(rebuild.stage))

    async def _given_up(self, error: IndexGone | Halted) -> ReindexResult:
        """Record that the new index cannot be filled: it is gone, or rejects too much."""
        await self._plans.change(lambda plan: plan.without(error.index, str(error)))
        return ReindexResult(False, error.index, str(error))

    async def status(self) -> Plan:
        """Return the plan: the indexes, and how far a reindex has come."""
        return await self._plans.load()

    async def rollback(self, *, verify: bool = True) -> ReindexResult:
        """Move the alias back to the previous index, which is still up to date; the new one then gets every write too.

        Refused if there is no previous index, or if it differs from the store.
        """
        async with self._working():
            try:
                return await self._roll_back(self._works(), verify=verify)
            except ReindexRefused as refused:
                return refused.outcome

    async def purge(self, *, tombstones: timedelta | None = TOMBSTONES, unfinished: bool = False) -> PurgeResult:
        """Delete what a rollback would need, abandoned builds, and old tombstones: :mod:`indexer.reindex.purge`.

        ``unfinished``: also abandon an interrupted reindex.
        """
        works = self._works()
        async with self._working():
            return await purge(
                self._tools,
                lambda plan: works.acknowledged(plan, self._stage),
                tombstones=tombstones,
                unfinished=unfinished,
            )

    async def _begin(self, works: StageActions) -> Rebuild:
        """Return the reindex to work on: the interrupted one, or a new one."""
        plan = await self._with_live()
        rebuild = plan.rebuild
        if rebuild is not None and rebuild.stage is Stage.ROLLING_BACK:
            await self._roll_back(works, verify=True)
        elif rebuild is not None and rebuild.stage not in ENDED and rebuild.target.hash == mapping_hash():
            return await works.resumed(rebuild)
        target = await self._indexes.named()
        new = Rebuild(target, started_at=timestamp(self._clock.now()))
        await self._plans.change(lambda plan: _begun(plan, new))
        crash_point(CrashPoint.REINDEX_NOTED)
        return new

    async def _roll_back(self, works: StageActions, *, verify: bool) -> ReindexResult:
        plan = await self._settled()
        rebuild, previous = plan.rebuild, plan.previous
        if rebuild is not None and rebuild.stage is Stage.ROLLED_BACK:  # idempotent
            return ReindexResult(True, None if plan.live is None else plan.live.index, "already rolled back")
        if previous is None:
            return ReindexResult(False, None, "there is no previous index: it was purged, or there never was one")
        if plan.building is not None:
            return ReindexResult(False, None, "a reindex is in progress: finish it, or purge it as unfinished")
        if verify:
            target = await works.target(previous)
            await self._tools.letters.load([target.index])
            report = await works.compared(target, Stage.ROLLING_BACK)
            if not report.clean:
                reason = f"{report.differences} differences between the store and {target.index}"
                return ReindexResult(False, target.index, reason, report)
        await works.permit(previous)
        going = replace(rebuild or Rebuild(previous), stage=Stage.ROLLING_BACK)
        plan = await self._plans.change(lambda plan: replace(plan, rebuild=going))
        crash_point(CrashPoint.ROLLBACK_BEGINS)
        await works.acknowledged(plan, Stage.ROLLING_BACK)
        await works.move(plan.live, previous, (await self._plans.load()).permit)
        crash_point(CrashPoint.ROLLED_BACK)
        await self._plans.change(lambda plan: plan.settled(previous))
        return ReindexResult(True, previous.index)

    async def _with_live(self) -> Plan:
        """Return the plan once there is a live index; if there is none, the leader builds it."""
        while (plan := await self._settled()).live is None:
            self._waits("the indexer has not built the first index yet")
            self._alone.check()
            await asyncio.sleep(POLL_SECONDS)
        return plan

    async def _settled(self) -> Plan:
        """Return the plan after bringing it into agreement with the alias."""

        async def agreement(plan: Plan) -> Plan:
            shown = await self._indexes.behind_alias()
            if plan.live is None or len(shown) != 1 or shown[0].build is None:
                return plan
            return plan.settled(shown[0])

        return await self._plans.agree(agreement)

    def _works(self, *, accept_dead_letters: bool = False) -> StageActions:
        return StageActions(
            self._tools,
            check=self._alone.check,
            report_progress=self._report_progress,
            accept_dead_letters=accept_dead_letters,
        )

    def _waits(self, reason: str) -> None:
        self._report_progress(ReindexProgress(self._stage, waits=reason))

    @asynccontextmanager
    async def _working(self) -> AsyncIterator[None]:
        """Hold the right to work, with the follower on standby."""
        async with self._alone.held():
            await self._plans.change(lambda plan: plan)  # from now on, no earlier process can change it
            await withdraw_permit(self._plans, self._indexes)  # nor move the alias
            if self._follower is not None:
                self._follower.start()
            try:
                yield
            finally:
                if self._follower is not None:
                    await self._follower.stop()


def _begun(plan: Plan, new: Rebuild) -> Plan:
    """Return the plan with a new reindex; what an earlier one left unfinished is abandoned."""
    left = () if plan.building is None else (plan.building.index,)
    old = plan.rebuild
    if old is not None and old.stage not in ENDED:
        left = (*left, old.target.index)
    abandoned = (*plan.abandoned, *(name for name in dict.fromkeys(left) if name not in plan.abandoned))
    return replace(plan, rebuild=new, building=None, abandoned=abandoned)
