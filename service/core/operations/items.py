"""What became of each item of an operation, and which items it is to work on: kept in pages, as records of their own.

A page of outcomes has a number; the operation's record says how many pages count, together with the counts and the
checkpoint, in one write. So a page that a killed process left is either not counted, and found by the run that goes on
from there, or counted once. Pages rather than a record for each item: a store writes one record as fast as a hundred
items in it, and the end of an operation removes them as fast.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from service.core.shared.repository import START, wrong_cursor
from service.errors import AlreadyExists, Conflict, NotFound
from service.ports.store import Body, Change, Condition, Order, Range, Record, Store

KIND = "operation_page"
STATUSES = ("succeeded", "skipped", "failed")

Status = Literal["succeeded", "skipped", "failed"]

_INPUT, _OUTCOME = "input", "outcome"
_WINDOW = 1000  # pages among which one call looks
_READ = 8  # pages that are in memory at once


@dataclass(frozen=True, slots=True)
class Item:
    """What became of one item: ``reason`` is a word of a table, ``message`` a sentence; both None for a success.

    Of a changed record, ``rev`` is the rev at which it was found, ``before`` and ``after`` are the changed fields (None
    where they are too long to be kept); a field that was or is not there is absent in it.
    """

    key: str
    status: Status
    reason: str | None = None
    message: str | None = None
    rev: int | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None

    @property
    def is_kept(self) -> bool:
        """Whether there is more to it than the count."""
        return self.status != "succeeded" or self.rev is not None

    def as_body(self) -> Body:
        """Return the item as a page holds it."""
        fields = {name: getattr(self, name) for name in ("key", "status", "reason", "message", "rev")}
        body = {name: value for name, value in fields.items() if value is not None}
        if self.before is not None and self.after is not None:
            body |= {"before": dict(self.before), "after": dict(self.after)}
        return body


@dataclass(frozen=True, slots=True)
class OutcomePage:
    """A page of outcomes. ``planned``: the changes were about to be made when it was written."""

    number: int
    items: tuple[Item, ...]
    counts: Mapping[str, int]
    checkpoint: Mapping[str, Any]
    planned: bool


def size_of(value: object) -> int:
    """Return how many bytes a value takes in a page."""
    return len(orjson.dumps(value))


class ItemPages:
    """The pages of one operation."""

    def __init__(self, store: Store, operation_id: str, org_id: str | None) -> None:
        self._store = store
        self._operation_id = operation_id
        self._org_id = org_id
        self._revs: dict[int, int] = {}  # of the page at hand

    async def write_input(self, number: int, keys: Sequence[str]) -> None:
        """Write a page of what the operation is to work on, in place of one that an earlier run wrote."""
        key, fields = self._key(_INPUT, number), {"keys": list(keys)}
        try:
            await self._store.insert(KIND, key, {**self._head(_INPUT, number), **fields})
        except AlreadyExists:
            await self._store.update(KIND, key, Change(set=fields))

    async def read_input(self, number: int) -> list[str]:
        """Return a page of what the operation is to work on. Raises NotFound."""
        record = await self._store.get(KIND, self._key(_INPUT, number))
        return list(record.body["keys"])

    async def write(
        self, number: int, items: Iterable[Item], checkpoint: Mapping[str, Any], *, planned: bool = False
    ) -> Mapping[str, int]:
        """Write a page of outcomes, in place of the one that was read or written here before; return its counts.

        Raises Conflict when another run has written it: this one was taken for dead.
        """
        items = tuple(items)
        counts = Counter[str](item.status for item in items)
        kept = [item.as_body() for item in items if item.is_kept]
        body: Body = {
            "items": kept,
            "statuses": sorted({item["status"] for item in kept}),
            "counts": {status: counts[status] for status in STATUSES},
            "checkpoint": dict(checkpoint),
            "planned": planned,
        }
        key = self._key(_OUTCOME, number)
        if (rev := self._revs.get(number)) is not None:
            record = await self._store.update(KIND, key, Change(set=body), expected_rev=rev)
        else:
            try:
                record = await self._store.insert(KIND, key, {**self._head(_OUTCOME, number), **body})
            except AlreadyExists as error:
                raise Conflict(KIND, key, expected=0, rev=1) from error
        self._revs = {number: record.rev}
        return body["counts"]  # type: ignore[no-any-return]

    async def read(self, number: int) -> OutcomePage | None:
        """Return a page of outcomes; None if it was not written."""
        try:
            record = await self._store.get(KIND, self._key(_OUTCOME, number))
        except NotFound:
            return None
        self._revs = {number: record.rev}
        body = record.body
        items = tuple(Item(**item) for item in body["items"])
        return OutcomePage(number, items, body["counts"], body["checkpoint"], body["planned"])

    async def page(
        self, counted: int, *, status: str | None, limit: int, after: str | None
    ) -> tuple[list[Item], str | None]:
        """Return items of the first ``counted`` pages, and where the next page of the list starts (None at the end).

        It may hold fewer than ``limit``, or none, before the end: what one call reads is bounded. Raises InvalidInput
        for an ``after`` that is not of such a list.
        """
        number, skip = _place(after)
        end = min(counted, number + _WINDOW)
        found: list[Item] = []
        while len(found) < limit and number < end:
            records = await self._outcomes(number, end, status)
            if not records:
                number, skip = end, 0
            for record in records:
                skip = skip if record.body["number"] == number else 0
                number = record.body["number"]
                items = [Item(**item) for item in record.body["items"] if status in (None, item["status"])]
                taken = items[skip : skip + limit - len(found)]
                found += taken
                skip += len(taken)
                if skip < len(items):
                    return found, f"{number}.{skip}"
                number, skip = number + 1, 0
        return found, f"{number}.{skip}" if number < counted else None

    async def _outcomes(self, number: int, end: int, status: str | None) -> list[Record]:
        where: dict[str, Condition] = {
            "operation_id": self._operation_id,
            "role": _OUTCOME,
            "number": Range(gte=number, lt=end),
        }
        if status is not None:
            where["statuses"] = status
        return (await self._store.find(KIND, where, order=Order("number"), limit=_READ)).records

    def _key(self, role: str, number: int) -> str:
        return f"{self._operation_id}.{role}.{number:08d}"

    def _head(self, role: str, number: int) -> Body:
        head: Body = {"operation_id": self._operation_id, "role": role, "number": number}
        return head if self._org_id is None else {**head, "org_id": self._org_id}


def _place(after: str | None) -> tuple[int, int]:
    if after is None or after == START:
        return 0, 0
    number, _, skip = after.partition(".")
    if not (number.isascii() and number.isdigit() and skip.isascii() and skip.isdigit() and len(after) < 32):
        raise wrong_cursor(after)
    return int(number), int(skip)
