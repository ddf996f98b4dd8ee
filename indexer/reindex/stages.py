"""The actions of a reindex: each leads from one stage to the next, and can be repeated."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from indexer.crash_points import CrashPoint, crash_point
from indexer.follow.writer import KIND
from indexer.indexes.plan import PhysicalIndex, Plan, Rebuild, Stage, SwapPermit
from indexer.indexes.targets import Target, as_target
from indexer.operator import POLL_SECONDS, OperatorTools, retry
from indexer.reindex.result import OnProgress, ReindexProgress, ReindexRefused, ReindexResult
from indexer.verify.drift import VerifyReport
from indexer.verify.scan import scan
from service.ports.store import Record

log = logging.getLogger(__name__)

CURSOR_SECONDS = 1.0
"""How often the scan's cursor is saved."""

Work = Callable[[Plan, Rebuild], Awaitable[None]]


class StageActions:
    """One action per stage that has a next one: ``await actions[stage](plan, rebuild)`` saves the next stage.

    ``check`` raises when another process took over the reindex. An action raises ReindexRefused to end it, and what the
    ports raise.
    """

    def __init__(
        self,
        tools: OperatorTools,
        *,
        check: Callable[[], None],
        report_progress: OnProgress,
        accept_dead_letters: bool = False,
    ) -> None:
        self._tools = tools
        self._check = check
        self._report_progress = report_progress
        self._accept_dead = accept_dead_letters
        self._table: dict[Stage, Work] = {
            Stage.NOTED: self._create,
            Stage.CREATED: self._join,
            Stage.JOINED: self._wait_for_leader,
            Stage.FILLING: self._fill,
            Stage.FILLED: self._drain,
            Stage.DRAINED: self._restore,
            Stage.RESTORED: self._verify,
            Stage.VERIFIED: self._announce,
            Stage.SWAPPING: self._swap,
        }

    def __getitem__(self, stage: Stage) -> Work:
        return self._table[stage]

    # --- the actions

    async def _create(self, plan: Plan, rebuild: Rebuild) -> None:
        if await self._tools.indexes.create(rebuild.target, filling=True):
            crash_point(CrashPoint.REINDEX_CREATED)
            await self._advance(rebuild, Stage.CREATED)
            return
        target = await self._tools.indexes.named()  # the name is taken by another program's index
        await self._tools.plans.change(lambda plan: replace(plan, rebuild=replace(rebuild, target=target)))

    async def _join(self, plan: Plan, rebuild: Rebuild) -> None:
        await self._advance(rebuild, Stage.JOINED, building=rebuild.target)
        crash_point(CrashPoint.REINDEX_JOINED)

    async def _wait_for_leader(self, plan: Plan, rebuild: Rebuild) -> None:
        await self.acknowledged(plan, rebuild.stage, rebuild)
        crash_point(CrashPoint.REINDEX_ACKNOWLEDGED)
        # An earlier write is in the store for the scan to see, a later one goes to both indexes.
        await self._tools.store.barrier()
        await self._advance(replace(rebuild, total=await self._tools.store.size(KIND)), Stage.FILLING)

    async def _fill(self, plan: Plan, rebuild: Rebuild) -> None:
        target = await self.target(rebuild.target)
        await self._tools.letters.load([target.index])
        saved_at, done = self._tools.clock.monotonic(), rebuild.done

        async def sink(records: list[Record]) -> None:
            self._check()
            await self._tools.writer.put(records, [target])
            crash_point(CrashPoint.REINDEX_PAGE)

        async def progressed(key: str, live: int) -> None:
            nonlocal saved_at, done
            done += live
            self._report_progress(ReindexProgress(rebuild.stage, done, rebuild.total))
            if self._tools.clock.monotonic() - saved_at >= CURSOR_SECONDS:
                saved_at = self._tools.clock.monotonic()
                await self._advance(replace(rebuild, cursor=key, done=done), Stage.FILLING)
                crash_point(CrashPoint.REINDEX_CURSOR)

        writer = self._tools.writer
        await scan(
            self._tools.store,
            sink,
            page=lambda: writer.page.next,
            lanes=self._tools.options.lanes,
            after=rebuild.cursor,
            done=progressed,
        )
        await self._advance(replace(rebuild, done=done), Stage.FILLED)
        crash_point(CrashPoint.REINDEX_FILLED)

    async def _drain(self, plan: Plan, rebuild: Rebuild) -> None:
        await self._tools.leader.settle()
        await self._advance(rebuild, Stage.DRAINED)
        crash_point(CrashPoint.REINDEX_DRAINED)

    async def _restore(self, plan: Plan, rebuild: Rebuild) -> None:
        name = rebuild.target.index
        await self._tools.indexes.restore(name)
        await self._tools.engine.refresh(name)
        began = self._tools.clock.monotonic()
        while (health := await self._tools.engine.index_health(name)) != "green":
            waited = self._tools.clock.monotonic() - began
            if health == "yellow" and waited >= self._tools.options.shards_seconds:
                log.warning("the index %s is missing replicas: it is swapped in without them", name)
                break
            self._report_progress(
                ReindexProgress(rebuild.stage, waits=f"the replicas of {name} are not assigned yet ({health})")
            )
            await self._still(rebuild)
            await asyncio.sleep(POLL_SECONDS)
        await self._advance(rebuild, Stage.RESTORED)
        crash_point(CrashPoint.REINDEX_RESTORED)

    async def _verify(self, plan: Plan, rebuild: Rebuild) -> None:
        target = await self.target(rebuild.target)
        retried = await retry(self._tools, index=target.index)
        if retried.left and not self._accept_dead:
            reason = f"{retried.left} documents are rejected: check the dead letters of {target.index}"
            raise ReindexRefused(ReindexResult(False, target.index, reason, dead_letters=retried.left))
        report = await self.compared(target, rebuild.stage)
        if not report.clean:
            reason = f"{report.differences} differences between the store and {target.index}"
            raise ReindexRefused(ReindexResult(False, target.index, reason, report, retried.left))
        await self._advance(rebuild, Stage.VERIFIED)
        crash_point(CrashPoint.REINDEX_VERIFIED)

    async def _announce(self, plan: Plan, rebuild: Rebuild) -> None:
        await self.permit(rebuild.target)
        await self._advance(rebuild, Stage.SWAPPING)
        crash_point(CrashPoint.SWAP_BEGINS)

    async def _swap(self, plan: Plan, rebuild: Rebuild) -> None:
        # From now on, what is reported as searchable is searchable in both indexes.
        await self.acknowledged(plan, rebuild.stage, rebuild)
        await self.move(plan.live, rebuild.target, (await self._still(rebuild)).permit)
        crash_point(CrashPoint.SWAPPED)
        await self._tools.plans.change(lambda plan: plan.settled(rebuild.target))
        crash_point(CrashPoint.SWAP_SETTLED)
        log.info("searches now use the index %s", rebuild.target.index)

    # --- shared with the rollback

    async def resumed(self, rebuild: Rebuild) -> Rebuild:
        """Return an interrupted reindex as it continues: what an earlier process verified no longer counts."""
        if rebuild.stage not in (Stage.VERIFIED, Stage.SWAPPING):
            return rebuild
        plan = await self._advance(rebuild, Stage.RESTORED)
        return plan.rebuild or rebuild

    async def permit(self, physical: PhysicalIndex) -> None:
        """Let this process, and no earlier one, move the alias to an index until the permit is revoked.

        The permit is requested before the leader is told that the alias may move; whoever abandons the index revokes it
        first. So a later request moves nothing, however long it was delayed.
        """
        permit = SwapPermit(physical.index, f"{self._tools.indexes.alias}-swap-{self._tools.clock.guid()}")
        await self._tools.plans.change(lambda plan: replace(plan, permit=permit))
        await self._tools.indexes.allow(permit)
        crash_point(CrashPoint.SWAP_PERMITTED)

    async def move(self, old: PhysicalIndex | None, new: PhysicalIndex, permit: SwapPermit | None) -> None:
        """Move the alias atomically, unless it has moved already. Raises ReindexRefused if it cannot."""
        await self._tools.engine.refresh(new.index)
        if old is not None and permit is not None and await self._tools.indexes.swap(old.index, permit):
            return
        shown = [physical.index for physical in await self._tools.indexes.behind_alias()]
        if shown != [new.index]:
            reason = f"the alias points to {', '.join(shown) or 'no index'}, and cannot move to {new.index}: run again"
            raise ReindexRefused(ReindexResult(False, new.index, reason))

    async def compared(self, target: Target, stage: Stage) -> VerifyReport:
        """Return the report of a verify of an index.

        Contents are compared only if the current mapping created it: what an earlier projection wrote differs from what
        today's would write, and a rollback to that index must be possible.
        """
        assets = await self._tools.store.size(KIND)

        async def progressed(report: VerifyReport, key: str | None) -> None:
            self._check()
            self._report_progress(ReindexProgress(stage, report.checked, assets))

        return await self._tools.verify(target, bodies=target.root is None).run(on_progress=progressed)

    async def target(self, physical: PhysicalIndex) -> Target:
        """Return an index of the plan as a target. Raises ReindexRefused if it no longer exists."""
        target = await as_target(self._tools.engine, physical)
        if target is None:
            raise await self._failed(physical, f"the index {physical.index} no longer exists")
        return target

    async def _failed(self, physical: PhysicalIndex, reason: str) -> ReindexRefused:
        """Record that the reindex ends here; return what to raise."""
        await self._tools.plans.change(lambda plan: plan.without(physical.index, reason))
        return ReindexRefused(ReindexResult(False, physical.index, reason))

    async def _advance(self, rebuild: Rebuild, stage: Stage, *, building: PhysicalIndex | None = None) -> Plan:
        """Record that a stage is reached. Raises ReindexRefused if the plan was changed meanwhile."""

        def change(plan: Plan) -> Plan:
            _check_plan(plan, rebuild)
            further = replace(rebuild, stage=stage)
            return replace(plan, rebuild=further, building=building or plan.building)

        self._check()
        return await self._tools.plans.change(change)

    async def _still(self, rebuild: Rebuild) -> Plan:
        """Return the plan. Raises ReindexRefused if the leader abandoned the index, or it was purged."""
        self._check()
        plan = await self._tools.plans.load()
        _check_plan(plan, rebuild)
        return plan

    async def acknowledged(self, plan: Plan, stage: Stage, rebuild: Rebuild | None = None) -> None:
        """Return when the leader works by this plan. Raises ReindexRefused if it abandoned ``rebuild`` instead."""
        while not await self._tools.leader.works_by(plan.gen):
            self._report_progress(ReindexProgress(stage, waits="the indexer has not acknowledged the plan yet"))
            if rebuild is not None:
                await self._still(rebuild)
            self._check()
            await asyncio.sleep(POLL_SECONDS)


def _check_plan(plan: Plan, rebuild: Rebuild) -> None:
    """Raise ReindexRefused unless this reindex is still in progress in the plan."""
    now = plan.rebuild
    if now is None or now.target != rebuild.target:
        raise ReindexRefused(ReindexResult(False, rebuild.target.index, "another reindex was started"))
    if now.stage is Stage.SWAPPED:  # the leader saw the alias move, and has recorded it
        raise ReindexRefused(ReindexResult(True, rebuild.target.index))
    if now.stage is Stage.FAILED:
        raise ReindexRefused(ReindexResult(False, rebuild.target.index, now.reason or "it failed"))
