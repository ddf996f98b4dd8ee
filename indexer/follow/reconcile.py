"""Reconcile: after missed changes, every target is compared with the store and repaired while following continues.

Changes are missed when the feed cannot go back to the saved token (the oplog rolled over, the database was replaced),
and when the alias points to an index that the token does not cover (a restored snapshot). The leader follows from a
barrier at once: an earlier write is found by the scan, a later one arrives through the feed. The position of the scan
is kept in the lease's record, so that it resumes after a crash.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

from indexer.bulk.dead_letters import DeadLetters
from indexer.crash_points import CrashPoint, crash_point
from indexer.documents import TOMBSTONES, plain_item, version
from indexer.follow.context import LeaderContext
from indexer.follow.writer import KIND, Writer
from indexer.indexes.targets import Target
from indexer.status.model import Reconciling
from indexer.verify.drift import VerifyReport
from indexer.verify.verify import IndexerView, Repair, Settle, Verify, VerifyOptions, Write
from service.ports.store import Body, Store
from service.times import timestamp

log = logging.getLogger(__name__)

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Repairs:
    """What is left of a reconcile: why it started, the remaining indexes, and the key up to which the first is done."""

    reason: str
    pending: tuple[str, ...]
    cursor: str | None = None

    @classmethod
    def read(cls, body: Body | None) -> Self | None:
        """Parse the entry in the lease's record; None for no entry."""
        return None if body is None else cls(body["reason"], tuple(body["pending"]), body["cursor"])

    def as_body(self) -> Body:
        """Return the entry for the lease's record."""
        return {"reason": self.reason, "pending": list(self.pending), "cursor": self.cursor}

    def joined(self, reason: str, indexes: Sequence[str]) -> Repairs:
        """Return what is left when these indexes have to be repaired from their beginning as well."""
        untouched = self.pending and self.pending[0] not in indexes
        pending = (*self.pending, *(name for name in indexes if name not in self.pending))
        return Repairs(reason, pending, self.cursor if untouched else None)


class Reconcile:
    """Repairs the pending targets, one after the other, in both directions: missing, stale and orphaned documents.

    ``save`` receives what is left whenever that shrinks, and ``show`` the progress for the status; ``settle`` and
    ``write`` are those of :class:`indexer.verify.verify.Verify`.
    """

    def __init__(
        self,
        context: LeaderContext,
        *,
        settle: Settle,
        write: Write,
        save: Callable[[Repairs], None],
        show: Callable[[Reconciling], None],
    ) -> None:
        self._context = context
        self._settle = settle
        self._write = write
        self._save = save
        self._show = show

    async def run(self, repairs: Repairs, targets: Sequence[Target]) -> None:
        """Return when nothing is left. Raises what the scan, the bulk loop and ``settle`` raise; then call it again."""
        by_name = {target.index: target for target in targets}
        while repairs.pending:
            first = repairs.pending[0]
            if first in by_name:
                await self._repair(repairs, by_name[first])
            repairs = Repairs(repairs.reason, repairs.pending[1:])
            self._save(repairs)
        crash_point(CrashPoint.RECONCILED)

    async def _repair(self, repairs: Repairs, target: Target) -> None:
        context, opt = self._context, self._context.options
        verify = Verify(
            context.store,
            context.engine,
            context.clock,
            target.index,
            indexer=IndexerView(self._settle, dead=lambda key: context.letters.open(target.index).get(key)),
            repair=Repair(self._write, context.writer.refuse),
            options=VerifyOptions(
                project=lambda record: plain_item(record, opt.epoch, target.root),
                page=opt.page,
                recheck=opt.page,
                bodies=False,  # versions show what was missed: a document's content follows from its record and rev
                epoch=opt.epoch,
                # A suspended leader may have sent a write for an asset that was deleted since: it may still arrive.
                removed_since=timestamp(context.clock.now() - TOMBSTONES),
            ),
        )
        shown = Reconciling(repairs.reason, target.index, repairs.cursor)
        self._show(shown)
        log.warning("reconciling the index %s: %s", target.index, repairs.reason)

        async def progressed(report: VerifyReport, key: str | None) -> None:
            crash_point(CrashPoint.RECONCILE_PAGE)
            if key is None:
                return
            found = {str(drift): count for drift, count in report.found.items()}
            self._show(replace(shown, cursor=key, checked=report.checked, drift=found))
            self._save(replace(repairs, cursor=key))

        report = await verify.run(after=repairs.cursor, on_progress=progressed)
        log.warning("reconciled the index %s: %s", target.index, report.as_json())


async def rewrite_outdated(
    store: Store, letters: DeadLetters, writer: Writer, targets: Sequence[Target], epoch: int
) -> None:
    """Rewrite documents whose open dead letter is of an older version than their record.

    Such dead letters remain when another process wrote them after a good version was accepted (an operator's reindex, a
    leader that was suspended and resumed), and when the asset was fixed or deleted while the feed's history was lost.
    Raises what the writer raises.
    """
    for target in targets:
        refused = letters.open(target.index)
        keys = list(refused)
        for start in range(0, len(keys), _PAGE):
            page = keys[start : start + _PAGE]
            records = await store.get_many(KIND, page, tombstones=True)
            outdated = [k for k in page if k not in records or version(records[k], epoch) > refused.get(k, -1)]
            await writer.apply(outdated, [target])
