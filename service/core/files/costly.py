"""Files that cost a worker its time or its memory: not read again at once when they are sent again."""

from __future__ import annotations

from collections import OrderedDict

from service.errors import IngestError
from service.ports.clock import Clock

COSTLY = frozenset({"timeout", "memory", "crash"})
"""The reasons of failures that cost a worker all it had; a file that is merely damaged fails at once."""

REMEMBERED_SECONDS = 3600.0
_FILES = 10_000


class CostlyFiles:
    """The failures of the last hour by the files' hashes, in this process; the oldest are forgotten first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failed: OrderedDict[str, tuple[float, IngestError]] = OrderedDict()

    def check(self, sha256: str, filename: str) -> None:
        """Raise the IngestError of a file that failed lately."""
        if (found := self._failed.get(sha256)) is None:
            return
        until, error = found
        if until <= self._clock.monotonic():
            del self._failed[sha256]
            return
        raise IngestError(error.message, reason=error.reason, filename=filename)

    def note(self, sha256: str, error: IngestError) -> None:
        """Remember a failure if it was a costly one."""
        if error.reason not in COSTLY:
            return
        self._failed[sha256] = (self._clock.monotonic() + REMEMBERED_SECONDS, error)
        while len(self._failed) > _FILES:
            self._failed.popitem(last=False)
