"""What to do about each answer to a bulk item: the table of outcomes, without I/O."""

from __future__ import annotations

from collections import deque
from enum import StrEnum

from service.ports.search import BulkOutcome

WINDOW = 1000
MAX_PERMANENT = 200
"""More permanent failures than this in the last thousand items (20 %) mean a bad mapping, not a bad document."""


class Verdict(StrEnum):
    """What follows from an item's status."""

    DONE = "done"  # acknowledged
    STALE = "stale"  # the index has another version: done if that is at least the item's
    RETRY = "retry"  # the engine cannot accept it now
    GONE = "gone"  # the index does not exist
    DEAD = "dead"  # this document is rejected permanently


_VERDICTS: dict[int, Verdict] = {
    403: Verdict.RETRY,  # a write block (full disk, read-only index) or a missing permission: for an operator to fix
    404: Verdict.GONE,
    408: Verdict.RETRY,
    409: Verdict.STALE,
    429: Verdict.RETRY,
}


def verdict(status: int) -> Verdict:
    """Return what follows from the HTTP status of one item."""
    if 200 <= status < 300:
        return Verdict.DONE
    if status >= 500:
        return Verdict.RETRY
    return _VERDICTS.get(status, Verdict.DEAD)


def rejected(status: int) -> Verdict | None:
    """Return what follows from the rejection of a whole request: RETRY, GONE, or None to search for the item at fault.

    A 413 or 400 means that one of its documents, or their sum, is too large: halving the request tells which.
    """
    return {401: Verdict.RETRY, 403: Verdict.RETRY, 404: Verdict.GONE}.get(status)


class FailureWindow:
    """Counts permanent failures among the last thousand items."""

    def __init__(self) -> None:
        self._last: deque[bool] = deque(maxlen=WINDOW)
        self._failed = 0

    def add(self, outcome: Verdict) -> None:
        """Count one finished item."""
        failed = outcome is Verdict.DEAD
        if len(self._last) == WINDOW:
            self._failed -= self._last[0]
        self._last.append(failed)
        self._failed += failed

    @property
    def tripped(self) -> bool:
        """Whether so many documents fail permanently that the documents cannot be the cause."""
        return self._failed > MAX_PERMANENT


def permanent(item_id: str, version: int, error: Exception) -> BulkOutcome:
    """Return the outcome of a record that could not be projected."""
    return BulkOutcome(item_id, version, 400, "projection_error", f"{type(error).__name__}: {error}")
