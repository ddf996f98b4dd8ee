"""Verify: comparing a store and an index record by record, while both are being written to; and repair.

A scan joins both by key and collects differences. While writes go on, most of these are only delays: the store was read
before the index, or the indexer has not got there yet. So each difference is checked again, in an order that rules out
false alarms:

1. the record is read: its version is one that the index must reach;
2. it waits for everything written so far (``settle``: the indexer has passed a barrier);
3. the document is read by id, which does not wait for a refresh;
4. the record is read again: its version is one that the document cannot be ahead of.

A document behind (1) is stale, one beyond (4) is ahead, and contents are compared if (3) and (4) have the same version.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson

from indexer.bulk.outcomes import permanent
from indexer.checksum import is_unchanged
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
"""The maximum number of empty writes to a record, to bring it past a document that is ahead of it."""

SAMPLE = 20
"""Records of a page whose size is measured, which costs as much as sending them."""

_WITHOUT_ASSET_ID = {
    "bool": {"must_not": [{"exists": {"field": "asset_id"}}, {"term": {"deleted": True}}]},
}

Settle = Callable[[], Awaitable[None]]
"""``await settle()`` returns when the indexer has passed every write that returned before the call."""

Write = Callable[[str, Sequence[BulkItem]], Awaitable[None]]
"""``await write(index, items)`` returns when each item is acknowledged by the index or a dead letter."""

Refuse = Callable[[str, BulkOutcome], Awaitable[None]]
"""``await refuse(index, outcome)`` durably records that a record cannot be projected."""

Project = Callable[[Record], BulkItem]
"""Returns what this index gets for a record; raises for a record that cannot be projected."""

Dead = Callable[[str], int | None]
"""The version of a key's open dead letter, None if it has none."""

Late = Callable[[str], bool]
"""Whether a change of a key waits for an indexer while none follows; known after ``settle``."""


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
"""Receives the progress: everything up to the key is checked and, if requested, repaired."""


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """How a verify works.

    Attributes:
        page: Records and documents read at once, at most.
        page_bytes: The approximate maximum size of a page of either: of large ones, fewer are read. Six are in memory.
        recheck: Suspects checked again at once, at most.
        suspects: Keys collected before they are checked again, which waits once for the indexer.
        bodies: Compare contents too; otherwise only versions, which is several times as fast.
        epoch: The store's epoch, as in :class:`indexer.options.FollowOptions`.
        project: Projects a record for this index; None: today's projection, with the epoch.
        removed_since: Also report missing documents of tombstones newer than this timestamp: they keep out older writes
            that may still be in progress. None: they are not required, as searches do not show them.
    """

    page: int = 1000
    page_bytes: int = 8 * 2**20
    recheck: int = 500
    suspects: int = 10_000
    bodies: bool = True
    epoch: int = 0
    project: Project | None = None
    removed_since: str | None = None


async def _ignore_progress(report: VerifyReport, key: str | None) -> None:
    """Learn nothing."""


@dataclass(frozen=True, slots=True)
class _Differing:
    """A difference, with the record and the document that differ."""

    difference: Difference
    record: Record | None
    held: Indexed | None


class Verify:
    """A verify of one index. It only reads, unless ``repair`` is given."""

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

    async def run(self, *, after: str | None = None, on_progress: OnProgress = _ignore_progress) -> VerifyReport:
        """Compare every key after ``after`` and return the report.

        ``on_progress`` is called after each recheck with the key up to which everything is done; pass it as ``after``
        to continue from there. Raises Unavailable, Rejected, and what ``settle`` and ``repair`` raise.
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
                    await self._recheck(suspects)
                    suspects = []
                if not suspects:
                    await on_progress(report, last)
        await self._recheck(suspects)
        await self._hide_strays()
        report.seconds = self._clock.monotonic() - began
        await on_progress(report, last)
        return report

    # --- the scan

    async def _records(self, after: str | None) -> Sequence[Record]:
        records = await self._store.scan(KIND, after=after, limit=self._page.next)
        self._page.seen(len(records), _page_bytes([record.body for record in records]))
        return records

    async def _documents(self, after: str | None, last: str | None) -> Sequence[Indexed]:
        """Return the next page of Assetry's documents up to a key; those of other programs are set aside."""
        bodies = self._options.bodies
        while page := await self._engine.scan_documents(
            self._index, after=after, last=last, limit=self._page.next if bodies else self._options.page, sources=bodies
        ):
            if bodies:
                self._page.seen(len(page), _page_bytes([document.source for document in page]))
            self._strays.update({d.id: d for d in page if d.id != d.asset_id and not d.deleted})
            ours = [d for d in page if d.id == d.asset_id]
            if ours:
                return ours
            after = page[-1].asset_id
        return []

    def _suspect(self, record: Record | None, held: Indexed | None) -> bool:
        if held is not None and record is not None and held.version != version(record, self._options.epoch):
            return True  # known without projecting it
        return self._drift(record, held) is not None

    def _drift(self, record: Record | None, held: Indexed | None) -> Drift | None:
        """Return how a document differs from its record."""
        if record is None:
            return drift_of(None, held, removed=False)
        if held is None or not self._options.bodies:
            expected = BulkItem(record.key, version(record, self._options.epoch), b"")
            held = None if held is None else Indexed(held.id, held.version, held.deleted, None)
        elif held.version == version(record, self._options.epoch) and _is_sealed(record, held):
            return None
        else:
            try:
                expected = self._project(record)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one record, the verify goes on
                log.debug("cannot project the asset %s: %s", record.key, error)
                expected = BulkItem(record.key, version(record, self._options.epoch), b"null")
        if record.tombstone and held is not None and held.deleted and held.version > expected.version:
            return None  # it shows nothing, and no later version of the record has to either
        since = self._options.removed_since
        due = since is not None and record.updated_at >= since
        return drift_of(expected, held, removed=record.tombstone and not due)

    async def _hide_strays(self) -> None:
        """Count and, if requested, hide documents whose id differs from their ``asset_id``: no indexer wrote them."""
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

    # --- the recheck

    async def _recheck(self, suspects: Sequence[str]) -> None:
        """Count and, if requested, repair the suspects that still differ when nothing is delayed any more."""
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
                await self._repair_found(found, self._repair)
                repaired.append(await self._versions([each.difference.key for each in found]))
        if repaired:
            await self._indexer.settle()  # what was ahead arrives through the feed
            for least in repaired:
                self._report.repaired += len(least) - len(await self._differing(list(least), least))
            await self._engine.refresh(self._index)

    async def _versions(self, keys: Sequence[str]) -> Mapping[str, int | None]:
        """Return the version of each key's record; None where there is none."""
        records = await self._store.get_many(KIND, keys, tombstones=True)
        return {k: version(records[k], self._options.epoch) if k in records else None for k in keys}

    async def _differing(self, keys: Sequence[str], least: Mapping[str, int | None]) -> list[_Differing]:
        """Return the differences of these keys, whose documents must have reached the versions in ``least``."""
        documents = await self._engine.documents(self._index, keys)
        records = await self._store.get_many(KIND, keys, tombstones=True)
        differing: list[_Differing] = []
        for key in keys:
            record, held, due = records.get(key), documents.get(key), least[key]
            drift = self._drift(record, held)
            expected = None if record is None else version(record, self._options.epoch)
            if drift is None or (drift in (Drift.STALE, Drift.MISSING) and not _is_behind(due, held)):
                continue
            difference = Difference(key, drift, expected, None if held is None else held.version)
            differing.append(_Differing(difference, record, held))
        return differing

    def _is_dead(self, difference: Difference, least: Mapping[str, int | None]) -> bool:
        """Whether it differs because the engine rejected the version that it had to reach, which is known."""
        refused, due = self._indexer.dead(difference.key), least[difference.key]
        late = difference.drift in (Drift.MISSING, Drift.STALE)
        return late and refused is not None and due is not None and refused >= due

    def _is_late(self, difference: Difference) -> bool:
        """Whether an indexer would fix it, as soon as there is one."""
        return difference.drift in (Drift.MISSING, Drift.STALE) and self._indexer.late(difference.key)

    # --- repair

    async def _repair_found(self, found: Sequence[_Differing], repair: Repair) -> None:
        """Write what the index lacks, hide what it should not show, and bring records past documents that are ahead."""
        items: list[BulkItem] = []
        for each in found:
            difference, record, held = each.difference, each.record, each.held
            if held is not None and (record is None or (record.tombstone and difference.drift is Drift.AHEAD)):
                items.append(_hidden(held))
            elif difference.drift is Drift.AHEAD and record is not None and held is not None:
                await self._raise_version(record, held)
            elif record is not None:
                try:
                    items.append(encoded(self._project(record)))
                except Exception as error:  # one record must not stop the repair of the others; it is counted as left
                    log.exception("cannot project the asset %s", record.key)
                    if repair.refuse is not None:
                        refused = permanent(record.key, version(record, self._options.epoch), error)
                        await repair.refuse(self._index, refused)
        if items:
            await repair.write(self._index, items)

    async def _raise_version(self, record: Record, held: Indexed) -> None:
        """Write a record, unchanged, until its version is past the document's; the indexer then writes it.

        The version in the index cannot fall, so the record's must rise.
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
                return  # another process is writing to it: the next verify will see the result


def _is_sealed(record: Record, held: Indexed) -> bool:
    return held.source is not None and not held.deleted and is_unchanged(record, held.source)


def _is_behind(due: int | None, held: Indexed | None) -> bool:
    """Whether a document is behind a version that its record had before the wait for the indexer."""
    return due is not None and (held is None or held.version < due)


def _hidden(held: Indexed) -> BulkItem:
    """Return the item that hides a document without a record, at its own version, so that a later record still wins."""
    return BulkItem(held.id, held.version, {"asset_id": held.id, "deleted": True})


def _page_bytes(bodies: Sequence[Mapping[str, Any] | None]) -> int:
    """Return the approximate size of a page as JSON, in bytes, measured on some of it."""
    some = bodies[:: max(1, len(bodies) // SAMPLE)]
    return sum(map(_json_bytes, some)) * len(bodies) // max(len(some), 1)


def _json_bytes(body: Mapping[str, Any] | None) -> int:
    try:
        return len(orjson.dumps(body))
    except TypeError:  # a record that another program wrote contains something that is not JSON: skip it
        return len(repr(body))


def _record_key(record: Record) -> str:
    return record.key


def _document_key(document: Indexed) -> str:
    return document.id
