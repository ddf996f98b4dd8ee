"""A session of the leader: it follows the feed, watches the plan and repairs in parallel, until something ends it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from datetime import datetime
from typing import Any

from indexer.bulk.loop import IndexGone
from indexer.crash_points import CrashPoint, crash_point
from indexer.follow.context import LeaderContext
from indexer.follow.feed import Interrupted, opened, window
from indexer.follow.pipeline import Pipeline
from indexer.follow.reconcile import Reconcile, Repairs, rewrite_outdated
from indexer.follow.start import SessionStart, acknowledgement
from indexer.follow.writer import KIND
from indexer.indexes.plan import DONE, Plan
from indexer.indexes.targets import resolved
from indexer.status.model import Rebuilding, Reconciling, State
from indexer.verify.last_result import load as last_verified
from mappings.index import mapping_hash
from service.errors import Unavailable
from service.ports.search import BulkItem, Rejected
from service.ports.store import Changed
from service.times import backoff

log = logging.getLogger(__name__)


class Session:
    """Follows from one session start. ``moved`` says whether it made any progress."""

    def __init__(self, context: LeaderContext, start: SessionStart) -> None:
        self.moved = False
        self._context = context
        self._store = context.store
        self._engine = context.engine
        self._clock = context.clock
        self._options = context.options
        self._plans = context.plans
        self._renewer = context.renewer
        self._letters = context.letters
        self._writer = context.writer
        self._refresher = context.refresher
        self._progress = context.progress
        self._control = context.control
        self._plan = start.plan
        self._targets = start.targets
        self._token = start.token
        self._repairs = start.repairs
        self._checked_at = self._planned_at = context.clock.monotonic()

    async def run(self) -> None:
        """Follow until interrupted. Raises Interrupted, HistoryLost, IndexGone, Halted and what the ports raise."""
        await self._letters.load([target.index for target in self._targets])
        await self.refresh()
        progress = self._progress
        goal = progress.goal or await self._store.barrier()
        self._control.check()
        # The token is trusted only once the feed has accepted it; what is searchable moves with the feed's first batch.
        progress.goal = goal
        progress.acknowledged.move(self._token)
        progress.state = State.FOLLOWING
        progress.window = await window(self._store)
        progress.verified = await last_verified(self._store, self._options.alias)
        self._adopt_plan(self._plan)
        works: list[Coroutine[Any, Any, None]] = [self._follow(), self._refresher.run()]
        if self._repairs is not None:
            self._refresher.hold()
            works.append(self._reconcile(self._repairs))
        else:
            self._refresher.release()
        await _first_failure(works)

    async def refresh(self) -> None:
        """Make what is acknowledged searchable, in every index that searches use or may use in a moment."""
        for name in self._plan.refreshed:
            await self._engine.refresh(name)

    async def is_overtaken(self) -> bool:
        """Whether the plan has changed; False while the store does not answer."""
        if not self._is_time_for_the_plan():
            return False
        try:
            return (await self._plans.load()).gen != self._plan.gen
        except Unavailable:
            return False

    # --- following

    async def _follow(self) -> None:
        """Apply the feed's batches after the token, forever."""
        opt = self._options
        async with (
            opened(self._store, self._token, kind=KIND, limit=opt.feed_limit, bell=self._context.bell) as feed,
            Pipeline(opt.batches) as line,
        ):
            try:
                while True:
                    batch = await line.beside(feed.next())
                    if batch:
                        crash_point(CrashPoint.BATCH_READ)
                        await self._begin(line, batch)
                    elif not line:
                        self._done(line, all_read=True)
                    if self._is_time_to_look():
                        await line.drain()
                        await self._check_periodically()
                    if batch and len(batch) < opt.feed_limit:
                        # More is on its way: writing a few changes together costs little more than writing one.
                        await line.beside(self._refresher.rest(opt.linger_seconds))
            except Interrupted:
                await line.drain()  # batches in progress are finished, unless the loop control says that it is in vain
                raise

    async def _begin(self, line: Pipeline, batch: Sequence[Changed]) -> None:
        """Start writing the records of a batch of changes to every target; its last token is recorded after that."""
        self._progress.behind()
        keys = list(dict.fromkeys(change.key for change in batch if change.kind == KIND))
        targets = self._targets

        def settle(written: list[str]) -> None:
            self._control.check()
            crash_point(CrashPoint.BATCH_ACKNOWLEDGED)
            token = batch[-1].token
            self._progress.acknowledged.move(token)
            self._renewer.note({"token": token})
            commits = [datetime.fromisoformat(moment).timestamp() for moment in written]
            self._refresher.acknowledged(token, written=bool(keys), commits=commits)
            if keys:
                self._progress.written(len(batch))
            self._done(line, all_read=len(batch) < self._options.feed_limit)

        await line.put(keys, lambda: self._writer.apply(keys, targets), settle)

    def _done(self, line: Pipeline, *, all_read: bool) -> None:
        """Record that a batch is done; ``all_read`` says that no more changes were waiting in the feed then."""
        self._progress.error, self.moved = None, True
        if all_read:
            self._progress.even()
        if len(line) > 1:  # others follow it
            self._progress.behind()

    # --- periodic checks

    async def _check_periodically(self) -> None:
        """Check, when it is time, whether the plan has changed and whether the alias points to the live index."""
        if self._is_time_for_the_plan():
            plan = await self._plans.load()
            self._progress.rebuild = _rebuilding(plan)
            if plan.gen != self._plan.gen:
                await self._change(plan)
        if self._is_time_to_check():
            self._checked_at = self._clock.monotonic()
            await self._check_indexes()
            await self._letters.load([target.index for target in self._targets])
            if len(self._letters):
                await rewrite_outdated(self._store, self._letters, self._writer, self._targets, self._options.epoch)
                self._refresher.touched()
            self._progress.window = await window(self._store)
            self._progress.verified = await last_verified(self._store, self._options.alias)

    def _is_time_to_look(self) -> bool:
        return self._since(self._planned_at) >= self._options.plan_seconds or self._is_time_to_check()

    def _is_time_to_check(self) -> bool:
        return self._since(self._checked_at) >= self._options.check_seconds

    def _is_time_for_the_plan(self) -> bool:
        """Whether to check the plan; asked again, it is False until the interval has passed once more."""
        if self._since(self._planned_at) < self._options.plan_seconds:
            return False
        self._planned_at = self._clock.monotonic()
        return True

    def _since(self, moment: float) -> float:
        return self._clock.monotonic() - moment

    async def _change(self, plan: Plan) -> None:
        """Work by another plan from now on, and acknowledge it."""
        targets, gone = await resolved(self._engine, plan)
        if gone or plan.live is None:
            raise IndexGone(gone[0].index if gone else self._targets[0].index)
        known = {target.index: target.identity for target in self._targets}
        for target in targets:
            # An index that was replaced under its name, or became live without having been fed, has to be reconciled.
            if known.get(target.index, None if target is targets[0] else target.identity) != target.identity:
                raise IndexGone(target.index)
        self._targets = tuple(targets)
        self._adopt_plan(plan)
        await self._letters.load([target.index for target in targets])
        crash_point(CrashPoint.PLAN_SEEN)
        await self._renewer.write(acknowledgement(plan, self._targets))
        crash_point(CrashPoint.PLAN_ACKNOWLEDGED)
        log.info("writing to %s by generation %d of the plan", [target.index for target in targets], plan.gen)

    def _adopt_plan(self, plan: Plan) -> None:
        self._plan = plan
        self._progress.rebuild = _rebuilding(plan)
        self._progress.gen = plan.gen
        # A mapping that rejects everything can be fixed by a reindex, which needs the feed to go on.
        self._writer.tolerate_rejections([self._targets[0].index] if plan.building is not None else ())
        live = self._targets[0].physical
        self._progress.index = live.index
        outdated = live.hash != mapping_hash()
        if outdated and not self._progress.outdated:
            log.warning(
                "the index %s was created with another mapping or projection: run `assetry index reindex`", live.index
            )
        self._progress.outdated = outdated

    async def _check_indexes(self) -> None:
        """Check that searches use the index that is followed, and that each target is still the same index.

        Raises IndexGone, so that the next session deals with it.
        """
        for target in self._targets:
            if await self._engine.identity(target.index) != target.identity:
                raise IndexGone(target.index)
        live = self._targets[0].index
        if [physical.index for physical in await self._context.indexes.behind_alias()] == [live]:
            return
        if (await self._plans.load()).gen == self._plan.gen:  # otherwise a reindex is about to move the alias
            raise IndexGone(live)

    # --- reconciling

    async def _reconcile(self, repairs: Repairs) -> None:
        """Repair what is pending, however often an engine is unavailable; then resume reporting what is searchable."""
        left = repairs

        def save(repairs: Repairs) -> None:
            nonlocal left
            left = repairs
            self._renewer.note({"reconciling": repairs.as_body() if repairs.pending else None})

        def show(reconciling: Reconciling) -> None:
            self._progress.reconciling = reconciling

        work = Reconcile(self._context, settle=self._settle, write=self._repair, save=save, show=show)
        attempt = 0
        while left.pending:
            try:
                await work.run(left, self._targets)
            except (Unavailable, Rejected) as error:
                attempt += 1
                await self._control.pause(backoff(attempt), str(error))
        self._progress.reconciling = None
        self._refresher.release()

    async def _repair(self, index: str, items: Sequence[BulkItem]) -> None:
        await self._writer.write(index, items)
        self._refresher.touched()

    async def _settle(self) -> None:
        """Return when this session has passed everything written so far."""
        mark = await self._store.barrier()
        await self._progress.acknowledged.reach(lambda token: self._store.passed(token, mark))


def _rebuilding(plan: Plan) -> Rebuilding | None:
    """Return how far a reindex has come, None if the last one is complete."""
    rebuild = plan.rebuild
    if rebuild is None or rebuild.stage in DONE:
        return None
    return Rebuilding(rebuild.target.index, str(rebuild.stage), rebuild.done, rebuild.total)


async def _first_failure(works: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run all until one fails; raise its error after the others are cancelled."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in ended:
        if isinstance(outcome, Exception):
            raise outcome
