"""Clocks of machines that tell another time."""

from __future__ import annotations

from datetime import datetime, timedelta

from service.ports.clock import SystemClock


class Elsewhere(SystemClock):
    """The clock of another machine, hours ahead of this one's or behind."""

    def __init__(self, hours: float) -> None:
        self._off = timedelta(hours=hours)

    def now(self) -> datetime:
        return super().now() + self._off
