"""Documents that the engine refuses for good: kept in the store until a later version of them is accepted."""

from __future__ import annotations

import logging

from indexer.records import upsert
from service.ports.clock import Clock
from service.ports.search import BulkOutcome
from service.ports.store import Condition, Store
from service.times import timestamp

log = logging.getLogger(__name__)

KIND = "dead_letter"
REASON_LENGTH = 2000
_PAGE = 1000


class DeadLetters:
    """The dead letters of one alias: records of kind ``dead_letter`` under ``<alias>:<asset id>``.

    {index, asset_id, version, error_type, reason, at, open}. One that is cleared stays as a record with ``open`` false,
    since a store never uses a key twice. The open ones are known in memory, so an accepted document costs nothing.
    """

    def __init__(self, store: Store, clock: Clock, alias: str) -> None:
        self._store = store
        self._clock = clock
        self._alias = alias
        self._open: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._open)

    async def load(self) -> None:
        """Read the open ones from the store. Raises Unavailable."""
        found: dict[str, int] = {}
        after: str | None = None
        while True:
            where: dict[str, Condition] = {"index": self._alias, "open": True}
            page = await self._store.find(KIND, where, limit=_PAGE, after=after)
            found.update({record.body["asset_id"]: record.body["version"] for record in page.records})
            after = page.after
            if after is None:
                break
        self._open = found

    async def add(self, outcome: BulkOutcome) -> None:
        """Record an outcome durably. Raises Unavailable."""
        fields = {
            "index": self._alias,
            "asset_id": outcome.id,
            "version": outcome.version,
            "error_type": outcome.error_type or "unknown",
            "reason": (outcome.reason or "")[:REASON_LENGTH],
            "at": timestamp(self._clock.now()),
            "open": True,
        }
        await upsert(self._store, KIND, self._key(outcome.id), fields)
        self._open[outcome.id] = outcome.version
        log.warning("dead letter: %s at version %d: %s", outcome.id, outcome.version, outcome.error_type)

    async def accepted(self, outcome: BulkOutcome) -> None:
        """Clear the dead letter of a document that is accepted at its version or a later one. Raises Unavailable."""
        refused = self._open.get(outcome.id)
        if refused is None or outcome.version < refused:
            return
        await upsert(self._store, KIND, self._key(outcome.id), {"open": False})
        del self._open[outcome.id]

    def _key(self, asset_id: str) -> str:
        return f"{self._alias}:{asset_id}"
