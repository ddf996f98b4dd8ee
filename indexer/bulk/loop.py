"""The bulk loop: when it returns, every document is either acknowledged or a dead letter."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from indexer.bulk.outcomes import FailureWindow, Verdict, rejected, verdict
from indexer.crash_points import CrashPoint, crash_point
from service.errors import Unavailable
from service.ports.search import BulkItem, BulkOutcome, Rejected, SearchEngine
from service.times import backoff


class IndexGone(Exception):
    """The ``index`` that is written to does not exist."""

    def __init__(self, index: str) -> None:
        super().__init__(f"the index {index} does not exist")
        self.index = index


class Halted(Exception):
    """Too many documents of one ``index`` fail permanently: continuing would only fill the dead letters."""

    def __init__(self, index: str) -> None:
        super().__init__(
            f"more than 20 % of the last 1,000 documents for {index} were rejected: check its dead letters"
        )
        self.index = index


class LoopControl(Protocol):
    """How the owner of the loop can stop or delay it, and learns what it waits for."""

    def check(self) -> None:
        """Raise to end the loop before the next request."""
        ...

    async def pause(self, seconds: float, reason: str) -> None:
        """Wait before another attempt; raise to end the loop instead."""
        ...


class DeadLetterSink(Protocol):
    """Where rejections go: see :class:`indexer.bulk.dead_letters.DeadLetters`."""

    async def add(self, index: str, outcome: BulkOutcome) -> None:
        """Record a rejection durably."""
        ...

    async def accepted(self, index: str, outcome: BulkOutcome) -> None:
        """Record that an index accepted a document."""
        ...


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """The limits of one bulk request: documents, and bytes of documents (OpenSearch recommends 5 to 15 MB)."""

    count: int = 500
    size: int = 5 * 2**20


def requests(items: Sequence[BulkItem], bounds: BatchLimits) -> Iterator[list[BulkItem]]:
    """Split items, in order, into requests within the limits; a document over the size limit is sent alone."""
    batch: list[BulkItem] = []
    size = 0
    for item in items:
        length = len(item.document)
        if batch and (len(batch) >= bounds.count or size + length > bounds.size):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += length
    if batch:
        yield batch


Again = tuple[list[BulkItem], str]


class BulkLoop:
    """Writes documents until each is settled, by the table of :mod:`indexer.bulk.outcomes`.

    ``lanes`` requests run concurrently. Order does not matter, since every document carries its version. Rejections by
    the ``tolerated`` indexes never halt the loop, because a reindex is about to replace them. ``items`` counts the
    outcomes by :class:`~indexer.bulk.outcomes.Verdict`.
    """

    def __init__(
        self,
        engine: SearchEngine,
        letters: DeadLetterSink,
        flow: LoopControl,
        *,
        bounds: BatchLimits | None = None,
        lanes: int = 2,
    ) -> None:
        self._engine = engine
        self._letters = letters
        self._flow = flow
        self._bounds = bounds or BatchLimits()
        self._lanes = asyncio.Semaphore(lanes)
        self._windows: defaultdict[str, FailureWindow] = defaultdict(FailureWindow)
        self.tolerated: frozenset[str] = frozenset()
        self.items: Counter[str] = Counter()

    async def write(self, index: str, items: Sequence[BulkItem], *, bounds: BatchLimits | None = None) -> None:
        """Return when every item is acknowledged by ``index`` or durably a dead letter.

        ``bounds`` overrides the loop's own limits.

        Raises IndexGone, Halted, and what the loop control raises. It waits for an engine (or a store of dead letters)
        that does not answer.
        """
        lanes = [self._lane(index, batch) for batch in requests(items, bounds or self._bounds)]
        for ended in await asyncio.gather(*lanes, return_exceptions=True):
            if isinstance(ended, BaseException):
                raise ended

    def forgive(self) -> None:
        """Reset the count of failures, because an operator has seen them and wants another attempt."""
        self._windows.clear()

    async def refuse(self, index: str, outcome: BulkOutcome) -> None:
        """Record a record that cannot be projected. Raises Halted, Unavailable."""
        await self._finish(index, outcome, Verdict.DEAD)

    async def _lane(self, index: str, items: list[BulkItem]) -> None:
        async with self._lanes:
            attempt = 0
            while items:
                self._flow.check()
                self._check_window(index)
                try:
                    items, reason = await self._send(index, items)
                except Unavailable as error:
                    reason = error.message
                if items:
                    attempt += 1
                    await self._flow.pause(backoff(attempt), reason)

    async def _send(self, index: str, items: list[BulkItem]) -> Again:
        """Send one request and settle the items it settles; return those to be sent again, and why."""
        try:
            outcomes = await self._engine.bulk(index, items)
        except Rejected as error:
            return await self._rejected(index, items, error)
        verdicts = [verdict(outcome.status) for outcome in outcomes]
        if Verdict.GONE in verdicts:
            raise IndexGone(index)
        if Verdict.STALE in verdicts:
            verdicts = await self._compare(index, outcomes, verdicts)
        again: list[BulkItem] = []
        reason = ""
        for item, outcome, what in zip(items, outcomes, verdicts, strict=True):
            if what is Verdict.RETRY:
                self.items[what] += 1
                again.append(item)
                reason = f"the engine answered {outcome.status} {outcome.error_type}"
            else:
                await self._finish(index, outcome, what)
        return again, reason

    async def _rejected(self, index: str, items: list[BulkItem], error: Rejected) -> Again:
        """Handle a rejected request: wait, give up, or halve it until the document at fault is alone."""
        what = rejected(error.status)
        if what is Verdict.GONE:
            raise IndexGone(index) from error
        if what is Verdict.RETRY:
            return items, f"the engine answered {error.status} {error.error_type}"
        if len(items) == 1:
            (item,) = items
            outcome = BulkOutcome(item.id, item.version, error.status, error.error_type, error.reason)
            await self._finish(index, outcome, Verdict.DEAD)
            return [], ""
        middle = len(items) // 2
        first, reason = await self._send(index, items[:middle])
        second, other = await self._send(index, items[middle:])
        return first + second, reason or other

    async def _compare(self, index: str, outcomes: Sequence[BulkOutcome], verdicts: Sequence[Verdict]) -> list[Verdict]:
        """Settle version conflicts: done if the index has at least this version, otherwise send again."""
        stale = [outcome.id for outcome, what in zip(outcomes, verdicts, strict=True) if what is Verdict.STALE]
        held = await self._engine.versions(index, stale)
        return [
            Verdict.RETRY if what is Verdict.STALE and held.get(outcome.id, -1) < outcome.version else what
            for outcome, what in zip(outcomes, verdicts, strict=True)
        ]

    async def _finish(self, index: str, outcome: BulkOutcome, what: Verdict) -> None:
        """Count a settled item, and write or clear its dead letter."""
        self.items[what] += 1
        self._windows[index].add(what)
        if what is Verdict.DEAD:
            await self._letters.add(index, outcome)
            crash_point(CrashPoint.LETTER_WRITTEN)
        else:
            await self._letters.accepted(index, outcome)
        self._check_window(index)

    def _check_window(self, index: str) -> None:
        if index not in self.tolerated and self._windows[index].tripped:
            raise Halted(index)
