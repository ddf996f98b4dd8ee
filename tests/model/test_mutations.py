"""Does the model notice? Each invariant is broken on purpose, and some schedule must find it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from indexer.bulk import outcomes
from indexer.bulk.dead_letters import DeadLetters
from indexer.bulk.loop import BulkLoop
from indexer.bulk.outcomes import Verdict
from indexer.follow.refresh import Refresher
from indexer.follow.session import Session
from indexer.follow.start import SessionStarter
from indexer.follow.writer import Writer
from indexer.indexes.physical import Indexes
from indexer.indexes.plan import Plan, Plans, Rebuild, Stage, SwapPermit
from indexer.indexes.targets import Target
from indexer.leadership.lease import Lease
from indexer.reindex import stages
from indexer.reindex.stages import StageActions
from service.ports.search import BulkItem
from service.ports.store import Body, Change
from tests.model.oracle import Violation
from tests.model.schedules import run, run_late_move, run_late_writes, run_sleeping_operator

Patch = Callable[[pytest.MonkeyPatch], None]
CRASHES = ("write", "start", "crash", "pause")
REINDEXES = ("write", "start", "crash", "pause", "reindex", "storm")


@dataclass(frozen=True)
class Mutation:
    """One invariant broken: how, what has to befall a world to show it, and what is then said.

    ``first`` is the seed to begin with, for those that few schedules show; ``play`` is another schedule than
    :func:`tests.model.schedules.run`.
    """

    patch: Patch
    said: str
    actions: tuple[str, ...] = CRASHES
    first: int = 0
    play: Callable[[int], object] | None = None


def _save_before_apply(patch: pytest.MonkeyPatch) -> None:
    """I3: the token moves on before the targets have what it passes."""
    apply = Writer.apply
    late: set[asyncio.Task[Any]] = set()

    async def later(self: Writer, keys: Sequence[str], targets: Sequence[Target]) -> list[str]:
        await asyncio.sleep(1.0)
        return await apply(self, keys, targets)

    async def at_once(self: Writer, keys: Sequence[str], targets: Sequence[Target]) -> list[str]:
        task = asyncio.create_task(later(self, keys, targets))
        late.add(task)
        task.add_done_callback(lambda task: task.cancelled() or task.exception())
        return []

    patch.setattr(Writer, "apply", at_once)


def _save_when_one_target_has_it(patch: pytest.MonkeyPatch) -> None:
    """I3: the live index alone counts."""
    apply = Writer.apply

    async def live_alone(self: Writer, keys: Sequence[str], targets: Sequence[Target]) -> list[str]:
        return await apply(self, keys, targets[:1])

    patch.setattr(Writer, "apply", live_alone)


def _count_busy_as_done(patch: pytest.MonkeyPatch) -> None:
    """I3: an item that the engine could not take is not sent again."""
    patch.setitem(outcomes._VERDICTS, 429, Verdict.DONE)


def _drop_letters(patch: pytest.MonkeyPatch) -> None:
    """I3: what is refused is not written down."""

    async def add(self: DeadLetters, index: str, outcome: Any) -> None:
        return

    patch.setattr(DeadLetters, "add", add)


def _delete_documents(patch: pytest.MonkeyPatch) -> None:
    """I4: removals are deletes, which the engine soon forgets, instead of documents with a version."""
    send = BulkLoop._send

    async def deleting(self: BulkLoop, index: str, items: list[BulkItem]) -> Any:
        gone = [item for item in items if orjson.loads(item.document).get("deleted")]  # type: ignore[arg-type]
        for outcome in await self._engine.delete_documents(index, [(item.id, item.version) for item in gone]):
            await self._finish(index, outcome, Verdict.DONE)
        rest = [item for item in items if item not in gone]
        return await send(self, index, rest) if rest else ([], "")

    patch.setattr(BulkLoop, "_send", deleting)


def _swap_without_verify(patch: pytest.MonkeyPatch) -> None:
    """I5: the alias moves whatever a verify would find."""

    async def trust(self: StageActions, plan: Plan, rebuild: Any) -> None:
        await self._advance(rebuild, Stage.VERIFIED)

    patch.setattr(StageActions, "_verify", trust)


def _swap_unacknowledged(patch: pytest.MonkeyPatch) -> None:
    """I5: nobody waits until the leader writes to the new index."""

    async def at_once(self: StageActions, plan: Plan, stage: Stage, rebuild: Rebuild | None = None) -> None:
        return

    patch.setattr(StageActions, "acknowledged", at_once)


def _show_unfinished(patch: pytest.MonkeyPatch) -> None:
    """I5: the new index is shown from the beginning."""
    create = Indexes.create

    async def shown(self: Indexes, physical: Any, *, filling: bool = False) -> bool:
        made = await create(self, physical, filling=filling)
        await self.promote(physical.index)
        return made

    patch.setattr(Indexes, "create", shown)


def _resume_from_now(patch: pytest.MonkeyPatch) -> None:
    """I6: after lost history, what was missed stays missed."""
    patch.setattr(SessionStarter, "_to_repair", lambda self, saved, token, targets, lost: None)


def _save_without_fence(patch: pytest.MonkeyPatch) -> None:
    """I7: whoever once held the lease writes its record."""

    async def write(self: Lease, fields: Body) -> None:
        change = Change(set={**fields, "beat": self.body["beat"] + 1})
        await self._store.update("checkpoint", self._key, change)

    patch.setattr(Lease, "write", write)


def _take_over_at_once(patch: pytest.MonkeyPatch) -> None:
    """I7: a leader that is well is pushed aside."""
    patch.setattr(Lease, "_is_free", lambda self, record: True)


def _operators_without_fence(patch: pytest.MonkeyPatch) -> None:
    """An operator's process that was stopped and wakes up goes on with a plan that is another's."""
    patch.setattr(Plans, "_signed", lambda self, before, after: after)
    patch.setattr(stages, "_check_plan", lambda plan, rebuild: None)  # it alone would hold up most of them


def _keep_permits(patch: pytest.MonkeyPatch) -> None:
    """I5: a request to move the alias holds for ever, whoever is at work when it arrives."""

    async def leave(self: Indexes, permit: SwapPermit) -> None:
        return

    patch.setattr(Indexes, "revoke", leave)


def _trust_restored_indexes(patch: pytest.MonkeyPatch) -> None:
    """An index that was put back as it once was is taken for the one that it was."""

    async def see_nothing(self: Session) -> None:
        return

    patch.setattr(Session, "_check_indexes", see_nothing)


def _claim_while_reconciling(patch: pytest.MonkeyPatch) -> None:
    """Read your writes: searchable is said of what is not repaired yet."""
    patch.setattr(Refresher, "hold", lambda self: None)


def _claim_without_refresh(patch: pytest.MonkeyPatch) -> None:
    """Read your writes: acknowledged is taken for searchable."""
    patch.setattr(Refresher, "acknowledged", lambda self, token, *, written, commits=(): self._move(token))


MUTATIONS: dict[str, Mutation] = {
    "save before apply": Mutation(_save_before_apply, "lacks"),
    "save when one target has it": Mutation(_save_when_one_target_has_it, "lacks", REINDEXES),
    "count busy as done": Mutation(_count_busy_as_done, "lacks", ("write", "start", "storm")),
    "drop letters": Mutation(_drop_letters, "lacks"),
    "delete documents": Mutation(_delete_documents, "falls", play=run_late_writes),
    "swap without verify": Mutation(_swap_without_verify, "the alias moved", ("write", "reindex", "damage"), first=26),
    "swap unacknowledged": Mutation(_swap_unacknowledged, "lacks", ("write", "reindex", "pause")),
    "show unfinished": Mutation(_show_unfinished, "the alias", ("write", "reindex")),
    "resume from now": Mutation(_resume_from_now, "lacks", ("write", "start", "crash", "lose history")),
    "save without fence": Mutation(_save_without_fence, "holds"),
    "take over at once": Mutation(_take_over_at_once, "took over"),
    "operators without fence": Mutation(_operators_without_fence, "reindex|alias", play=run_sleeping_operator),
    "keep permits": Mutation(_keep_permits, "the alias moved", play=run_late_move),
    "trust restored indexes": Mutation(_trust_restored_indexes, " has ", ("write", "snapshot", "restore")),
    "claim while reconciling": Mutation(
        _claim_while_reconciling, "said to be searchable", ("write", "start", "crash", "pause", "lose history")
    ),
    "claim without refresh": Mutation(_claim_without_refresh, "said to be searchable", ("write",)),
}
"""Every invariant, broken."""

SCHEDULES = 400
"""Schedules within which a mutation is to be found."""


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_invariant_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutation = MUTATIONS[name]
    mutation.patch(monkeypatch)
    with pytest.raises(Violation, match=mutation.said):
        _play(mutation)


def _play(mutation: Mutation) -> None:
    for seed in range(mutation.first, mutation.first + SCHEDULES):
        if mutation.play is None:
            run(seed, only=mutation.actions)
        else:
            mutation.play(seed)
