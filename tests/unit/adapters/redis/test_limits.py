"""Quotas and replies while Redis is away; what they do with one is in tests/contracts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as Disconnected

from service.adapters.redis.quotas import PAUSE, RedisQuotas
from service.adapters.redis.replies import RedisReplies
from service.errors import Unavailable
from service.ports.replies import Claim, StoredReply
from tests.unit.core.fakes import Clock

HOUR = 3600


class Client:
    """A client whose scripts do what they are told to."""

    def __init__(self) -> None:
        self.tries = 0
        self.args: list[Any] = []
        self.answer: Callable[[], Awaitable[Any]] = self.count

    def register_script(self, _text: str) -> Callable[..., Awaitable[Any]]:
        async def run(*, keys: list[str], args: list[Any]) -> Any:
            self.tries += 1
            self.args = args
            return await self.answer()

        return run

    async def count(self) -> list[int]:
        return [100 + self.tries, 1_800_000]

    async def away(self) -> None:
        raise Disconnected("secret words")

    async def hang(self) -> None:
        await asyncio.Event().wait()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def quotas(client: Client, clock: Clock) -> RedisQuotas:
    return RedisQuotas(cast("Redis", client), "test", clock, timeout=0.02)


async def test_redis_counts(quotas: RedisQuotas) -> None:
    usage = await quotas.use("key", HOUR)
    assert usage.used == 101
    assert usage.seconds == 1800


@pytest.mark.parametrize("fault", ["away", "hang"])
async def test_without_redis_the_process_counts_for_itself(
    quotas: RedisQuotas,
    client: Client,
    clock: Clock,
    fault: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert (await quotas.use("key", HOUR)).used == 101
    client.answer = getattr(client, fault)
    with caplog.at_level(logging.INFO):
        assert [(await quotas.use("key", HOUR)).used for _ in range(10)] == list(range(2, 12))
        assert client.tries == 2, "one use has tried, the others have not waited"
        clock.pass_(PAUSE)
        together = await asyncio.gather(*(quotas.use("key", HOUR) for _ in range(10)))
        assert [usage.used for usage in together] == list(range(12, 22))
        assert client.tries == 3
        client.answer = client.count
        clock.pass_(PAUSE)
        assert (await quotas.use("key", HOUR)).used == 104
        assert (await quotas.use("key", HOUR)).used == 105
    assert len(caplog.records) == 2, "it is said once, and once that it is over"
    assert "secret" not in caplog.text


async def test_an_outage_gives_no_new_window(quotas: RedisQuotas, client: Client) -> None:
    for _ in range(5):
        await quotas.use("key", HOUR)
    client.answer = client.away
    assert (await quotas.use("key", HOUR)).used == 6


async def test_replies_are_unavailable_without_redis(client: Client) -> None:
    replies = RedisReplies(cast("Redis", client), "test")
    client.answer = client.away
    mark = Claim("slot", "token")
    calls: list[Callable[[], Awaitable[Any]]] = [
        lambda: replies.begin("slot", "print"),
        lambda: replies.renew(mark),
        lambda: replies.keep(mark, StoredReply(200)),
        lambda: replies.release(mark, forget=True),
    ]
    for call in calls:
        with pytest.raises(Unavailable) as raised:
            await call()
        assert "secret" not in raised.value.message
    await replies.close()


async def test_a_mark_that_timed_out_is_no_run(client: Client) -> None:
    """The script ran after its caller had given up: what it marked must not block the retry."""
    replies = RedisReplies(cast("Redis", client), "test")
    marks: list[list[Any]] = []

    async def late() -> None:
        marks.append(client.args)
        raise Disconnected

    async def stands() -> list[str]:
        mine = [str(word) for word in marks[0][1:3]]
        return ["again"] if client.args[4] == mine[0] else ["busy", *mine]

    client.answer = late
    with pytest.raises(Unavailable):
        await replies.begin("slot", "print")
    client.answer = stands
    begun = await replies.begin("slot", "print")
    assert isinstance(begun, Claim)
    assert begun.repeated
