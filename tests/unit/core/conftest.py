from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.adapters.jobs.inprocess_jobs import InprocessJobs
from service.adapters.local.files import LocalFiles
from service.adapters.sqlite.store import SqliteStore
from service.core.access.keys import SCOPES, Principal
from service.core.assets.assets import Assets
from service.core.files.garbage import COLLECT, Garbage
from service.core.operation_types import OPERATION_TYPES
from service.core.operations.operations import Operations
from service.core.operations.registry import OperationRegistry
from tests.unit.core.fakes import Clock, Reader, Shelf


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def who() -> Principal:
    return Principal("acme", "kim", frozenset(SCOPES))


@pytest.fixture
async def shelf(tmp_path: Path, clock: Clock) -> AsyncIterator[Shelf]:
    async with SqliteStore(tmp_path / "a.db", clock) as store, LocalFiles(tmp_path / "files") as files:
        jobs = InprocessJobs(store, clock)
        registry = OperationRegistry(OPERATION_TYPES)
        garbage = Garbage(store, files, Operations(store, jobs, clock, registry), clock)
        registry.handle(jobs, store, COLLECT, garbage.run)
        reader = Reader()
        assets = Assets(store, files, reader, clock, garbage, upload_limit=10_000)
        yield Shelf(store, files, reader, assets, garbage, jobs)
        await jobs.close()
