"""What every adapter of the quotas port promises."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from service.ports.quotas import Quotas
from tests.contracts.quotas_replies import GIVEN, QUOTAS, patient_quotas, redis_client
from tests.support.waiting import eventually

HOUR = 3600


@pytest.fixture(params=QUOTAS)
async def quotas(request: pytest.FixtureRequest) -> AsyncIterator[Quotas]:
    async with QUOTAS[request.param]() as quotas:
        yield quotas


async def test_uses_are_counted_by_key(quotas: Quotas) -> None:
    first = await quotas.use("key_1", HOUR)
    assert first.used == 1
    assert HOUR - 5 < first.seconds <= HOUR
    second = await quotas.use("key_1", HOUR)
    assert second.used == 2
    assert second.seconds <= first.seconds
    assert (await quotas.use("key_2", HOUR)).used == 1


async def test_uses_at_the_same_time_are_all_counted(quotas: Quotas) -> None:
    uses = await asyncio.gather(*(quotas.use("key", HOUR) for _ in range(200)))
    assert sorted(usage.used for usage in uses) == list(range(1, 201))


async def test_a_window_ends_and_a_new_one_begins(quotas: Quotas) -> None:
    assert (await quotas.use("key", 0.05)).used == 1

    async def anew() -> bool:
        usage = await quotas.use("key", HOUR)
        return usage.used == 1 and usage.seconds > HOUR - 5

    await eventually(anew, "the window ended by itself, and the new one is as long as it was asked for")
    assert (await quotas.use("key", HOUR)).used == 2


@pytest.mark.skipif(GIVEN not in os.environ, reason=f"needs a Redis: {GIVEN}")
async def test_processes_that_share_redis_count_together() -> None:
    async with redis_client() as (one, prefix), redis_client() as (two, _):
        processes = [patient_quotas(client, prefix) for client in (one, two)]
        uses = await asyncio.gather(*(quotas.use("key", HOUR) for quotas in processes * 50))
    assert sorted(usage.used for usage in uses) == list(range(1, 101))
