"""Engines with an index, and documents for it, for the search port's contract suites."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mappings.index import index_body
from service.ports.search import BulkItem, Json, SearchEngine
from tests.contracts.engines import ENGINES
from tests.support.workers import own

INDEX, OTHER, GONE = own("1"), own("2"), own("gone")
ALIAS, PERMIT = own("alias"), own("permit")
MOMENT = "2024-05-01T10:00:00.000Z"
ALL: Json = {"match_all": {}}


@pytest.fixture(params=ENGINES)
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[SearchEngine]:
    async with ENGINES[request.param]() as engine:
        await engine.create_index(INDEX, index_body())
        yield engine
        for name in (INDEX, OTHER, GONE):
            await engine.delete_index(name)


def item(number: int, version: int = 1, /, **fields: object) -> BulkItem:
    key = f"asset_{number}"
    return BulkItem(key, version, {"asset_id": key, "org_id": "acme", "rev": version, "deleted": False, **fields})
