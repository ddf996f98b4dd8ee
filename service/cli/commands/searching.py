"""``assetry search``."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from query.dsl.highlights import CLOSE, OPEN
from query.errors import QueryError
from query.facets.read import LeftOut
from query.facets.request import MAX_SIZE, parse_facets
from query.types import SearchRequest
from service import settings
from service.api.dialects.native.views import asset
from service.cli.output import console, pointed, print_json, print_table
from service.core.access.keys import SCOPES, Principal
from service.core.assets.objects import ViewContext
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
            facets=parse_facets(self.facets),
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
    if as_json:
        body: dict[str, Any] = {"results": results, "total_count": found.total}
        if request.facets:
            body["facets"] = found.facets
            body["left_out"] = {name: asdict(left) for name, left in found.left_out.items()}
        if found.warnings:
            body["warnings"] = [warning.as_dict() for warning in found.warnings]
        if found.suggestion:
            body["suggestion"] = found.suggestion
        print_json(body)
        return
    show(found, results, options.query)
    for name, counts in found.facets.items():
        print_table((name, "count"), counts.items())
        left = found.left_out.get(name)
        if left is not None and (left.values or left.records):
            console().print(f"{name}: {_words(left)}; to see more: {_larger(name, counts)}", markup=False)


def _words(left: LeftOut) -> str:
    values = "more values" if left.values is None else f"{left.values} more values"
    return f"{values} in {left.records} records" if left.records else values


def _larger(name: str, counts: Mapping[str, int]) -> str:
    return f'--facets \'[{{"field": "{name}", "size": {min(MAX_SIZE, 10 * max(len(counts), 1))}}}]\''


async def _run(searches: Searches, who: Principal, request: SearchRequest) -> SearchResult:
    try:
        return await searches.run(who, request)
    except QueryError as error:
        if error.field == "query":
            for problem in error.problems:
                error.add_note(pointed(request.text, problem.offset, problem.length))
        raise


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
