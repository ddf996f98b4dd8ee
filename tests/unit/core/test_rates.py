from __future__ import annotations

import pytest

from service.adapters.local.quotas import MemoryQuotas
from service.core.access.keys import TIERS, Principal
from service.core.access.rate_limits import WINDOW, RateLimiter
from service.errors import TooManyRequests
from tests.unit.core.fakes import Clock


def _who(tier: str, key_id: str = "key_1") -> Principal:
    return Principal("acme", "kim", frozenset(), key_id, tier)


async def test_a_window_is_used_up_and_starts_anew(clock: Clock) -> None:
    rate_limiter = RateLimiter(MemoryQuotas(clock))
    quotas = [await rate_limiter.take(_who("free")) for _ in range(1_000)]
    assert quotas[0] is not None
    assert quotas[0].headers == {
        "RateLimit-Policy": '"hourly";q=1000;w=3600',
        "RateLimit": '"hourly";r=999;t=3600',
    }
    clock.pass_(600)
    with pytest.raises(TooManyRequests) as raised:
        await rate_limiter.take(_who("free"))
    assert raised.value.retry_after == WINDOW - 600
    assert await rate_limiter.take(_who("free", "key_2")), "another key has a window of its own"
    clock.pass_(WINDOW - 600)
    quota = await rate_limiter.take(_who("free"))
    assert quota is not None
    assert quota.left == 999


async def test_every_tier(clock: Clock) -> None:
    rate_limiter = RateLimiter(MemoryQuotas(clock))
    for tier, limit in TIERS.items():
        quota = await rate_limiter.take(_who(tier, f"key_{tier}"))
        assert (quota.limit if quota else None) == limit


async def test_who_comes_without_a_key_is_counted_by_address(clock: Clock) -> None:
    rate_limiter = RateLimiter(MemoryQuotas(clock))
    holder = _who("free", "")
    for _ in range(1_000):
        await rate_limiter.take(holder, "192.0.2.1")
    with pytest.raises(TooManyRequests, match="address"):
        await rate_limiter.take(holder, "192.0.2.1")
    assert await rate_limiter.take(holder, "192.0.2.2")
    assert await rate_limiter.take(holder) is None, "there is no address on a socket in the file system"
