"""``assetry search``."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from query.dsl.highlights import CLOSE, OPEN
from query.errors import QueryError
from query.facets.request import MAX_SIZE, MISSING, FacetRequest, parse_facets
from query.types import SearchRequest
from service import settings
from service.api.dialects.native.views import ViewContext, asset
from service.cli.output import console, pointed, print_json, print_table
from service.core.access.keys import SCOPES, Principal
from service.core.search.filters import read_filters
from service.core.search.search import Searches, SearchResult
from service.runtime.base import open_existing
from service.runtime.bootstrap import open_search


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command, as typed."""

    query: str
    facets: str = ""
    filters: str = ""
    sort: str = ""
    limit: int = 20
    offset: int = 0
    lenient: bool = False
    highlight: bool = False

    def request(self) -> SearchRequest:
        """Return the search request. Raises InvalidInput, QueryError (the facets)."""
        return SearchRequest(
            text=self.query,
            filters=read_filters(self.filters, "--filters"),
            facets=_one_more(parse_facets(self.facets)),
            sort=self.sort,
            limit=self.limit,
            offset=self.offset,
            lenient=self.lenient,
            highlight=self.highlight,
            suggest=True,
        )


async def search(data: Path | None, org: str, options: Options, *, as_json: bool) -> None:
    """Search and print the results."""
    request = options.request()
    who = Principal(org, "cli", frozenset(SCOPES))
    async with open_existing(settings.load(data=data)) as base, open_search(base) as searches:
        found = await _run(searches, who, request)
        view_context = ViewContext(who, base.links, base="")
        results: list[Any] = [asset(hit.document, view_context) for hit in found.hits]
    if options.highlight:
        for result, hit in zip(results, found.hits, strict=True):
            result["highlights"] = hit.highlights
    facets, cut = _as_asked(options.facets, found.facets)
    if as_json:
        body: dict[str, Any] = {"results": results, "total_count": found.total}
        if facets:
            body["facets"], body["facets_cut"] = facets, sorted(cut)
        if found.warnings:
            body["warnings"] = [warning.as_dict() for warning in found.warnings]
        if found.suggestion:
            body["suggestion"] = found.suggestion
        print_json(body)
        return
    show(found, results, options.query)
    for name, counts in facets.items():
        print_table((name, "count"), counts.items())
        if name in cut:
            fix = f'--facets \'[{{"field": "{name}", "size": {min(MAX_SIZE, 10 * len(counts))}}}]\''
            console().print(f"{name} has more values; to see more: {fix}", markup=False)


async def _run(searches: Searches, who: Principal, request: SearchRequest) -> SearchResult:
    try:
        return await searches.run(who, request)
    except QueryError as error:
        if error.field == "query":
            for problem in error.problems:
                error.add_note(pointed(request.text, problem.offset, problem.length))
        raise


def _one_more(facets: Sequence[FacetRequest]) -> list[FacetRequest]:
    """Return facets that ask for a value more than they will show: it tells whether something is left out."""
    return [replace(facet, size=facet.size + 1) if 0 < facet.size < MAX_SIZE else facet for facet in facets]


def _as_asked(text: str, found: Mapping[str, Mapping[str, int]]) -> tuple[dict[str, dict[str, int]], set[str]]:
    """Return the counts of the facets with as many values as were asked for, and which facets have more."""
    shown: dict[str, dict[str, int]] = {}
    cut: set[str] = set()
    for facet in parse_facets(text):
        counts = dict(found.get(facet.label, {}))
        missing = counts.pop(MISSING, None)
        if not facet.ranges and not facet.interval and len(counts) > facet.size:
            counts = dict(list(counts.items())[: facet.size])
            cut.add(facet.label)
        shown[facet.label] = counts if missing is None else {**counts, MISSING: missing}
    return shown, cut


def show(found: SearchResult, results: list[dict[str, Any]], query: str) -> None:
    """Print hits as tables."""
    for warning in found.warnings:
        console().print(f"note: {warning.message}", markup=False)
    if found.suggestion:
        console().print(f"did you mean: {found.suggestion}", markup=False)
    title = f"{query or 'everything'}: {found.total} found"
    print_table(
        ("id", "type", "title", "tags", "date"),
        [
            (
                hit["id"],
                hit["type"],
                hit["title"],
                ", ".join(hit["tags"][:5]),
                (hit["captured_at"] or hit["created_at"] or "")[:10],
            )
            for hit in results
        ],
        title,
    )
    marked = [(hit["id"], name, unmarked(" … ".join(texts))) for hit in results for name, texts in _marks(hit)]
    if marked:
        print_table(("id", "field", "found in"), marked)


def _marks(hit: dict[str, Any]) -> list[tuple[str, list[str]]]:
    return list(hit.get("highlights", {}).items())


def unmarked(fragment: str) -> str:
    """Return a highlight for a terminal: matches between ``*``, HTML escapes decoded."""
    return html.unescape(fragment.replace(OPEN, "*").replace(CLOSE, "*"))
