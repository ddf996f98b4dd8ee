"""How MongoDB goes about what the service asks: no collection is read or sorted as a whole.

The same of SQLite is seen in every test (tests/support/query_plans.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from service.adapters.mongo.query import page_parts
from service.adapters.shared.pages import Cursor
from service.ports.store import Condition, In, Order, Range
from tests.contracts.adapters import STORES

DUE: dict[str, Condition] = {"status": "queued", "type": "t", "run_after": Range(lte="2024")}

ASKED: list[tuple[str, Mapping[str, Condition], Order | None, Cursor | None]] = [
    ("asset", {}, None, Cursor(None, "k")),
    ("asset", {"org_id": "o"}, None, Cursor(None, "k")),
    ("asset", {"org_id": "o", "sha256": In(["a", "b"])}, None, None),
    ("asset", {"org_id": "o", "tags": "x"}, None, Cursor(None, "k")),
    ("asset", {"guid": "g"}, None, None),
    ("key", {"hash": "h"}, None, None),
    ("backup", {"org_id": "o"}, Order("created_at", descending=True), None),
    ("saved_search", {"org_id": "o"}, Order("created_at", descending=True), Cursor("2024", "k")),
    ("operation", {"org_id": "o", "internal": False}, Order("created_at", descending=True), None),
    ("operation", {"status": "running"}, None, None),
    ("operation", DUE, Order("run_after"), None),
    ("operation", {"status": "queued", "type": "t", "org_id": Range(gt="o")}, Order("org_id"), None),
    ("operation", {"type": "t", "org_id": "o", "run_after": Range(lte="2024")}, Order("run_after"), None),
    ("operation", {"expires_at": Range(lte="2024")}, Order("expires_at"), None),
    ("operation_page", {"operation_id": "o", "role": "failed"}, Order("number"), Cursor(5, "k")),
    ("event", {}, Order("number", descending=True), None),
    ("usage", {"window": 0}, None, None),
    ("reply", {"slot": "s"}, None, None),
    ("reply", {"expires_at": Range(lte="2024")}, Order("expires_at"), None),
    ("reply", {"free": True}, None, None),
    ("dead_letter", {"index": "i"}, None, None),
]
"""What the service asks, one of each kind."""

pytestmark = pytest.mark.skipif("mongodb" not in STORES, reason="needs a MongoDB (./scripts/engines up mongodb)")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plans")


@pytest.fixture
async def database(place: Path) -> Any:
    from tests.contracts.mongo import mongo_options, mongo_store

    async with mongo_store(place):
        with MongoClient[dict[str, Any]](os.environ["ASSETRY_TEST_MONGODB_URL"]) as client:
            yield client[mongo_options(place).database]


@pytest.mark.parametrize(("kind", "where", "order", "cursor"), ASKED, ids=str)
async def test_no_collection_is_read_or_sorted_as_a_whole(
    database: Any, kind: str, where: Mapping[str, Condition], order: Order | None, cursor: Cursor | None
) -> None:
    for part in page_parts(kind, where, order, cursor):
        find = {"find": kind, "filter": part.filter, "sort": dict(part.sort), "limit": 10}
        try:
            plan = database.command({"explain": find, "verbosity": "queryPlanner"})
        except OperationFailure as error:
            pytest.skip(f"this server explains nothing: {error.details and error.details.get('codeName')}")
        if not (stages := set(_stages(plan.get("queryPlanner", {}).get("winningPlan")))):
            pytest.skip("this server explains nothing: it is a stand-in")
        few = where.get("status") == "running"  # operations under way, and not in the order of their keys
        assert not stages & ({"COLLSCAN"} if few else {"COLLSCAN", "SORT"}), stages


def _stages(plan: Any) -> Iterator[str]:
    """Yield the stages of a plan, whichever form the server's version gives it."""
    if isinstance(plan, Mapping):
        if isinstance(stage := plan.get("stage"), str):
            yield stage
        for part in plan.values():
            yield from _stages(part)
    elif isinstance(plan, list):
        for part in plan:
            yield from _stages(part)
