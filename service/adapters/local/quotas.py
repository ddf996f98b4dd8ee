"""The quotas port in memory: every process counts for itself."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from service.ports.clock import Clock
from service.ports.quotas import Usage

_KEYS = 100_000
"""The number of keys remembered; the least recently used one is forgotten first."""


@dataclass(slots=True)
class _Window:
    ends: float
    used: int = 0


class MemoryQuotas:
    """Windows in memory; :class:`service.ports.quotas.Quotas` states what it promises."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: OrderedDict[str, _Window] = OrderedDict()

    async def use(self, key: str, window: float) -> Usage:
        """Count a use."""
        return self.count(key, window)

    def count(self, key: str, window: float) -> Usage:
        """Count a use, synchronously."""
        now = self._clock.monotonic()
        current = self._windows.get(key)
        if current is None or now >= current.ends:
            current = self._windows[key] = _Window(now + window)
        self._windows.move_to_end(key)
        while len(self._windows) > _KEYS:
            self._windows.popitem(last=False)
        current.used += 1
        return Usage(current.used, min(window, current.ends - now))
