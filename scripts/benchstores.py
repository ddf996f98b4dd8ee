"""Operations per second of each store, through the port."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from scripts.benchlib import asset
from service.adapters.sqlite.store import SqliteStore
from service.core.access.keys import SCOPES, Principal
from service.core.assets.records import new_record
from service.ports.clock import SystemClock
from service.ports.store import Body, Change, Store

MONGODB = "ASSETRY_TEST_MONGODB_URL"
AT_ONCE = (1, 16)
"""Concurrent callers."""

Call = Callable[[Store, int], Awaitable[object]]


@asynccontextmanager
async def _sqlite() -> AsyncIterator[Store]:
    with tempfile.TemporaryDirectory() as folder:
        async with SqliteStore(Path(folder) / "store.sqlite", SystemClock()) as store:
            yield store


@asynccontextmanager
async def _mongodb() -> AsyncIterator[Store]:
    from pymongo import AsyncMongoClient

    from service.adapters.mongo.options import MongoOptions
    from service.adapters.mongo.schema import apply
    from service.adapters.mongo.store import MongoStore

    url = os.environ[MONGODB]
    options = MongoOptions(url, database=f"assetry_bench_{secrets.token_hex(4)}")
    await apply(options)
    async with MongoStore(options, SystemClock()) as store:
        yield store
    async with AsyncMongoClient[dict[str, object]](url) as client:
        await client.drop_database(options.database)


STORES: Mapping[str, Callable[[], AbstractAsyncContextManager[Store]]] = {"SQLite": _sqlite, "MongoDB": _mongodb}
"""The stores by name; MongoDB is measured if its URL is set. Add a store with one line."""


async def stores(records: int) -> None:
    """Print a table of operations per second for each store."""
    bodies = _bodies(records)
    print(f"\n{records:,} records; operations per second\n")
    print("| store | callers | insert | get | update | update at a rev | find a page of 50 | insert, 500 in a call |")
    print("|---|---|---|---|---|---|---|---|")
    for name, opened in STORES.items():
        if name == "MongoDB" and MONGODB not in os.environ:
            print(f"Skipped MongoDB: {MONGODB} is not set (scripts/engines up)")
            continue
        for at_once in AT_ONCE:
            async with opened() as store:
                rates = [await _rate(store, call, records, at_once) for call in _calls(bodies)]
                rates.append(await _batches(store, bodies))
            print(f"| {name} | {at_once} | " + " | ".join(f"{rate:,.0f}" for rate in rates) + " |", flush=True)


def _bodies(count: int) -> list[Body]:
    rng = random.Random(42)
    who = Principal("bench", "bench", frozenset(SCOPES))
    clock = SystemClock()
    made = [new_record(asset(rng), who, number, clock) for number in range(1, count + 1)]
    return [{**body, "slug": f"asset-{number}"} for number, body in enumerate(made)]


def _calls(bodies: list[Body]) -> list[Call]:
    keys = [str(body["id"]) for body in bodies]
    revs = dict.fromkeys(keys, 2)  # after one insert and one update

    async def page(store: Store, number: int) -> object:
        return await store.find("asset", {"org_id": "bench", "type": bodies[number]["type"]}, limit=50)

    async def exact(store: Store, number: int) -> object:
        change = Change(set={"rating": 4})
        return await store.update("asset", keys[number], change, expected_rev=revs[keys[number]])

    return [
        lambda store, number: store.insert("asset", keys[number], bodies[number]),
        lambda store, number: store.get("asset", keys[number]),
        lambda store, number: store.update("asset", keys[number], Change(set={"rating": 3})),
        exact,
        page,
    ]


async def _rate(store: Store, call: Call, count: int, at_once: int) -> float:
    todo: Iterator[int] = iter(range(count))

    async def caller() -> None:
        for number in todo:
            await call(store, number)

    started = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(at_once)))
    return count / (time.perf_counter() - started)


async def _batches(store: Store, bodies: list[Body]) -> float:
    """Return records per second when inserted in calls of 500: different records with the same content."""
    others = [_another(body) for body in bodies]
    started = time.perf_counter()
    for first in range(0, len(others), 500):
        made = await store.insert_many("asset", {body["id"]: body for body in others[first : first + 500]})
        failed = [outcome for outcome in made.values() if isinstance(outcome, Exception)]
        assert not failed, failed[0]
    return len(bodies) / (time.perf_counter() - started)


def _another(body: Body) -> Body:
    unique = {name: f"{body[name]}b" for name in ("id", "guid", "sid", "slug")}
    return {**body, **unique, "number": body["number"] + 10_000_000}
