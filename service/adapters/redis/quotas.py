"""The quotas port on Redis: the processes that share it count together."""

from __future__ import annotations

import logging

from redis.asyncio import Redis

from service.adapters.local.quotas import MemoryQuotas
from service.adapters.redis.client import time_limit
from service.errors import Unavailable
from service.ports.clock import Clock
from service.ports.quotas import Usage

log = logging.getLogger(__name__)

TIMEOUT = 0.2
"""Seconds for which a request waits for Redis to count it."""
PAUSE = 2.0
"""Seconds without another attempt after Redis did not answer, so that not every request has to wait."""

_USE = """
local used = redis.call('INCR', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  left = tonumber(ARGV[1])
end
return {used, left}
"""
# Atomic, so that a process that dies cannot leave a count that never expires.


class RedisQuotas:
    """Windows in Redis; :class:`service.ports.quotas.Quotas` states what it promises.

    A rate limiter must not take the service down: while Redis does not answer, this process uses its own count. It
    keeps that count all the time, so that an outage gives nobody a new window.
    """

    def __init__(self, redis: Redis, prefix: str, clock: Clock, *, timeout: float = TIMEOUT) -> None:
        self._redis = redis
        self._script = redis.register_script(_USE)
        self._prefix = prefix
        self._clock = clock
        self._timeout = timeout
        self._own = MemoryQuotas(clock)
        self._down = False
        self._next_try = 0.0

    async def use(self, key: str, window: float) -> Usage:
        """Count a use."""
        own = self._own.count(key, window)
        if self._down and self._clock.monotonic() < self._next_try:
            return own
        if self._down:
            self._pause()  # this use tries; concurrent ones do not
        try:
            async with time_limit(self._timeout):
                used, left = await self._script(keys=[f"{self._prefix}:quota:{key}"], args=[round(window * 1000)])
        except Unavailable as error:
            if not self._down:
                log.warning("Redis is unavailable; each process now counts requests on its own: %s", error.message)
            self._down = True
            self._pause()
            return own
        if self._down:
            self._down = False
            log.info("Redis is available again; requests are counted there")
        return Usage(int(used), int(left) / 1000)

    def _pause(self) -> None:
        self._next_try = self._clock.monotonic() + PAUSE
