"""The jobs by arq on the Redis whose URL is in ``ASSETRY_TEST_REDIS_URL``."""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from service.adapters.jobs.arq_jobs import ArqJobs
from service.adapters.jobs.limits import JobLimits
from service.adapters.redis.client import RedisOptions, connect
from service.errors import AlreadyExists
from service.ports.clock import SystemClock
from service.ports.jobs import Jobs
from service.ports.store import Store
from tests.contracts.limits import LIMITS

GIVEN = "ASSETRY_TEST_REDIS_URL"

_open: Counter[str] = Counter()


@asynccontextmanager
async def arq_jobs(store: Store, limits: JobLimits = LIMITS) -> AsyncIterator[Jobs]:
    options = RedisOptions(os.environ[GIVEN], prefix=await prefix(store))
    _open[options.prefix] += 1
    try:
        async with ArqJobs(store, SystemClock(), options, limits) as jobs:
            yield jobs
    finally:
        _open[options.prefix] -= 1
        if not _open[options.prefix]:
            await forget(options)


async def prefix(store: Store) -> str:
    """Return the prefix of a store's queues, the same in every process: it is written in the store."""
    chosen = f"contract-{secrets.token_hex(6)}"
    try:
        record = await store.insert("checkpoint", "contract-queues", {"prefix": chosen})
    except AlreadyExists:
        record = await store.get("checkpoint", "contract-queues")
    return str(record.body["prefix"])


async def forget(options: RedisOptions) -> None:
    """Delete what queues left in Redis."""
    redis = await connect(options)
    try:
        await delete(redis, f"{options.prefix}:*", f"arq:*:{options.prefix}:*")
    finally:
        await redis.aclose()


async def delete(redis: Redis, *patterns: str) -> None:
    """Delete the keys that match."""
    for pattern in patterns:
        if keys := [key async for key in redis.scan_iter(pattern)]:
            await redis.delete(*keys)
