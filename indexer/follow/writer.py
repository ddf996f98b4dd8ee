"""The writer: takes keys or records, and returns once every target has acknowledged them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence

from indexer.bulk.loop import BatchLimits, BulkLoop
from indexer.bulk.projection import project
from indexer.crash_points import CrashPoint, crash_point
from indexer.indexes.targets import Target
from indexer.options import FollowOptions
from indexer.verify.scan import PageSize
from service.ports.search import BulkItem, BulkOutcome
from service.ports.store import Record, Store

KIND = "asset"


class Writer:
    """Projects records and writes them to indexes.

    When a call returns, each item is acknowledged by each index, or durably a dead letter there. Raises what the bulk
    loop raises.
    """

    def __init__(self, store: Store, bulk: BulkLoop, options: FollowOptions) -> None:
        self._store = store
        self._bulk = bulk
        self._options = options
        self._trickle = options.bounds if options.trickle is None else BatchLimits(options.trickle, options.bounds.size)
        self.page = PageSize(options.page, options.page_bytes)
        # One more than can be written concurrently: it is read and projected meanwhile. Memory holds no more of them.
        self._pages = asyncio.Semaphore(options.lanes + 1)

    async def apply(self, keys: Sequence[str], targets: Sequence[Target]) -> list[str]:
        """Read the records of these distinct keys and write them, a few pages concurrently.

        A key without a record becomes a deletion. Returns when the records were written (their ``updated_at``).
        """
        start = 0
        written: list[str] = []
        while start < len(keys):
            # Pages run concurrently: no key is in two of them, so writes to one record never overtake each other in a
            # batch.
            lanes: list[Awaitable[None]] = []
            while start < len(keys) and len(lanes) < self._options.lanes:
                lanes.append(self._page(keys[start : start + self.page.next], targets, written))
                start += self.page.next
            await together(lanes)
        return written

    async def put(self, records: Sequence[Record], targets: Sequence[Target]) -> None:
        """Write these records."""
        await self._put([record.key for record in records], {record.key: record for record in records}, targets)

    async def write(self, index: str, items: Sequence[BulkItem]) -> None:
        """Write documents that have been projected already."""
        await self._bulk.write(index, items)

    def tolerate_rejections(self, indexes: Iterable[str]) -> None:
        """Do not halt for rejections by these indexes, because a reindex is about to replace them."""
        self._bulk.tolerated = frozenset(indexes)

    async def refuse(self, index: str, outcome: BulkOutcome) -> None:
        """Record a record that cannot be projected."""
        await self._bulk.refuse(index, outcome)

    async def _page(self, keys: Sequence[str], targets: Sequence[Target], written: list[str]) -> None:
        async with self._pages:
            records = await self._store.get_many(KIND, keys, tombstones=True)
            crash_point(CrashPoint.RECORDS_READ)
            written += [record.updated_at for record in records.values()]
            await self._put(keys, records, targets, self._trickle if len(keys) < self._options.bounds.count else None)

    async def _put(
        self,
        keys: Sequence[str],
        records: Mapping[str, Record],
        targets: Sequence[Target],
        bounds: BatchLimits | None = None,
    ) -> None:
        today = [target for target in targets if target.root is None]
        # Targets with the same mapping share the projection.
        groups = ([today] if today else []) + [[target] for target in targets if target.root is not None]
        await together([self._group(keys, records, group, bounds) for group in groups])

    async def _group(
        self, keys: Sequence[str], records: Mapping[str, Record], group: Sequence[Target], bounds: BatchLimits | None
    ) -> None:
        items, refused = await project(keys, records, self._options.epoch, group[0].root)
        self.page.seen(len(items), sum(len(item.document) for item in items))
        for target in group:
            for outcome in refused:
                await self._bulk.refuse(target.index, outcome)
        await together([self._to(target, items, bounds) for target in group])

    async def _to(self, target: Target, items: Sequence[BulkItem], bounds: BatchLimits | None) -> None:
        await self._bulk.write(target.index, items, bounds=bounds)
        crash_point(CrashPoint.TARGET_WRITTEN)


async def together(works: Iterable[Awaitable[None]]) -> None:
    """Wait for all, then raise the first failure, so that none is left running and no error is lost."""
    for ended in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(ended, BaseException):
            raise ended
