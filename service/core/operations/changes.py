"""Operations that change many records, each once: what is about to be changed is written down first, with what it was.

So a run that goes on after a crash knows which changes were made, counts each as what it was, and a later operation can
undo them. What is planned is kept with the values before and after; the changed record, or the tombstone of a removed
one, names the operation, by which the two are told apart after a crash: planned and done, planned and not done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from service.core.operations.context import OperationContext
from service.core.operations.items import Item, Status, size_of
from service.core.shared.authorship import LAST_OPERATION, UPDATED_BY, actor, signed
from service.core.shared.repository import Rename
from service.errors import AlreadyExists, Conflict, NotFound
from service.ports.store import Change, Record, Store
from service.tasks import all_of

MARK = LAST_OPERATION
"""The field of a changed record that names the operation that changed it last."""

PAGE = 50
"""Records in hand together: one look-up, one page of outcomes."""
PAGE_BYTES = 2 * 2**20
"""Bytes of a page's values before and after; a change that is longer by itself is made, and cannot be undone."""
_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Skip:
    """Nothing is to be done with a record, and why."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Fail:
    """A record cannot be worked on, and why."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Remove:
    """A record is to be removed; ``first`` is done before, and may be done again."""

    first: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Partly:
    """A record is changed, but not in all that was asked for; why."""

    change: Change
    reason: str
    message: str


Answer: TypeAlias = Change | Partly | Remove | Skip | Fail
Work = Callable[[Record], Awaitable[Answer]]
"""Says what to do with a record as it is now. It may be asked again when another writer was faster."""

Opening = Callable[[int], Awaitable[None]]
"""Hears the number of the page of keys that is worked on next."""

GONE = Skip("deleted", "It was deleted meanwhile.")
UNKNOWN = Fail("not_found", "There is no such record.")


class RecordChanges:
    """Changes the records of one kind that the operation's input names, ``concurrency`` of them at once.

    Without ``keeps_values`` it does not keep what was there before. ``renames`` are by the name of a unique index:
    where its value is taken, the record gets what they give.
    """

    def __init__(
        self,
        store: Store,
        kind: str,
        context: OperationContext[Any],
        work: Work,
        *,
        concurrency: int,
        keeps_values: bool = True,
        renames: Mapping[str, Rename] | None = None,
    ) -> None:
        self._keeps_values = keeps_values
        self._renames = renames or {}
        self._store = store
        self._kind = kind
        self._context = context
        self._work = work
        self._slots = asyncio.Semaphore(max(1, concurrency))

    async def run(self, inputs: int, opening: Opening | None = None) -> None:
        """Work on ``inputs`` pages of keys, from where the checkpoint {input, offset, …} says. Raises Unavailable.

        ``opening`` is told the number of each page before the work is asked about its records.
        """
        context = self._context
        if (planned := await context.unfinished()) is not None:
            if opening is not None:
                await opening(int(planned.checkpoint.get("input", 0)))
            await context.advance(await all_of(map(self._resume, planned.items)), planned.checkpoint)
        start = dict(context.checkpoint or {})
        for number in range(int(start.get("input", 0)), inputs):
            keys = await context.read_input(number)
            if opening is not None:
                await opening(number)
            offset = int(start.get("offset", 0)) if number == start.get("input", 0) else 0
            while offset < len(keys):
                offset = await self._page(number, offset, keys[offset : offset + PAGE])

    async def _page(self, number: int, offset: int, keys: Sequence[str]) -> int:
        """Work on some keys; return the place behind those that are done."""
        records = await self._store.get_many(self._kind, keys, tombstones=True)
        proposals = await all_of(self._propose(key, records.get(key)) for key in keys)
        step: list[_Proposal] = []
        size = 0
        for proposal in proposals:
            if step and size + proposal.size > PAGE_BYTES:
                await self._step(number, offset := offset + len(step), step)
                step, size = [], 0
            step.append(proposal)
            size += proposal.size
        if step:
            await self._step(number, offset := offset + len(step), step)
        return offset

    async def _step(self, number: int, offset: int, proposals: Sequence[_Proposal]) -> None:
        checkpoint = {**(self._context.checkpoint or {}), "input": number, "offset": offset}
        items = [proposal.item for proposal in proposals]
        if any(proposal.change is not None for proposal in proposals):
            await self._context.plan(items, checkpoint)
            items = await all_of(map(self._apply, proposals))
        await self._context.advance(items, checkpoint)

    async def _propose(self, key: str, record: Record | None) -> _Proposal:
        answer = await self._answer(record)
        if isinstance(answer, Skip | Fail):
            status: Status = "skipped" if isinstance(answer, Skip) else "failed"
            return _Proposal(Item(key, status, answer.reason, answer.message))
        assert record is not None
        if isinstance(answer, Remove):
            return _Proposal(Item(key, "succeeded", rev=record.rev), answer)
        partly = answer if isinstance(answer, Partly) else None
        change = answer.change if isinstance(answer, Partly) else answer
        after = dict(change.set)
        before = {name: record.body[name] for name in (*change.set, *change.unset) if name in record.body}
        size = size_of(before) + size_of(after)
        is_kept = self._keeps_values and size <= PAGE_BYTES
        values: dict[str, Any] = {"before": before, "after": after} if is_kept else {}
        marked = signed(Change({**change.set, MARK: self._context.operation_id}, change.unset, change.increment))
        item = Item(key, "succeeded", rev=record.rev, **values)
        if partly is not None:
            item = replace(item, reason=partly.reason, message=partly.message)
        return _Proposal(item, marked, size if values else 0)

    async def _answer(self, record: Record | None) -> Answer:
        if record is None:
            return UNKNOWN
        if record.tombstone:
            return GONE if record.org_id == self._context.org_id else UNKNOWN
        if record.org_id != self._context.org_id:
            return UNKNOWN
        async with self._slots:
            return await self._work(record)

    async def _apply(self, proposal: _Proposal) -> Item:
        """Make a planned change, worked out anew where another writer was faster; return the item as it came out."""
        for _ in range(_ATTEMPTS):
            item = proposal.item
            if proposal.change is None:
                return item
            try:
                await self._write(item, proposal.change)
            except (Conflict, NotFound):
                record = await self._look(item.key)
                if self._is_ours(record):  # the write of a run that was broken off came late
                    return item
                proposal = await self._propose(item.key, record)
            except AlreadyExists as error:
                return Item(item.key, "failed", "conflict", f"Its {error.index} would be that of another record.")
            else:
                return item
        return Item(proposal.item.key, "failed", "conflict", "Others changed it again and again meanwhile; try again.")

    async def _write(self, item: Item, change: Change | Remove) -> None:
        if isinstance(change, Remove):
            await change.first()
            await self._store.remove(self._kind, item.key, expected_rev=item.rev, by=actor().as_body())
            return
        try:
            await self._store.update(self._kind, item.key, change, expected_rev=item.rev)
        except AlreadyExists as error:
            held = await self._look(item.key)
            if held is None or (rename := self._renames.get(error.index)) is None:
                raise
            renamed = replace(change, set={**change.set, **rename({**held.body, **change.set})})
            await self._store.update(self._kind, item.key, renamed, expected_rev=item.rev)

    async def _resume(self, item: Item) -> Item:
        """End what an earlier run planned for an item."""
        if item.status != "succeeded":
            return item
        record = await self._look(item.key)
        return item if self._is_ours(record) else await self._apply(await self._propose(item.key, record))

    async def _look(self, key: str) -> Record | None:
        return (await self._store.get_many(self._kind, [key], tombstones=True)).get(key)

    def _is_ours(self, record: Record | None) -> bool:
        """Whether this operation has changed or removed a record."""
        if record is None:
            return False
        by = record.body.get(UPDATED_BY) or {} if record.tombstone else {}
        return self._context.operation_id in (record.body.get(MARK), by.get("call_id"))


@dataclass(frozen=True, slots=True)
class _Proposal:
    item: Item
    change: Change | Remove | None = None
    size: int = 0
