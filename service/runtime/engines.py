"""Builds the adapters chosen by the settings. Only this module and ``service.runtime.bootstrap`` build adapters.

Each engine is chosen independently by its URL, so mixed setups work. Adapters of engines that are not chosen are not
even imported, nor those that a command does not open: it would start slowly. If an engine does not respond while its
adapter is opened, the setup is wrong and the error names the setting. If it fails later, calls raise Unavailable until
it recovers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from service.adapters.local.data_folder import DataFolder
from service.errors import Unavailable, Unreachable
from service.ports.clock import Clock
from service.ports.files import Files
from service.ports.jobs import Jobs
from service.ports.quotas import Quotas
from service.ports.replies import Replies
from service.ports.search import SearchEngine
from service.ports.store import Store
from service.settings import Settings, variable
from service.urls import redacted, split_hosts

if TYPE_CHECKING:
    from indexer.options import FollowOptions
    from service.adapters.mongo.options import MongoOptions
    from service.adapters.opensearch.connection import Connection
    from service.adapters.redis.client import RedisClient, RedisOptions
    from service.adapters.s3.options import S3Options

T = TypeVar("T")

OWN_REFRESH = 10
"""Factor of an index's own refresh interval to the setting: the indexer refreshes, so the engine need not as well."""

START_SECONDS = 6.0
"""How long an engine may take to respond when the service starts."""


def needs_folder(settings: Settings) -> bool:
    """Return whether any engine keeps data in the data folder."""
    return not (settings.mongodb_url and settings.s3_url and settings.opensearch_url)


def is_exclusive(settings: Settings) -> bool:
    """Return whether only one ``assetry serve`` may use the data folder: it has the store or the engine's beacon."""
    return not (settings.mongodb_url and settings.opensearch_url)


async def open_store(settings: Settings, folder: DataFolder, clock: Clock, stack: AsyncExitStack) -> Store:
    """Open MongoDB or the SQLite file. Raises SettingsError, Unavailable (SQLite)."""
    if settings.mongodb_url is None:
        from service.adapters.sqlite.store import SqliteStore

        return await stack.enter_async_context(SqliteStore(folder.database, clock))
    from service.adapters.mongo.store import MongoStore

    return await _entered(stack, settings, "mongodb_url", MongoStore(mongo_options(settings), clock))


async def open_files(settings: Settings, folder: DataFolder, stack: AsyncExitStack) -> Files:
    """Open the bucket or the folder. Raises SettingsError, Unavailable (folder)."""
    if settings.s3_url is None:
        from service.adapters.local.files import LocalFiles

        return await stack.enter_async_context(LocalFiles(folder.files))
    from service.adapters.s3.files import S3Files

    return await _entered(stack, settings, "s3_url", S3Files(s3_options(settings)))


async def open_engine(settings: Settings, folder: DataFolder, stack: AsyncExitStack, *, writes: bool) -> SearchEngine:
    """Open OpenSearch, or start the embedded engine; ``writes`` says whether this process will index.

    Raises SettingsError.
    """
    if settings.opensearch_url is None:
        from service.adapters.embedded_search.engine import EmbeddedSearch

        embedded = EmbeddedSearch(beacon=folder.engine_beacon)
        stack.push_async_callback(embedded.close)
        await embedded.start()
        return embedded
    from service.adapters.opensearch.engine import OpenSearchEngine

    chosen = connection(settings)
    engine = OpenSearchEngine(chosen)
    stack.push_async_callback(engine.close)
    from service.adapters.opensearch.startup import verify

    await wait_for_engine(settings, "opensearch_url", verify(chosen, prefix=settings.index_prefix, writes=writes))
    return engine


async def open_redis(settings: Settings, stack: AsyncExitStack) -> RedisClient | None:
    """Connect to Redis if it is configured. Raises SettingsError."""
    if settings.redis_url is None:
        return None
    from service.adapters.redis.client import connect

    client = await wait_for_engine(settings, "redis_url", connect(redis_options(settings)))
    stack.push_async_callback(client.aclose)
    return client


async def open_jobs(
    settings: Settings, store: Store, clock: Clock, stack: AsyncExitStack, *, at_once: Mapping[str, int]
) -> Jobs:
    """Open the job queue in Redis or in the store. It runs no jobs before ``start``.

    ``at_once`` limits how many operations of a type a process runs at once. Raises SettingsError.
    """
    from service.adapters.jobs.inprocess_jobs import InprocessJobs, JobLimits

    limits = JobLimits(concurrency=settings.jobs_concurrency, kinds=at_once, grace=settings.shutdown_seconds)
    if settings.redis_url is None:
        jobs = InprocessJobs(store, clock, limits)
        stack.push_async_callback(jobs.close)
        return jobs
    from service.adapters.jobs.arq_jobs import ArqJobs

    return await _entered(stack, settings, "redis_url", ArqJobs(store, clock, redis_options(settings), limits))


def quotas(redis: RedisClient | None, settings: Settings, clock: Clock) -> Quotas:
    """Return the request quotas: shared through Redis, or of this process only."""
    if redis is None:
        from service.adapters.local.quotas import MemoryQuotas

        return MemoryQuotas(clock)
    from service.adapters.redis.quotas import RedisQuotas

    return RedisQuotas(redis, settings.redis_prefix, clock)


async def open_replies(
    redis: RedisClient | None, settings: Settings, store: Store, clock: Clock, stack: AsyncExitStack
) -> Replies:
    """Open the stored replies, in Redis or in the store."""
    if redis is None:
        from service.adapters.shared.store_replies import StoreReplies

        return await stack.enter_async_context(StoreReplies(store, clock))
    from service.adapters.redis.replies import RedisReplies

    replies = RedisReplies(redis, settings.redis_prefix)
    stack.push_async_callback(replies.close)
    return replies


def follow_options(settings: Settings) -> FollowOptions:
    """Return the options of the indexer."""
    from indexer.bulk.loop import BatchLimits
    from indexer.options import FollowOptions

    if settings.opensearch_url is None:
        return replace(FollowOptions.embedded(settings.index_prefix), epoch=settings.index_epoch)
    refresh = _seconds(settings.index_refresh)
    return FollowOptions(
        alias=settings.index_prefix,
        shards=settings.index_shards,
        replicas=settings.index_replicas,
        index_refresh=f"{round(1000 * OWN_REFRESH * refresh)}ms",
        refresh_seconds=refresh,
        bounds=BatchLimits(count=settings.index_batch),
        epoch=settings.index_epoch,
    )


def _seconds(interval: str) -> float:
    """Convert ``500ms`` or ``2s`` to seconds."""
    return int(interval[:-2]) / 1000 if interval.endswith("ms") else float(interval[:-1])


def connection(settings: Settings) -> Connection:
    """Return the connection options of OpenSearch. Raises SettingsError."""
    from service.adapters.opensearch.connection import Connection

    hosts = split_hosts(settings.opensearch_url or "")
    return Connection(
        hosts=hosts.urls,
        user=hosts.user or settings.opensearch_user,
        password=hosts.password or settings.opensearch_password,
        ca_certs=_text(settings.opensearch_ca),
        client_cert=_text(settings.opensearch_client_cert),
        client_key=_text(settings.opensearch_client_key),
        verify_certs=settings.opensearch_verify,
        compress=settings.opensearch_compress,
    )


def mongo_options(settings: Settings) -> MongoOptions:
    """Return the connection options of MongoDB."""
    from service.adapters.mongo.options import MongoOptions

    return MongoOptions(
        url=settings.mongodb_url or "",
        database=settings.mongodb_database,
        timeout=settings.mongodb_timeout,
        threads=settings.mongodb_threads,
    )


def s3_options(settings: Settings) -> S3Options:
    """Return the connection options of the bucket."""
    from service.adapters.s3.options import S3Options

    return S3Options(
        url=settings.s3_url or "",
        bucket=settings.s3_bucket,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key,
        region=settings.s3_region,
        ca=settings.s3_ca,
        idle=settings.s3_timeout,
        public_url=settings.s3_public_url,
    )


def redis_options(settings: Settings) -> RedisOptions:
    """Return the connection options of Redis."""
    from service.adapters.redis.client import RedisOptions

    return RedisOptions(settings.redis_url or "", settings.redis_prefix)


def redis_probe(client: RedisClient, settings: Settings) -> Callable[[], Awaitable[Mapping[str, Any]]]:
    """Return the probe of Redis: {"engine", "version"} after an actual write, or Unavailable.

    A Redis that is full, or has become a replica, still answers PING but rejects writes.
    """

    async def probe() -> Mapping[str, Any]:
        from service.adapters.redis.client import translated

        with translated():
            await client.set(f"{settings.redis_prefix}:probe", b"1", ex=60)
        try:
            with translated():
                facts = await client.info("server")
        except Unavailable:  # the user lacks permission for INFO
            facts = {}
        return {"engine": "redis", "version": str(facts.get("redis_version", ""))}

    return probe


async def _entered(stack: AsyncExitStack, settings: Settings, name: str, adapter: AbstractAsyncContextManager[T]) -> T:
    return await wait_for_engine(settings, name, stack.enter_async_context(adapter))


async def wait_for_engine(
    settings: Settings, name: str, opening: Awaitable[T], seconds: float | None = START_SECONDS
) -> T:
    """Wait for an engine at startup. Raises Unreachable, naming the setting ``name``, if it does not respond."""
    try:
        async with asyncio.timeout(seconds):
            return await opening
    except (Unavailable, TimeoutError) as error:
        fix = "Check that it is running and reachable from here, or correct the URL"
        why = f"no response within {seconds} s"
        if isinstance(error, Unavailable):
            why = error.message.removeprefix(f"{error.engine}: ")
            if error.said:  # it was reached, and answered
                why, fix = f"{why}: {error.said}", "Look it up in the server's documentation, or see its log"
        raise Unreachable(variable(name), f"{display_url(settings, name)} cannot be used ({why}). {fix}.") from error


def display_url(settings: Settings, name: str) -> str:
    """Return an engine's URL for display, without credentials."""
    url = str(getattr(settings, name))
    return ", ".join(split_hosts(url).urls) if name == "opensearch_url" else redacted(url)


def _text(path: object) -> str | None:
    return None if path is None else str(path)
