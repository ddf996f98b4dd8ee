"""Rate limits: so many requests an hour for each key, by its tier (seed 000)."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

from service.core.access import TIERS, Principal
from service.errors import TooManyRequests
from service.ports.clock import Clock

WINDOW = 3600
"""Seconds of one window; it begins with a key's first request."""
_KEYS = 100_000
"""Keys that are remembered; the one that was seen longest ago is forgotten first."""


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of a key's window: requests allowed in all, left, and the seconds until it starts anew."""

    limit: int
    left: int
    seconds: int

    @property
    def headers(self) -> dict[str, str]:
        """The headers of draft-ietf-httpapi-ratelimit-headers-11 (23 May 2026); kept in this one place."""
        return {
            "RateLimit-Policy": f'"hourly";q={self.limit};w={WINDOW}',
            "RateLimit": f'"hourly";r={self.left};t={self.seconds}',
        }


@dataclass(slots=True)
class _Window:
    began: float
    used: int = 0


class Rates:
    """Counts requests in this process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: OrderedDict[str, _Window] = OrderedDict()

    def take(self, who: Principal) -> Quota | None:
        """Count a request; None for a tier without a limit. Raises TooManyRequests when nothing is left."""
        limit = TIERS[who.tier]
        if limit is None:
            return None
        now = self._clock.monotonic()
        window = self._windows.get(who.key_id)
        if window is None or now - window.began >= WINDOW:
            window = self._windows[who.key_id] = _Window(now)
        self._windows.move_to_end(who.key_id)
        while len(self._windows) > _KEYS:
            self._windows.popitem(last=False)
        quota = Quota(limit, max(0, limit - window.used - 1), math.ceil(window.began + WINDOW - now))
        if window.used >= limit:
            message = f"The key's tier {who.tier} allows {limit:,} requests an hour."
            raise TooManyRequests(message, retry_after=quota.seconds, headers=quota.headers)
        window.used += 1
        return quota
