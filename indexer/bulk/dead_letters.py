"""Documents that an index rejects permanently: kept in the store until a later version of them is accepted."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from service.ports.clock import Clock
from service.ports.search import BulkOutcome
from service.ports.store import Body, Change, Record, Store, compare_and_set, each_record, upsert
from service.times import timestamp

log = logging.getLogger(__name__)

KIND = "dead_letter"
REASON_LENGTH = 2000


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter: the physical index, the rejected asset and version, why, how often and since when."""

    index: str
    asset_id: str
    version: int
    error_type: str
    reason: str
    attempts: int
    first_at: str
    last_at: str

    @classmethod
    def read(cls, body: Body) -> Self:
        """Parse a record; earlier releases wrote only ``at``, and did not count attempts."""
        last: str = body.get("last_at") or body["at"]
        return cls(
            index=body["index"],
            asset_id=body["asset_id"],
            version=body["version"],
            error_type=body["error_type"],
            reason=body["reason"],
            attempts=body.get("attempts", 1),
            first_at=body.get("first_at", last),
            last_at=last,
        )


class DeadLetters:
    """The dead letters of some indexes: records of kind ``dead_letter`` under ``<index>:<asset id>``.

    {index, asset_id, version, error_type, reason, attempts, first_at, last_at, open}. A cleared one stays as a record
    with ``open`` false, because a store never reuses a key. The open ones are cached in memory, so that an accepted
    document costs nothing.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._open: defaultdict[str, dict[str, int]] = defaultdict(dict)

    def __len__(self) -> int:
        return sum(map(len, self._open.values()))

    def open(self, index: str) -> Mapping[str, int]:
        """Return the rejected version of each asset with an open dead letter."""
        return self._open[index]

    async def load(self, indexes: Iterable[str]) -> None:
        """Load the open dead letters of these indexes from the store, and drop all others. Raises Unavailable."""
        found: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for index in indexes:
            async for letter in listed(self._store, index):
                found[index][letter.asset_id] = letter.version
        self._open = found

    async def reload(self, index: str) -> None:
        """Reload those of one index, because other processes write dead letters too. Raises Unavailable."""
        self._open[index] = {letter.asset_id: letter.version async for letter in listed(self._store, index)}

    async def add(self, index: str, outcome: BulkOutcome) -> None:
        """Record an outcome durably. Raises Unavailable."""
        now = timestamp(self._clock.now())
        fields: Body = {
            "version": outcome.version,
            "error_type": outcome.error_type or "unknown",
            "reason": (outcome.reason or "")[:REASON_LENGTH],
            "last_at": now,
            "open": True,
        }
        self._open[index][outcome.id] = await self._write(index, outcome.id, fields, now)
        log.warning("dead letter: %s at version %d: %s", outcome.id, outcome.version, outcome.error_type)

    async def accepted(self, index: str, outcome: BulkOutcome) -> None:
        """Clear the dead letter of a document that is accepted at its version or a later one. Raises Unavailable."""
        refused = self._open[index].get(outcome.id)
        if refused is None or outcome.version < refused:
            return
        left = await self._close(_key(index, outcome.id), outcome.version)
        if left is None:
            self._open[index].pop(outcome.id, None)
        else:
            self._open[index][outcome.id] = left

    async def clear(self, index: str) -> int:
        """Clear all dead letters of an index that no longer exists; return how many were open. Raises Unavailable."""
        keys = [letter.asset_id async for letter in listed(self._store, index)]
        for asset_id in keys:
            await upsert(self._store, KIND, _key(index, asset_id), {"open": False})
        self._open.pop(index, None)
        return len(keys)

    # A process that was suspended may still write dead letters when it resumes. So a dead letter never goes back to an
    # earlier version, and an accepted document does not clear one of a later version.

    async def _write(self, index: str, asset_id: str, fields: Body, now: str) -> int:
        """Write one more attempt and return the rejected version; a (re)opened dead letter starts counting anew."""
        first = {**fields, "index": index, "asset_id": asset_id, "attempts": 1, "first_at": now}

        def decide(held: Record | None) -> Change | None:
            if held is None or not held.body.get("open"):
                return Change(set=first)
            if held.body["version"] > fields["version"]:
                return None
            return Change(set=fields, increment={"attempts": 1})

        letter = await compare_and_set(self._store, KIND, _key(index, asset_id), decide)
        return int((fields if letter is None else letter.body)["version"])

    async def _close(self, key: str, version: int) -> int | None:
        """Close a dead letter of this version or an earlier one; return the version of one that stays open."""

        def decide(held: Record | None) -> Change | None:
            done = held is None or not held.body.get("open") or held.body["version"] > version
            return None if done else Change(set={"open": False})

        letter = await compare_and_set(self._store, KIND, key, decide)
        return int(letter.body["version"]) if letter is not None and letter.body.get("open") else None


async def listed(store: Store, index: str) -> AsyncIterator[DeadLetter]:
    """Yield the open dead letters of an index, by asset id. Raises Unavailable."""
    async for record in each_record(store, KIND, {"index": index, "open": True}):
        yield DeadLetter.read(record.body)


def _key(index: str, asset_id: str) -> str:
    return f"{index}:{asset_id}"
