"""Search: a request compiled, sent to the engine, and its answer read. Never touches the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from query.errors import QueryProblem
from query.request import Caller, SearchRequest, compile_search, read_facets
from service.core.access import Principal
from service.errors import InvalidInput, Unavailable
from service.ports.clock import Clock
from service.ports.search import Rejected, SearchEngine

_REJECTED_AS_INPUT = frozenset({400, 413})


@dataclass(frozen=True, slots=True)
class Found:
    """A page of search documents, how many match in all, and the facets' counts by field and value."""

    documents: list[dict[str, Any]]
    total: int
    facets: dict[str, dict[str, int]] = field(default_factory=dict)
    warnings: tuple[QueryProblem, ...] = ()


class Searches:
    """The use case of every search, whichever dialect asks."""

    def __init__(self, engine: SearchEngine, alias: str, clock: Clock) -> None:
        self._engine = engine
        self._alias = alias
        self._clock = clock

    async def run(self, who: Principal, request: SearchRequest) -> Found:
        """Search the organization's assets. Raises QueryError, Unavailable (also while the index is being rebuilt)."""
        caller = Caller(who.org_id, who.user_id, who.roles)
        compiled = compile_search(request, caller, self._clock.now())
        answer = await self._ask(compiled.body)
        hits = answer["hits"]
        facets = read_facets(compiled, answer.get("aggregations") or {}) if request.facets else {}
        documents = [hit["_source"] for hit in hits["hits"]]
        return Found(documents, _total(hits), facets, compiled.warnings)

    async def _ask(self, body: dict[str, Any]) -> dict[str, Any]:
        try:
            return await self._engine.search(self._alias, body)
        except Rejected as error:
            if error.status == 404:
                raise Unavailable("search", "the index is being built; try again shortly") from error
            if error.status in _REJECTED_AS_INPUT:
                raise InvalidInput(
                    "The search engine can not run this query.",
                    field="query",
                    expected="a simpler query: fewer words, wildcards or facets",
                ) from error
            raise


def _total(hits: Mapping[str, Any]) -> int:
    total = hits["total"]
    return int(total["value"] if isinstance(total, dict) else total)
