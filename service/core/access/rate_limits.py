"""Rate limits: so many requests an hour for each key, by its tier (seed 000)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from service.core.access.keys import TIERS, Principal
from service.errors import TooManyRequests
from service.ports.quotas import Quotas

WINDOW = 3600
"""Seconds of one window; it begins with a key's first request."""


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


class RateLimiter:
    """Holds each key to the requests that its tier allows."""

    def __init__(self, quotas: Quotas) -> None:
        self._quotas = quotas

    async def take(self, who: Principal, address: str = "") -> Quota | None:
        """Count a request, of the key that came, or without one of the client's ``address``.

        None for a tier without a limit. Raises TooManyRequests when nothing is left.
        """
        limit = TIERS[who.tier]
        counted = who.key_id or (address and f"address {address}")
        if limit is None or not counted:
            return None
        usage = await self._quotas.use(counted, WINDOW)
        quota = Quota(limit, max(0, limit - usage.used), min(WINDOW, max(1, math.ceil(usage.seconds))))
        if usage.used > limit:
            whose = f"The key's tier {who.tier} allows" if who.key_id else "An address may send"
            message = f"{whose} {limit:,} requests an hour."
            raise TooManyRequests(message, retry_after=quota.seconds, headers=quota.headers)
        return quota
