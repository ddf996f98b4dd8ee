"""Followers in processes of their own on one store and one engine: who leads, who takes over, who saves nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator

from indexer.indexes.plan import Plans
from indexer.indexes.targets import resolved
from indexer.operator import OperatorTools
from service.errors import NotFound
from service.ports.clock import SystemClock
from service.ports.store import Body, Change
from tests.e2e.follower_process import TTL
from tests.support.indexing import ALIAS, OPTIONS, Rig, asset
from tests.support.waiting import eventually


class Process:
    """One follower process."""

    def __init__(self, rig: Rig, *flags: str) -> None:
        command = [sys.executable, "-m", "tests.e2e.follower_process", str(rig.place / "store.sqlite")]
        self._log = (rig.place / "followers.log").open("a")
        self._said = rig.place / f"said-{os.urandom(4).hex()}"
        with self._said.open("w") as said:
            self._process = subprocess.Popen(
                [*command, str(rig.engine.url), ALIAS, *flags], stdout=said, stderr=self._log
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    async def says(self, words: str) -> None:
        """Wait until its last word begins so."""

        async def said() -> bool:
            assert self._process.poll() is None, self._said.read_text()
            lines = self._said.read_text().splitlines()
            return bool(lines) and lines[-1].startswith(words)

        await eventually(said, f"it says {words}")

    async def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
        await asyncio.to_thread(self._process.wait, 30)
        self._log.close()


@contextlib.asynccontextmanager
async def process(rig: Rig, *flags: str) -> AsyncIterator[Process]:
    """Run a follower process until the block ends."""
    made = Process(rig, *flags)
    try:
        yield made
    finally:
        await made.end()


async def record(rig: Rig) -> Body:
    return (await rig.store.get("checkpoint", f"follow-{ALIAS}")).body


async def leads(rig: Rig, one: Process) -> bool:
    """Whether this process holds the lease, once somebody does."""

    async def held() -> bool:
        with contextlib.suppress(NotFound):
            return bool((await record(rig))["holder"])
        return False

    await eventually(held, "somebody holds the lease")
    # As service.adapters.shared.liveness names it:
    # <host>/<boot and namespace>/<pid>.<start>/<name>, without /proc <pid> alone.
    holder = (await record(rig))["holder"]
    return f"/{one.pid}." in holder or f"/{one.pid}/" in holder


async def write(rig: Rig, first: int, count: int) -> None:
    """Write, change and remove assets."""
    await asyncio.gather(*(rig.store.insert("asset", *asset(n, title="a")) for n in range(first, first + count)))
    await asyncio.gather(
        *(rig.store.update("asset", f"asset_{n}", Change(set={"title": "b"})) for n in range(first, first + count, 2))
    )
    await rig.store.remove("asset", f"asset_{first}")


async def clean(rig: Rig) -> None:
    """Wait until the leader has passed all, and assert that the index is equal to the store."""
    tools = OperatorTools(rig.store, rig.engine, SystemClock(), OPTIONS)
    await tools.leader.settle()
    (target,), _ = await resolved(rig.engine, await Plans(rig.store, ALIAS).load())
    report = await tools.verify(target).run()
    assert report.clean, report.as_json()
    assert report.checked == len(await rig.store.scan("asset", limit=10_000))


async def test_a_killed_leader_is_replaced_and_nothing_is_lost(rig: Rig) -> None:
    await write(rig, 1, 100)
    async with process(rig) as first, process(rig) as second:
        leader, standby = (first, second) if await leads(rig, first) else (second, first)
        await leader.says("leader ready 1")
        await standby.says("standby ready")
        writing = asyncio.create_task(write(rig, 1000, 300))
        leader.signal(signal.SIGKILL)
        await standby.says("leader ready 2")
        await writing
        await clean(rig)


async def test_a_frozen_leader_that_wakes_up_saves_nothing(rig: Rig) -> None:
    await write(rig, 1, 50)
    async with process(rig, "blind") as zombie:
        await zombie.says("leader ready 1")
        async with process(rig, "blind") as heir:
            await heir.says("standby ready")
            zombie.signal(signal.SIGSTOP)
            await write(rig, 1000, 100)
            await heir.says("leader ready 2")
            await clean(rig)
            token = (await record(rig))["token"]
            zombie.signal(signal.SIGCONT)
            await zombie.says("standby ready")
            after = await record(rig)
            assert after["fence"] == 2
            assert rig.store.passed(after["token"], token)
            await write(rig, 2000, 100)
            await clean(rig)


async def test_a_leader_that_ends_in_peace_is_replaced_at_once(rig: Rig) -> None:
    async with process(rig, "blind") as first:
        await first.says("leader ready 1")
        async with process(rig, "blind") as second:
            await second.says("standby ready")
            loop = asyncio.get_running_loop()
            began = loop.time()
            first.signal(signal.SIGTERM)
            await second.says("leader ready 2")
            assert loop.time() - began < TTL
            await write(rig, 1, 20)
            await clean(rig)
