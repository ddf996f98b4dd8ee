"""Seeded runs of the indexer under a client's writes: which processes there are, and where each of them dies."""

from __future__ import annotations

import random
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from indexer.crash_points import CrashPoint
from service.ports.search import BulkItem
from service.ports.store import Change
from tests.faults.crashing import Crash
from tests.faults.indexing import Nursery, Scene, scene
from tests.support.waiting import until

FOLLOW = (
    CrashPoint.LEASE_TAKEN,
    CrashPoint.SAVE_BEGINS,
    CrashPoint.SAVED,
    CrashPoint.LEASE_RELEASED,
    CrashPoint.BATCH_READ,
    CrashPoint.RECORDS_READ,
    CrashPoint.TARGET_WRITTEN,
    CrashPoint.LETTER_WRITTEN,
    CrashPoint.BATCH_ACKNOWLEDGED,
    CrashPoint.PLAN_ACKNOWLEDGED,
    CrashPoint.BUILD_NOTED,
    CrashPoint.BUILD_CREATED,
    CrashPoint.BUILD_PAGE,
    CrashPoint.BUILD_FILLED,
    CrashPoint.BUILD_TOKEN_SAVED,
    CrashPoint.BUILD_PROMOTED,
    CrashPoint.BUILD_SETTLED,
)
RECONCILE = (CrashPoint.RECONCILE_BEGUN, CrashPoint.RECONCILE_PAGE, CrashPoint.RECONCILED)
LEAD = (
    CrashPoint.PLAN_SEEN,
    CrashPoint.PLAN_ACKNOWLEDGED,
    CrashPoint.TARGET_WRITTEN,
    CrashPoint.BATCH_ACKNOWLEDGED,
    CrashPoint.SAVED,
)
"""Where the leader dies while another process reindexes."""
REINDEX = tuple(step for step in CrashPoint if step.name.startswith(("REINDEX", "SWAP", "ROLL", "PURGE")))
OFTEN = frozenset(
    {
        CrashPoint.SAVE_BEGINS,
        CrashPoint.SAVED,
        CrashPoint.BATCH_READ,
        CrashPoint.RECORDS_READ,
        CrashPoint.TARGET_WRITTEN,
        CrashPoint.BATCH_ACKNOWLEDGED,
    }
)
"""Steps that a life reaches again and again."""

ORDER = (*FOLLOW, *RECONCILE, CrashPoint.PLAN_SEEN, *REINDEX)


class Run:
    """One seeded run: where each process dies."""

    def __init__(self, number: int, scene: Scene) -> None:
        self.scene = scene
        self.first = ORDER[number % len(ORDER)]
        self._random = random.Random(number)
        self.blind = self._random.random() < 0.3
        self.leaping = self._random.random() < 0.2
        self.followers = 2 if self._random.random() < 0.4 else 1

    def crashes(self, steps: tuple[CrashPoint, ...], most: int) -> tuple[Crash, ...]:
        """Draw where a process dies; at the run's own step for certain, if it is one of these."""
        drawn = self._random.choices(steps, k=self._random.randint(0, most))
        first = [self.first] if self.first in steps else []
        crashes = [Crash(str(step), self._random.randint(1, 3) if step in OFTEN else 1) for step in [*first, *drawn]]
        if self._random.random() < 0.3:
            crashes.append(Crash(None, seconds=self._random.uniform(0.05, 1.5)))
        return tuple(crashes)

    def follower(self, stack: AsyncExitStack, steps: tuple[CrashPoint, ...], most: int) -> Awaitable[object]:
        leaping = self.leaping and self.scene.kind == "sqlite"
        flags = {"blind": self.blind, "leaping": leaping, "first": self.first in steps}
        return stack.enter_async_context(self.scene.process("follow", crashes=self.crashes(steps, most), **flags))


async def following(run: Run) -> None:
    """Build and follow, be told to end and come back, under writes."""
    scene = run.scene
    await scene.ledger.fill(120)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(scene.witness().watching())
        for _ in range(run.followers):
            await run.follower(stack, FOLLOW, 2)
        async with scene.ledger.writing():
            await scene.caught_up()
            await scene.settled()
            for job in scene.jobs:
                job.signal(signal.SIGTERM)
            await scene.settled()
            await until(lambda: str(run.first) in scene.hits, "it dies at its step", patience=60)
        await scene.judged()


async def reconciling(run: Run) -> None:
    """Lose the history: records and documents were changed, the token knows nothing of it."""
    scene = run.scene
    await scene.ledger.fill(120)
    async with scene.process("follow"):
        await scene.caught_up()
        await scene.settled()
    await scene.ledger.write(80)
    await spoiled(scene)
    async with AsyncExitStack() as stack:
        for _ in range(run.followers):
            await run.follower(stack, RECONCILE, 2)
        async with scene.ledger.writing():
            await scene.settled()
        await scene.judged()


async def spoiled(scene: Scene, *, token: bool = True) -> None:
    """Plant an orphan, take documents out of the index, and what is said of it and the ``token`` out of the record."""
    index = await scene.physical()
    orphan = {"asset_id": "asset_9999999", "org_id": "acme", "rev": 1, "deleted": False, "title": "an orphan"}
    await scene.engine.bulk(index, [BulkItem("asset_9999999", 1, orphan)])
    gone = list(scene.ledger.live)[:5]
    await scene.engine.delete_documents(index, list((await scene.engine.versions(index, gone)).items()))
    await scene.engine.refresh(index)
    status = {"searchable": None, "caught_up": False}
    lost = Change(set={"status": status, **({"token": f"{'0' * 32}:7"} if token else {})})
    await scene.store.update("checkpoint", f"follow-{scene.alias}", lost)


async def reindexing(run: Run) -> None:
    """Reindex, roll back, reindex and purge, under writes, with kills of the leader and of the operator's process."""
    scene = run.scene
    await scene.ledger.fill(150)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(scene.witness().watching())
        for _ in range(run.followers):
            await run.follower(stack, LEAD, 2)
        async with scene.ledger.writing():
            await scene.caught_up()
            works = ("reindex", "rollback", "reindex", "purge")
            crashes = run.crashes(REINDEX, 4)
            operator = scene.start(*works, crashes=crashes, first=run.first in REINDEX, blind=run.blind)
            await operator.done(240)
            await scene.settled()
        await scene.judged()
        assert (await scene.plan()).abandoned == ()


SCENES: Mapping[tuple[CrashPoint, ...], Callable[[Run], Awaitable[None]]] = {
    FOLLOW: following,
    RECONCILE: reconciling,
    (CrashPoint.PLAN_SEEN, *REINDEX): reindexing,
}


async def lived_through(
    place: Path, processes: Nursery, url: str, number: int, kind: str = "sqlite", *, way: str | None = None
) -> list[str]:
    """Do one run; return where it died. ``way`` is how processes reach the engine."""
    place.mkdir(parents=True)
    async with scene(place, processes, url, way=way, kind=kind, seed=number, poison=0.05) as where:
        run = Run(number, where)
        (act,) = [act for steps, act in SCENES.items() if run.first in steps]
        await act(run)
        assert str(run.first) in where.hits, (run.first, where.hits)
        return where.hits
