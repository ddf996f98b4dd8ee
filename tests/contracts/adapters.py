"""The adapters of each port. An adapter joins the contract suites by one line in its port's table.

A factory opens the adapter at a *place*: a folder that names its data. What was written at a place is there when the
same place is opened again, also by another process. A production adapter derives a database, a bucket … from the place;
it is in the tables when its engine's URL is in the environment (``scripts/engines up`` prints it).
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

from service.adapters.jobs.inprocess_jobs import InprocessJobs
from service.adapters.jobs.limits import JobLimits
from service.adapters.local.files import LocalFiles
from service.adapters.sqlite.store import SqliteStore
from service.ports.clock import SystemClock
from service.ports.files import Files
from service.ports.jobs import Jobs
from service.ports.store import Store
from tests.contracts.limits import LIMITS

StoreFactory = Callable[[Path], AbstractAsyncContextManager[Store]]
FilesFactory = Callable[[Path], AbstractAsyncContextManager[Files]]


class JobsFactory(Protocol):
    """Opens the jobs of a store."""

    def __call__(self, store: Store, limits: JobLimits = LIMITS) -> AbstractAsyncContextManager[Jobs]: ...


@asynccontextmanager
async def sqlite_store(place: Path) -> AsyncIterator[Store]:
    async with SqliteStore(place / "store.sqlite", SystemClock()) as store:
        yield store


@asynccontextmanager
async def local_files(place: Path) -> AsyncIterator[Files]:
    async with LocalFiles(place / "files") as files:
        yield files


@asynccontextmanager
async def inprocess_jobs(store: Store, limits: JobLimits = LIMITS) -> AsyncIterator[Jobs]:
    jobs = InprocessJobs(store, SystemClock(), limits)
    try:
        yield jobs
    finally:
        await jobs.close()


STORES: dict[str, StoreFactory] = {"sqlite": sqlite_store}
FILES: dict[str, FilesFactory] = {"folder": local_files}
JOBS: dict[str, JobsFactory] = {"inprocess": inprocess_jobs}

if "ASSETRY_TEST_MONGODB_URL" in os.environ:
    from tests.contracts.mongo import mongo_store, pymongo_store

    STORES["mongodb"] = mongo_store
    STORES["mongodb-pymongo"] = pymongo_store
if "ASSETRY_TEST_S3_URL" in os.environ:
    from tests.contracts.s3 import s3_files

    FILES["s3"] = s3_files
if "ASSETRY_TEST_REDIS_URL" in os.environ:
    from tests.contracts.arq import arq_jobs

    JOBS["arq"] = arq_jobs
