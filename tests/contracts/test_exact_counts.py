"""A facet is counted exactly on a node that would search in slices: each slice keeps its most frequent terms only."""

from __future__ import annotations

from typing import Any

import pytest

from mappings.index import index_body
from query.types import SearchRequest
from service.core.access.keys import Principal
from service.core.search.search import Searches
from service.ports.clock import SystemClock
from service.ports.search import BulkItem
from tests.contracts.engines import ENGINES
from tests.support.workers import own

INDEX = own("exact")
WHO = Principal("org_a", "user_1", frozenset({"assets:read"}))
SEGMENTS, OTHERS = 8, 150
"""Each segment has so many tags that are frequent nowhere else."""

pytestmark = pytest.mark.skipif(
    "opensearch" not in ENGINES, reason="needs OpenSearch (./scripts/engines up opensearch)"
)


def documents(segment: int) -> list[BulkItem]:
    """Return documents of which one has the tag `everywhere`, and two each have a tag of this segment's own."""
    tags = ["everywhere", *(f"s{segment}-{number}" for number in range(OTHERS) for _ in range(2))]
    found: list[BulkItem] = []
    for number, tag in enumerate(tags):
        key = f"asset_{segment * 1000 + number + 1}"
        body: dict[str, Any] = {"asset_id": key, "org_id": "org_a", "deleted": False, "rev": 1, "fold": {"tags": [tag]}}
        found.append(BulkItem(key, 1, {**body, "tags": [tag]}))
    return found


async def test_a_value_that_is_rare_in_every_slice_is_counted_whole() -> None:
    async with ENGINES["opensearch"]() as engine:
        await engine.delete_index(INDEX)
        await engine.create_index(INDEX, index_body())
        # As on a node with sixteen cores; this one may have two.
        await engine.put_settings(INDEX, {"index": {"search.concurrent.max_slice_count": SEGMENTS}})
        for segment in range(SEGMENTS):
            await engine.bulk(INDEX, documents(segment), refresh=True)
        searches = Searches(engine, INDEX, SystemClock(), b"k" * 32)
        found = await searches.run(WHO, SearchRequest(facets=("tags",), facet_size=5, limit=0))
        assert next(iter(found.facets["tags"].items())) == ("everywhere", SEGMENTS)
        await engine.delete_index(INDEX)
