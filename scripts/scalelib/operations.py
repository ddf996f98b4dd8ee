"""What operators and writers see: the commands, what an idle service takes, and how soon a write is found."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from scripts.benchlib import PREFIX
from scripts.scalelib.processes import command, processor_seconds
from scripts.scalelib.timing import Bench, Figures

IDLE_SECONDS = 20.0
WRITES = 60
SEARCHERS = 2
_ADVANCED = "assets/search/advanced"
_TIMES = 5  # runs of a quick command


async def index_status(bench: Bench) -> Figures:
    """Time `assetry index status`, all of the command."""
    times = []
    for _ in range(_TIMES):
        found, seconds = await command(bench.settings, "index", "status", "--data", str(bench.library.data))
        assert found["ready"], found
        times.append(seconds * 1000)
    return Figures(times)


async def verify(bench: Bench) -> Figures:
    """Time `assetry index verify`, which compares the contents of all documents with the records."""
    found, seconds = await command(bench.settings, "index", "verify", "--data", str(bench.library.data))
    assert found["clean"], found
    assert found["checked"] >= bench.library.records, found
    return Figures([seconds], note=f"{seconds / found['checked'] * 1e6:.0f} µs a record")


async def build(bench: Bench) -> Figures:
    """Return how fast the index was built."""
    return Figures([] if bench.build is None else [bench.build])


async def idle(bench: Bench) -> Figures:
    """Return the share of a core that a service takes to which nobody talks, in percent."""
    before, started = processor_seconds(bench.service.pid), time.perf_counter()
    await asyncio.sleep(IDLE_SECONDS)
    return _share(bench, before, started)


async def idle_beside_reindex(bench: Bench) -> Figures:
    """Return the same while another process builds the index anew; what that leaves is deleted."""
    data = str(bench.library.data)
    before, started = processor_seconds(bench.service.pid), time.perf_counter()
    _, seconds = await command(bench.settings, "index", "reindex", "--data", data)
    figures = _share(bench, before, started)
    await command(bench.settings, "index", "purge", "--data", data)
    return Figures(figures.api, note=f"a reindex of {bench.library.records / seconds:,.0f} records/s")


def _share(bench: Bench, before: float | None, started: float) -> Figures:
    after = processor_seconds(bench.service.pid)
    if before is None or after is None:
        return Figures([])
    return Figures([(after - before) / (time.perf_counter() - started) * 100])


async def searchable(bench: Bench) -> Figures:
    """Time from the answer to a write until a search has seen it, while others search."""
    rng = random.Random(11)
    times = []
    async with _searching(bench, rng):
        for number in range(WRITES):
            target = f"{bench.service.url}{PREFIX}/assets/asset_{rng.randint(1, bench.library.records)}"
            async with bench.session.patch(target, json={"description": f"Changed for the {number}th time"}) as answer:
                assert answer.status == 200, await answer.text()
                token = answer.headers["X-Index-Token"]
            started = time.perf_counter()
            while not (await bench.get(_ADVANCED, query="", facets="", limit=1, wait_for=token))["index_caught_up"]:
                pass  # each waits by itself, for as long as a request may
            times.append((time.perf_counter() - started) * 1000)
    return Figures(times)


@asynccontextmanager
async def _searching(bench: Bench, rng: random.Random) -> AsyncIterator[None]:
    """Keep a few clients searching until the block ends."""

    async def search() -> None:
        while True:
            (word,) = bench.library.vocabulary.draw(rng, 1)
            await bench.get(_ADVANCED, query=word, facets="type,tags")

    tasks = [asyncio.create_task(search()) for _ in range(SEARCHERS)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
