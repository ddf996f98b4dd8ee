"""The follower: change feed → records read again → documents → bulk → checkpoint, forever.

The invariants that it keeps:

- One process at a time follows (:mod:`indexer.leadership.lease`); the others are on standby.
- A token is saved only by the holder of the lease, and only when every change up to it is acknowledged by every target
  of the plan, or durably a dead letter there.
- A missing index is built: barrier, scan, alias, and then following from the barrier. After lost history, and for an
  index that the checkpoint does not cover, the index is reconciled. It never continues "from now on".
- Searches see a new index only when it is complete.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from indexer.bulk.dead_letters import DeadLetters
from indexer.bulk.loop import BulkLoop, Halted, IndexGone
from indexer.crash_points import CrashPoint, crash_point
from indexer.follow import checkpoint
from indexer.follow.checkpoint import Checkpoint, lease_key
from indexer.follow.context import LeaderContext
from indexer.follow.feed import Interrupted
from indexer.follow.progress import Progress
from indexer.follow.refresh import Refresher
from indexer.follow.session import Session
from indexer.follow.start import SessionStarter
from indexer.follow.writer import Writer
from indexer.indexes.physical import Indexes
from indexer.indexes.plan import Plans
from indexer.indexes.swap_permits import withdraw_permit
from indexer.leadership.lease import Candidate, Lease, LeaseLost
from indexer.leadership.renewal import LeaseRenewer
from indexer.options import FollowOptions
from indexer.status.model import FollowerStatus, Role, State
from service.errors import HistoryLost, Unavailable
from service.ports.clock import Clock
from service.ports.search import Rejected, SearchEngine
from service.ports.store import Body, Store
from service.times import backoff

__all__ = ["FollowOptions", "Follower"]

log = logging.getLogger(__name__)

STOP_SECONDS = 15.0
"""How long :meth:`Follower.stop` waits for the current batch before it cancels it; it will be repeated."""

AWAITED_LOOK = 0.2
"""Seconds between two checks of a standby while a caller waits for a write to become searchable."""


class FollowerMetrics(Protocol):
    """Receives what a follower measures."""

    def searchable(self, seconds: float) -> None:
        """Record the seconds from a change's commit until searches saw it."""
        ...

    def batch(self, changes: int) -> None:
        """Record the number of changes in a batch of the feed."""
        ...


class _Unmeasured:
    def searchable(self, seconds: float) -> None:
        """Ignore the measurement."""

    def batch(self, changes: int) -> None:
        """Ignore the measurement."""


class Follower:
    """Keeps the index behind one alias in line with the assets of a store.

    Several may run on one store and engine: one leads, the others are on standby and take over when it ends.
    ``candidate`` identifies this one, and knows which others are dead. ``notes`` is where lease, plan and dead letters
    are kept, if that is not the followed store: an engine that only one process uses does not need the others'.
    """

    def __init__(
        self,
        store: Store,
        engine: SearchEngine,
        clock: Clock,
        options: FollowOptions | None = None,
        *,
        candidate: Candidate | None = None,
        metrics: FollowerMetrics | None = None,
        notes: Store | None = None,
    ) -> None:
        self._store = store
        self._engine = engine
        self._clock = clock
        self._options = opt = options or FollowOptions()
        self._indexes = Indexes(
            engine, store, clock, alias=opt.alias, shards=opt.shards, replicas=opt.replicas, refresh=opt.index_refresh
        )
        notes, metrics = notes or store, metrics or _Unmeasured()
        self._plans = Plans(notes, opt.alias)
        self._lease = Lease(
            notes,
            clock,
            lease_key(opt.alias),
            candidate or Candidate(clock.guid()),
            ttl=opt.ttl_seconds,
            first=lambda: checkpoint.inherited(notes, engine, self._indexes, self._plans),
        )
        self._renewer = LeaseRenewer(
            self._lease,
            clock,
            renew=opt.renew_seconds,
            save=opt.checkpoint_seconds,
            summary=self._summary,
            on_lost=lambda: self._bell.set(),
        )
        self._letters = DeadLetters(notes, clock)
        self._bulk = BulkLoop(engine, self._letters, self, bounds=opt.bounds, lanes=opt.lanes)
        self._writer = Writer(store, self._bulk, opt)
        self._refresher = Refresher(
            self._refresh,
            clock,
            seconds=opt.refresh_seconds,
            observe=metrics.searchable,
            moved=lambda: self._renewer.note({}),  # standbys wait for it too
        )
        self._progress = Progress(clock, metrics.batch)
        self._bell = asyncio.Event()
        self._context = LeaderContext(
            store=store,
            engine=engine,
            clock=clock,
            options=opt,
            indexes=self._indexes,
            plans=self._plans,
            renewer=self._renewer,
            letters=self._letters,
            writer=self._writer,
            refresher=self._refresher,
            progress=self._progress,
            control=self,
            bell=self._bell,
        )
        self._opening = SessionStarter(self._context)
        self._session: Session | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._history_lost: str | None = None
        self._failures = 0
        self._role = Role.NONE
        self._mirrored: Body = {}

    # --- for its owner

    def start(self) -> None:
        """Start following, or standing by, in a task of its own."""
        if self._task is None:
            self._stopping = False
            self._progress.state = State.STANDBY  # until it is known: another one may hold the lease
            self._task = asyncio.create_task(self._run(), name="follower")

    async def stop(self) -> None:
        """Finish the current batch, save the checkpoint, release the lease and end. Safe to call twice."""
        task, self._task = self._task, None
        if task is None:
            return
        self._stopping = True
        self._bell.set()
        _, late = await asyncio.wait([task], timeout=STOP_SECONDS)
        if late:
            task.cancel()
            await asyncio.wait([task])
        self._progress.state = State.STOPPED
        self._role = Role.NONE

    def reset(self) -> None:
        """Start over: the engine lost its indexes (or may have). Nothing more is written to the previous index."""
        self._progress.forget()
        self._refresher.forget()
        self._bell.set()

    def status(self) -> FollowerStatus:
        """Return the current status of the follower."""
        progress = self._progress
        return FollowerStatus(
            state=progress.state,
            index=progress.index,
            indexed=progress.indexed,
            total=progress.total,
            lag_seconds=progress.lag,
            token=progress.token,
            searchable=self._refresher.searchable,
            caught_up=self._caught_up(),
            dead_letters=self._mirrored.get("dead_letters", 0) if self._mirrored else len(self._letters),
            items=dict(self._bulk.items),
            last_error=progress.error,
            role=self._role,
            holder=self._lease.holder,
            fence=self._lease.fence if self._lease.held else self._lease.body.get("fence", 0),
            gen=progress.gen,
            targets=tuple(self._lease.body.get("indexes", {})),
            outdated=progress.outdated,
            reconciling=progress.reconciling,
            last_batch=progress.batch,
            window_hours=progress.window,
            rate=progress.meter.rate,
            rebuild=progress.rebuild,
            verified=progress.verified,
        )

    async def wait_for(self, token: str, timeout: float) -> bool:
        """Return True once searches see every change up to ``token``, False if that takes over ``timeout`` seconds.

        Tokens come from :meth:`service.ports.store.Store.barrier`. Raises HistoryLost for one of another database.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._refresher.wait(lambda searchable: self._store.passed(searchable, token))
        except TimeoutError:
            return False
        return True

    # --- for the bulk loop and the session

    def check(self) -> None:
        """Raise Interrupted if the current write may be in vain; after a stop, the batch is still finished."""
        if self._bell.is_set() and not self._stopping:
            raise Interrupted

    async def pause(self, seconds: float, reason: str) -> None:
        """Wait before another attempt, and report why. Raises Interrupted, also when the plan has changed."""
        self._progress.pause(reason)
        self._progress.behind()
        try:
            await self._rest(seconds)
            # The missing index may be one that an operator has just removed from the plan.
            if self._session is not None and await self._session.is_overtaken():
                raise Interrupted
        finally:
            self._progress.resume()

    # --- the work

    async def _run(self) -> None:
        """Run sessions until stopped; when one ends, the next starts from what is acknowledged."""
        try:
            while not self._stopping:
                self._bell.clear()
                try:
                    await self._live()
                except (Interrupted, LeaseLost):
                    self._notice_loss()
                except Exception as error:  # noqa: BLE001 - whatever ends a session, the next begins
                    await self._recover(error)
        finally:
            await self._renewer.stop(release=True)

    async def _live(self) -> None:
        """Acquire the lease, then lead from what is acknowledged until interrupted."""
        if not self._lease.held:
            await self._stand_by()
        self._progress.state = State.STARTING
        saved = Checkpoint.read(self._lease.body)
        token = self._progress.token or saved.token
        ground = await self._opening.open(saved, token, self._history_lost, self._check_build)
        self._history_lost = None
        self._session = session = Session(self._context, ground)
        try:
            await session.run()
        finally:
            self._failures = 0 if session.moved else self._failures
            self._session = None

    async def _stand_by(self) -> None:
        """Return once the lease is held. Raises Interrupted, Unavailable."""
        await self._renewer.stop(release=False)
        while not await self._lease.look():
            self._role = Role.STANDBY
            self._progress.state = State.STANDBY
            self._mirror(self._lease.body)
            awaited = min(AWAITED_LOOK, self._options.look_seconds)
            await self._rest(awaited if self._refresher.awaited else self._options.look_seconds)
        crash_point(CrashPoint.LEASE_TAKEN)
        log.info("leading the index %s with fencing token %d", self._options.alias, self._lease.fence)
        self._role, self._mirrored = Role.LEADER, {}
        self._progress.forget()
        self._refresher.forget()
        self._renewer.start()

    def _notice_loss(self) -> None:
        """After the end of a session: drop everything if another process took over the lease."""
        if self._role is Role.LEADER and not self._lease.held:
            self._role = Role.STANDBY
            self._progress.forget()
            self._refresher.forget()
            self._progress.state = State.STANDBY

    async def _recover(self, error: Exception) -> None:
        """Do what the end of a session requires, and pause before the next. Unexpected errors are logged."""
        try:
            match error:
                case Halted():
                    await self._halted(error)
                case HistoryLost():
                    log.warning("the change feed lost its history (%s): reconciling the index", error)
                    self._history_lost = "the change feed lost its history"
                    self._progress.forget()
                    self._refresher.forget()
                    await self._lost_again(error)
                case IndexGone():
                    await self._gone(error)
                case Unavailable() | Rejected():
                    await self._wait(str(error))
                case _:
                    log.error("the follower failed; restarting it", exc_info=error)
                    await self._wait(f"{type(error).__name__}: {error}")
        except Interrupted:
            self._notice_loss()
        except Exception as again:
            log.warning("indexing is waiting: %s", again, exc_info=not isinstance(again, Unavailable | Rejected))
            await asyncio.sleep(backoff(1))

    async def _lost_again(self, error: HistoryLost) -> None:
        """Pause, and report why, if history is lost again and again: each token that the store gives is refused."""
        self._failures += 1
        if self._failures > 1:
            reason = f"the change feed refuses its own tokens, {self._failures} times in a row: {error}"
            log.error("%s", reason)
            await self.pause(backoff(self._failures - 1), reason)

    async def _wait(self, reason: str) -> None:
        """Pause after a failed session; longer each time, until one makes progress. Raises Interrupted."""
        self._failures += 1
        log.warning("indexing is waiting: %s", reason)
        await self.pause(backoff(self._failures), reason)

    async def _halted(self, error: Halted) -> None:
        """Stop writing to an index that rejects too much; if it is the one that searches use, wait for an operator.

        The operator can lift the halt or start a reindex.
        """
        plan = await self._plans.load()
        if error.index in [physical.index for physical in (plan.building, plan.previous) if physical is not None]:
            log.error("%s: writing to it has stopped", error)
            await withdraw_permit(self._plans, self._indexes, of=error.index)  # first, or a late move would expose it
            await self._plans.change(lambda plan: plan.without(error.index, str(error)))
            self._bulk.forgive()
            return
        log.critical("indexing halted: %s", error)
        self._progress.error, self._progress.state = str(error), State.HALTED
        # A plan changed in between counts too; but a build that halts has no plan that it worked by.
        live = plan.live is not None and plan.live.index == error.index
        worked_by = self._progress.gen if live else plan.gen
        try:
            while (now := await self._plans.load()).resumes == plan.resumes and now.gen == worked_by:
                await self._rest(self._options.plan_seconds)
        finally:
            self._bulk.forgive()

    async def _gone(self, error: IndexGone) -> None:
        """Continue without a missing index; if it exists after all, it was restored, and is made writable."""
        if await self._engine.identity(error.index) is not None:
            await self._engine.adopt_index(error.index)
            await self._wait(f"the index {error.index} was restored by another program, and rejected writes until now")
            return
        await self._plans.change(lambda plan: plan.without(error.index, str(error)))
        await self._wait(str(error))

    async def _rest(self, seconds: float) -> None:
        """Wait. Raises Interrupted as soon as the bell rings."""
        try:
            async with asyncio.timeout(seconds):
                await self._bell.wait()
        except TimeoutError:
            return
        raise Interrupted

    async def _refresh(self) -> None:
        if self._session is not None:
            await self._session.refresh()

    def _check_build(self) -> None:
        """Raise Interrupted also for a stop: a build takes long, and is started again anyway."""
        if self._bell.is_set():
            raise Interrupted

    def _caught_up(self) -> bool:
        if self._mirrored:
            return bool(self._mirrored.get("caught_up"))
        searchable, goal = self._refresher.searchable, self._progress.goal
        return searchable is not None and goal is not None and self._store.passed(searchable, goal)

    def _summary(self) -> Body:
        """Return what the lease's record says to standbys and other observers."""
        progress = self._progress
        status: Body = {
            "state": str(progress.state),
            "index": progress.index,
            "searchable": self._refresher.searchable,
            "caught_up": self._caught_up(),
            "dead_letters": len(self._letters),
            "outdated": progress.outdated,
            "error": progress.error,
        }
        return {"status": status}

    def _mirror(self, body: Body) -> None:
        """Adopt the leader's values."""
        self._mirrored = status = body.get("status") or {}
        self._progress.index = status.get("index")
        self._progress.outdated = bool(status.get("outdated"))
        self._progress.error = status.get("error")
        self._progress.gen = body.get("acked_gen", 0)
        self._progress.acknowledged.move(body.get("token"))
        self._refresher.mirror(status.get("searchable"))
