"""The quotas port on Redis: processes that share it count together."""

from __future__ import annotations

import logging

from redis.asyncio import Redis

from service.adapters.local.quotas import MemoryQuotas
from service.adapters.redis.client import answered
from service.errors import Unavailable
from service.ports.clock import Clock
from service.ports.quotas import Usage

log = logging.getLogger(__name__)

PATIENCE = 0.2
"""Seconds that a request waits for Redis to count it."""
PAUSE = 2.0
"""Seconds without a further try after Redis did not answer: so that not every request waits."""

_USE = """
local used = redis.call('INCR', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  left = tonumber(ARGV[1])
end
return {used, left}
"""
# One step, so that a process which dies cannot leave a count without an end.


class RedisQuotas:
    """Windows in Redis; :class:`service.ports.quotas.Quotas` says what it promises.

    A limiter must not take the service down: while Redis does not answer, this process's own count goes on. It counts
    along all the time, so that an outage gives nobody a new window.
    """

    def __init__(self, redis: Redis, prefix: str, clock: Clock, *, patience: float = PATIENCE) -> None:
        self._redis = redis
        self._script = redis.register_script(_USE)
        self._prefix = prefix
        self._clock = clock
        self._patience = patience
        self._own = MemoryQuotas(clock)
        self._away = False
        self._next_try = 0.0

    async def use(self, key: str, window: float) -> Usage:
        """Count a use."""
        own = self._own.count(key, window)
        if self._away and self._clock.monotonic() < self._next_try:
            return own
        if self._away:
            self._wait()  # this use tries; those that come meanwhile do not
        try:
            async with answered(self._patience):
                used, left = await self._script(keys=[f"{self._prefix}:quota:{key}"], args=[round(window * 1000)])
        except Unavailable as error:
            if not self._away:
                log.warning("requests are counted by each process for itself: %s", error.message)
            self._away = True
            self._wait()
            return own
        if self._away:
            self._away = False
            log.info("requests are counted in Redis again")
        return Usage(int(used), int(left) / 1000)

    def _wait(self) -> None:
        self._next_try = self._clock.monotonic() + PAUSE
