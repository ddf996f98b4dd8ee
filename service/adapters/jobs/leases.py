"""Which runs gave no sign of life for too long, told without comparing the clocks of two machines."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from service.ports.clock import Clock
from service.ports.store import Record

_REMEMBERED = 20
"""Leases after which a run that nobody asked about is forgotten: it ended."""


@dataclass(slots=True)
class _Sight:
    rev: int
    since: float  # seen first at this rev
    last: float  # seen last


class Leases:
    """The runs of others, as this process saw them: every sign of life raises the rev of an operation's record.

    A run is over when its record was seen unchanged for ``lease`` seconds of this process's own monotonic clock. A time
    that its worker wrote would not do: where that clock is behind, its runs would be taken from it again and again.
    """

    def __init__(self, clock: Clock, lease: float) -> None:
        self._clock = clock
        self._lease = lease
        self._seen: OrderedDict[str, _Sight] = OrderedDict()  # what was seen longest ago first

    def is_over(self, operation: Record) -> bool:
        """Note what a running operation's record says now; whether it has said so for too long."""
        now = self._clock.monotonic()
        sight = self._seen.get(operation.key)
        if sight is None or sight.rev != operation.rev:
            sight = self._seen[operation.key] = _Sight(operation.rev, now, now)
        sight.last = now
        self._seen.move_to_end(operation.key)
        while next(iter(self._seen.values())).last < now - _REMEMBERED * self._lease:
            self._seen.popitem(last=False)
        return now - sight.since >= self._lease
