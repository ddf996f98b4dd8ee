"""What an operator's process works with: the leader's writer and dead letters, and a view of the leader."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from indexer.bulk.dead_letters import DeadLetters
from indexer.bulk.loop import BulkLoop
from indexer.documents import plain_item
from indexer.follow import checkpoint
from indexer.follow.leader_wait import LeaderWait
from indexer.follow.writer import Writer
from indexer.indexes.physical import Indexes
from indexer.indexes.plan import Plans
from indexer.indexes.targets import Target, resolved
from indexer.options import FollowOptions
from indexer.verify.verify import IndexerView, Repair, Verify, VerifyOptions, Write
from service.errors import HistoryLost
from service.ports.clock import Clock
from service.ports.search import SearchEngine
from service.ports.store import Store

POLL_SECONDS = 0.2
"""How often the leader's record is read while waiting for the leader."""


def _carry_on() -> None:
    """Raise nothing."""


def _never(key: str) -> bool:
    return False


class PatientControl:
    """A :class:`indexer.bulk.loop.LoopControl` that waits for an engine forever; ``waits`` receives the reason."""

    def __init__(self, check: Callable[[], None], waits: Callable[[str], None]) -> None:
        self._check = check
        self._waits = waits

    def check(self) -> None:
        """Raise to end the loop before the next request."""
        self._check()

    async def pause(self, seconds: float, reason: str) -> None:
        """Wait before another attempt."""
        self._waits(reason)
        await asyncio.sleep(seconds)
        self._check()


class Leader:
    """The leader of an alias, wherever it runs, seen through its lease's record."""

    def __init__(self, store: Store, alias: str, *, check: Callable[[], None] = _carry_on) -> None:
        self._store = store
        self._alias = alias
        self._check = check

    async def works_by(self, gen: int) -> bool:
        """Whether the leader has acknowledged a generation of the plan. Raises Unavailable."""
        body = await checkpoint.load(self._store, self._alias)
        return int(body.get("acked_gen", 0)) >= gen

    async def settle(self) -> None:
        """Return when the saved token has passed every write that returned before the call, even under a later leader.

        Raises Unavailable, and what ``check`` raises.
        """
        mark = await self._store.barrier()
        while not await self._passed(mark):
            self._check()
            await asyncio.sleep(POLL_SECONDS)

    async def _passed(self, mark: str) -> bool:
        token = (await checkpoint.load(self._store, self._alias)).get("token")
        try:
            return token is not None and self._store.passed(token, mark)
        except HistoryLost:  # the token belongs to another database: the leader is about to detect that
            return False


class OperatorTools:
    """The tools for one alias.

    ``check`` raises to end the current work, ``waits`` receives what it waits for; ``worker`` is the fencing token of
    the process, if only one at a time may do this work.
    """

    def __init__(
        self,
        store: Store,
        engine: SearchEngine,
        clock: Clock,
        options: FollowOptions,
        *,
        check: Callable[[], None] = _carry_on,
        waits: Callable[[str], None] = lambda reason: None,
        worker: Callable[[], int] | None = None,
    ) -> None:
        self.store = store
        self.engine = engine
        self.clock = clock
        self.options = opt = options
        self.indexes = Indexes(
            engine, store, clock, alias=opt.alias, shards=opt.shards, replicas=opt.replicas, refresh=opt.index_refresh
        )
        self.plans = Plans(store, opt.alias, worker=worker)
        self.letters = DeadLetters(store, clock)
        self.bulk = BulkLoop(engine, self.letters, PatientControl(check, waits), bounds=opt.bounds, lanes=opt.lanes)
        self.writer = Writer(store, self.bulk, opt)
        self.leader = Leader(store, opt.alias, check=check)

    def verify(
        self, target: Target, *, repair: Write | None = None, bodies: bool = True, settling: LeaderWait | None = None
    ) -> Verify:
        """Return a verify of an index that knows the index's dead letters.

        ``settling`` is how it waits for the leader if there may be none; without it, it waits as long as it takes.
        """
        opt = self.options
        settled = self.leader.settle if settling is None else settling.settle

        async def settle() -> None:
            await settled()
            await self.letters.reload(target.index)  # the leader may have rejected what it has passed

        return Verify(
            self.store,
            self.engine,
            self.clock,
            target.index,
            indexer=IndexerView(
                settle,
                dead=lambda key: self.letters.open(target.index).get(key),
                late=_never if settling is None else settling.late,
            ),
            repair=None if repair is None else Repair(repair, self.bulk.refuse),
            options=VerifyOptions(
                bodies=bodies, epoch=opt.epoch, project=lambda record: plain_item(record, opt.epoch, target.root)
            ),
        )


@dataclass(frozen=True, slots=True)
class RetryResult:
    """How many dead letters were retried, and how many are still open."""

    tried: int
    left: int


async def retry(
    tools: OperatorTools, *, index: str | None = None, assets: Collection[str] | None = None
) -> RetryResult:
    """Read the records of open dead letters again and write them now; an accepted version clears its dead letter.

    Of one ``index``, or of all that get writes; of these ``assets``, or of all. Raises Unavailable, Rejected, Halted,
    IndexGone.
    """
    targets, _ = await resolved(tools.engine, await tools.plans.load())
    chosen = [target for target in targets if index in (None, target.index)]
    await tools.letters.load([target.index for target in chosen])
    tried = left = 0
    for target in chosen:
        keys = [key for key in tools.letters.open(target.index) if assets is None or key in assets]
        tools.bulk.forgive()  # known dead letters must not halt the loop
        await tools.writer.apply(keys, [target])
        if keys:
            await tools.engine.refresh(target.index)
        tried += len(keys)
        left += sum(key in tools.letters.open(target.index) for key in keys)
    return RetryResult(tried, left)


async def resume(store: Store, alias: str) -> None:
    """Lift a halt: the leader tries again within a second or two. Raises Unavailable."""
    await Plans(store, alias).change(lambda plan: replace(plan, resumes=plan.resumes + 1))
