"""Search: ``/assets/search``, ``/assets/search/advanced``, ``/assets/search/facets``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any, cast

from query.dsl.sorting import SortKey
from query.errors import QueryError
from query.facets.request import parse_facets
from query.types import SearchRequest
from service.api.dialects.native.answers import FoundAsset
from service.api.dialects.native.assets import view_context_of
from service.api.dialects.native.params import AdvancedSearch, BasicSearch, FacetSearch, Paged, SearchOptions
from service.api.dialects.native.views import asset
from service.api.kernel.call import Call, Reply
from service.core.events.usage import Use
from service.core.search.filters import read_filters
from service.core.search.search import SearchResult
from service.errors import InvalidInput


async def basic(call: Call[BasicSearch, None]) -> Reply:
    """Search by words, never failing on syntax."""
    params = call.params
    filters: dict[str, Any] = {}
    if params.type:
        filters["type"] = params.type
    if params.module:
        filters["module"] = params.module
    request = SearchRequest(
        text=params.q,
        filters=filters,
        sort=_sort(params, params.q),
        lenient=True,
        suggest=params.suggest,
    )
    with as_sent({"query": "q", "sort": "sort_by", "filters.type": "type", "filters.module": "module"}):
        return await answer(call, paged(call, request))


async def advanced(call: Call[AdvancedSearch, None]) -> Reply:
    """Search by a query text, filters and facets."""
    return await _by_text(call)


async def facets(call: Call[FacetSearch, None]) -> Reply:
    """Search, and count the values of fields."""
    return await _by_text(call, facets=True)


async def _by_text(call: Call[Any, Any], *, facets: bool = False) -> Reply:
    params: AdvancedSearch = call.params
    with as_sent({} if params.sort else {"sort": "sort_by"}):
        return await answer(call, _request(call), facets=facets)


@contextmanager
def as_sent(names: Mapping[str, str]) -> Iterator[None]:
    """Name the parameter that was sent in errors of a search, where it has another name than the part at fault.

    A key of a part is ``<part>.<key>``, and then the parameter itself.
    """
    try:
        yield
    except QueryError as error:
        by_key = names.get(f"{error.field}.{error.key}")
        error.field, error.key = (by_key, "") if by_key else (names.get(error.field, error.field), error.key)
        raise


def _request(call: Call[Any, Any]) -> SearchRequest:
    params: AdvancedSearch = call.params
    if params.sort and params.sort_by:
        raise InvalidInput("Both sort and sort_by are given.", field="sort", expected="one of sort and sort_by")
    request = SearchRequest(
        text=params.query,
        filters=read_filters(params.filters, "filters"),
        facets=parse_facets(params.facets),
        sort=params.sort or _sort(params, params.query),
        lenient=params.lenient,
        suggest=params.suggest,
        count_left_out=params.facet_form == "list",
    )
    return paged(call, request)


def paged(call: Call[Any, Any], request: SearchRequest) -> SearchRequest:
    """Return the request with the page, the zone and the highlights that the parameters ask for."""
    params: SearchOptions = call.params
    return replace(request, limit=params.limit, offset=params.offset, zone=params.zone, highlight=params.highlight)


async def answer(call: Call[Any, Any], request: SearchRequest, *, facets: bool = False) -> Reply:
    """Run a search and answer it; ``facets`` shows them also when none was asked for."""
    params: SearchOptions = call.params
    caught_up = None
    if params.wait_for is not None:
        caught_up = await call.context.consistency.caught_up(params.wait_for, params.wait_timeout)
    found = await call.context.searches.run(call.who, request, cursor=params.cursor)
    if params.offset == 0 and params.cursor in (None, "*"):  # further pages are of the same search
        call.context.usage.record(Use.SEARCH, call.who.org_id, call.who.user_id, text=request.text, total=found.total)
    body: dict[str, Any] = {"results": _results(call, found, request)}
    if facets or request.facets:
        body |= _facets(found, as_list=request.count_left_out)
    body |= {"total_count": found.total, "limit": params.limit}
    if params.cursor is None:
        body["offset"] = params.offset
    if found.warnings:
        body["warnings"] = [warning.as_dict() for warning in found.warnings]
    extra = {"next_cursor": found.next_cursor, "suggestion": found.suggestion, "index_caught_up": caught_up}
    return Reply(body | {name: value for name, value in extra.items() if value is not None})


def _facets(found: SearchResult, *, as_list: bool) -> dict[str, Any]:
    if as_list:
        return {
            "facets": [
                {
                    "name": name,
                    "field": found.facet_fields[name],
                    "values": [{"value": value, "count": count} for value, count in counts.items()],
                    "left_out": asdict(found.left_out[name]),
                }
                for name, counts in found.facets.items()
            ]
        }
    left_out = {name: asdict(left) for name, left in found.left_out.items() if left.records}
    return {"facets": found.facets, **({"facets_left_out": left_out} if left_out else {})}


def _results(call: Call[Any, Any], found: SearchResult, request: SearchRequest) -> list[FoundAsset]:
    view_context = view_context_of(call)
    results = [cast(FoundAsset, asset(hit.document, view_context)) for hit in found.hits]
    if request.highlight:
        for result, hit in zip(results, found.hits, strict=True):
            result["highlights"] = hit.highlights
    return results


def _sort(params: Paged, text: str) -> tuple[SortKey, ...]:
    """Return the sort key of ``sort_by`` and ``sort_order``; an order alone turns the default order round."""
    if params.sort_by is None and params.sort_order is None:
        return ()
    default = "relevance" if text.strip() else "created_at"
    return (SortKey(params.sort_by or default, params.sort_order),)
