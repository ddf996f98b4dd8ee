"""How fast something goes: a rate over the last seconds."""

from __future__ import annotations

from collections import deque

from service.ports.clock import Clock

SECONDS = 10.0
"""What the rate is taken over."""


class Meter:
    """Counts what is done, and says how much of it a second over the last :data:`SECONDS`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._done: deque[tuple[float, int]] = deque()
        self._sum = 0

    def add(self, count: int) -> None:
        """Count what was done just now."""
        if count:
            self._done.append((self._clock.monotonic(), count))
            self._sum += count
            self._forget()

    @property
    def rate(self) -> float:
        """How much was done a second; 0 once nothing was for so long."""
        self._forget()
        return self._sum / SECONDS

    def _forget(self) -> None:
        old = self._clock.monotonic() - SECONDS
        while self._done and self._done[0][0] < old:
            self._sum -= self._done.popleft()[1]
