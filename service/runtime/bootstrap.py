"""The composition root: builds the use cases on the adapters chosen by the settings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from prometheus_client.core import Metric

from indexer.follow.follower import Follower
from indexer.scheduled_verify import ScheduledVerify, VerifySchedule
from indexer.status.publication import IndexWatch
from service.adapters.embedded_search.engine import EmbeddedSearch, running_engine
from service.adapters.embedded_search.osmem import OsmemEngine
from service.adapters.opensearch.engine import Connection
from service.adapters.sqlite.store import SqliteStore
from service.api.kernel.context import Context, Probe
from service.api.kernel.event_stream import StreamSlots
from service.core.access.rate_limits import RateLimiter
from service.core.assets.backups import Backups
from service.core.assets.imports import Imports
from service.core.events.following import LogReader
from service.core.events.log import EventLog
from service.core.events.record_events import RecordEvents
from service.core.events.relay import Relay
from service.core.events.usage import UsageRecorder
from service.core.exports.exports import Downloads
from service.core.files.renditions import Renditions
from service.core.search.consistency import Consistency
from service.core.search.saved_searches import SavedSearches
from service.core.search.search import EMBEDDED_SHARES, ENGINE_SHARES, Searches
from service.core.search.spellings import Spellings
from service.core.shared.fair_share import FairShare, Shares
from service.core.shared.idempotency import Idempotency
from service.ingest.cpu_count import cpu_count
from service.ingest.limits import DEFAULT, MIB, IngestLimits, sized
from service.ingest.memory_limit import memory_limit
from service.ingest.worker import IngestWorkers
from service.ports.clock import Clock
from service.ports.search import SearchEngine
from service.ports.store import Store
from service.runtime import engines
from service.runtime.base import Base, open_base
from service.runtime.events import event_metrics, start_housekeeping, start_relay
from service.runtime.index_metrics import IndexTimes, index_metrics
from service.runtime.indexer import candidate, make_follower, publish
from service.runtime.maintenance import run_maintenance
from service.runtime.operations import LongWork, handle_operations, long_work, open_assets, open_jobs, reading_at_once
from service.runtime.probes import Sizes, index_probe, optional
from service.settings import ROLES, Settings

SLOW_FILE = 2.0
"""Seconds that a worker needs for a file at most; an organization of slower ones leaves a worker to the others."""

FILE_PATIENCE = 120.0
"""Seconds that a file waits for a worker at most."""


@dataclass(frozen=True, slots=True)
class Service:
    """The API, with the indexer and the worker in the same process or in others.

    ``runs`` names the roles in this process; ``follower`` is its indexer, or a view of another process's indexer;
    ``times`` are the histograms of its own indexer, None if the indexer is in another process. ``relay`` is None
    where jobs run elsewhere.
    """

    base: Base
    context: Context
    follower: Follower | IndexWatch
    runs: tuple[str, ...]
    times: IndexTimes | None = None
    relay: Relay | None = None

    @property
    def probes(self) -> Mapping[str, Probe]:
        """The probes of the engines by port."""
        return self.context.probes

    def gauges(self) -> list[Metric]:
        """Return the metrics of the index and of events."""
        relay = None if self.relay is None else self.relay.status
        return [
            *index_metrics(self.follower.status(), self.times),
            *event_metrics(relay, self.context.usage.status, self.context.streams),
        ]


@asynccontextmanager
async def open_importer(base: Base) -> AsyncIterator[Imports]:
    """Open an importer with its own worker processes, which no other organization waits for."""
    workers = IngestWorkers(ingest_limits(base.settings))
    try:
        yield Imports(base.store, base.files, workers, base.clock, concurrency=reading_at_once(base.settings))
    finally:
        await workers.close()


@asynccontextmanager
async def open_search(base: Base) -> AsyncIterator[Searches]:
    """Open a search for commands, on the configured engine, the running service's engine, or a temporary one."""
    async with AsyncExitStack() as stack:
        if base.settings.opensearch_url is not None:
            engine = await engines.open_engine(base.settings, base.folder, stack, writes=False)
        elif (url := running_engine(base.folder.engine_beacon)) is not None:
            engine = OsmemEngine(Connection(hosts=(url,)))
            stack.push_async_callback(engine.close)
        else:
            engine = await _open_private_engine(base, stack)
        yield _searches(base, engine)


async def _open_private_engine(base: Base, stack: AsyncExitStack) -> SearchEngine:
    """Start a private embedded engine and return it with all records indexed."""
    embedded = EmbeddedSearch()
    stack.push_async_callback(embedded.close)
    await embedded.start()
    # The engine is private to this process, so the state of its index must not be in the shared store.
    notes = await stack.enter_async_context(_temporary_store(base.clock))
    follower = make_follower(base, embedded, stack, notes=notes)
    stack.push_async_callback(follower.stop)
    follower.start()
    await follower.wait_for(await base.store.barrier(), timeout=600)
    return embedded


@asynccontextmanager
async def open_service(
    settings: Settings, clock: Clock | None = None, *, everything: bool = False
) -> AsyncIterator[Service]:
    """Open what ``assetry serve`` runs, and close it in order.

    :func:`roles_of` says what it includes; with ``everything`` it is all. Raises SettingsError, Unavailable.
    """
    runs = ROLES if everything else roles_of(settings)
    indexes, works = "indexer" in runs, "worker" in runs
    async with AsyncExitStack() as stack:
        base = await stack.enter_async_context(open_base(settings, clock))
        if engines.is_exclusive(settings):
            stack.enter_context(base.folder.served())
        workers = ingest_workers(settings)
        stack.push_async_callback(workers.close)
        engine = await engines.open_engine(settings, base.folder, stack, writes=indexes)
        redis = await engines.open_redis(settings, stack)
        work = await open_jobs(base, stack)
        assets = open_assets(base, work, workers)
        searches = _searches(base, engine)
        events = EventLog(base.store, base.clock)
        usage = UsageRecorder(base.store, base.clock)
        stack.push_async_callback(usage.stop)
        usage.start()
        times = IndexTimes() if indexes else None
        follower = await open_follower(base, engine, stack, times) if times else await _watch(base, stack)
        consistency = Consistency(base.store, follower.wait_for, *base.keys_for("index tokens"))
        handle_operations(base, work, workers, lambda: nullcontext(searches), consistency)
        if works:
            await work.jobs.start()
            run_maintenance(base.files, work.operations, stack)
        relay = open_relay(base, events, stack) if works else None
        starts = long_work(base, work, searches, consistency)
        queue = {} if redis is None else {"jobs": optional(engines.redis_probe(redis, settings))}
        context = Context(
            settings=settings,
            keys=base.keys,
            rate_limiter=RateLimiter(engines.quotas(redis, settings, base.clock)),
            idempotency=Idempotency(await engines.open_replies(redis, settings, base.store, base.clock, stack)),
            assets=assets,
            searches=searches,
            saved_searches=SavedSearches(base.store, searches, base.clock),
            consistency=consistency,
            operations=starts.operations,
            undoing=starts.undoing,
            reprocessing=starts.reprocessing,
            bulk=starts.bulk,
            exports=starts.exports,
            downloads=Downloads(work.operations),
            renditions=Renditions(base.files, workers),
            links=base.links,
            record_events=RecordEvents(LogReader(events), base.clock),
            usage=usage,
            streams=StreamSlots(per_key=settings.streams_per_key, per_process=settings.streams),
            probes=probes(base, engine) | {"index": index_probe(follower.status, sizes(base, engine))} | queue,
        )
        yield Service(base, context, follower, runs, times, relay)


def roles_of(settings: Settings) -> tuple[str, ...]:
    """Return what ``assetry serve`` runs: what it is told, else what nothing but it is likely to run.

    On SQLite that is everything, since one process then is the whole service, whatever the other engines.
    """
    if settings.roles is not None:
        return tuple(role for role in ROLES if role in settings.roles.split(","))
    alone = settings.mongodb_url is None
    indexes = alone or settings.opensearch_url is None
    works = alone or settings.redis_url is None
    return ("api", *["indexer"] * indexes, *["worker"] * works)


@asynccontextmanager
async def open_long_work(base: Base, *, works: bool) -> AsyncIterator[LongWork]:
    """Give what starts operations to commands; with ``works`` this process runs them until the block ends."""
    async with AsyncExitStack() as stack:
        queue = await open_jobs(base, stack)
        searches = await stack.enter_async_context(open_search(base))
        consistency = await index_consistency(base, stack)
        if works:
            workers = ingest_workers(base.settings)
            stack.push_async_callback(workers.close)
            handle_operations(base, queue, workers, lambda: nullcontext(searches), consistency)
            stack.push_async_callback(queue.jobs.close)
            await queue.jobs.start()
        yield long_work(base, queue, searches, consistency)


async def index_consistency(base: Base, stack: AsyncExitStack) -> Consistency | None:
    """Return who knows how far the index is, in a process that does not fill it; None if it cannot be known."""
    if base.settings.opensearch_url is None:
        return None
    watch = await _watch(base, stack)
    return Consistency(base.store, watch.wait_for, *base.keys_for("index tokens"))


@asynccontextmanager
async def open_backups(base: Base) -> AsyncIterator[Backups]:
    """Open the backups; jobs queued by a restore are run by the service."""
    workers = ingest_workers(base.settings)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(workers.close)
        queue = await open_jobs(base, stack)
        yield Backups(base.store, open_assets(base, queue, workers), base.clock)


def open_relay(base: Base, events: EventLog, stack: AsyncExitStack) -> Relay:
    """Start the relay, the folding of usage and the sweep of both, until the stack is closed."""
    start_housekeeping(base.settings, base.store, events, base.clock, stack)
    return start_relay(base.store, events, base.clock, candidate(base, stack, "relay"), stack)


async def open_follower(base: Base, engine: SearchEngine, stack: AsyncExitStack, times: IndexTimes) -> Follower:
    """Start the indexer and its scheduled verify; if other processes search its engine, publish its progress."""
    follower = make_follower(base, engine, stack, times=times)
    if isinstance(engine, EmbeddedSearch):
        engine.on_reset = follower.reset
    else:
        publish(base, follower, stack)
    follower.start()
    stack.push_async_callback(follower.stop)
    if base.settings.index_verify_hours:
        options, every = engines.follow_options(base.settings), VerifySchedule(base.settings.index_verify_hours)
        schedule = ScheduledVerify(base.store, engine, base.clock, options, follower.status, every)
        stack.push_async_callback(schedule.stop)
        schedule.start()
    return follower


def probes(base: Base, engine: SearchEngine | None) -> dict[str, Probe]:
    """Return the probes of the engines that a process requires."""
    found: dict[str, Probe] = {"store": base.store.ping, "files": base.files.ping}
    return found if engine is None else {**found, "search": engine.ping}


def sizes(base: Base, engine: SearchEngine) -> Sizes:
    """Return who says how many assets the index and the store hold."""
    return Sizes(engine, base.store, base.settings.index_prefix, base.clock)


async def _watch(base: Base, stack: AsyncExitStack) -> IndexWatch:
    """Start watching the indexer of another process."""
    watch = IndexWatch(base.store, base.clock, base.settings.index_prefix)
    await watch.look()
    watch.start()
    stack.push_async_callback(watch.stop)
    return watch


@asynccontextmanager
async def _temporary_store(clock: Clock) -> AsyncIterator[Store]:
    """Open a temporary store that is deleted when the block ends."""
    with TemporaryDirectory(prefix="assetry-") as folder:
        async with SqliteStore(Path(folder) / "notes.sqlite", clock) as store:
            yield store


def _searches(base: Base, engine: SearchEngine) -> Searches:
    cluster = base.settings.opensearch_url is not None
    key, previous = base.keys_for("cursors")
    return Searches(
        engine,
        base.settings.index_prefix,
        base.clock,
        key,
        FairShare(ENGINE_SHARES if cluster else EMBEDDED_SHARES),
        previous=previous,
        totals_apart=cluster,
        spellings=Spellings(base.clock) if cluster else None,
    )


def ingest_limits(settings: Settings) -> IngestLimits:
    """Return how many worker processes there are, and what each may use."""
    memory = settings.ingest_memory * MIB or memory_limit() // 2
    return sized(DEFAULT, workers=settings.ingest_workers or cpu_count(), memory=memory)


def ingest_workers(settings: Settings) -> IngestWorkers:
    """Return worker processes that read files; the first file starts them. Organizations have their turns."""
    limits = ingest_limits(settings)
    places = limits.workers
    shares = Shares(
        what="files", places=places, slow_places=max(1, places - 1), slow=SLOW_FILE, waiting=200, patience=FILE_PATIENCE
    )
    return IngestWorkers(limits, FairShare(shares).turn)
