"""Processes of the indexer that are killed at a step and started again, until their crashes are used up.

``python -m tests.faults.crashing`` imports everything once, then forks a supervisor for each job that comes by stdin (a
line of JSON). The supervisor forks one life after the other: what a life does is what a process does that was just
started, and its end is a real ``kill -9``. It ends with its stdin, and takes all of them along.

A life appends its number to ``<job>.lives``, and the step that it is about to die at to ``<job>.hits``; the supervisor
writes how the last one ended to ``<job>.ended``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

from indexer import crash_points
from indexer.crash_points import CrashPoint
from indexer.follow.follower import Follower
from indexer.leadership.lease import Candidate
from indexer.options import FollowOptions
from indexer.reindex import stages
from indexer.reindex.rebuild import Reindex
from service.adapters.opensearch import wire  # noqa: F401 - once for all lives, it takes its time
from service.adapters.opensearch.engine import Connection, OpenSearchEngine
from service.adapters.shared.liveness import enlist, known_dead
from service.adapters.sqlite.store import SqliteStore
from service.errors import Unavailable
from service.ports.clock import Clock, SystemClock
from service.ports.search import SearchEngine
from service.ports.store import Store
from tests.contracts.adapters import STORES

TTL = 1.5
"""Seconds without a sign of life after which a lease is taken over."""
_POLL = 0.01
_GIVEN_UP = 60
"""Lives after which a supervisor believes that there is no end to it; those that could not work are not counted."""
AGAIN = 75
"""The exit code of a life that could not work now (EX_TEMPFAIL), say because its engine is starting."""
_BEFORE_ANOTHER_TRY = 0.1
"""Seconds between a life that could not work and the next one."""
TIMED = "some time"
"""What is noted as a hit of a crash that no step brings."""
_EXPECTED = frozenset({0, AGAIN, -signal.SIGKILL, -signal.SIGALRM, -signal.SIGTERM})


@dataclass(frozen=True, slots=True)
class Crash:
    """A ``kill -9`` of a life: the ``nth`` time that it reaches a step, or so many seconds after its start."""

    step: str | None
    nth: int = 1
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Job:
    """What a supervised process does, on which store and engine, and how often it dies.

    ``works`` are done one after the other: follow (until it is told to end), reindex, rollback, purge. ``first`` says
    that it dies of the first crash before any other. A ``blind`` one
    does not know which other processes are dead. The wall clock of one that is ``leaping`` goes back and forth by an
    hour.
    """

    name: str
    works: tuple[str, ...]
    store: str
    place: str
    url: str
    alias: str
    crashes: tuple[Crash, ...] = ()
    first: bool = False
    blind: bool = False
    leaping: bool = False

    @classmethod
    def read(cls, line: str) -> Self:
        """Return the job of a line."""
        body = json.loads(line)
        crashes = tuple(Crash(**crash) for crash in body.pop("crashes"))
        return cls(**{**body, "works": tuple(body.pop("works")), "crashes": crashes})

    def line(self) -> str:
        """Return the job as a line."""
        return json.dumps(asdict(self)) + "\n"

    def file(self, ending: str) -> Path:
        """Return the file in which its lives leave something."""
        return Path(self.place) / f"{self.name}.{ending}"

    def options(self) -> FollowOptions:
        return options(self.alias)


def options(alias: str) -> FollowOptions:
    """Return options in small: short pages and pauses, so that there is much to die at in a few seconds."""
    return replace(
        FollowOptions(alias),
        index_refresh="30s",  # whatever is searchable was made so by the follower
        feed_limit=50,
        page=20,
        refresh_seconds=0.1,
        checkpoint_seconds=0.01,
        check_seconds=0.5,
        plan_seconds=0.05,
        renew_seconds=0.2,
        ttl_seconds=TTL,
        look_seconds=0.05,
        shards_seconds=0.1,
    )


class Leaping(SystemClock):
    """A clock whose time of day is an hour off, now before and now after, for a second each; it notes each leap."""

    def __init__(self, notes: Path) -> None:
        self._notes = notes
        self._hours = 0

    def now(self) -> datetime:
        """Return some time or other."""
        hours = (-1, 0, 1)[int(time.monotonic()) % 3]
        if hours != self._hours:
            self._hours = hours
            _append(self._notes, str(hours))
        return super().now() + timedelta(hours=hours)


@asynccontextmanager
async def opened(job: Job, clock: Clock) -> AsyncIterator[Store]:
    """Open the job's store."""
    if job.store == "sqlite":
        async with SqliteStore(Path(job.place) / "store.sqlite", clock) as store:
            yield store
    else:
        async with STORES[job.store](Path(job.place)) as other:
            yield other


# --- a life


async def live(job: Job, work: str) -> None:
    """Do a work to its end."""
    clock = Leaping(job.file("leaps")) if job.leaping else SystemClock()
    engine = OpenSearchEngine(Connection(hosts=(job.url,), timeout=3.0, bulk_timeout=3.0))
    async with opened(job, clock) as store:
        try:
            await WORKS[work](job, store, engine, clock)
        finally:
            await engine.close()


async def _follow(job: Job, store: Store, engine: SearchEngine, clock: Clock) -> None:
    end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end.set)
    name = enlist(SystemClock().sid())
    candidate = Candidate(name) if job.blind else Candidate(name, known_dead)
    follower = Follower(store, engine, clock, job.options(), candidate=candidate)
    follower.start()
    await end.wait()
    await follower.stop()


async def _reindex(job: Job, store: Store, engine: SearchEngine, clock: Clock) -> None:
    outcome = await _operator(job, store, engine, clock).run(accept_dead_letters=True)
    assert outcome.swapped, f"{outcome.reason} {outcome.report and outcome.report.as_json()}"


async def _rollback(job: Job, store: Store, engine: SearchEngine, clock: Clock) -> None:
    outcome = await _operator(job, store, engine, clock).rollback()
    assert outcome.swapped, f"{outcome.reason} {outcome.report and outcome.report.as_json()}"


async def _purge(job: Job, store: Store, engine: SearchEngine, clock: Clock) -> None:
    await _operator(job, store, engine, clock).purge()


def _operator(job: Job, store: Store, engine: SearchEngine, clock: Clock) -> Reindex:
    name = enlist(SystemClock().sid())
    candidate = Candidate(name) if job.blind else Candidate(name, known_dead)
    return Reindex(store, engine, clock, job.options(), candidate=candidate)


WORKS: dict[str, Callable[[Job, Store, SearchEngine, Clock], Coroutine[Any, Any, None]]] = {
    "follow": _follow,
    "reindex": _reindex,
    "rollback": _rollback,
    "purge": _purge,
}


def _doomed(job: Job, crashes: Sequence[Crash]) -> Callable[[CrashPoint], None]:
    """Return what kills this process at the first of its crashes that it comes to."""
    seen: Counter[CrashPoint] = Counter()

    def reached(step: CrashPoint) -> None:
        seen[step] += 1
        if any(crash.step == step and seen[step] >= crash.nth for crash in crashes):
            _append(job.file("hits"), str(step))
            os.kill(os.getpid(), signal.SIGKILL)

    return reached


def _life(job: Job, work: str, crashes: Sequence[Crash]) -> int:
    """Live; return the exit code."""
    random.seed()  # or all lives would pause alike
    log = os.open(job.file("log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s {os.getpid()} %(name)s: %(message)s", force=True)
    logging.getLogger("opensearch").setLevel(logging.CRITICAL)
    stages.CURSOR_SECONDS = 0.0
    _append(job.file("lives"), f"{os.getpid()} {work}")
    timed = next((crash for crash in crashes if crash.step is None), None)
    if timed is not None:
        signal.setitimer(signal.ITIMER_REAL, timed.seconds)  # nobody handles SIGALRM: it is as good as a SIGKILL
    with crash_points.observed(_doomed(job, crashes)):
        try:
            asyncio.run(live(job, work))
        except Unavailable as error:
            logging.warning("%s ends: %s", work, error)
            return AGAIN
    return 0


def _append(path: Path, line: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{line}\n".encode())
    os.close(file)


# --- the supervisor


class Supervisor:
    """Starts one life after the other."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._crashes = list(job.crashes)
        self._ending = False
        self._child = 0
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, self._end)

    def run(self) -> None:
        """Do all works, each by as many lives as it takes."""
        said = "done"
        lives = 0
        for work in self._job.works:
            while not self._ending:
                code = self._one(work)
                if code == AGAIN:
                    time.sleep(_BEFORE_ANOTHER_TRY)
                else:
                    lives += 1
                if lives > _GIVEN_UP or code not in _EXPECTED:
                    said = f"{work} ended with {code}, life {lives}"
                    self._ending = True
                elif code == 0 and work != "follow":
                    break
        _append(self._job.file("ended"), said)

    def _one(self, work: str) -> int:
        """Have one life; return its exit code, negative for the signal that ended it."""
        before = _hits(self._job)
        self._child = self._forked(work)
        code = self._waited()
        if code == -signal.SIGALRM:
            _append(self._job.file("hits"), TIMED)
        for hit in _hits(self._job)[len(before) :]:
            met = next(crash for crash in self._crashes if (crash.step or TIMED) == hit)
            self._crashes.remove(met)
        return code

    def _armed(self) -> Sequence[Crash]:
        """Return the crashes that a life may meet."""
        return self._crashes[:1] if self._job.first and not _hits(self._job) else self._crashes

    def _forked(self, work: str) -> int:
        # A signal that comes in between would be lost on a child that is not told apart yet.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        child = os.fork()
        if child:
            self._child = child
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
            return child
        code = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
            code = _life(self._job, work, self._armed())
        except BaseException:
            logging.exception("a life failed")
        finally:
            os._exit(code)

    def _waited(self) -> int:
        while True:
            pid, status = os.waitpid(self._child, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(_POLL)

    def _end(self, number: int, frame: object) -> None:
        self._ending = True
        if self._child:
            os.kill(self._child, signal.SIGTERM)


def _hits(job: Job) -> list[str]:
    file = job.file("hits")
    return file.read_text().splitlines() if file.exists() else []


def main() -> None:
    """Fork a supervisor for each job, and say its number."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them here
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                Supervisor(Job.read(line)).run()
            finally:
                os._exit(0)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
