"""Operations put together: the queue, who starts those of each type, and who runs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from service.core.access.keys import Principal
from service.core.assets.assets import Assets
from service.core.assets.objects import MEMBERS, ViewContext, asset_object, body_of
from service.core.assets.records import RENAMES
from service.core.assets.reprocess import REPROCESS, Reprocessing, Reprocessor
from service.core.assets.selection import SelectedAssets, Selecting
from service.core.bulk.bulk import Bulk
from service.core.bulk.worker import BULK_COLLECTIONS, BULK_DELETE, BULK_FAVORITES, BULK_UPDATE, BulkWorker
from service.core.exports.exports import BULK_DOWNLOAD, EXPORT, Exporter, Exports
from service.core.files.garbage import COLLECT, Garbage
from service.core.files.renditions import Renditions
from service.core.operation_types import OPERATION_TYPES
from service.core.operations.operations import Operations
from service.core.operations.registry import OperationRegistry
from service.core.operations.undo import UNDO, Undoer, Undoing
from service.core.search.consistency import Consistency
from service.core.search.search import Searches
from service.ingest.cpu_count import cpu_count
from service.ports.ingest import MetadataExtractor
from service.ports.jobs import Jobs
from service.ports.store import AnyRecord
from service.runtime import engines
from service.runtime.base import Base
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class Queue:
    """The queue, who starts operations on it, and the collector of files that no record needs."""

    jobs: Jobs
    registry: OperationRegistry
    operations: Operations
    garbage: Garbage


async def open_jobs(base: Base, stack: AsyncExitStack) -> Queue:
    """Open the queue; :func:`handle_operations` and its ``start`` make it work. Raises SettingsError."""
    registry = OperationRegistry(OPERATION_TYPES)
    jobs = await engines.open_jobs(base.settings, base.store, base.clock, stack, at_once=registry.concurrency)
    operations = Operations(base.store, jobs, base.clock, registry)
    return Queue(jobs, registry, operations, Garbage(base.store, base.files, operations, base.clock))


def open_assets(base: Base, queue: Queue, extractor: MetadataExtractor) -> Assets:
    """Return the use cases of single assets."""
    limit = base.settings.upload_limit
    return Assets(base.store, base.files, extractor, base.clock, queue.garbage, upload_limit=limit)


@dataclass(frozen=True, slots=True)
class LongWork:
    """Who tells of operations, and who starts those of each type."""

    operations: Operations
    undoing: Undoing
    reprocessing: Reprocessing
    bulk: Bulk
    exports: Exports


def long_work(base: Base, queue: Queue, searches: Searches, consistency: Consistency | None) -> LongWork:
    """Put together what starts operations on a queue."""
    selecting = Selecting(searches, consistency)
    key, previous = base.keys_for("confirmations")
    return LongWork(
        queue.operations,
        Undoing(queue.operations, queue.registry),
        Reprocessing(queue.operations, selecting),
        Bulk(base.store, queue.operations, selecting, base.clock, (key, *previous)),
        Exports(queue.operations, selecting, frozenset(MEMBERS)),
    )


def handle_operations(
    base: Base,
    queue: Queue,
    extractor: MetadataExtractor,
    open_searches: Callable[[], AbstractAsyncContextManager[Searches]],
    consistency: Consistency | None,
) -> None:
    """Give each operation type its handler; before the jobs start. ``consistency`` is there if an index is watched."""
    selected = SelectedAssets(base.store, open_searches, consistency)
    reprocessor = Reprocessor(selected, base.files, extractor, concurrency=reading_at_once(base.settings))
    bulk = BulkWorker(selected, open_assets(base, queue, extractor), base.clock)
    exporter = Exporter(base.store, base.files, selected, Renditions(base.files, extractor), partial(_shown, base))
    undoer = Undoer(base.store, "asset", RENAMES)
    registry, jobs, store = queue.registry, queue.jobs, base.store
    registry.handle(jobs, store, COLLECT, queue.garbage.run)
    registry.handle(jobs, store, REPROCESS, reprocessor.run)
    registry.handle(jobs, store, BULK_UPDATE, bulk.update)
    registry.handle(jobs, store, BULK_COLLECTIONS, bulk.collect)
    registry.handle(jobs, store, BULK_FAVORITES, bulk.favor)
    registry.handle(jobs, store, BULK_DELETE, bulk.delete)
    for made in (BULK_DOWNLOAD, EXPORT):
        registry.handle(jobs, store, made, exporter.run)
        queue.operations.discard_with(made, exporter.discard)
    registry.handle(jobs, store, UNDO, undoer.run)


def _shown(base: Base, record: AnyRecord, who: Principal, links_from: str) -> Mapping[str, Any]:
    """Return an asset as its organization sees it."""
    return asset_object(body_of(record), ViewContext(who, base.links, links_from))


def reading_at_once(settings: Settings) -> int:
    """Return how many files one piece of work has read at once: the workers always find the next one waiting."""
    return (settings.ingest_workers or cpu_count()) * 2
