from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.ports.files import Files
from service.ports.jobs import Jobs
from service.ports.store import Store
from tests.contracts.adapters import FILES, JOBS, STORES


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Expect of the stand-in for MongoDB the failures that are its own; of a MongoDB, none."""
    if not any("[mongodb-" in item.name for item in items):
        return
    from tests.contracts.mongo import STAND_IN_DEFECTS, is_stand_in

    for item in items:
        if item.name in STAND_IN_DEFECTS and is_stand_in():
            reason = f"nx-27017, the stand-in for MongoDB, {STAND_IN_DEFECTS[item.name]}"
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))


@pytest.fixture(params=STORES, scope="module")
def store_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def store(store_name: str, tmp_path: Path) -> AsyncIterator[Store]:
    async with STORES[store_name](tmp_path) as store:
        yield store


@pytest.fixture
async def other_store(store_name: str, tmp_path: Path) -> AsyncIterator[Store]:
    """Another database of the same adapter."""
    place = tmp_path / "other"
    place.mkdir()
    async with STORES[store_name](place) as store:
        yield store


@pytest.fixture(params=FILES)
async def files(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Files]:
    async with FILES[request.param](tmp_path) as files:
        yield files


@pytest.fixture(params=JOBS)
def jobs_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def jobs(jobs_name: str, store: Store) -> AsyncIterator[Jobs]:
    """Jobs that are not started yet."""
    async with JOBS[jobs_name](store) as jobs:
        yield jobs
