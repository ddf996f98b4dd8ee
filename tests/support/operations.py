"""Operations without a queue: what a handler reports goes into the record, as the jobs would write it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.ports.jobs import Cancelled
from service.ports.store import Change, Store


class ReportedProgress:
    """The progress that a handler reports; with a store it is written to the operation's record.

    ``breaks`` are the numbers of the saves (from 1) at which the process dies: before it with "before", behind it else.
    """

    def __init__(
        self, store: Store | None = None, key: str = "op", *, dies_before: int = 0, dies_behind: int = 0
    ) -> None:
        self._store = store
        self._key = key
        self.dies_before = dies_before
        self.dies_behind = dies_behind
        self.saves = 0

    async def __call__(self, completed: int, total: int) -> None:
        """Take a progress that nobody relies on."""

    async def save(
        self, checkpoint: Mapping[str, Any], *, total: int, succeeded: int, skipped: int, failed: int
    ) -> None:
        """Write checkpoint and counts, or die."""
        self.saves += 1
        if self.saves == self.dies_before:
            raise Killed
        counts = {"total": total, "succeeded": succeeded, "skipped": skipped, "failed": failed}
        if self._store is not None:
            change = Change(set={"checkpoint": dict(checkpoint), "progress": counts})
            await self._store.update("operation", self._key, change)
        if self.saves == self.dies_behind:
            raise Killed


class Killed(Cancelled):
    """The process is gone."""
