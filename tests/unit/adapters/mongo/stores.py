"""Stores on a scripted MongoDB."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from service.adapters.mongo.store import MongoOptions, MongoStore
from service.ports.clock import SystemClock
from tests.support.mongo_server import MongoServer, mongo_server

SECONDS = 1.0


def options(server: MongoServer, seconds: float = SECONDS) -> MongoOptions:
    return MongoOptions(server.url, timeout=seconds)


@asynccontextmanager
async def opened(server: MongoServer, seconds: float = SECONDS) -> AsyncIterator[MongoStore]:
    async with MongoStore(options(server, seconds), SystemClock()) as store:
        yield store


@pytest.fixture
def server() -> Iterator[MongoServer]:
    with mongo_server() as server:
        yield server


@pytest.fixture
async def store(server: MongoServer) -> AsyncIterator[MongoStore]:
    async with opened(server) as store:
        server.forget()
        yield store
