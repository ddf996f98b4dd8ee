"""Spellings that are looked up are those that would be counted, and are asked for once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from query.facets.request import FacetRequest
from query.types import SearchRequest
from service.adapters.opensearch.engine import Connection, OpenSearchEngine
from service.core.access.keys import Principal
from service.core.search import spellings
from service.core.search.search import Searches
from service.core.search.spellings import Spellings
from service.ports.clock import SystemClock
from tests.contracts.querying import INDEX, Json, engine

__all__ = ["engine"]  # the fixture

WHO = Principal("org_a", "user_1", frozenset({"assets:read", "admin"}))
OTHER = Principal("org_b", "user_9", frozenset({"assets:read"}))
KEY = b"k" * 32
REQUESTS = [
    SearchRequest(facets=("tags", "module", "camera", "collections", "creator", "model", "type", "width")),
    SearchRequest(text="landscape", facets=("tags", "user_id")),
    SearchRequest(facets=(FacetRequest("tags", prefix="n"), FacetRequest("camera", prefix="CANON eos 5d m"))),
    SearchRequest(facets=(FacetRequest("taxonomy", hierarchy=True), FacetRequest("storage_folder", hierarchy=True))),
    SearchRequest(facets=(FacetRequest("taxonomy", hierarchy=True, prefix="places"),)),
    SearchRequest(facets=("tags", "created_at"), filters={"tags": "nature"}),
    SearchRequest(text="nothing-has-this", facets=("tags",)),
]


class Counted(OpenSearchEngine):
    """An engine that keeps the bodies that it was sent."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.bodies: list[Json] = []

    async def search(self, index: str | None, body: Json, *, timeout: float = 10.0) -> Json:
        """Search."""
        self.bodies.append(body)
        return await super().search(index, body, timeout=timeout)


@asynccontextmanager
async def counting(index: str) -> AsyncIterator[Counted]:
    client = Counted(Connection(hosts=(index.removesuffix(f"/{INDEX}"),)))
    try:
        yield client
    finally:
        await client.close()


@pytest.mark.parametrize("most", [spellings.LOOKED_UP, 0], ids=["looked up", "counted apart"])
async def test_they_are_what_would_be_counted(engine: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spellings, "LOOKED_UP", most)
    async with counting(engine) as client:
        plain = Searches(client, INDEX, SystemClock(), KEY)
        learning = Searches(client, INDEX, SystemClock(), KEY, spellings=Spellings(SystemClock()))
        for who in (WHO, OTHER):
            for request in REQUESTS:
                expected = await plain.run(who, request)
                for _ in range(2):
                    assert (await learning.run(who, request)).facets == expected.facets, request


async def test_what_is_known_is_not_asked_again(engine: str) -> None:
    async with counting(engine) as client:
        learning = Searches(client, INDEX, SystemClock(), KEY, spellings=Spellings(SystemClock()))
        request = SearchRequest(facets=("tags",), limit=0)
        first = await learning.run(WHO, request)
        asked = len(client.bodies)
        assert asked == 1 + len(first.facets["tags"])
        assert await learning.run(WHO, request) == first
        assert len(client.bodies) == asked + 1
        assert "spellings" not in str(client.bodies), "they are not counted with the values"
        other: dict[str, Any] = (await learning.run(OTHER, request)).facets
        assert other == {"tags": {"nature": 1}}, "of another organization they are others"
