"""The adapters of the quotas and the replies port. Redis joins when its URL is in the environment."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from redis.asyncio import Redis

from service.adapters.local.quotas import MemoryQuotas
from service.adapters.redis.client import RedisOptions, connect
from service.adapters.redis.quotas import RedisQuotas
from service.adapters.redis.replies import RedisReplies
from service.adapters.shared.store_replies import StoreReplies
from service.ports.clock import SystemClock
from service.ports.quotas import Quotas
from service.ports.replies import Replies
from tests.contracts.adapters import STORES, StoreFactory

QuotasFactory = Callable[[], AbstractAsyncContextManager[Quotas]]
RepliesFactory = Callable[[Path], AbstractAsyncContextManager[tuple[Replies, Replies]]]
"""Opens the replies of a place for two processes."""

GIVEN = "ASSETRY_TEST_REDIS_URL"


@asynccontextmanager
async def redis_client() -> AsyncIterator[tuple[Redis, str]]:
    """Give a client and a prefix of its own, whose keys are deleted in the end."""
    client = await connect(RedisOptions(os.environ[GIVEN]))
    prefix = f"test-{uuid.uuid4().hex}"
    try:
        yield client, prefix
        async for key in client.scan_iter(f"{prefix}:*", count=1000):
            await client.delete(key)
    finally:
        await client.aclose()


@asynccontextmanager
async def memory_quotas() -> AsyncIterator[Quotas]:
    yield MemoryQuotas(SystemClock())


@asynccontextmanager
async def redis_quotas() -> AsyncIterator[Quotas]:
    async with redis_client() as (client, prefix):
        yield patient_quotas(client, prefix)


def patient_quotas(client: Redis, prefix: str) -> RedisQuotas:
    """Give quotas that do not turn to their own count because the machine is busy."""
    return RedisQuotas(client, prefix, SystemClock(), timeout=10.0)


def store_replies(store_factory: StoreFactory) -> RepliesFactory:
    @asynccontextmanager
    async def opened(place: Path) -> AsyncIterator[tuple[Replies, Replies]]:
        async with (
            store_factory(place) as store,
            StoreReplies(store, SystemClock()) as one,
            StoreReplies(store, SystemClock()) as two,
        ):
            yield one, two

    return opened


@asynccontextmanager
async def redis_replies(_place: Path) -> AsyncIterator[tuple[Replies, Replies]]:
    async with redis_client() as (client, prefix):
        one, two = RedisReplies(client, prefix), RedisReplies(client, prefix)
        yield one, two
        await one.close()
        await two.close()


QUOTAS: dict[str, QuotasFactory] = {"memory": memory_quotas}
REPLIES: dict[str, RepliesFactory] = {name: store_replies(factory) for name, factory in STORES.items()}

if GIVEN in os.environ:
    QUOTAS["redis"] = redis_quotas
    REPLIES["redis"] = redis_replies
