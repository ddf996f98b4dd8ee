"""The indexer compared with opensearch-py's bulk helper, on a real OpenSearch, with the same documents.

Each part runs in its own process, so that peak memory is measured separately: the full build of an index, following a
burst of changes, how soon a committed write is searchable, and a verify. Assetry reads its records from a store
(SQLite) and makes documents of them; ``opensearchpy.helpers.parallel_bulk`` gets finished documents. They alternate on
one engine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from indexer.documents import bulk_item  # noqa: E402
from indexer.follow.follower import Follower, FollowOptions  # noqa: E402
from indexer.verify.verify import IndexerView, Verify  # noqa: E402
from mappings.index import index_body  # noqa: E402
from scripts.benchlib import Timing, fill  # noqa: E402
from service.adapters.opensearch.engine import Connection, OpenSearchEngine  # noqa: E402
from service.adapters.sqlite.store import SqliteStore  # noqa: E402
from service.ports.clock import SystemClock  # noqa: E402
from service.ports.search import SearchEngine  # noqa: E402
from service.ports.store import Change, Store  # noqa: E402

ENGINE = "ASSETRY_TEST_OPENSEARCH_URL"
PATIENCE = 900.0
REFRESH = 0.5
"""The refresh interval of the follower in seconds, as in production."""


@dataclass(frozen=True)
class Place:
    """The environment of a part: the folder of the store, the URL of the engine, an alias of its own."""

    data: Path
    url: str
    alias: str
    rounds: int = 1


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[tuple[Store, SearchEngine]]:
    """Open the store and the engine."""
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(SqliteStore(place.data / "assetry.db", SystemClock()))
        engine = OpenSearchEngine(Connection(hosts=(place.url,)))
        stack.push_async_callback(engine.close)
        yield store, engine


@asynccontextmanager
async def following(place: Place, store: Store, engine: SearchEngine) -> AsyncIterator[Follower]:
    """Run a follower until the block ends."""
    options = FollowOptions(alias=place.alias, refresh_seconds=REFRESH)
    follower = Follower(store, engine, SystemClock(), options)
    follower.start()
    try:
        yield follower
    finally:
        await follower.stop()


async def build(place: Place) -> dict[str, Any]:
    """Fill an empty index from the store until everything is searchable."""
    async with opened(place) as (store, engine):
        count = await store.count("asset", {})
        started = time.perf_counter()
        async with following(place, store, engine) as follower:
            assert await follower.wait_for(await store.barrier(), PATIENCE)
            seconds = time.perf_counter() - started
    return {"count": count, "seconds": seconds}


async def burst(place: Place) -> dict[str, Any]:
    """Follow changes to one in five assets that were written while no follower was running."""
    async with opened(place) as (store, engine):
        keys = (await _keys(store))[::5]
        for start in range(0, len(keys), 50):
            await asyncio.gather(
                *(store.update("asset", key, Change(increment={"views": 1})) for key in keys[start : start + 50])
            )
        started = time.perf_counter()
        async with following(place, store, engine) as follower:
            assert await follower.wait_for(await store.barrier(), PATIENCE)
            seconds = time.perf_counter() - started
    return {"count": len(keys), "seconds": seconds}


async def _keys(store: Store) -> list[str]:
    found: list[str] = []
    while page := await store.scan("asset", after=found[-1] if found else None, limit=1000):
        found += [record.key for record in page]
    return found


async def live(place: Place) -> dict[str, Any]:
    """Write 200 times per second and measure when each write becomes searchable, without waiting for tokens."""
    waiting: list[tuple[float, str]] = []
    times: list[float] = []
    async with opened(place) as (store, engine), following(place, store, engine) as follower:
        assert await follower.wait_for(await store.barrier(), PATIENCE)
        keys = await _keys(store)
        written = asyncio.Event()

        async def look() -> None:
            while waiting or not written.is_set():
                searchable = follower.status().searchable
                while waiting and searchable is not None and store.passed(searchable, waiting[0][1]):
                    times.append((time.perf_counter() - waiting.pop(0)[0]) * 1000)
                await asyncio.sleep(0.005)

        looking = asyncio.create_task(look())
        started = time.perf_counter()
        total = 200 * 30
        for number in range(total):
            await asyncio.sleep(max(0.0, started + number / 200 - time.perf_counter()))
            await store.update("asset", keys[number % len(keys)], Change(increment={"views": 1}))
            waiting.append((time.perf_counter(), await store.position(("asset",))))
        rate = total / (time.perf_counter() - started)
        written.set()
        await looking
    timing = Timing(times)
    return {"count": total, "rate": rate, "p50": timing.at(0.5), "p99": timing.at(0.99), "worst": max(times)}


async def verify(place: Place) -> dict[str, Any]:
    """Compare the content of every record with its document."""
    async with opened(place) as (store, engine):

        async def settle() -> None:
            raise AssertionError("there should be nothing to check again")

        (index,) = await engine.resolve_alias(place.alias)
        report = await Verify(store, engine, SystemClock(), index, indexer=IndexerView(settle)).run()
        assert report.clean, report.as_json()
    return {"count": report.checked, "seconds": report.seconds}


async def helper(place: Place) -> dict[str, Any]:
    """Send the documents of all records with parallel_bulk, as fast as possible."""
    return await asyncio.to_thread(_helper, place, [_action(record) for record in await _records(place)])


async def helper_burst(place: Place) -> dict[str, Any]:
    """Send the documents of one record in five with parallel_bulk, into a full index."""
    records = await _records(place)
    return await asyncio.to_thread(_helper, place, [_action(record) for record in records[::5]], full=records)


async def _records(place: Place) -> list[Any]:
    found: list[Any] = []
    async with SqliteStore(place.data / "assetry.db", SystemClock()) as store:
        while page := await store.scan("asset", after=found[-1].key if found else None, limit=5000):
            found += page
    return found


def _action(record: Any) -> dict[str, Any]:
    item = bulk_item(record)
    assert isinstance(item.document, bytes)
    return {
        "_op_type": "index",
        "_id": item.id,
        "version": item.version,
        "version_type": "external_gte",
        "_source": json.loads(item.document),
    }


def _helper(place: Place, actions: list[dict[str, Any]], full: list[Any] | None = None) -> dict[str, Any]:
    from opensearchpy import OpenSearch

    client = OpenSearch(hosts=[place.url], timeout=120)
    name = f"{place.alias}-helper-{uuid.uuid4().hex[:8]}"
    client.indices.create(index=name, body=index_body(refresh="500ms" if full else "-1"))
    try:
        if full is not None:
            _send(client, name, (_action(record) for record in full))
        started = time.perf_counter()
        _send(client, name, iter(actions))
        client.indices.refresh(index=name)
        return {"count": len(actions), "seconds": time.perf_counter() - started}
    finally:
        client.indices.delete(index=name)


def _send(client: Any, name: str, actions: Iterator[dict[str, Any]]) -> None:
    from opensearchpy.helpers import parallel_bulk

    for ok, outcome in parallel_bulk(client, actions, index=name, thread_count=4, chunk_size=500):
        assert ok, outcome


PARTS: dict[str, Callable[[Place], Awaitable[dict[str, Any]]]] = {
    "build": build,
    "helper": helper,
    "burst": burst,
    "helper_burst": helper_burst,
    "live": live,
    "verify": verify,
}


def part(name: str, place: Place) -> dict[str, Any]:
    """Run a part in its own process; return its measurements and its peak memory in MB."""
    command = [sys.executable, __file__, "--part", name, "--data", str(place.data), "--alias", place.alias]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, ENGINE: place.url}, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


async def _clean(place: Place) -> None:
    """Delete the indexes of the alias and their state in the store."""
    engine = OpenSearchEngine(Connection(hosts=(place.url,)))
    try:
        for name in await engine.resolve_alias(place.alias):
            await engine.delete_index(name)
    finally:
        await engine.close()


def measure(place: Place) -> None:
    """Run everything and print the table."""
    rows: list[tuple[str, str, str, str, str]] = []

    def rates(name: str, ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> None:
        mine, other = (median(one["count"] / one["seconds"] for one in runs) for runs in (ours, theirs))
        memory = max(one["memory"] for one in ours)
        rows.append((name, f"{mine:,.0f}/s", f"{other:,.0f}/s", f"{mine / other:.2f}", f"{memory:.0f} MB"))

    builds, helpers = [], []
    for _ in range(place.rounds):
        asyncio.run(_clean(place))
        builds.append(part("build", place))
        helpers.append(part("helper", place))
    rates(f"full build, {builds[0]['count']:,} assets", builds, helpers)
    bursts, helped = [], []
    for _ in range(place.rounds):
        bursts.append(part("burst", place))
        helped.append(part("helper_burst", place))
    rates(f"burst of {bursts[0]['count']:,} changes", bursts, helped)
    checked = [part("verify", place) for _ in range(place.rounds)]
    seconds = median(one["seconds"] for one in checked)
    memory = max(one["memory"] for one in checked)
    rows.append((f"verify of {checked[0]['count']:,}", f"{seconds:.1f} s", "", "", f"{memory:.0f} MB"))
    found = part("live", place)
    quick = f"p50 {found['p50']:.0f} ms, p99 {found['p99']:.0f} ms, worst {found['worst']:.0f} ms"
    rows.append((f"commit to searchable at {found['rate']:.0f} writes/s", quick, "", "", f"{found['memory']:.0f} MB"))
    asyncio.run(_clean(place))
    print("| what | Assetry | parallel_bulk | share | peak memory |\n|---|---:|---:|---:|---:|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="number of assets in the store")
    parser.add_argument("--rounds", type=int, default=3, help="runs per part; the median is shown")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--alias", default="bench", help=argparse.SUPPRESS)
    given = parser.parse_args()
    url = os.environ.get(ENGINE)
    if not url:
        raise SystemExit(f"set {ENGINE} to the URL of OpenSearch: export $(./scripts/engines up opensearch)")
    if given.part:
        found = asyncio.run(_run(given.part, Place(given.data, url, given.alias)))
        used = resource.getrusage(resource.RUSAGE_SELF)
        found |= {"memory": used.ru_maxrss / 1024, "cpu": used.ru_utime + used.ru_stime}
        print(json.dumps(found))
        return
    with tempfile.TemporaryDirectory(prefix="assetry-bench-") as folder:
        print(f"writing {given.count:,} assets …", file=sys.stderr)
        asyncio.run(fill(Path(folder), given.count))
        measure(Place(Path(folder), url, f"bench-{uuid.uuid4().hex[:8]}", given.rounds))


async def _run(name: str, place: Place) -> dict[str, Any]:
    return await PARTS[name](place)


if __name__ == "__main__":
    main()
