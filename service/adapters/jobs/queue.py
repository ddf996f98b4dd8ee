"""The operations in the store as a queue: what is due, what waits, what dead workers left behind."""

from __future__ import annotations

import logging
from collections import Counter
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

ORGANIZATIONS = 32
"""Organizations that are looked at, at most, to find whose turn it is; the next look begins behind the last chosen."""

_REMEMBERED = 10_000
"""Organizations whose last turn is remembered."""

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
        self._last_org: dict[str, str] = {}  # by type: the organization whose turn was last
        self._turns: dict[str, int] = {}  # by organization: the number of its last turn, latest last
        self._turn = 0

    async def due(self, limit: int, types: Sequence[str], *, for_seconds: float = 0) -> list[Record]:
        """Return up to ``limit`` operations of these types that are due (for so many seconds at least), next one first.

        First those without a time, which were broken off. Of the others every organization has its fair share: next is
        the one that has the fewest under way, and of several the one whose turn was longest ago; of its own operations
        what is due the longest.
        """
        since = self._now() - timedelta(seconds=for_seconds)
        chosen = await self._find({**_UNDATED, "type": In(types)}, None, limit)
        if for_seconds:
            chosen = [operation for operation in chosen if operation.updated_at <= timestamp(since)]
        if (left := limit - len(chosen)) <= 0:
            return chosen
        oldest = {type_: await self._oldest(type_, since, left + 1) for type_ in types}
        if sum(map(len, oldest.values())) <= left:  # all that is due has room
            return chosen + sorted((each for found in oldest.values() for each in found), key=_age)
        waiting = [await self._by_organization(type_, found, since, left) for type_, found in oldest.items() if found]
        under_way = await self.under_way()
        under_way.update(str(operation.org_id) for operation in chosen)
        return chosen + self._in_turn([each for found in waiting for each in found], under_way, left)

    def _in_turn(self, waiting: Sequence[Record], under_way: Counter[str], limit: int) -> list[Record]:
        """Return the first ``limit``, each the longest due one of the organization whose turn it is by then."""
        lines: dict[str, list[Record]] = {}
        for operation in sorted(waiting, key=_age, reverse=True):
            lines.setdefault(str(operation.org_id), []).append(operation)
        chosen: list[Record] = []
        while lines and len(chosen) < limit:
            org_id = min(lines, key=lambda each: (under_way[each], self._turns.get(each, 0), _age(lines[each][-1])))
            chosen.append(lines[org_id].pop())
            if not lines[org_id]:
                del lines[org_id]
            under_way[org_id] += 1
        return chosen

    def began(self, operation: Record) -> None:
        """Note that an operation was begun here: its organization had its turn."""
        org_id = str(operation.org_id)
        self._last_org[str(operation.body["type"])] = org_id
        self._turns.pop(org_id, None)
        self._turn += 1
        self._turns[org_id] = self._turn
        if len(self._turns) > _REMEMBERED:
            del self._turns[next(iter(self._turns))]

    async def under_way(self) -> Counter[str]:
        """Return how many operations every organization has under way, on all workers."""
        page = await self._store.find(life.KIND, {"status": "running"}, limit=PAGE)
        return Counter(str(operation.org_id) for operation in page.records)

    async def sweep(self, types: Sequence[str]) -> list[Record]:
        """Return a page of the operations of these types that are due; the next call goes on behind it, and round."""
        of: dict[str, Condition] = {"status": "queued", "type": In(types)}
        dated = await self._dated.page({**of, **_dated(self._now())}, Order("run_after"))
        return dated + await self._undated.page({**of, **_UNDATED}, None)

    async def seconds_to_next(self) -> float | None:
        """Return how long the first operation that is not due yet waits still; None when there is none."""
        later: dict[str, Condition] = {"run_after": Range(gt=timestamp(self._now()))}
        first = await self._find(later, Order("run_after"), 1)
        return life.seconds_until_due(first[0], self._now()) if first else None

    async def has_work(self, types: Sequence[str]) -> bool:
        """Whether an operation of these types is due or waits to be tried again."""
        again: tuple[dict[str, Condition], ...] = ({"attempts": Range(gt=0)}, {"outages": Range(gt=0)})
        for condition in (_UNDATED, _dated(self._now()), *again):
            if await self._store.count(life.KIND, {"status": "queued", "type": In(types), **condition}):
                return True
        return False

    async def recover(self, is_lost: Callable[[Record], bool], is_own: Callable[[Record], bool]) -> None:
        """Put back, or end, what runs no more although its record says so; ``is_own``: this process lives."""
        for operation in await self._running.page({"status": "running"}, None):
            if not is_lost(operation):
                continue
            died = not is_own(operation)
            change = life.recovered(operation, self._limits.attempts, self._now(), died=died)
            try:
                await self._store.update(life.KIND, operation.key, change, expected_rev=operation.rev)
            except (Conflict, NotFound):
                continue  # its worker lives, or another process was faster
            why = f"its worker {operation.body.get('worker')} is gone" if died else "the store was out when it ran"
            log.warning("operation %s: %s", operation.key, why)

    def _now(self) -> datetime:
        return self._clock.now()

    async def _oldest(self, type_: str, since: datetime, limit: int, org_id: str | None = None) -> list[Record]:
        where: dict[str, Condition] = {"type": type_, **_dated(since)}
        if org_id is None:
            return await self._find(where, Order("run_after"), limit)
        # Only what is queued has a time; without its status in the search, the index of an organization serves it.
        page = await self._store.find(life.KIND, {**where, "org_id": org_id}, order=Order("run_after"), limit=limit)
        return [operation for operation in page.records if operation.body["status"] == "queued"]

    async def _by_organization(self, type_: str, oldest: Sequence[Record], since: datetime, limit: int) -> list[Record]:
        """Return up to ``limit`` of the longest due operations of each organization, of ORGANIZATIONS at most.

        Where the longest due of all come from few organizations, the others are found by steps along an index, one for
        each: what one organization has queued is never walked over.
        """
        found = {operation.key: operation for operation in oldest}
        for org_id in await self._organizations(type_):
            found |= {operation.key: operation for operation in await self._oldest(type_, since, limit, org_id)}
        return list(found.values())

    async def _organizations(self, type_: str) -> list[str]:
        """Return organizations that have operations of a type queued, from behind the last chosen on, round."""
        start = self._last_org.get(type_, "")
        found = await self._behind(type_, start, ORGANIZATIONS)
        if start and len(found) < ORGANIZATIONS:
            found += [org_id for org_id in await self._behind(type_, "", ORGANIZATIONS - len(found)) if org_id <= start]
        return found

    async def _behind(self, type_: str, org_id: str, limit: int) -> list[str]:
        found: list[str] = []
        while len(found) < limit:
            where: dict[str, Condition] = {"type": type_, "org_id": Range(gt=org_id)}
            page = await self._find(where, Order("org_id"), 1)
            if not page:
                break
            org_id = str(page[0].org_id)
            found.append(org_id)
        return found

    async def _find(self, where: Mapping[str, Condition], order: Order | None, limit: int) -> list[Record]:
        page = await self._store.find(life.KIND, {"status": "queued", **where}, order=order, limit=limit)
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


def _age(operation: Record) -> tuple[str, str]:
    return str(operation.body.get("run_after") or ""), operation.key
