"""A store whose process is killed keeps every write that it acknowledged."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from service.ports.store import MARKER, Store
from tests.contracts.adapters import STORES
from tests.contracts.children import child, said


@pytest.mark.parametrize("name", STORES)
async def test_every_acknowledged_write_survives(name: str, tmp_path: Path) -> None:
    acknowledged: dict[str, int] = {}
    async with STORES[name](tmp_path) as store:
        start = await store.barrier()
    with child(name, tmp_path, "insert_for_ever") as process:
        for line in said(process):
            key, rev = line.split(" ")
            acknowledged[key] = int(rev)
            if len(acknowledged) == 500:
                process.kill()  # what the pipe still holds was acknowledged, too
    assert len(acknowledged) >= 500
    async with STORES[name](tmp_path) as store:
        present = await _all(store)
        assert acknowledged.keys() <= present.keys()
        assert all(present[key] == rev for key, rev in acknowledged.items())
        # The change log agrees with the records: what is there was announced, and nothing else.
        assert await _announced(store, start) == present.keys()
        with_guid = [await store.count("asset", {"guid": key}) for key in list(present)[:20]]
        assert with_guid == [1] * 20
        assert (await store.insert("asset", "afterwards", {})).rev == 1


async def _all(store: Store) -> dict[str, int]:
    revs: dict[str, int] = {}
    last: str | None = None
    while page := await store.scan("asset", after=last):
        revs.update((record.key, record.rev) for record in page)
        last = page[-1].key
    return revs


async def _announced(store: Store, start: str) -> set[str]:
    mark = await store.barrier()
    seen: set[str] = set()
    async with asyncio.timeout(20):
        async for batch in store.changes(start, kinds=["asset"]):
            seen |= {change.key for change in batch if change.kind != MARKER}
            if batch and store.passed(batch[-1].token, mark):
                break
    return seen
