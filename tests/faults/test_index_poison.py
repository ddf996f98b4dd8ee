"""Documents that no index takes: exactly those are dead letters; too many of them halt, until somebody has looked."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from indexer.operator import resume
from tests.faults.indexing import Nursery, Scene, scene

pytestmark = pytest.mark.processes


@pytest.fixture
async def where(tmp_path: Path, processes: Nursery, engine: str) -> AsyncIterator[Scene]:
    async with scene(tmp_path, processes, engine) as made:
        yield made


async def test_exactly_the_poisoned_are_dead_letters(where: Scene) -> None:
    where.ledger.poison = 0.1
    await where.ledger.fill(200)
    async with where.process("follow") as follower, where.witness().watching():
        async with where.ledger.writing():
            await where.settled()
            follower.signal(signal.SIGKILL)
            await where.settled()
        assert where.ledger.poisoned
        await where.judged()
        await where.ledger.fix()
        await where.judged()
        assert not where.ledger.poisoned


async def test_a_third_of_poison_halts_and_searches_go_on(where: Scene) -> None:
    await where.ledger.fill(300)
    async with where.process("follow") as follower:
        await where.caught_up()
        await where.settled()
        token = (await where.record())["token"]
        shown = await where.engine.count(where.alias, {"match_all": {}})
        where.ledger.poison = 0.35
        await where.ledger.fill(900)
        body = await where.said("it halts", state="halted")
        assert "check its dead letters" in body["status"]["error"]
        mark = await where.store.barrier()
        follower.signal(signal.SIGKILL)
        await where.said("it halts again, or still", state="halted")
        assert not where.store.passed((await where.record())["token"], mark), "no token passes what was not written"
        assert where.store.passed((await where.record())["token"], token)
        assert await where.engine.count(where.alias, {"match_all": {}}) >= shown
        await where.ledger.fix()
        await resume(where.store, where.alias)
        await where.judged()


async def test_a_build_that_is_refused_halts_and_shows_nothing(where: Scene) -> None:
    where.ledger.poison = 0.35
    await where.ledger.fill(900)
    async with where.process("follow"):
        await where.said("it halts", state="halted")
        assert await where.engine.resolve_alias(where.alias) == {}
        await where.ledger.fix()
        await resume(where.store, where.alias)
        await where.judged()


async def test_a_poisoned_asset_that_is_removed_is_no_dead_letter_any_more(where: Scene) -> None:
    where.ledger.poison = 1.0
    await where.ledger.fill(4)
    async with where.process("follow"):
        await where.judged()
        for key in list(where.ledger.poisoned):
            await where.ledger.remove(key)
        await where.judged()
