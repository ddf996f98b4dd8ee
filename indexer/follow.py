"""The follower: change feed → records read again → documents → bulk → checkpoint, for ever.

The invariants that this file keeps:

- A token is saved only when every change up to it is acknowledged by the index or durably a dead letter.
- An index that is missing, empty, of another mapping or of another store, and a feed that lost its history, are
  answered by a full build: barrier, scan, alias, then following from the barrier. Never "from now on".
- Searches see a new index only when its first scan is complete.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from indexer.backoff import delay
from indexer.batch import project
from indexer.build import KIND, Builder
from indexer.bulk import Bounds, BulkLoop, Halted, IndexGone
from indexer.checkpoint import Checkpoints
from indexer.dead_letters import DeadLetters
from indexer.feed import Interrupted, opened
from indexer.indexes import Indexes
from indexer.options import FollowOptions
from indexer.progress import Progress
from indexer.refresh import Refresher
from indexer.status import FollowerStatus, State
from service.errors import HistoryLost, Unavailable
from service.ports.clock import Clock
from service.ports.search import Rejected, SearchEngine
from service.ports.store import Changed, Record, Store

__all__ = ["FollowOptions", "Follower"]

log = logging.getLogger(__name__)

STOP_SECONDS = 15.0
"""How long :meth:`Follower.stop` waits for the batch under way before it is cancelled; it will be repeated."""


class Follower:
    """Keeps the index behind one alias equal to the assets of a store.

    Any number may run on one store: documents carry their version, so they only repeat each other's work.
    """

    def __init__(self, store: Store, engine: SearchEngine, clock: Clock, options: FollowOptions | None = None) -> None:
        self._store = store
        self._engine = engine
        self._clock = clock
        self._options = opt = options or FollowOptions()
        self._indexes = Indexes(
            engine, store, alias=opt.alias, shards=opt.shards, replicas=opt.replicas, refresh=opt.index_refresh
        )
        self._checkpoints = Checkpoints(store, opt.alias)
        self._builder = Builder(store, engine, self._indexes, self._checkpoints, clock)
        self._letters = DeadLetters(store, clock, opt.alias)
        self._bulk = BulkLoop(engine, self._letters, self, bounds=opt.bounds, lanes=opt.lanes)
        self._refresher = Refresher(self._refresh, clock, seconds=opt.refresh_seconds)
        self._trickle = opt.bounds if opt.trickle is None else Bounds(opt.trickle, opt.bounds.size)
        self._progress = Progress(clock)
        self._task: asyncio.Task[None] | None = None
        self._bell = asyncio.Event()
        self._stopping = False
        self._history_lost = False
        self._failures = 0
        self._saved: str | None = None
        self._saved_at = self._checked_at = clock.monotonic()

    # --- for its owner

    def start(self) -> None:
        """Begin to follow, in a task of its own."""
        if self._task is None:
            self._stopping = False
            self._progress.state = State.STARTING
            self._task = asyncio.create_task(self._run(), name="follower")

    async def stop(self) -> None:
        """Finish the batch under way, save the checkpoint and end. Safe to call twice."""
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

    def reset(self) -> None:
        """Start over: the engine lost its indexes (or may have). Nothing more is written to the index of before."""
        self._progress.forget()
        self._refresher.forget()
        self._bell.set()

    def status(self) -> FollowerStatus:
        """Return one look at the follower."""
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
            dead_letters=len(self._letters),
            items=dict(self._bulk.items),
            last_error=progress.error,
        )

    async def wait_for(self, token: str, timeout: float) -> bool:
        """Return True once searches see every change up to ``token``, False when that takes over ``timeout`` seconds.

        Tokens come from :meth:`service.ports.store.Store.barrier`. Raises HistoryLost for one of another database.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._refresher.wait(lambda searchable: self._store.passed(searchable, token))
        except TimeoutError:
            return False
        return True

    # --- for the bulk loop

    def check(self) -> None:
        """Raise Interrupted when the index that is being written may be gone; a stop lets the batch finish."""
        if self._bell.is_set() and not self._stopping:
            raise Interrupted

    async def pause(self, seconds: float, reason: str) -> None:
        """Wait before another attempt, and say so. Raises Interrupted."""
        self._progress.pause(reason)
        self._progress.behind()
        try:
            async with asyncio.timeout(seconds):
                await self._bell.wait()
        except TimeoutError:
            return
        finally:
            self._progress.resume()
        raise Interrupted

    # --- the work

    async def _run(self) -> None:
        """Run sessions until stopped; whatever ends one, the next begins from what is acknowledged."""
        while not self._stopping:
            self._bell.clear()
            self._progress.state = State.STARTING
            try:
                await self._session()
            except Interrupted:
                continue
            except Halted as error:
                log.critical("indexing halted: %s", error)
                self._progress.error, self._progress.state = str(error), State.HALTED
                await self._bell.wait()
                self._bulk.forgive()
            except HistoryLost as error:
                log.warning("the change feed lost its history (%s): the index is built again", error)
                self._history_lost, self._progress.goal = True, None
            except IndexGone as error:
                await self._rest(f"the index {error} is gone")
            except (Unavailable, Rejected) as error:
                await self._rest(str(error))
            except Exception as error:
                log.exception("the follower failed; it starts again")
                await self._rest(f"{type(error).__name__}: {error}")

    async def _rest(self, reason: str) -> None:
        """Pause after a session that failed; longer each time until one makes progress."""
        self._failures += 1
        log.warning("indexing waits: %s", reason)
        try:
            await self.pause(delay(self._failures), reason)
        except Interrupted:
            return

    async def _session(self) -> None:
        """Find or build an index, then follow."""
        await self._letters.load()
        index, token = await self._open()
        await self._engine.refresh(index)
        goal = self._progress.goal or await self._store.barrier()
        self.check()
        # The token is not believed before the feed has taken it; what is searchable moves with the feed's first batch.
        self._progress.index, self._progress.goal, self._progress.token = index, goal, token
        self._saved = token
        self._progress.state = State.FOLLOWING
        refreshing = asyncio.create_task(self._refresher.run(), name="refresher")
        try:
            await self._follow(index, token)
        finally:
            refreshing.cancel()
            await asyncio.wait([refreshing])

    async def _open(self) -> tuple[str, str]:
        """Return the index to write to and the token to follow from, after a build if there is none to go on with."""
        saved = await self._checkpoints.load()
        found = await self._indexes.state()
        if found is not None and found.current and not self._history_lost:
            ours = (found.name, found.build) == (saved.index, saved.build)
            token = self._progress.token if found.name == self._progress.index else saved.token
            if ours and token is not None:
                return found.name, token
        if found is not None and not found.current:
            log.warning("the index %s was made by another mapping or projection: a new one is built", found.name)
        self._progress.state = State.REINDEXING
        self._progress.goal = None
        opt = self._options
        built = await self._builder.build(
            saved, self._write, self._check_all, self._progress, page=opt.page, lanes=opt.lanes
        )
        self._history_lost = False
        return built

    async def _follow(self, index: str, token: str) -> None:
        """Apply the feed's batches behind the token until interrupted."""
        async with opened(self._store, token, kind=KIND, limit=self._options.feed_limit, bell=self._bell) as feed:
            try:
                while True:
                    batch = await feed.next()
                    if batch:
                        await self._apply(index, batch)
                    else:
                        await self._idle(index)
                    self._failures, self._progress.error = 0, None
                    await self._save(now=not batch)
            except Interrupted:
                if self._stopping:
                    await self._save(now=True)
                raise

    async def _apply(self, index: str, batch: Sequence[Changed]) -> None:
        """Write the records behind a batch of changes, then note its last token."""
        self._progress.behind()
        keys = list(dict.fromkeys(change.key for change in batch if change.kind == KIND))
        opt = self._options
        for start in range(0, len(keys), opt.page):
            part = keys[start : start + opt.page]
            records = await self._store.get_many(KIND, part, tombstones=True)
            await self._write(index, part, records, bounds=self._trickle if len(part) < opt.bounds.count else None)
        self._acknowledge(batch[-1].token, written=bool(keys))
        if len(batch) < opt.feed_limit:  # the feed had no more
            self._progress.even()

    async def _idle(self, index: str) -> None:
        """Use the quiet to see that the alias still points to the index that is followed. Raises IndexGone."""
        self._progress.even()
        moment = self._clock.monotonic()
        if moment - self._checked_at < self._options.check_seconds:
            return
        self._checked_at = moment
        found = await self._indexes.state()
        if found is None or found.name != index:
            raise IndexGone(index)

    async def _write(
        self, index: str, keys: Sequence[str], records: Mapping[str, Record], *, bounds: Bounds | None = None
    ) -> None:
        """Return when each of these keys is acknowledged by the index or a dead letter."""
        items, refused = await project(keys, records, self._options.epoch)
        for outcome in refused:
            await self._bulk.refuse(outcome)
        await self._bulk.write(index, items, bounds=bounds)

    def _acknowledge(self, token: str, *, written: bool) -> None:
        """Note that all changes up to the token are settled; unless the index is gone meanwhile."""
        self.check()
        self._progress.token = token
        self._refresher.acknowledged(token, written=written)

    async def _save(self, *, now: bool) -> None:
        """Save the token, when there is a new one and it is time."""
        token, moment = self._progress.token, self._clock.monotonic()
        if token is None or token == self._saved:
            return
        if now or moment - self._saved_at > self._options.checkpoint_seconds:
            await self._checkpoints.save(token)
            self._saved, self._saved_at = token, moment

    async def _refresh(self) -> None:
        if self._progress.index is not None:
            await self._engine.refresh(self._progress.index)

    def _check_all(self) -> None:
        """Raise Interrupted also for a stop: a build is long, and is begun again anyway."""
        if self._bell.is_set():
            raise Interrupted

    def _caught_up(self) -> bool:
        searchable, goal = self._refresher.searchable, self._progress.goal
        return searchable is not None and goal is not None and self._store.passed(searchable, goal)
