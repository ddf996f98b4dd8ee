from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.adapters.jobs.arq_jobs import ArqJobs
from service.adapters.redis.client import RedisOptions
from service.adapters.sqlite.store import SqliteStore
from service.errors import NotFound, SettingsError
from service.ports.clock import SystemClock
from tests.support.redis_servers import scripted

TIMEOUT = 0.3


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with SqliteStore(tmp_path / "store.sqlite", SystemClock()) as store:
        await store.insert("operation", "op", {"type": "test", "status": "queued"})
        yield store


async def test_a_redis_that_is_not_there_is_named_at_the_start(store: SqliteStore) -> None:
    jobs = ArqJobs(store, SystemClock(), RedisOptions("redis://:pa55word@127.0.0.1:1"))
    with pytest.raises(SettingsError, match=r"^ASSETRY_REDIS_URL: nothing answers at redis://127\.0\.0\.1:1: start"):
        await jobs.__aenter__()


@pytest.mark.parametrize(
    ("answer", "tries"), [(None, 1), (b"-OOM command not allowed\r\n", 1), (b"-READONLY replica\r\n", 2)]
)
async def test_a_request_succeeds_whatever_redis_does(
    store: SqliteStore, answer: bytes | None, tries: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The operation is in the store by then, where a sweep finds it. A replica may have been the primary before."""
    async with (
        scripted({"SET": answer, "ZADD": b"+QUEUED\r\n", "EXEC": b"-EXECABORT discarded\r\n"}) as script,
        ArqJobs(store, SystemClock(), script.options(timeout=TIMEOUT)) as jobs,
    ):
        with caplog.at_level(logging.WARNING):
            await jobs.enqueue("op")
            await jobs.enqueue("op")
        assert caplog.text.count("nobody was woken, a sweep will find it") == 1
        with pytest.raises(NotFound):
            await jobs.enqueue("unknown")
        assert (await jobs.cancel("op")).body["status"] == "cancelled"
        await jobs.enqueue("op")  # done: there is nothing to send
        assert script.asked.count("MULTI") == 2 * tries


async def test_closing_what_never_worked_is_nothing(store: SqliteStore) -> None:
    async with scripted() as script, ArqJobs(store, SystemClock(), script.options()) as jobs:
        await jobs.drain()
        await jobs.close()
        await jobs.close()
