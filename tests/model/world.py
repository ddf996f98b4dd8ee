"""A world for the indexer: one store, one engine, users, followers and operators, and all that may befall them."""

from __future__ import annotations

import asyncio
import logging
import random as global_random
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any, Self, cast

from indexer.bulk.loop import BatchLimits
from indexer.crash_points import CrashPoint, observed
from indexer.follow.follower import Follower
from indexer.indexes.plan import ENDED, Stage
from indexer.indexes.targets import as_target
from indexer.leadership.lease import Candidate
from indexer.operator import OperatorTools
from indexer.options import FollowOptions
from indexer.reindex.rebuild import Reindex, ReindexResult
from service.errors import AlreadyExists, Conflict, HistoryLost, NotFound, Unavailable
from service.ports.clock import Clock
from service.ports.search import Rejected, SearchEngine
from service.ports.store import Change, Store
from tests.model.cluster import Cluster, FakeEngine
from tests.model.database import Database, FakeStore
from tests.model.listening import Listening
from tests.model.network import Limits, Network, Weather
from tests.model.oracle import Oracle, Violation, is_poison
from tests.model.simulation import Process, ProcessDied, VirtualClock, VirtualLoop, current

OPTIONS = FollowOptions(
    alias="assets",
    feed_limit=4,
    page=3,
    lanes=2,
    bounds=BatchLimits(2, 2**20),
    check_seconds=5.0,
    refresh_seconds=0.5,
    shards_seconds=5.0,
)
BURIAL = timedelta(seconds=120)
"""How old a tombstone is that a purge takes out: past every pause and every late request of this world."""
PATIENCE = 400.0
"""Seconds within which a world without faults comes to rest."""


@dataclass(frozen=True)
class Shape:
    """What differs between worlds.

    ``moving``: the feed is like SQLite's, else like MongoDB's. ``known_dead``: processes know of each other's deaths.
    """

    moving: bool = False
    known_dead: bool = False


class World:
    """One world, all of whose chances come from a seed; use it as a context manager."""

    def __init__(self, seed: int, shape: Shape | None = None, *, options: FollowOptions = OPTIONS) -> None:
        self.random = Random(seed)
        self.shape = shape or Shape()
        self.options = options
        self.loop = VirtualLoop()
        self.database = Database(moving=self.shape.moving)
        self.cluster = Cluster(self.random)
        self.store_network = Network(self.loop, self.random, "store", Limits(lateness=12.0))
        self.engine_network = Network(self.loop, self.random, "search", Limits())
        self.processes: list[Process] = []
        self.followers: list[Process] = []
        self.operators: list[Process] = []
        self.outcomes: list[ReindexResult] = []
        self.steps: set[CrashPoint] = set()
        self.told: list[str] = []
        self._users = Process("users")
        self._stopping: dict[str, asyncio.Event] = {}
        self._stack = ExitStack()
        self.oracle = Oracle(
            self.database, self.cluster, options.alias, options.ttl_seconds, self.loop.time, self._is_dead,
            self.loop.halt,
        )  # fmt: skip

    def __enter__(self) -> Self:
        state = global_random.getstate()
        global_random.seed(self.random.random())  # the jitter of pauses
        self._stack.callback(global_random.setstate, state)
        self._stack.enter_context(observed(self._reached))
        self._stack.enter_context(Listening(self._heard))
        return self

    def __exit__(self, *_: object) -> None:
        with self._stack:
            self.oracle.violation = self.oracle.violation or Violation("over")
            for process in self.processes:
                self.loop.kill(process)
            self.loop.advance(3.0)
            self.loop.close()
            asyncio.set_event_loop(None)

    # --- time

    def advance(self, seconds: float) -> None:
        """Let time pass. Raises Violation."""
        self.loop.advance(seconds)
        self.check()

    def check(self) -> None:
        """Raise the first violation, or what failed where nobody thought of it."""
        if self.oracle.violation is not None:
            raise self.oracle.violation
        if self.loop.failed:
            raise Violation(f"unexpected: {self.loop.failed[0]!r}")

    # --- users

    def write(self, number: int, what: str) -> None:
        """Have somebody create, change, spoil or remove an asset."""
        self.loop.spawn(self._users, self._write(f"asset_{number:03d}", what))

    async def _write(self, key: str, what: str) -> None:
        store = self._store(self._users)
        title = {"poison": "poison", "toxic": "poison of all"}.get(what, f"title {self.random.random()}")
        try:
            record = (await store.get_many("asset", [key], tombstones=True)).get(key)
            if record is None:
                await store.insert("asset", key, {"org_id": "acme", "title": title})
            elif what == "remove":
                await store.remove("asset", key)
            elif what == "orphan":  # of no organization: it cannot even be projected
                await store.update("asset", key, Change(unset=("org_id",)))
            else:
                await store.update("asset", key, Change(set={"title": title, "org_id": "acme"}))
        except (Unavailable, NotFound, AlreadyExists, Conflict):
            return

    # --- followers

    def start_follower(self) -> Process:
        """Start one more process that follows, or stands by."""
        process = self._process("follower")
        self.followers.append(process)
        self.loop.spawn(process, self._serve(process))
        return process

    async def _serve(self, process: Process) -> None:
        follower = self._follower(process)
        self._stopping[process.name] = asyncio.Event()
        follower.start()
        reader = asyncio.create_task(self._read(process, follower))
        await self._stopping[process.name].wait()
        reader.cancel()
        await follower.stop()

    async def _read(self, process: Process, follower: Follower) -> None:
        """Now and then write something, and wait until searches see it."""
        store = self._store(process)
        while True:
            await asyncio.sleep(self.random.uniform(1.0, 6.0))
            try:
                token = await store.barrier()
                if await follower.wait_for(token, 5.0) and process.alive:
                    self.oracle.claim(token)
            except (Unavailable, HistoryLost):
                continue

    def stop_gracefully(self, process: Process) -> None:
        """Ask a follower to end (SIGTERM)."""
        if (event := self._stopping.get(process.name)) is not None:
            self.loop.outside(0.0, event.set)

    # --- operators

    def operate(self, work: Callable[[Reindex], Coroutine[Any, Any, object]], *, with_follower: bool = True) -> Process:
        """Start an operator's process that reindexes, rolls back or purges."""
        process = self._process("operator")
        self.operators.append(process)
        self.loop.spawn(process, self._operate(process, work, with_follower=with_follower))
        return process

    async def _operate(
        self, process: Process, work: Callable[[Reindex], Coroutine[Any, Any, object]], *, with_follower: bool
    ) -> None:
        reindex = Reindex(
            self._store(process), self._engine(process), self._clock(process), self.options,
            follower=self._follower(process) if with_follower else None,
            candidate=self._candidate(process),
        )  # fmt: skip
        try:
            outcome = await work(reindex)
        except (Unavailable, Rejected) as error:
            self.told.append(f"{process.name}: {error}")
        else:
            if isinstance(outcome, ReindexResult):
                self.outcomes.append(outcome)

    # --- what befalls processes

    def kill(self, process: Process) -> None:
        """End a process at once (SIGKILL)."""
        self.loop.kill(process)

    def pause(self, process: Process) -> None:
        """Stop a process (SIGSTOP)."""
        process.stopped = process.alive

    def resume(self, process: Process) -> None:
        """Let it go on (SIGCONT)."""
        self.loop.resume(process)

    def running(self, among: list[Process]) -> list[Process]:
        """Return those that are not dead and have not ended."""
        return [process for process in among if not process.ended]

    # --- what befalls engines

    def lose_history(self) -> None:
        """Forget the change log so far."""
        self.database.trim()

    def delete_index(self, name: str) -> None:
        """Delete an index behind everybody's back."""
        self._void()
        self.cluster.delete(name)

    def restore_index(self, name: str) -> None:
        """Put an index back as it was in the last snapshot."""
        self._void()
        self.cluster.restore(name, writable=self.random.random() < 0.5)

    def damage_building(self) -> None:
        """Take a document out of the index that a reindex fills, behind the engine's back."""
        plan = self.oracle.plan
        if plan.rebuild is None or plan.rebuild.stage not in (Stage.JOINED, Stage.FILLING, Stage.FILLED, Stage.DRAINED):
            return  # what happens after the verify, no verify sees
        if plan.building is None or (index := self.cluster.indexes.get(plan.building.index)) is None:
            return
        if live := [key for key, held in index.docs.items() if not held.deleted]:
            self.cluster.damage(index.name, self.random.choice(live), None)

    def _void(self) -> None:
        self.oracle.claimed = 0

    # --- the end

    def settle(self) -> None:
        """End all faults, let everybody finish, and check that all is as it should be. Raises Violation."""
        self.calm()
        for process in self.processes:
            self.loop.resume(process)
            process.fuse, process.doom, process.nap = None, None, None
        for process in self.running(self.operators):
            self.kill(process)
        self.advance(40.0)  # what is late arrives, who was asked to end has ended
        if not self.running(self.followers):
            self.start_follower()
        self._finish_reindex()
        self._within(self._at_rest, "the followers catch up")
        self.advance(2 * self.options.check_seconds)  # letters that another process left are looked at now and then
        plan = self.oracle.plan
        for physical in (plan.live, plan.previous):
            if physical is not None:
                self.oracle.equal(physical.index)
        if set(self.cluster.aliases.get(self.options.alias, {})) != {plan.live and plan.live.index}:
            self.oracle.fail(f"the alias shows {self.cluster.aliases}, the plan says {plan.live}")
        self.check()
        self._verify()

    def calm(self) -> None:
        """End all faults of the network and the engine."""
        self.store_network.weather, self.engine_network.weather = Weather(), Weather()
        self.cluster.busy = 0.0

    def _finish_reindex(self) -> None:
        """Do as an operator who finds a reindex that was interrupted: run it again; if it refuses, give it up."""
        plan = self.oracle.plan
        if plan.rebuild is None or plan.rebuild.stage in ENDED:
            return
        for work in (
            lambda reindex: reindex.run(accept_dead_letters=True),
            lambda reindex: reindex.purge(unfinished=True, tombstones=None),
            lambda reindex: reindex.run(accept_dead_letters=True),
        ):
            operator = self.operate(work)
            self._within(lambda operator=operator: operator.ended, "the reindex ends")  # type: ignore[misc]
            rebuild = self.oracle.plan.rebuild
            if rebuild is not None and rebuild.stage in ENDED and self.outcomes and self.outcomes[-1].swapped:
                return
        self.oracle.fail(f"the reindex never ends well: {self.outcomes[-1:]} {self.told[-3:]}")
        self.check()

    def _at_rest(self) -> bool:
        lease = self.oracle.lease
        if not lease or lease.get("token") is None or lease.get("reconciling") or lease["released"]:
            return False
        if lease["holder"] not in [process.name for process in self.processes if not process.ended]:
            return False
        last = max((e.seq for e in self.database.log if e.kind == "asset"), default=0)
        status, token = lease.get("status") or {}, self.database.token(lease["token"])
        return token.seen >= last and bool(status.get("caught_up")) and lease.get("acked_gen") == self.oracle.plan.gen

    def _within(self, condition: Callable[[], bool], what: str) -> None:
        end = self.loop.now + PATIENCE
        while not condition():
            if self.loop.now > end:
                raise Violation(f"not within {PATIENCE} s: {what}: {self.oracle.lease} {self.oracle.plan}")
            self.advance(1.0)

    def _verify(self) -> None:
        """Have the real verify look at every index that should be equal."""
        process = self._process("verify")
        reports: list[Any] = []

        async def look() -> None:
            engine = self._engine(process)
            tools = OperatorTools(self._store(process), engine, self._clock(process), self.options)
            plan = await tools.plans.load()
            for physical in (plan.live, plan.previous):
                target = None if physical is None else await as_target(engine, physical)
                if target is not None:
                    await tools.letters.load([target.index])
                    reports.append(await tools.verify(target).run())

        self.loop.spawn(process, look())
        self._within(lambda: process.ended, "the verify ends")
        poison = sum(is_poison(history[-1]) for history in self.database.history.values())
        for report in reports:
            if not report.clean or report.dead_letters != poison:
                raise Violation(f"verify says {report.as_json()}, there are {poison} poisoned assets")

    # --- inside

    def _process(self, kind: str) -> Process:
        process = Process(f"{kind}-{len(self.processes) + 1}")
        self.processes.append(process)
        return process

    def _follower(self, process: Process) -> Follower:
        return Follower(
            self._store(process), self._engine(process), self._clock(process), self.options,
            candidate=self._candidate(process),
        )  # fmt: skip

    def _candidate(self, process: Process) -> Candidate:
        return Candidate(process.name, self._is_dead if self.shape.known_dead else lambda holder: False)

    def _store(self, process: Process) -> Store:
        return cast("Store", FakeStore(self.database, self.store_network, process, self._clock(process), self.random))

    def _engine(self, process: Process) -> SearchEngine:
        return cast("SearchEngine", FakeEngine(self.cluster, self.engine_network, process, self.random))

    def _clock(self, process: Process) -> Clock:
        return VirtualClock(self.loop, process)

    def _is_dead(self, holder: str) -> bool:
        return self.shape.known_dead and any(p.name == holder and p.ended for p in self.processes)

    def _reached(self, step: CrashPoint) -> None:
        """Learn of a step; the process that reached it dies there if it is doomed to."""
        process = current()
        if process is None or not process.alive:
            return
        self.steps.add(step)
        if process.nap is not None and process.nap[0] is step:
            self.loop.outside(process.nap[1], lambda: self.loop.resume(process))
            process.stopped, process.nap = True, None
        if process.doom is None or process.doom[0] is not step:
            return
        process.doom = (step, process.doom[1] - 1)
        if process.doom[1] < 0:
            self.loop.kill(process)
            raise ProcessDied

    def _heard(self, record: logging.LogRecord) -> None:
        """Learn what the indexer did not expect."""
        process = current()
        if record.exc_info is not None and (process is None or process.alive) and "cannot project" not in record.msg:
            self.oracle.fail(f"{record.getMessage()}: {record.exc_info[1]!r}")
