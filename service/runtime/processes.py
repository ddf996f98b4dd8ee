"""Processes without the API: the indexer alone, or the worker alone. Any number of each may run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from service.api.kernel.context import Probe
from service.api.ops.metrics import Gauges
from service.core.events.log import EventLog
from service.errors import SettingsError
from service.runtime import engines
from service.runtime.base import Base, open_base
from service.runtime.bootstrap import (
    index_consistency,
    ingest_workers,
    open_follower,
    open_relay,
    open_search,
    probes,
    sizes,
)
from service.runtime.events import event_metrics
from service.runtime.index_metrics import IndexTimes, collector
from service.runtime.maintenance import run_maintenance
from service.runtime.operations import handle_operations, open_jobs
from service.runtime.probes import index_probe, optional
from service.settings import Settings, variable


@dataclass(frozen=True, slots=True)
class Role:
    """A running process: its roles, probes and metrics."""

    base: Base
    runs: tuple[str, ...]
    probes: Mapping[str, Probe]
    gauges: Gauges


@asynccontextmanager
async def open_indexer(settings: Settings) -> AsyncIterator[Role]:
    """Run the indexer until the block ends. Raises SettingsError, Unavailable."""
    if settings.opensearch_url is None:
        message = "is not set, so the search engine is embedded, and `assetry serve` feeds it: no other process has to."
        raise SettingsError(variable("opensearch_url"), message)
    async with AsyncExitStack() as stack:
        base = await stack.enter_async_context(open_base(settings))
        engine = await engines.open_engine(settings, base.folder, stack, writes=True)
        times = IndexTimes()
        follower = await open_follower(base, engine, stack, times)
        probes_by_port = {**probes(base, engine), "index": index_probe(follower.status, sizes(base, engine))}
        yield Role(base, ("indexer",), probes_by_port, collector(follower.status, times))


@asynccontextmanager
async def open_worker(settings: Settings) -> AsyncIterator[Role]:
    """Run jobs until the block ends: from Redis, or from the store if there is no Redis.

    Raises SettingsError, Unavailable.
    """
    async with AsyncExitStack() as stack:
        base = await stack.enter_async_context(open_base(settings))
        queue = await open_jobs(base, stack)
        workers = ingest_workers(settings)
        stack.push_async_callback(workers.close)
        handle_operations(base, queue, workers, lambda: open_search(base), await index_consistency(base, stack))
        stack.push_async_callback(queue.jobs.close)
        redis = await engines.open_redis(settings, stack)
        more: dict[str, Probe] = {} if redis is None else {"jobs": optional(engines.redis_probe(redis, settings))}
        await queue.jobs.start()
        run_maintenance(base.files, queue.operations, stack)
        relay = open_relay(base, EventLog(base.store, base.clock), stack)
        gauges = partial(event_metrics, relay.status, None, None)
        yield Role(base, ("worker",), {**probes(base, None), **more}, gauges)
