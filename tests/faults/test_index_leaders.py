"""Several followers: two that start together, one that is frozen past its lease, clocks that leap, kills at will."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.indexing import Nursery, Scene, Supervised, scene
from tests.support.waiting import eventually, until

pytestmark = pytest.mark.processes

_A_WRITE = 2.0
"""Seconds that a write takes at most where nobody frozen holds the lock."""


@pytest.fixture
async def where(tmp_path: Path, processes: Nursery, engine: str) -> AsyncIterator[Scene]:
    async with scene(tmp_path, processes, engine, poison=0.05) as made:
        yield made


async def leader(where: Scene, *others: Supervised) -> Supervised:
    """Return the one of these that holds the lease, once one does."""
    found: list[Supervised] = []

    async def held() -> bool:
        holder = str((await where.record()).get("holder"))
        found[:] = [one for one in others if one.lives and f"/{one.life}." in holder]
        return bool(found)

    await eventually(held, "one of them leads")
    return found[0]


async def frozen_leader(where: Scene, *others: Supervised) -> Supervised:
    """Freeze the one that leads, in the middle of whatever it does, but not with the lock of an SQLite file.

    Whoever holds that lock lets nobody else write, frozen or not: then no other process could lead. It is woken, and
    frozen again.
    """
    while True:
        found = await leader(where, *others)
        found.signal(signal.SIGSTOP)
        try:
            async with asyncio.timeout(_A_WRITE):
                await where.store.barrier()
        except TimeoutError:
            found.signal(signal.SIGCONT)
        else:
            return found


async def test_of_two_that_start_together_one_leads(where: Scene) -> None:
    await where.ledger.fill(100)
    async with where.process("follow") as one, where.process("follow") as other, where.witness().watching():
        async with where.ledger.writing():
            await where.caught_up()
            await leader(where, one, other)
            await where.settled()
        await where.judged()
        assert (await where.record())["fence"] == 1
        assert (await where.plan()).abandoned == (), "one index was built, once"


async def test_a_leader_that_is_frozen_past_its_lease_changes_nothing_when_it_wakes(where: Scene) -> None:
    await where.ledger.fill(100)
    async with where.process("follow", blind=True) as one, where.process("follow", blind=True) as other:
        witness = where.witness()
        async with witness.watching(), where.ledger.writing():
            await where.caught_up()
            for fence in (2, 3):
                frozen = await frozen_leader(where, one, other)
                heir = other if frozen is one else one
                assert await leader(where, heir) is heir
                await where.settled()
                frozen.signal(signal.SIGCONT)
                await where.settled()
                assert (await where.record())["fence"] == fence
        assert witness.claims
        await where.judged()


async def test_clocks_that_leap_by_an_hour_change_nothing(where: Scene) -> None:
    """The time of day goes back and forth in one process, in a process of its own each: leases and order need none."""
    await where.ledger.fill(100)
    async with where.process("follow", blind=True, leaping=True) as one:
        await where.caught_up()
        other = where.start("follow", blind=True)
        async with where.witness().watching(), where.ledger.writing():
            first = await leader(where, one, other)
            await until(lambda: len(one.leaps) >= 4, "the clock has leapt there and back")
            assert await leader(where, one, other) is first
            assert (await where.record())["fence"] == 1
            first.signal(signal.SIGKILL)
            await where.settled()
            operator = where.start("reindex", "purge", leaping=True)
            await operator.done()
        await where.judged()


@pytest.mark.parametrize("seed", range(2))
async def test_kills_at_will_of_both_while_an_index_is_swapped(where: Scene, seed: int) -> None:
    """The leader and the operator's process are killed again and again, at any moment, under writes."""
    moments = random.Random(seed)
    await where.ledger.fill(300)
    async with where.process("follow") as one, where.process("follow") as other:
        witness = where.witness()
        async with witness.watching(), where.ledger.writing():
            await where.caught_up()
            operator = where.start("reindex", "rollback", "reindex", "purge")
            for _ in range(8):
                goal = where.ledger.count + moments.randint(1, 100)
                await until(lambda goal=goal: where.ledger.count >= goal, "some writes more")  # type: ignore[misc]
                for victim in moments.sample([one, other, operator], k=moments.randint(1, 2)):
                    if victim.lives:
                        victim.signal(signal.SIGKILL)
            await operator.done()
            await where.settled()
        assert witness.claims
        await where.judged()
        assert (await where.plan()).abandoned == ()
