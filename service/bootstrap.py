"""The composition root: settings in, use cases on their adapters out. Nothing else builds an adapter."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from indexer.bulk import Bounds
from indexer.follow import Follower
from indexer.lease import Candidate
from indexer.options import FollowOptions
from indexer.status import State
from service.adapters.data_folder import DataFolder
from service.adapters.embedded_search import EmbeddedSearch, running_engine
from service.adapters.inprocess_jobs import InprocessJobs
from service.adapters.local_files import LocalFiles
from service.adapters.opensearch import Connection, OpenSearchEngine
from service.adapters.sqlite_store import SqliteStore
from service.adapters.workers import dismiss, enlist, known_dead
from service.api.context import Context
from service.core.access import Keys
from service.core.assets import Assets
from service.core.backups import Backups
from service.core.consistency import Consistency
from service.core.garbage import OPERATION, Garbage
from service.core.imports import Imports
from service.core.links import Links
from service.core.operations import Operations
from service.core.rates import Rates
from service.core.renditions import Renditions
from service.core.saved_searches import SavedSearches
from service.core.search import Searches
from service.core.signing import derive
from service.core.views import Views
from service.ingest.limits import DEFAULT
from service.ingest.worker import IngestWorkers
from service.ports.clock import Clock, SystemClock
from service.ports.files import Files
from service.ports.search import SearchEngine
from service.ports.store import Store
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class Base:
    """What every command needs: the store, the files and the keys of a data folder."""

    settings: Settings
    clock: Clock
    folder: DataFolder
    store: Store
    files: Files
    keys: Keys
    views: Views
    links: Links
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Service:
    """A whole service in one process."""

    base: Base
    context: Context
    follower: Follower

    def gauges(self) -> Mapping[str, tuple[str, float]]:
        """Return what ``/metrics`` shows of the indexer: {name: (help, value)}."""
        status = self.follower.status()
        return {
            "index_lag_seconds": ("How long changes have been waiting to be indexed.", status.lag_seconds),
            "index_caught_up": ("1 once the index holds all writes from before the start.", float(status.caught_up)),
            "index_dead_letters": ("Documents that the engine refuses for good.", float(status.dead_letters)),
            "index_indexed": ("Assets written by the last full build.", float(status.indexed)),
            "index_total": ("Assets that the last full build had to write.", float(status.total)),
        }


@asynccontextmanager
async def open_base(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Base]:
    """Open the data folder. Raises SettingsError, Unavailable."""
    clock = clock or SystemClock()
    folder = DataFolder(settings.data)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(SqliteStore(folder.database, clock))
        files = await stack.enter_async_context(LocalFiles(folder.files))
        secret = settings.secret or folder.secret()
        links = Links(secret, settings.link_ttl)
        yield Base(settings, clock, folder, store, files, Keys(store, clock), Views(links), links, secret)


@asynccontextmanager
async def open_importer(base: Base) -> AsyncIterator[Imports]:
    """Give an importer with worker processes of its own."""
    workers = _workers(base.settings)
    try:
        concurrency = (base.settings.ingest_workers or os.cpu_count() or 1) * 2
        yield Imports(base.store, base.files, workers, base.clock, concurrency=concurrency)
    finally:
        await workers.close()


@asynccontextmanager
async def open_search(base: Base) -> AsyncIterator[Searches]:
    """Give a search for commands: by the configured engine, the running service's, or one made just for this."""
    url = base.settings.opensearch_url or running_engine(base.folder.engine_beacon)
    async with AsyncExitStack() as stack:
        if url is not None:
            engine: SearchEngine = OpenSearchEngine(Connection(hosts=(url,)))
            stack.push_async_callback(engine.close)
        else:
            embedded = EmbeddedSearch()
            stack.push_async_callback(embedded.close)
            await embedded.start()
            engine = embedded
            # The engine is this process's alone: what is known of its index is nobody else's business.
            notes = await stack.enter_async_context(_notes(base.clock))
            follower = _follower(base, engine, stack, notes)
            stack.push_async_callback(follower.stop)
            follower.start()
            await follower.wait_for(await base.store.barrier(), timeout=600)
        yield _searches(base, engine)


@asynccontextmanager
async def open_service(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Service]:
    """Open everything that ``assetry serve`` runs, and close it in order."""
    async with AsyncExitStack() as stack:
        base = await stack.enter_async_context(open_base(settings, clock))
        stack.enter_context(base.folder.served())
        workers = _workers(settings)
        stack.push_async_callback(workers.close)
        engine = await _engine(base, stack)
        follower = _follower(base, engine, stack)
        if isinstance(engine, EmbeddedSearch):
            engine.on_reset = follower.reset
        jobs = InprocessJobs(base.store, base.clock)
        garbage = Garbage(base.store, base.files, Operations(base.store, jobs, base.clock), base.clock)
        jobs.register(OPERATION, garbage.run)
        assets = Assets(base.store, base.files, workers, base.clock, garbage, upload_limit=settings.upload_limit)
        searches = _searches(base, engine)
        context = Context(
            settings=settings,
            keys=base.keys,
            rates=Rates(base.clock),
            assets=assets,
            searches=searches,
            saved_searches=SavedSearches(base.store, searches, base.clock),
            consistency=Consistency(base.store, follower.wait_for, derive(base.secret, "index tokens")),
            renditions=Renditions(base.files, workers),
            views=base.views,
            links=base.links,
            probes={
                "store": base.store.ping,
                "files": base.files.ping,
                "search": engine.ping,
                "index": lambda: index_probe(follower),
            },
        )
        await jobs.start()
        stack.push_async_callback(jobs.close)
        follower.start()
        stack.push_async_callback(follower.stop)
        yield Service(base, context, follower)


@asynccontextmanager
async def open_backups(base: Base) -> AsyncIterator[Backups]:
    """Give the backups of a data folder; what a restore leaves to jobs is run by the next service."""
    jobs = InprocessJobs(base.store, base.clock)
    garbage = Garbage(base.store, base.files, Operations(base.store, jobs, base.clock), base.clock)
    workers = _workers(base.settings)
    assets = Assets(base.store, base.files, workers, base.clock, garbage, upload_limit=base.settings.upload_limit)
    try:
        yield Backups(base.store, assets, base.clock)
    finally:
        await workers.close()


async def index_probe(follower: Follower) -> Mapping[str, Any]:
    """Say how far the index is, and whether it is ready: caught up and not halted."""
    status = follower.status()
    facts: dict[str, Any] = {
        "state": str(status.state),
        "ready": status.caught_up and status.state is not State.HALTED,
        "index": status.index,
        "indexed": status.indexed,
        "total": status.total,
        "lag_seconds": round(status.lag_seconds, 3),
        "dead_letters": status.dead_letters,
    }
    if status.outdated:
        facts |= {"outdated": True, "mend": "assetry index reindex"}
    if status.last_error:
        facts["last_error"] = status.last_error
    return facts


async def _engine(base: Base, stack: AsyncExitStack) -> SearchEngine:
    if base.settings.opensearch_url:
        remote = OpenSearchEngine(Connection(hosts=(base.settings.opensearch_url,)))
        stack.push_async_callback(remote.close)
        return remote
    embedded = EmbeddedSearch(beacon=base.folder.engine_beacon)
    stack.push_async_callback(embedded.close)
    await embedded.start()
    return embedded


@asynccontextmanager
async def _notes(clock: Clock) -> AsyncIterator[Store]:
    """Give a store that is gone when the block ends."""
    with TemporaryDirectory(prefix="assetry-") as folder:
        async with SqliteStore(Path(folder) / "notes.sqlite", clock) as store:
            yield store


def _follower(base: Base, engine: SearchEngine, stack: AsyncExitStack, notes: Store | None = None) -> Follower:
    chosen = base.settings
    if isinstance(engine, EmbeddedSearch):
        options = FollowOptions.embedded(chosen.index_prefix)
    else:
        bounds = Bounds(count=chosen.index_batch)
        options = FollowOptions(alias=chosen.index_prefix, index_refresh=chosen.index_refresh, bounds=bounds)
    candidate = Candidate(enlist(f"follower-{base.clock.sid()}"), known_dead)
    stack.callback(dismiss, candidate.name)
    return Follower(base.store, engine, base.clock, options, candidate=candidate, notes=notes)


def _searches(base: Base, engine: SearchEngine) -> Searches:
    return Searches(engine, base.settings.index_prefix, base.clock, derive(base.secret, "cursors"))


def _workers(settings: Settings) -> IngestWorkers:
    return IngestWorkers(replace(DEFAULT, workers=settings.ingest_workers or os.cpu_count() or 1))
