"""The operations in the store as a queue: what is due, what waits, what dead workers left behind."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from service.adapters.jobs import records as life
from service.adapters.jobs.limits import JobLimits
from service.errors import Conflict, InvalidInput, NotFound
from service.ports.clock import Clock
from service.ports.store import Condition, Exists, In, Order, Page, Range, Record, Store
from service.times import timestamp

log = logging.getLogger(__name__)

PAGE = 1000
"""Operations that one sweep looks at, at most; the next sweep goes on behind them."""

_UNDATED: Mapping[str, Condition] = {"run_after": Exists(present=False)}
"""Always due."""


class JobQueue:
    """Asks the store; each answer may be old when it arrives, so every claim is a compare-and-set."""

    def __init__(self, store: Store, clock: Clock, limits: JobLimits) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._running = _Walk(store)
        self._dated = _Walk(store)
        self._undated = _Walk(store)

    async def due(self, limit: int, types: Sequence[str] | None) -> list[Record]:
        """Return up to ``limit`` queued operations that are due, of any type for None.

        First those without a time, such as what was broken off, then the others, longest due first.
        """
        undated = await self._find(_UNDATED, None, limit, types)
        if len(undated) == limit:
            return undated
        return undated + await self._find(_dated(self._now()), Order("run_after"), limit - len(undated), types)

    async def overdue(self, limit: int, types: Sequence[str] | None, seconds: float) -> list[Record]:
        """Return up to ``limit`` queued operations that are due for so many seconds at least."""
        since = self._now() - timedelta(seconds=seconds)
        dated = await self._find(_dated(since), Order("run_after"), limit, types)
        undated = await self._find(_UNDATED, None, PAGE, types)
        return (dated + [operation for operation in undated if operation.updated_at <= timestamp(since)])[:limit]

    async def sweep(self) -> list[Record]:
        """Return a page of the operations that are due; the next call goes on behind it, round and round."""
        dated = await self._dated.page({"status": "queued", **_dated(self._now())}, Order("run_after"))
        return dated + await self._undated.page({"status": "queued", **_UNDATED}, None)

    async def seconds_to_next(self, types: Sequence[str] | None) -> float | None:
        """Return how long the first queued operation with a time waits still; None when there is none."""
        first = await self._find({"run_after": Range(gt="")}, Order("run_after"), 1, types)
        return life.seconds_until_due(first[0], self._now()) if first else None

    async def has_work(self) -> bool:
        """Whether an operation is due or waits to be tried again."""
        again: dict[str, Condition] = {"attempts": Range(gt=0)}
        for condition in (_UNDATED, _dated(self._now()), again):
            if await self._store.count(life.KIND, {"status": "queued", **condition}):
                return True
        return False

    async def recover(self, is_lost: Callable[[Record], bool]) -> None:
        """Put back, or end, what runs no more although its record says so."""
        for operation in await self._running.page({"status": "running"}, None):
            if not is_lost(operation):
                continue
            change = life.recovered(operation, self._limits.attempts, self._now())
            try:
                await self._store.update(life.KIND, operation.key, change, expected_rev=operation.rev)
            except (Conflict, NotFound):
                continue  # its worker lives, or another process was faster
            log.warning("operation %s: its worker %s is gone", operation.key, operation.body.get("worker"))

    def _now(self) -> datetime:
        return self._clock.now()

    async def _find(
        self, where: Mapping[str, Condition], order: Order | None, limit: int, types: Sequence[str] | None
    ) -> list[Record]:
        of: dict[str, Condition] = {} if types is None else {"type": In(types)}
        page = await self._store.find(life.KIND, {"status": "queued", **where, **of}, order=order, limit=limit)
        return page.records


class _Walk:
    """Pages of a search, one after the other, and from the start again behind the last."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._after: str | None = None

    async def page(self, where: Mapping[str, Condition], order: Order | None) -> list[Record]:
        try:
            page: Page = await self._store.find(life.KIND, where, order=order, limit=PAGE, after=self._after)
        except InvalidInput:  # the store was replaced by another that does not know the place
            page = await self._store.find(life.KIND, where, order=order, limit=PAGE)
        self._after = page.after
        return page.records


def _dated(moment: datetime) -> dict[str, Condition]:
    return {"run_after": Range(lte=timestamp(moment))}
