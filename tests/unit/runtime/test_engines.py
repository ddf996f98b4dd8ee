from __future__ import annotations

from pathlib import Path

import pytest

from service.adapters.redis.client import connect
from service.errors import Unavailable
from service.runtime import engines
from service.settings import Settings
from tests.support.redis_servers import scripted


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"-OOM command not allowed when used memory > 'maxmemory'.\r\n", "its memory is full"),
        (b"-READONLY You can't write against a read only replica.\r\n", "it is a replica, which refuses writes"),
        (b"-MISCONF Redis is configured to save RDB snapshots\r\n", "it rejected a command"),
    ],
)
async def test_a_redis_that_takes_no_writes_is_not_well(tmp_path: Path, answer: bytes, why: str) -> None:
    settings = Settings(data=tmp_path)
    async with scripted({"SET": answer}) as script:
        client = await connect(script.options())
        probe = engines.redis_probe(client, settings)
        with pytest.raises(Unavailable, match=why):
            await probe()
        del script.answers["SET"]
        assert await probe() == {"engine": "redis", "version": "7.2.4"}
        await client.aclose()
