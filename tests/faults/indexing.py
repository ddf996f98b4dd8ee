"""One store, one engine, supervised processes of the indexer between them, and the judgement at the end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from indexer.follow import checkpoint
from indexer.indexes.plan import Plan
from indexer.indexes.targets import Target, resolved
from indexer.operator import OperatorTools
from service.adapters.opensearch.engine import Connection, OpenSearchEngine
from service.errors import Unavailable
from service.ports.clock import SystemClock
from service.ports.search import Rejected
from service.ports.store import Body, Store
from tests.contracts.adapters import STORES
from tests.faults.crashing import Crash, Job, options
from tests.faults.ledger import Ledger
from tests.faults.witness import Witness
from tests.support.waiting import eventually

PATIENCE = 60.0


class Nursery:
    """The process that forks all supervisors."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.faults.crashing"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )

    def start(self, job: Job) -> int:
        """Start a supervisor for a job; return its process id."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(job.line())
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End all that it started, and it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


@contextmanager
def nursery() -> Iterator[Nursery]:
    made = Nursery()
    try:
        yield made
    finally:
        made.close()


@dataclass
class Supervised:
    """A job under way."""

    job: Job
    pid: int

    @property
    def hits(self) -> list[str]:
        """The crashes so far."""
        return _lines(self.job.file("hits"))

    @property
    def lives(self) -> list[str]:
        """Each life so far: its process id and its work."""
        return _lines(self.job.file("lives"))

    @property
    def leaps(self) -> list[str]:
        """Each leap of its clock, in hours off."""
        return _lines(self.job.file("leaps"))

    @property
    def life(self) -> int:
        """The process id of the present life, or of the last one."""
        return int(self.lives[-1].split()[0])

    def signal(self, number: int) -> None:
        """Send a signal to the present life."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.life, number)

    async def done(self, patience: float = PATIENCE) -> None:
        """Wait until all of its works are done."""

        async def ended() -> bool:
            return bool(_lines(self.job.file("ended")))

        try:
            await eventually(ended, f"{self.job.name} ends", patience)
        except AssertionError as error:
            raise AssertionError(f"{error}\nlives {self.lives[-5:]}, hits {self.hits}\n{self.log()}") from None
        (said,) = _lines(self.job.file("ended"))
        assert said == "done", f"{said}\n{self.log()}"

    async def end(self) -> None:
        """Tell it to end, wait until it has."""
        with contextlib.suppress(ProcessLookupError):
            if self.lives:
                self.signal(signal.SIGCONT)
            os.kill(self.pid, signal.SIGTERM)
        await self.done()

    def log(self) -> str:
        """Return the end of what its lives have logged."""
        return "\n".join(_lines(self.job.file("log"))[-40:])


@dataclass
class Scene:
    """Where it all happens. ``engine`` is reached by ``url``; processes reach it by ``way``, which may be a proxy."""

    place: Path
    kind: str
    url: str
    way: str
    alias: str
    nursery: Nursery
    store: Store
    engine: OpenSearchEngine
    ledger: Ledger
    jobs: list[Supervised] = field(default_factory=list)
    """Every process that was started here."""

    @asynccontextmanager
    async def process(self, *works: str, crashes: tuple[Crash, ...] = (), **flags: Any) -> AsyncIterator[Supervised]:
        """Run works in a supervised process until the block ends."""
        one = self.start(*works, crashes=crashes, **flags)
        try:
            yield one
        finally:
            await one.end()

    def start(self, *works: str, crashes: tuple[Crash, ...] = (), **flags: Any) -> Supervised:
        """Start works in a supervised process."""
        name = f"{works[0]}-{len(self.jobs)}"
        job = Job(name, works, self.kind, str(self.place), self.way, self.alias, crashes, **flags)
        self.jobs.append(Supervised(job, self.nursery.start(job)))
        return self.jobs[-1]

    @property
    def hits(self) -> list[str]:
        """Every crash of every process."""
        return [hit for job in self.jobs for hit in job.hits]

    def witness(self) -> Witness:
        return Witness(self.store, self.engine, self.alias, self.ledger)

    @property
    def tools(self) -> OperatorTools:
        return OperatorTools(self.store, self.engine, SystemClock(), options(self.alias))

    async def record(self) -> Body:
        """Return the record of the lease."""
        return await checkpoint.load(self.store, self.alias)

    async def plan(self) -> Plan:
        return await self.tools.plans.load()

    async def physical(self) -> str:
        (name,) = await self.engine.resolve_alias(self.alias)
        return name

    async def said(self, what: str, patience: float = PATIENCE, **wanted: Any) -> Body:
        """Wait until the leader's status says all of this; return the record."""

        async def holds() -> bool:
            self._healthy()
            status = (await self.record()).get("status") or {}
            return all(status.get(name) == value for name, value in wanted.items())

        await self._eventually(holds, what, patience)
        return await self.record()

    async def caught_up(self) -> None:
        await self.said("the index is caught up", caught_up=True)

    async def settled(self, patience: float = PATIENCE) -> None:
        """Wait until searches see all that was written until now."""
        mark = await self.store.barrier()

        async def seen() -> bool:
            self._healthy()
            searchable = ((await self.record()).get("status") or {}).get("searchable")
            return searchable is not None and self.store.passed(searchable, mark)

        await self._eventually(seen, "searches see all", patience)

    async def judged(self) -> None:
        """Every target is equal to the store, the dead letters are the poison, searches show the ledger, none leaks."""
        await self.settled()
        await self._eventually(self._only_poison_is_dead, "the dead letters are the poisoned assets", PATIENCE)
        plan = await self.plan()
        for target in await self.targets():
            tools = self.tools
            await tools.letters.load([target.index])
            report = await tools.verify(target).run()
            assert report.clean, f"{target.index}: {report.as_json()}\n{self._logs()}"
            assert report.checked >= len(self.ledger.entries) or plan.live != target.physical
        assert (await self.targets())[0].index == await self.physical()
        await self.ledger.check(self.engine, self.alias)
        known = {one.index for one in (*plan.targets, plan.making) if one is not None} | {*plan.abandoned}
        assert await self._names() <= known, "an index that nobody knows of"

    async def targets(self) -> list[Target]:
        targets, gone = await resolved(self.engine, await self.plan())
        assert not gone
        return targets

    async def _only_poison_is_dead(self) -> bool:
        letters = self.tools.letters
        targets = [target.index for target in await self.targets()]
        await letters.load(targets)
        return all(set(letters.open(index)) - self.ledger.doubtful == self.ledger.poisoned for index in targets)

    async def _names(self) -> set[str]:
        async with httpx.AsyncClient(base_url=self.url, timeout=30) as client:
            answer = await client.get(f"/{self.alias}-*/_alias", params={"expand_wildcards": "all"})
            return set(answer.raise_for_status().json())

    async def _eventually(self, condition: Callable[[], Awaitable[bool]], what: str, patience: float) -> None:
        try:
            await eventually(condition, what, patience)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{await self.record()}\n{self._logs()}") from None

    def _healthy(self) -> None:
        """No supervisor has given up."""
        for one in self.jobs:
            assert _lines(one.job.file("ended")) in ([], ["done"]), f"{one.job.name}\n{one.log()}"

    def _logs(self) -> str:
        return "\n".join(f"{one.job.name} {one.hits}\n{one.log()}" for one in self.jobs)

    async def swept(self) -> None:
        """End what runs still; delete the indexes."""
        for job in self.jobs:
            if not _lines(job.job.file("ended")):
                await job.end()
        with contextlib.suppress(Unavailable, Rejected, httpx.HTTPError):
            for name in await self._names():
                await self.engine.delete_index(name)


@asynccontextmanager
async def scene(
    place: Path,
    nursery: Nursery,
    url: str,
    *,
    way: str | None = None,
    kind: str = "sqlite",
    seed: int = 0,
    poison: float = 0.0,
) -> AsyncIterator[Scene]:
    """Open a store and a client of an engine at a place, and sweep up after."""
    engine = OpenSearchEngine(Connection(hosts=(url,)))
    alias = f"faults-{os.urandom(4).hex()}"
    async with STORES[kind](place) as store:
        made = Scene(place, kind, url, way or url, alias, nursery, store, engine, Ledger(store, seed, poison))
        try:
            yield made
        finally:
            await made.swept()
            await engine.close()


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []
