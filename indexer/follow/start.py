"""The start of a leader's session: bringing the plan, the alias, the engine and the checkpoint into agreement."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from indexer.crash_points import CrashPoint, crash_point
from indexer.follow.build import Builder
from indexer.follow.checkpoint import Checkpoint
from indexer.follow.context import LeaderContext
from indexer.follow.reconcile import Repairs
from indexer.indexes.plan import PhysicalIndex, Plan
from indexer.indexes.swap_permits import withdraw_permit
from indexer.indexes.targets import Target, resolved
from indexer.status.model import State
from service.ports.store import Body

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SessionStart:
    """What a session works with: the plan, its targets (the live one first), the token to follow from, and repairs."""

    plan: Plan
    targets: tuple[Target, ...]
    token: str
    repairs: Repairs | None

    @property
    def index(self) -> str:
        """The physical index that searches use."""
        return self.targets[0].index


def acknowledgement(plan: Plan, targets: tuple[Target, ...]) -> Body:
    """Return the fields by which the leader acknowledges a plan."""
    return {"acked_gen": plan.gen, "indexes": {target.index: target.identity for target in targets}}


@dataclass(frozen=True, slots=True)
class _Built:
    """The plan after a build was shown, and the checkpoint that goes with it."""

    plan: Plan
    saved: Checkpoint


@dataclass(frozen=True, slots=True)
class _Present:
    """The targets that are there, and the plan without those that are not."""

    plan: Plan
    targets: tuple[Target, ...]


class SessionStarter:
    """Finds the start of a session, or creates it. Only the holder of the lease may use it."""

    def __init__(self, context: LeaderContext) -> None:
        self._context = context
        self._engine = context.engine
        self._indexes = context.indexes
        self._plans = context.plans
        self._renewer = context.renewer
        self._builder = Builder(context)

    async def open(
        self, saved: Checkpoint, token: str | None, lost: str | None, check: Callable[[], None]
    ) -> SessionStart:
        """Return the start of the session; it is saved and acknowledged when this returns.

        ``token`` is what is known to be acknowledged (``saved`` may lag behind it); ``lost`` is why no token is valid.
        ``check`` raises to end a build. Also raises what the ports raise, and LeaseLost.
        """
        plan = await self._agreed()
        if lost is not None:
            token, saved = None, replace(saved, token=None)
        if plan.live is None:
            built = await self._build(saved, token, check)
            plan, saved, token = built.plan, built.saved, built.saved.token
        present = await self._present(plan, saved)
        plan, targets = await self._swept(present.plan), present.targets
        if [target.physical for target in targets] != list(plan.targets) or plan.live is None:
            # The plan was changed in between, perhaps by an operator: what is acknowledged must be what is written to.
            return await self.open(saved, token, lost, check)
        repairs = self._to_repair(saved, token, targets, lost)
        if repairs is not None:
            self._context.refresher.forget()  # what was said to be searchable may not be
        if token is None:
            token = await self._context.store.barrier()
        await self._renewer.write(
            {"token": token, "reconciling": repairs and repairs.as_body(), **acknowledgement(plan, targets)}
        )
        crash_point(CrashPoint.PLAN_ACKNOWLEDGED)
        if repairs is not None and repairs != saved.repairs:
            crash_point(CrashPoint.RECONCILE_BEGUN)
        return SessionStart(plan, targets, token, repairs)

    async def _agreed(self) -> Plan:
        """Return the plan after bringing it into agreement with the alias; its ``live`` is None if a build is due."""
        return await self._plans.agree(self._agreement)

    async def _agreement(self, plan: Plan) -> Plan:
        """Return the plan that agrees with the alias."""
        shown = await self._indexes.behind_alias()
        # A leader that was suspended here has read an old state of the alias, which it must not save.
        await self._renewer.write({})
        if len(shown) == 1 and shown[0].build is not None:
            return plan.settled(shown[0])
        if plan.live is not None and await self._is_there(plan.live):
            others = ", ".join(physical.index for physical in shown) or "no index"
            log.warning("the alias %s pointed to %s: moved it back to %s", self._indexes.alias, others, plan.live.index)
            await self._indexes.promote(plan.live.index)
            return plan
        return plan.without_live()

    async def _is_there(self, physical: PhysicalIndex) -> bool:
        """Whether an index is still the one in the plan."""
        return (await self._indexes.described(physical.index)).build == physical.build and physical.build is not None

    async def _build(self, saved: Checkpoint, token: str | None, check: Callable[[], None]) -> _Built:
        """Build a new index and point the alias to it."""
        log.info("the alias %s points to no index: building one", self._indexes.alias)
        self._context.progress.state, self._context.progress.goal = State.REINDEXING, None
        filled = await self._builder.fill(check)
        target = filled.target
        others = {name: identity for name, identity in saved.indexes.items() if name != target.index}
        repairs = saved.repairs
        if token is None:
            token = filled.token
            missed = [physical.index for physical in (await self._plans.load()).targets]
            repairs = (repairs or Repairs("", ())).joined("the checkpoint was lost", missed) if missed else None
        built = Checkpoint(token, {**others, target.index: target.identity}, saved.acked_gen, repairs)
        left = repairs and repairs.as_body()
        await self._renewer.write({"token": token, "indexes": dict(built.indexes), "reconciling": left})
        crash_point(CrashPoint.BUILD_TOKEN_SAVED)
        return _Built(await self._builder.show(target), built)

    async def _present(self, plan: Plan, saved: Checkpoint) -> _Present:
        """Return the existing targets, and the plan without those that no longer exist."""
        targets, gone = await resolved(self._engine, plan)
        lost = [physical.index for physical in gone]
        # Another index of the same name may lack anything. The live one is reconciled, the others are abandoned.
        lost += [
            target.index
            for target in targets
            if target.physical != plan.live and saved.indexes.get(target.index, target.identity) != target.identity
        ]
        if not lost:
            return _Present(plan, tuple(targets))
        for name in lost:
            await withdraw_permit(self._plans, self._indexes, of=name)
        plan = await self._plans.change(lambda plan: _without(plan, lost))
        return _Present(plan, tuple(target for target in targets if target.index not in lost))

    async def _swept(self, plan: Plan) -> Plan:
        """Forget indexes that no longer exist, and their dead letters."""
        gone = [name for name in plan.abandoned if await self._engine.identity(name) is None]
        if not gone:
            return plan
        for name in gone:
            await self._context.letters.clear(name)
        return await self._plans.change(
            lambda plan: replace(plan, abandoned=tuple(name for name in plan.abandoned if name not in gone))
        )

    def _to_repair(
        self, saved: Checkpoint, token: str | None, targets: tuple[Target, ...], lost: str | None
    ) -> Repairs | None:
        """Return what has to be reconciled: what the token does not cover, and what an earlier session left."""
        left = saved.repairs or Repairs("", ())
        if token is None:
            reason = lost or "there is no checkpoint"
            left = left.joined(reason, [target.index for target in targets])
        elif saved.indexes.get(targets[0].index) != targets[0].identity:
            left = left.joined("the checkpoint belongs to another index", [targets[0].index])
        return left if left.pending else None


def _without(plan: Plan, names: list[str]) -> Plan:
    """Return the plan without targets that no longer exist."""
    for name in names:
        if plan.live is not None and plan.live.index == name:
            plan = plan.without_live()
        plan = plan.without(name, f"the index {name} no longer exists")
    return plan
