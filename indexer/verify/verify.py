"""Verify: a store and an index compared record by record, beside whatever else writes to both; and repair.

A walk joins both by key and notes what differs. While writes go on, most of that is only late: the store was read
before the index, or the indexer has not come by yet. So nothing is believed before it was looked at again, in an order
that leaves no room for a false alarm:

1. the record is read: its version is one that the index must reach;
2. everything written so far is waited for (``settle``: a barrier that the indexer has passed);
3. the document is read by id, which does not wait for a refresh;
4. the record is read again: its version is one that the document cannot be ahead of.

A document behind (1) is stale, one before (4) is ahead, and contents are compared when (3) and (4) are of one version.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson

from indexer.bulk.outcomes import permanent
from indexer.documents import encoded, plain_item, version
from indexer.verify.drift import Difference, Drift, VerifyReport, drift_of
from indexer.verify.merge import merged
from indexer.verify.scan import PageSize
from service.errors import Conflict, NotFound
from service.ports.clock import Clock
from service.ports.search import BulkItem, BulkOutcome, Indexed, SearchEngine
from service.ports.store import Change, Record, Store

log = logging.getLogger(__name__)

KIND = "asset"
MAX_RAISES = 1000
"""Empty writes to one record at most, to bring it past a document that is ahead of it."""

SAMPLE = 20
"""Records of a page that are weighed: it costs as much as to send them."""

_WITHOUT_ASSET_ID = {
    "bool": {"must_not": [{"exists": {"field": "asset_id"}}, {"term": {"deleted": True}}]},
}

Settle = Callable[[], Awaitable[None]]
"""``await settle()`` returns when the indexer has passed every write that returned before the call."""

Write = Callable[[str, Sequence[BulkItem]], Awaitable[None]]
"""``await write(index, items)`` returns when each item is acknowledged by the index or a dead letter."""

Refuse = Callable[[str, BulkOutcome], Awaitable[None]]
"""``await refuse(index, outcome)`` notes durably that a record cannot be projected."""

Project = Callable[[Record], BulkItem]
"""Makes of a record what this index is given for it; raises for a record that cannot be projected."""

Dead = Callable[[str], int | None]
"""The version of a key's open dead letter, None if it has none."""

Late = Callable[[str], bool]
"""Whether a change of a key waits for an indexer where none follows; known after ``settle``."""


def _none_dead(key: str) -> int | None:
    return None


def _none_late(key: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class IndexerView:
    """What a verify has to know of the indexer: when it has passed what was written, and what it owes for good reason.

    ``settle`` waits for it; ``dead`` tells what the index refuses, ``late`` what waits where no indexer follows.
    """

    settle: Settle
    dead: Dead = _none_dead
    late: Late = _none_late


@dataclass(frozen=True, slots=True)
class Repair:
    """How differences are repaired: by ``write``; ``refuse`` learns of records that cannot be projected."""

    write: Write
    refuse: Refuse | None = None


OnProgress = Callable[[VerifyReport, str | None], Awaitable[None]]
"""Learns how far a verify is: everything up to the key is checked, and repaired if that was asked for."""


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """How a verify goes on.

    Attributes:
        page: Records and documents read at once, at most.
        page_bytes: How heavy a page of either may be, about: of heavy ones, fewer are read. Four are in memory.
        recheck: Suspects looked at again at once, at most.
        suspects: Keys kept until the next look again; each look waits once for the indexer.
        bodies: Compare contents too; else versions alone, which is several times as fast.
        epoch: The store's epoch, as :class:`indexer.options.FollowOptions` has it.
        project: What makes of a record what this index is given; None: today's projection, with the epoch.
        removed_since: Also miss the tombstones' documents of assets removed since this timestamp: they keep out older
            writes that may still be under way. None: nothing shows the asset, so nothing is missed.
    """

    page: int = 1000
    page_bytes: int = 8 * 2**20
    recheck: int = 500
    suspects: int = 10_000
    bodies: bool = True
    epoch: int = 0
    project: Project | None = None
    removed_since: str | None = None


async def _unwatched(report: VerifyReport, key: str | None) -> None:
    """Learn nothing."""


@dataclass(frozen=True, slots=True)
class _Differing:
    """A difference, with the record and the document that differ."""

    difference: Difference
    record: Record | None
    held: Indexed | None


class Verify:
    """One verify of one index. It only reads, unless it is given ``repair``."""

    def __init__(
        self,
        store: Store,
        engine: SearchEngine,
        clock: Clock,
        index: str,
        *,
        indexer: IndexerView,
        repair: Repair | None = None,
        options: VerifyOptions | None = None,
    ) -> None:
        self._store = store
        self._engine = engine
        self._clock = clock
        self._index = index
        self._indexer = indexer
        self._repair = repair
        self._options = opt = options or VerifyOptions()
        self._project = opt.project or (lambda record: plain_item(record, opt.epoch))
        self._page = PageSize(opt.page, opt.page_bytes)
        self._report = VerifyReport(index)
        self._strays: dict[str, Indexed] = {}

    async def run(self, *, after: str | None = None, on_progress: OnProgress = _unwatched) -> VerifyReport:
        """Compare every key behind ``after`` and return what was found.

        ``on_progress`` is called after each look again with the key up to which all is done: who gives it back as
        ``after`` goes on from there. Raises Unavailable, Rejected, and what ``settle`` and ``repair`` raise.
        """
        began = self._clock.monotonic()
        report = self._report
        suspects: list[str] = []
        last = after
        await self._engine.refresh(self._index)
        slices = merged(self._records, _record_key, self._documents, _document_key, after=after)
        async with aclosing(slices):
            async for pairs in slices:
                for key, record, held in pairs:
                    if self._suspect(record, held):
                        suspects.append(key)
                report.checked += len(pairs)
                last = pairs[-1][0] if pairs else last
                report.seconds = self._clock.monotonic() - began
                if len(suspects) >= self._options.suspects:
                    await self._look_again(suspects)
                    suspects = []
                if not suspects:
                    await on_progress(report, last)
        await self._look_again(suspects)
        await self._hide_strays()
        report.seconds = self._clock.monotonic() - began
        await on_progress(report, last)
        return report

    # --- the walk

    async def _records(self, after: str | None) -> Sequence[Record]:
        records = await self._store.scan(KIND, after=after, limit=self._page.next)
        self._page.seen(len(records), _weight([record.body for record in records]))
        return records

    async def _documents(self, after: str | None) -> Sequence[Indexed]:
        """Return the next page of documents of ours; those of somebody else are put aside."""
        bodies = self._options.bodies
        while page := await self._engine.scan_documents(
            self._index, after=after, limit=self._page.next if bodies else self._options.page, sources=bodies
        ):
            if bodies:
                self._page.seen(len(page), _weight([document.source for document in page]))
            self._strays.update({d.id: d for d in page if d.id != d.asset_id and not d.deleted})
            ours = [d for d in page if d.id == d.asset_id]
            if ours:
                return ours
            after = page[-1].asset_id
        return []

    def _suspect(self, record: Record | None, held: Indexed | None) -> bool:
        if held is not None and record is not None and held.version != version(record, self._options.epoch):
            return True  # known without the work of projecting it
        return self._drift(record, held) is not None

    def _drift(self, record: Record | None, held: Indexed | None) -> Drift | None:
        """Return how a document differs from its record."""
        if record is None:
            return drift_of(None, held, removed=False)
        if held is None or not self._options.bodies:
            expected = BulkItem(record.key, version(record, self._options.epoch), b"")
            held = None if held is None else Indexed(held.id, held.version, held.deleted, None)
        else:
            try:
                expected = self._project(record)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one record, the verify goes on
                log.debug("the asset %s cannot be projected: %s", record.key, error)
                expected = BulkItem(record.key, version(record, self._options.epoch), b"null")
        if record.tombstone and held is not None and held.deleted and held.version > expected.version:
            return None  # it shows nothing, and no later version of the record will ever have to
        since = self._options.removed_since
        due = since is not None and record.updated_at >= since
        return drift_of(expected, held, removed=record.tombstone and not due)

    async def _hide_strays(self) -> None:
        """Count, and hide if asked to, documents whose id is not their ``asset_id``: no indexer wrote them."""
        body = {"query": _WITHOUT_ASSET_ID, "size": self._options.page, "version": True, "_source": False}
        seen: set[str] = set()
        while True:
            hits = (await self._engine.search(self._index, body))["hits"]["hits"]
            self._strays.update({hit["_id"]: Indexed(hit["_id"], hit["_version"], False) for hit in hits})
            strays = [stray for stray in self._strays.values() if stray.id not in seen]
            for stray in strays:
                self._report.add(Difference(stray.id, Drift.ORPHAN, None, stray.version))
            if self._repair is None or not strays:
                break
            await self._repair.write(self._index, [_hidden(stray) for stray in strays])
            await self._engine.refresh(self._index)
            self._report.repaired += len(strays)
            seen.update(self._strays)
        if self._repair is None and len(hits) == self._options.page:  # no order to page by: the others are only counted
            more = await self._engine.count(self._index, _WITHOUT_ASSET_ID) - len(hits)
            self._report.found[Drift.ORPHAN] += max(more, 0)

    # --- the second look

    async def _look_again(self, suspects: Sequence[str]) -> None:
        """Count, and repair if asked to, those of the suspects that differ still when nothing is late any more."""
        if not suspects:
            return
        size = min(self._options.recheck, self._page.next)
        parts = [suspects[n : n + size] for n in range(0, len(suspects), size)]
        due = [await self._versions(part) for part in parts]
        await self._indexer.settle()
        repaired: list[Mapping[str, int | None]] = []
        for part, least in zip(parts, due, strict=True):
            differing = await self._differing(part, least)
            known = [each for each in differing if not self._is_dead(each.difference, least)]
            self._report.dead_letters += len(differing) - len(known)
            found = [each for each in known if not self._is_late(each.difference)]
            self._report.pending += len(known) - len(found)
            for each in found:
                self._report.add(each.difference)
            if found and self._repair is not None:
                await self._fix(found, self._repair)
                repaired.append(await self._versions([each.difference.key for each in found]))
        if repaired:
            await self._indexer.settle()  # what was ahead comes by the feed
            for least in repaired:
                self._report.repaired += len(least) - len(await self._differing(list(least), least))
            await self._engine.refresh(self._index)

    async def _versions(self, keys: Sequence[str]) -> Mapping[str, int | None]:
        """Return the version of each key's record; None where there is none."""
        records = await self._store.get_many(KIND, keys, tombstones=True)
        return {k: version(records[k], self._options.epoch) if k in records else None for k in keys}

    async def _differing(self, keys: Sequence[str], least: Mapping[str, int | None]) -> list[_Differing]:
        """Return what differs of these keys, whose documents must have reached the versions of ``least``."""
        documents = await self._engine.documents(self._index, keys)
        records = await self._store.get_many(KIND, keys, tombstones=True)
        differing: list[_Differing] = []
        for key in keys:
            record, held, due = records.get(key), documents.get(key), least[key]
            drift = self._drift(record, held)
            expected = None if record is None else version(record, self._options.epoch)
            if drift is None or (drift in (Drift.STALE, Drift.MISSING) and not _overdue(due, held)):
                continue
            difference = Difference(key, drift, expected, None if held is None else held.version)
            differing.append(_Differing(difference, record, held))
        return differing

    def _is_dead(self, difference: Difference, least: Mapping[str, int | None]) -> bool:
        """Whether it is there because the engine refused the version that it had to reach, which is known."""
        refused, due = self._indexer.dead(difference.key), least[difference.key]
        late = difference.drift in (Drift.MISSING, Drift.STALE)
        return late and refused is not None and due is not None and refused >= due

    def _is_late(self, difference: Difference) -> bool:
        """Whether the indexer is about to fix it by itself, as soon as there is one."""
        return difference.drift in (Drift.MISSING, Drift.STALE) and self._indexer.late(difference.key)

    # --- repair

    async def _fix(self, found: Sequence[_Differing], repair: Repair) -> None:
        """Write what the index lacks, hide what it should not show, and bring records past what is ahead of them."""
        items: list[BulkItem] = []
        for each in found:
            difference, record, held = each.difference, each.record, each.held
            if held is not None and (record is None or (record.tombstone and difference.drift is Drift.AHEAD)):
                items.append(_hidden(held))
            elif difference.drift is Drift.AHEAD and record is not None and held is not None:
                await self._overtake(record, held)
            elif record is not None:
                try:
                    items.append(encoded(self._project(record)))
                except Exception as error:  # one record must not stop the repair of the others; it is counted as left
                    log.exception("the asset %s cannot be projected", record.key)
                    if repair.refuse is not None:
                        refused = permanent(record.key, version(record, self._options.epoch), error)
                        await repair.refuse(self._index, refused)
        if items:
            await repair.write(self._index, items)

    async def _overtake(self, record: Record, held: Indexed) -> None:
        """Write a record, unchanged, until its version is past the document's; the indexer then brings it there.

        A version in the index cannot fall, so the record's must rise.
        """
        gap = held.version - version(record, self._options.epoch)
        if gap >= MAX_RAISES:
            log.warning("the document of %s is %d versions ahead: raise the epoch and reindex", record.key, gap)
            return
        rev = record.rev
        for _ in range(gap + 1):
            try:
                rev = (await self._store.update(KIND, record.key, Change(), expected_rev=rev)).rev
            except (Conflict, NotFound):
                return  # somebody else writes to it: the next verify sees what became of it


def _overdue(due: int | None, held: Indexed | None) -> bool:
    """Whether a document is behind a version that its record had before the indexer was waited for."""
    return due is not None and (held is None or held.version < due)


def _hidden(held: Indexed) -> BulkItem:
    """Return what hides a document whose record is gone, at its own version: one that comes back is not kept out."""
    return BulkItem(held.id, held.version, {"asset_id": held.id, "deleted": True})


def _weight(bodies: Sequence[Mapping[str, Any] | None]) -> int:
    """Return how many bytes of JSON a page holds, told by some of it."""
    some = bodies[:: max(1, len(bodies) // SAMPLE)]
    return sum(map(_length, some)) * len(bodies) // max(len(some), 1)


def _length(body: Mapping[str, Any] | None) -> int:
    try:
        return len(orjson.dumps(body))
    except TypeError:  # a record that somebody else wrote holds what is no JSON: it must not stop the walk
        return len(repr(body))


def _record_key(record: Record) -> str:
    return record.key


def _document_key(document: Indexed) -> str:
    return document.id
