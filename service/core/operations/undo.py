"""Undo: what an operation changed is changed back, as far as nobody has changed it since.

It goes by what the operation kept of each record: the values before and after. A field that still has the value after
gets the one before. Of a list, what was added is taken out and what was taken out is added, whatever else came into it
since; an object goes by its members. What somebody has changed since is left, and the item says so. An undo is an
operation like any other, which can be undone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.core.access.keys import Principal
from service.core.operations.changes import Answer, Fail, Partly, RecordChanges, Skip
from service.core.operations.context import OperationContext
from service.core.operations.items import Item, ItemPages
from service.core.operations.operations import FINISHED, Operations
from service.core.operations.registry import OperationRegistry, OperationType, Outcome, Parameters, outcome
from service.core.shared.idempotency import Attempt
from service.core.shared.repository import Rename
from service.errors import InvalidInput, NotFound, RequestInProgress
from service.ports.store import Change, Record, Store

CONCURRENCY = 8
"""Records that one operation changes back at once."""

COUNTED = frozenset({"usage_stats"})
"""Objects of counts: what was added to a count is taken off it, whatever it is by now."""

_ABSENT = object()
_NOT_KEPT = Fail("not_kept", "What it was before is not known: it was too long to be kept, or was not to be.")


class Undo(Parameters):
    """The operation that is to be undone."""

    operation_id: str


UNDO = OperationType("undo", Undo, Outcome, concurrency=1, changes_records=True, permission="assets:write")


@dataclass(frozen=True, slots=True)
class Undoing:
    """Starts undoing for callers."""

    operations: Operations
    registry: OperationRegistry

    async def start(self, who: Principal, operation_id: str, attempt: Attempt | None = None) -> Record:
        """Undo an operation that has ended.

        Raises NotFound, NotAllowed, InvalidInput (it changes no records), RequestInProgress (it has not ended).
        """
        record = await self.operations.get(who, operation_id)
        type_ = self.registry.get(record.body["type"])
        if type_ is None or not type_.changes_records:
            raise InvalidInput(
                f"An operation of the type {record.body['type']} cannot be undone.",
                field="operation_id",
                provided=operation_id,
                expected="an operation that changes assets",
            )
        if record.body["status"] not in FINISHED:
            raise RequestInProgress("The operation has not ended: wait for its end, or cancel it first.", retry_after=1)
        return await self.operations.start(who, UNDO, Undo(operation_id=operation_id), attempt)


class Undoer:
    """Runs the undoing of operations on one kind of records."""

    def __init__(self, store: Store, kind: str, renames: Mapping[str, Rename]) -> None:
        self._store = store
        self._kind = kind
        self._renames = renames

    async def run(self, context: OperationContext[Undo]) -> Outcome:
        """Change back what an operation changed; goes on where an earlier run came to."""
        try:
            undone = await self._store.get("operation", context.parameters.operation_id)
        except NotFound as error:
            raise InvalidInput("The operation has expired, and with it what there was before.") from error
        pages = ItemPages(self._store, undone.key, undone.org_id)
        if context.checkpoint is None:
            await self._write_down(context, pages, int((undone.body.get("checkpoint") or {}).get("pages", 0)))
        assert context.checkpoint is not None
        held: dict[str, Item] = {}

        async def opening(number: int) -> None:
            held.clear()
            held.update(await _changed(pages, number))

        async def work(record: Record) -> Answer:
            return undo(record.body, held[record.key])

        changes = RecordChanges(self._store, self._kind, context, work, concurrency=CONCURRENCY, renames=self._renames)
        await changes.run(int(context.checkpoint["inputs"]), opening)
        return outcome(context)

    async def _write_down(self, context: OperationContext[Undo], pages: ItemPages, count: int) -> None:
        total = 0
        for number in range(count):
            keys = list(await _changed(pages, number))
            await context.write_input(number, keys)
            total += len(keys)
        await context.begin(total, {"inputs": count})


async def _changed(pages: ItemPages, number: int) -> dict[str, Item]:
    """Return the items of a page that were changed, by their keys."""
    page = await pages.read(number)
    if page is None:
        return {}
    return {item.key: item for item in page.items if item.status == "succeeded" and item.rev is not None}


def undo(body: Mapping[str, Any], item: Item) -> Answer:
    """Return what changes a record back, as far as nobody has changed it since."""
    if item.before is None or item.after is None:
        return _NOT_KEPT
    back: dict[str, Any] = {}
    left: list[str] = []
    for name in sorted({*item.before, *item.after}):
        old, new, now = (values.get(name, _ABSENT) for values in (item.before, item.after, body))
        back[name] = _back(old, new, now, left, name, counts=name in COUNTED)
    changed = {name: value for name, value in back.items() if value != body.get(name, _ABSENT)}
    reason, message = "changed_since", f"Changed since, and left as it is: {', '.join(left)}."
    if not changed:
        return Skip(reason, message) if left else Skip("unchanged", "It is as it was.")
    kept = {name: value for name, value in changed.items() if value is not _ABSENT}
    change = Change(set=kept, unset=[name for name in changed if name not in kept])
    return Partly(change, reason, message) if left else change


def _back(old: Any, new: Any, now: Any, left: list[str], name: str, *, counts: bool) -> Any:
    """Return what a value is to be: it was ``old``, the operation made it ``new``, and it is ``now``."""
    if now in (new, old):
        return old
    if isinstance(now, list) and all(isinstance(value, list) or value is _ABSENT for value in (old, new)):
        before, after = (value if isinstance(value, list) else [] for value in (old, new))
        kept = [value for value in now if value in before or value not in after]
        return [*kept, *(value for value in before if value not in after and value not in kept)]
    if isinstance(now, dict) and isinstance(old, dict) and isinstance(new, dict):
        members: dict[str, Any] = {}
        for key in dict.fromkeys([*now, *old, *new]):
            was, became, is_ = (values.get(key, _ABSENT) for values in (old, new, now))
            if was == became:  # the operation did nothing to it
                members[key] = is_
            elif counts and all(isinstance(value, int) for value in (was, became, is_)):
                members[key] = max(0, is_ - (became - was))
            else:
                members[key] = _back(was, became, is_, left, f"{name}.{key}", counts=counts)
        return {key: value for key, value in members.items() if value is not _ABSENT}
    left.append(name)
    return now
