from __future__ import annotations

import asyncio
from pathlib import Path

from service.adapters.sqlite.store import SqliteStore
from service.core.shared.secrets import shared_secret
from service.ports.clock import SystemClock


async def test_all_processes_find_one_secret(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    async with SqliteStore(path, SystemClock()) as one, SqliteStore(path, SystemClock()) as two:
        found = await asyncio.gather(*(shared_secret(store) for store in (one, two) * 10))
        assert len(set(found)) == 1
        assert len(found[0]) >= 32
    async with SqliteStore(path, SystemClock()) as again:
        assert await shared_secret(again) == found[0]
