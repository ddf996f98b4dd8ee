"""A real OpenSearch killed, hung, overrun and blocked under writes: they go on, the index follows when it can."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from indexer.indexes.plan import Stage
from mappings.index import index_body
from scripts.enginelib.faults import Missing
from scripts.enginelib.instances import Instance, fresh
from tests.faults.indexing import Nursery, Scene, scene
from tests.faults.load import memory
from tests.support.waiting import eventually, until

pytestmark = [pytest.mark.engines, pytest.mark.timeout(900)]

GROWTH = 100 * 2**20
"""Bytes that the follower may grow while the engine is away."""
PACE = 0.02
AWAY = 300
"""Writes that are acknowledged while the engine is away."""


@pytest.fixture(scope="module")
def node() -> Iterator[Instance]:
    """An OpenSearch of this module alone, with a queue for one write."""
    with contextlib.ExitStack() as stack:
        try:
            node = stack.enter_context(fresh("opensearch"))
        except Missing as error:
            pytest.skip(str(error))
        with (node.folder / "config" / "opensearch.yml").open("a") as settings:
            settings.write("thread_pool.write.queue_size: 1\n")
        node.restart()
        yield node


@pytest.fixture
async def where(tmp_path: Path, processes: Nursery, node: Instance) -> AsyncIterator[Scene]:
    async with scene(tmp_path, processes, node.url, poison=0.02) as made:
        await made.ledger.fill(100)
        yield made


@asynccontextmanager
async def killed(node: Instance, where: Scene) -> AsyncIterator[None]:
    await asyncio.to_thread(node.kill)
    yield
    await asyncio.to_thread(node.restart)


@asynccontextmanager
async def hung(node: Instance, where: Scene) -> AsyncIterator[None]:
    node.pause()
    yield
    node.resume()


@asynccontextmanager
async def blocked(node: Instance, where: Scene) -> AsyncIterator[None]:
    """The block that a full disk brings: reading and deleting goes on."""
    await _settings(node, where, {"index.blocks.read_only_allow_delete": True})
    yield
    await _settings(node, where, {"index.blocks.read_only_allow_delete": None})


async def _settings(node: Instance, where: Scene, settings: Mapping[str, object]) -> None:
    async with httpx.AsyncClient(base_url=node.url, timeout=30) as client:
        (await client.put(f"/{where.alias}-*/_settings", json=settings)).raise_for_status()


Fault = Callable[[Instance, Scene], contextlib.AbstractAsyncContextManager[None]]
FAULTS: Mapping[str, Fault] = {"killed": killed, "hung": hung, "blocked": blocked}


@pytest.mark.parametrize("fault", FAULTS)
async def test_writes_go_on_and_the_index_follows_when_it_can(
    node: Instance, where: Scene, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with where.process("follow") as follower:
        async with where.ledger.writing(PACE):
            await where.caught_up()
            await where.settled()
            before = memory(follower.life)
            async with FAULTS[fault](node, where):
                mark = await where.store.barrier()
                goal = where.ledger.count + AWAY
                await until(lambda: where.ledger.count >= goal, "writes go on")
                body = await where.said("it waits", state="waiting")
                assert not where.store.passed(body["token"], mark), "the token stays where it is"
                grown = memory(follower.life) - before
            await where.settled()
        await where.judged()
        assert grown < GROWTH
    with capsys.disabled():
        sys.stdout.write(f"\n{fault}: {AWAY} writes meanwhile, {grown >> 20} MB grown\n")


async def test_a_kill_of_engine_and_follower_together(node: Instance, where: Scene) -> None:
    """Whatever was not on the engine's disk yet comes from the store."""
    async with where.process("follow") as follower:
        async with where.ledger.writing(PACE):
            await where.caught_up()
            for _ in range(2):
                await where.settled()
                follower.signal(9)
                await asyncio.to_thread(node.kill)
                await asyncio.to_thread(node.restart)
            await where.settled()
        await where.judged()


async def test_a_full_queue_delays_and_loses_nothing(
    node: Instance, where: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    """Many other clients keep the one place in the queue taken: bulks are answered 429, whole or in part."""
    async with where.process("follow"):
        async with where.ledger.writing(PACE):
            await where.caught_up()
            async with flood(node) as rejected:
                await eventually(lambda: _at_least(rejected, 100), "the engine refuses", 60)
                body = await where.said("it waits", state="waiting")
                assert "429" in body["status"]["error"]
                refused = await rejected()
            await where.settled()
        await where.judged()
    with capsys.disabled():
        sys.stdout.write(f"\n429: {refused} requests were refused\n")


async def test_a_reindex_through_a_full_queue_loses_nothing(
    node: Instance, where: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    """It begins while the engine refuses, and is told no lie by what is refused in part: it swaps nothing but all."""
    async with where.process("follow"):
        async with where.ledger.writing(PACE):
            await where.caught_up()
            old = await where.physical()
            async with flood(node) as rejected:
                await eventually(lambda: _at_least(rejected, 100), "the engine refuses", 60)
                before = await rejected()
                reindex = where.start("reindex")
                await until(lambda: bool(reindex.lives), "the reindex begins")
                await eventually(lambda: _at_least(rejected, before + 100), "the engine goes on to refuse", 60)
                refused = await rejected()
            await reindex.done()
            await where.settled()
        assert await where.physical() != old
        await where.judged()
    with capsys.disabled():
        sys.stdout.write(f"\n429 and a reindex: {refused} requests were refused\n")


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_reindex_goes_on_when_the_engine_is_back(node: Instance, where: Scene, fault: str) -> None:
    """Its command may end, saying so (the supervisor is the operator who starts it again); nothing is lost."""
    await where.ledger.fill(1000)
    async with where.process("follow"):
        async with where.ledger.writing(PACE):
            await where.caught_up()
            old = await where.physical()
            reindex = where.start("reindex")
            await eventually(lambda: _is_at(where, Stage.FILLING), "the scan begins")
            async with FAULTS[fault](node, where):
                mark = where.ledger.count + AWAY // 3
                await until(lambda: where.ledger.count >= mark, "writes go on")
            await reindex.done()
            await where.settled()
        assert await where.physical() != old
        await where.judged()


async def _is_at(where: Scene, stage: Stage) -> bool:
    rebuild = (await where.plan()).rebuild
    return rebuild is not None and rebuild.stage is stage


async def _at_least(rejected: Callable[[], Awaitable[int]], count: int) -> bool:
    return await rejected() >= count


@asynccontextmanager
async def flood(node: Instance) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """Keep the node's write threads busy; gives what says how many requests it has refused."""
    async with httpx.AsyncClient(base_url=node.url, timeout=60, limits=httpx.Limits(max_connections=20)) as client:
        (await client.put("/flood", json={"settings": index_body()["settings"]})).raise_for_status()
        lines = "".join(f'{{"index":{{}}}}\n{{"n":{n},"text":"some words to analyse {n}"}}\n' for n in range(300))

        async def send() -> None:
            while True:
                await client.post("/flood/_bulk", content=lines, headers={"Content-Type": "application/x-ndjson"})

        async def rejected() -> int:
            stats = (await client.get("/_nodes/stats/thread_pool")).json()["nodes"]
            return sum(node["thread_pool"]["write"]["rejected"] for node in stats.values())

        tasks = [asyncio.create_task(send()) for _ in range(12)]
        try:
            yield rejected
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await client.delete("/flood")
