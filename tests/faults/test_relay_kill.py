"""Kill -9 of relays and of their consumer at random moments, under writes: every change is told, in order, and once.

``ASSETRY_FAULT_WRITES`` says how many writes the long test makes.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from service.core.events.consumers import consumer_key
from service.core.events.log import EventLog
from service.core.shared.authorship import signed, signed_new
from service.errors import Unavailable
from service.ports.clock import SystemClock
from service.ports.store import Change, Store
from service.times import timestamp
from tests.contracts.adapters import STORES
from tests.faults.relay_process import ledger_of, spawned
from tests.support.waiting import eventually

pytestmark = pytest.mark.processes

LONG = int(os.environ.get("ASSETRY_FAULT_WRITES", "20000"))
SHARE = {"sqlite": 1.0, "mongodb": 0.25}
"""How much of it each store sees: the stand-in for MongoDB takes a few hundred writes a second."""
WRITERS = 16
PATIENCE = 120.0


class Writers:
    """Clients that insert, change, trash and remove assets, and know what was acknowledged."""

    def __init__(self, store: Store, count: int, seed: int) -> None:
        self.revs: dict[str, int] = {}
        self.removed: set[str] = set()
        self.done = 0
        self._store = store
        self._count = count
        self._seed = seed

    async def run(self) -> None:
        await asyncio.gather(*(self._write(number) for number in range(WRITERS)))

    async def _write(self, writer: int) -> None:
        chance = random.Random(f"{self._seed} {writer}")
        own: list[str] = []
        while self.done < self._count:
            self.done += 1
            if not own or chance.random() < 0.25:
                key = f"w{writer}k{len(self.revs)}"
                body = {"org_id": f"org{writer % 3}", "guid": key, "title": key}
                record = await self._store.insert("asset", key, signed_new(body, timestamp(SystemClock().now())))
                own.append(key)
            else:
                key = chance.choice(own[-20:])
                if chance.random() < 0.05:
                    record = await self._store.remove("asset", key)
                    own.remove(key)
                    self.removed.add(key)
                else:
                    change = Change(set={"title": f"t{self.done}"})
                    if chance.random() < 0.1:
                        change = Change(set={"deleted_at": "2026-01-01T00:00:00.000Z"})
                    record = await self._store.update("asset", key, signed(change))
            self.revs[key] = record.rev


class Processes:
    """Two relays and a consumer; one of them is killed now and then, and another takes its place."""

    def __init__(self, store: str, place: Path) -> None:
        self.kills: Counter[str] = Counter()
        self._store = store
        self._place = place
        self._stack = ExitStack()
        self._running: list[tuple[str, subprocess.Popen[str]]] = []

    def start(self, what: str) -> None:
        process = spawned(self._store, self._place, what)
        self._stack.callback(_end, process)
        self._running.append((what, process))

    def kill(self, number: int) -> str:
        what, process = self._running.pop(number)
        assert process.poll() is None, f"a {what} ended by itself"
        _end(process)
        self.kills[what] += 1
        return what

    def close(self) -> None:
        self._stack.close()


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


async def lived_through(store_name: str, place: Path, writes: int, kills: int, seed: int) -> str:
    """Write and kill, then compare what was told with what is there; return what happened in a line."""
    chance = random.Random(seed)
    goals = sorted(chance.sample(range(writes // 50, writes * 9 // 10), kills))
    processes = Processes(store_name, place)
    async with STORES[store_name](place) as store:
        try:
            for what in ("consume", "relay", "relay"):
                await asyncio.to_thread(processes.start, what)
            # Both begin with what happens from now on: they have to have begun.
            await eventually(lambda: _is_there(store, "relay", "token"), "the relay has begun")
            await eventually(lambda: _is_there(store, consumer_key("ledger"), "position"), "the consumer has begun")
            writers = Writers(store, writes, seed)
            writing = asyncio.create_task(writers.run())
            for goal in goals:
                while writers.done < goal and not writing.done():
                    await asyncio.sleep(0.002)
                # The oldest relay is most likely the one that leads.
                what = processes.kill(chance.choice([0, 1, 1, 2]))
                await asyncio.to_thread(processes.start, what)
            await writing
            await eventually(lambda: _is_told(store, writers), "all is told", PATIENCE)
            told = await _told(store)
            await eventually(lambda: _has(place, told), "the consumer has all", PATIENCE)
        finally:
            processes.close()
        _check_log(told, writers)
        _check_ledger(ledger_of(place).read_text().splitlines(), told)
    lines = len(ledger_of(place).read_text().splitlines())
    return (
        f"{store_name}, seed {seed}: {writers.done} writes of {len(writers.revs)} assets, "
        f"kills {dict(processes.kills)}; {len(told)} events told, none twice; {lines} in the consumer's ledger\n"
    )


async def _is_there(store: Store, key: str, field: str) -> bool:
    found = await store.get_many("checkpoint", [key])
    return key in found and field in found[key].body


async def _told(store: Store) -> list[tuple[str, int, str]]:
    """Return all events of the log as (key, rev, type); its blocks have no gap."""
    log = EventLog(store, SystemClock())
    events: list[tuple[str, int, str]] = []
    number = 0
    while blocks := await log.behind(number, 50):
        for block in blocks:
            assert block.number == number + 1
            number = block.number
            events += [(event.key, event.rev, event.type) for event in block.events]
    return events


async def _is_told(store: Store, writers: Writers) -> bool:
    try:
        told = {key: rev for key, rev, _ in await _told(store)}
    except Unavailable:
        return False
    return all(told.get(key, 0) >= rev for key, rev in writers.revs.items())


async def _has(place: Path, told: list[tuple[str, int, str]]) -> bool:
    wanted = {f"asset/{key}/{rev} {type_}" for key, rev, type_ in told}
    return wanted <= set(ledger_of(place).read_text().splitlines())


def _check_log(told: list[tuple[str, int, str]], writers: Writers) -> None:
    by_key: dict[str, list[tuple[int, str]]] = {}
    for key, rev, type_ in told:
        by_key.setdefault(key, []).append((rev, type_))
    assert by_key.keys() == writers.revs.keys()
    for key, events in by_key.items():
        assert all(one[0] < next_[0] for one, next_ in pairwise(events)), (key, events)
        assert events[-1][0] == writers.revs[key], "the last state was told"
        types = [type_ for _, type_ in events]
        assert ("asset.deleted" in types) == (key in writers.removed)
        assert types.count("asset.created") == (0 if types == ["asset.deleted"] else 1), (key, events)
        assert types[0] in ("asset.created", "asset.deleted")


def _check_ledger(lines: list[str], told: list[tuple[str, int, str]]) -> None:
    """At least once, and each event for the first time in the order of the log."""
    first = list(dict.fromkeys(lines))
    assert first == [f"asset/{key}/{rev} {type_}" for key, rev, type_ in told]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", STORES)
async def test_relays_that_are_killed_tell_everything_in_order(name: str, tmp_path: Path) -> None:
    await lived_through(name, tmp_path, writes=2000, kills=4, seed=1)


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", [name for name in STORES if name in SHARE])
async def test_twenty_thousand_writes_and_many_kills(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    writes = int(LONG * SHARE[name])
    line = await lived_through(name, tmp_path, writes=writes, kills=max(4, writes // 1000), seed=2)
    with capsys.disabled():
        sys.stdout.write(line)
