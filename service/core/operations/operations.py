"""The use cases of operations: start, look at, follow, cancel, and remove what has expired."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from pydantic import BaseModel

from service.core.access.keys import Principal
from service.core.operations import items as pages
from service.core.operations.items import Item, ItemPages
from service.core.operations.registry import OperationRegistry, OperationType
from service.core.shared.idempotency import Attempt
from service.core.shared.repository import Listed, Repository
from service.errors import AlreadyExists, Conflict, NotFound
from service.ports.clock import Clock
from service.ports.jobs import STATUSES, Jobs
from service.ports.store import Body, Condition, In, Order, Range, Record, Store
from service.times import timestamp

log = logging.getLogger(__name__)

KIND = "operation"
OPERATION_STATUSES = STATUSES
"""The statuses of an operation, in the order in which it goes through them."""
FINISHED = frozenset({"completed", "failed", "cancelled"})
LOOK_SECONDS = 0.5
"""How often an operation that is followed is looked at."""
SETTLE_SECONDS = 0.05
"""How often an operation is looked at that is likely to end at once."""
EXPIRED_AT_ONCE = 100
"""Operations, and pages of their items, that are removed in one go."""

P = TypeVar("P", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class ListedItems:
    """A page of items, and where the next one starts (None at the end)."""

    items: list[Item]
    after: str | None


class Operations:
    """Starts operations and tells of them. Every call with a caller is within the caller's organization."""

    def __init__(self, store: Store, jobs: Jobs, clock: Clock, registry: OperationRegistry) -> None:
        self._discards: dict[str, Callable[[Record], Awaitable[None]]] = {}
        self._store = store
        self._operations = Repository(store, KIND)
        self._jobs = jobs
        self._clock = clock
        self._registry = registry

    async def start(
        self, who: Principal, type_: OperationType[P, Any], parameters: P, attempt: Attempt | None = None
    ) -> Record:
        """Start an operation for a caller; a repeated attempt returns what an earlier one started.

        Raises NotAllowed (the scope that the type needs).
        """
        if type_.permission is None:
            raise ValueError(f"Operations of the type {type_.name!r} are the service's own.")
        who.allow(type_.permission)
        by = {"user_id": who.user_id, "key_id": who.key_id, "scopes": sorted(who.scopes)}
        name = self._clock.sid() if attempt is None else attempt.guid.replace("-", "")
        return await self._insert(type_, who.org_id, parameters, name, user_id=who.user_id, started_by=by)

    async def submit(self, type_: OperationType[P, Any], org_id: str, parameters: P, *, delay: float = 0) -> Record:
        """Have an operation of the service's own run, not before ``delay`` seconds have passed."""
        return await self._insert(type_, org_id, parameters, self._clock.sid(), delay=delay)

    async def _insert(
        self, type_: OperationType[P, Any], org_id: str, parameters: P, name: str, *, delay: float = 0, **fields: Any
    ) -> Record:
        now = self._clock.now()
        body: Body = {
            "org_id": org_id,
            "type": type_.name,
            "internal": type_.permission is None,
            "status": "queued",
            "params": parameters.model_dump(mode="json"),
            "attempts": 0,
            "run_after": timestamp(now + timedelta(seconds=delay)),
            "progress": {"completed": 0, "total": 0, "percentage": 0},
            "result": None,
            "error": None,
            "created_at": timestamp(now),
            "started_at": None,
            "completed_at": None,
            "keep_seconds": type_.keep_seconds,
            **fields,
        }
        key = f"{type_.name.replace('.', '_')}_{name}"
        try:
            record = await self._store.insert(KIND, key, body)
        except AlreadyExists:  # an earlier attempt did; it may not have come to this
            record = await self._store.get(KIND, key)
        await self._jobs.enqueue(record.key)
        return record

    async def get(self, who: Principal, operation_id: str) -> Record:
        """Return an operation. Raises NotFound, also for what the caller may not see."""
        record = await self._operations.get(who.org_id, operation_id)
        if not self._may_see(who, record):
            raise NotFound(KIND, operation_id)
        return record

    async def settled(self, operation_id: str, seconds: float) -> Record:
        """Return an operation at its end, or as it is after so many seconds. Raises NotFound.

        It is for who may see it: the caller has made sure of that.
        """
        until = time.monotonic() + seconds
        while True:
            record = await self._operations.get_any(operation_id)
            if record.body["status"] in FINISHED or time.monotonic() >= until:
                return record
            await asyncio.sleep(SETTLE_SECONDS)

    async def list(
        self, who: Principal, *, status: str | None = None, type_: str | None = None, limit: int, after: str | None
    ) -> Listed:
        """Return a page of the organization's operations, the newest first. Raises InvalidInput (``after``)."""
        seen = [each.name for each in self._registry.types if self._is_seen(who, each)]
        where: dict[str, Condition] = {"internal": False}
        where["type"] = type_ if type_ in seen else In([] if type_ else seen)
        if status is not None:
            where["status"] = status
        order = Order("created_at", descending=True)
        return await self._operations.page(who.org_id, where, order=order, limit=limit, after=after)

    async def cancel(self, who: Principal, operation_id: str) -> Record:
        """Ask for an operation's end and return it; one that has ended stays as it is. Raises NotFound, NotAllowed.

        What it has done by then stays done.
        """
        record = await self.get(who, operation_id)
        type_ = self._registry.get(record.body.get("type"))
        who.allow(str(type_.permission if type_ else "admin"))
        return await self._jobs.cancel(record.key)

    async def items(
        self, who: Principal, operation_id: str, *, status: str | None = None, limit: int, after: str | None = None
    ) -> ListedItems:
        """Return a page of an operation's items: those that failed or were skipped, and those that it changed.

        A page may be shorter than ``limit`` before the end. Raises NotFound, InvalidInput (``after``).
        """
        record = await self.get(who, operation_id)
        counted = int((record.body.get("checkpoint") or {}).get("pages", 0))
        kept = ItemPages(self._store, record.key, record.org_id)
        return ListedItems(*await kept.page(counted, status=status, limit=limit, after=after))

    async def follow(self, who: Principal, operation_id: str, after_rev: int = 0) -> AsyncIterator[Record]:
        """Yield an operation as it is, unless ``after_rev`` was that already, and whenever it changes, up to its end.

        Raises NotFound, also in between.
        """
        shown: tuple[object, ...] | None = None
        while True:
            record = await self.get(who, operation_id)
            body = record.body
            state = (body["status"], body["progress"], body["error"])
            ended = body["status"] in FINISHED
            if state != shown and (record.rev > after_rev or ended):
                yield record
            shown = state
            if ended:
                return
            await asyncio.sleep(LOOK_SECONDS)

    def discard_with(self, type_: OperationType[Any, Any], discard: Callable[[Record], Awaitable[None]]) -> None:
        """Have something done before an operation of a type is removed: what it made is to go with it."""
        self._discards[type_.name] = discard

    async def expire(self) -> int:
        """Remove what has expired, with its items; return how many operations. Safe to break off and run again."""
        removed = 0
        due: dict[str, Condition] = {"expires_at": Range(lte=timestamp(self._clock.now()))}
        while True:
            found = await self._store.find(KIND, due, order=Order("expires_at"), limit=EXPIRED_AT_ONCE)
            for record in found.records:
                if (discard := self._discards.get(record.body["type"])) is not None:
                    await discard(record)
                await self._remove_pages(record.key)
                try:
                    await self._store.remove(KIND, record.key, expected_rev=record.rev)
                except (Conflict, NotFound):
                    continue  # another process is at it
                removed += 1
            if found.after is None:
                return removed

    async def _remove_pages(self, operation_id: str) -> None:
        while True:
            found = await self._store.find(pages.KIND, {"operation_id": operation_id}, limit=EXPIRED_AT_ONCE)
            await self._store.discard(pages.KIND, [record.key for record in found.records])
            if found.after is None:
                return

    def _may_see(self, who: Principal, record: Record) -> bool:
        type_ = self._registry.get(record.body.get("type"))
        return type_ is not None and self._is_seen(who, type_)

    def _is_seen(self, who: Principal, type_: OperationType[Any, Any]) -> bool:
        return type_.permission is not None and (type_.seen_with in who.scopes or who.is_admin)
