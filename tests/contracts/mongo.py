"""A store at a place: a database of its own on the MongoDB that the run is given."""

from __future__ import annotations

import asyncio
import atexit
import hashlib
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from service.adapters.mongo import schema
from service.adapters.mongo.driver import Driver
from service.adapters.mongo.store import MongoOptions, MongoStore
from service.ports.clock import SystemClock
from service.ports.store import Store
from tests.support.pymongo_driver import PyMongoDriver

VARIABLE = "ASSETRY_TEST_MONGODB_URL"

_TYPES = "takes true for 1 in a list"
_THERE = "does not look for types in a list"
_THROUGH = "does not look for one of several values through a list of objects"
_MANY = {
    "{'labels': 1}-b": _TYPES,
    "{'labels': In(values=[1.0])}-b": _TYPES,
    "{'labels': True}-d": _TYPES,
    "{'labels': Exists(present=True)}-abcdf": _THERE,
    "{'labels': Exists(present=False)}-egh": _THERE,
    "{'org_id': 'o', 'labels': Exists(present=False)}-gh": _THERE,
    "{'places.group': Exists(present=True)}-abg": _THERE,
    "{'places.group': Exists(present=False)}-cdefh": _THERE,
    "{'labels': 'x', 'places.group': Exists(present=False)}-cdf": _THERE,
    "{'places.group': In(values=['g1', 'g2'])}-abg": _THROUGH,
    "{'org_id': 'o', 'labels': 'y', 'places.group': In(values=['g1', 'g3'])-ab": _THROUGH,
    "{'labels': In(values=['x', 'y']), 'places.group': In(values=['g1', 'g2-ab": _THROUGH,
}
STAND_IN_DEFECTS = {
    f"test_conditions[{driver}-{{'bits': 'x'}}-ac]": "looks for a value in the lists of a list, too"
    for driver in ("mongodb", "mongodb-pymongo")
} | {
    f"test_each_record_is_found_once_by_any_of_its_values[{driver}-{case}-{limit}]": reason
    for driver in ("mongodb", "mongodb-pymongo")
    for case, reason in _MANY.items()
    for limit in (1, 2, 100)
}
"""What the wheel nx-27017 does that no MongoDB does, by the test that shows it."""

_MADE: dict[str, str] = {}
"""The databases that are there, by the test that made them."""

_OPEN: Counter[str] = Counter()
"""How often each of them is open: one of a whole module stays when the test that made it has ended."""


@cache
def is_stand_in() -> bool:
    """Whether the run was given nx-27017."""
    with MongoClient[dict[str, Any]](os.environ[VARIABLE], serverSelectionTimeoutMS=2000) as client:
        return bool(client.admin.command("serverStatus").get("process") == "nx_27017")


def mongo_options(place: Path) -> MongoOptions:
    """Return how the database of a place is reached; its name is the place's, so no two tests meet."""
    name = hashlib.sha256(str(place.resolve()).encode()).hexdigest()[:20]
    return MongoOptions(os.environ[VARIABLE], database=f"assetry_test_{name}")


@asynccontextmanager
async def mongo_store(place: Path) -> AsyncIterator[Store]:
    """The store as it is in production, by Motor."""
    async with _opened(place, None) as store:
        yield store


@asynccontextmanager
async def pymongo_store(place: Path) -> AsyncIterator[Store]:
    """The store by PyMongo's own async client."""
    async with _opened(place, PyMongoDriver()) as store:
        yield store


@asynccontextmanager
async def _opened(place: Path, driver: Driver | None) -> AsyncIterator[Store]:
    options = mongo_options(place)
    if "pytest" in sys.modules:  # a test's children leave its databases to it
        test = os.environ.get("PYTEST_CURRENT_TEST", "").split(" ")[0]
        await asyncio.to_thread(_drop, [n for n, maker in _MADE.items() if maker != test and not _OPEN[n]])
        _MADE[options.database] = test
    await schema.apply(options, driver=driver)
    _OPEN[options.database] += 1
    try:
        async with MongoStore(options, SystemClock(), driver=driver) as store:
            yield store
    finally:
        _OPEN[options.database] -= 1


def _drop(names: list[str]) -> None:
    """Drop databases of tests that have ended: a place may be opened again until then."""
    if names:
        with MongoClient[dict[str, Any]](os.environ[VARIABLE], serverSelectionTimeoutMS=2000) as client:
            for name in names:
                client.drop_database(name)
                _MADE.pop(name, None)


atexit.register(lambda: _drop(list(_MADE)))
