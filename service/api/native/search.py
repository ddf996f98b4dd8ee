"""Search: ``/assets/search``, ``/assets/search/advanced``, ``/assets/search/facets``."""

from __future__ import annotations

from typing import Any

import orjson

from query.request import SearchRequest
from query.sorting import SortKey
from service.api.native.call import Call, Reply
from service.api.native.params import AdvancedSearch, BasicSearch, FacetSearch, Paged
from service.core.search import Found
from service.errors import InvalidInput


async def basic(call: Call[BasicSearch]) -> Reply:
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
        limit=params.limit,
        offset=params.offset,
        lenient=True,
        zone=params.zone,
    )
    return _reply(call, await call.context.searches.run(call.who, request))


async def advanced(call: Call[AdvancedSearch]) -> Reply:
    """Search by a query text, filters and facets."""
    request = _request(call.params)
    found = await call.context.searches.run(call.who, request)
    return _reply(call, found, facets=bool(request.facets))


async def facets(call: Call[FacetSearch]) -> Reply:
    """Search, and count the values of fields."""
    return _reply(call, await call.context.searches.run(call.who, _request(call.params)), facets=True)


def _request(params: AdvancedSearch) -> SearchRequest:
    names = [name.strip() for name in params.facets.split(",") if name.strip()]
    if params.sort and params.sort_by:
        raise InvalidInput("Both sort and sort_by are given.", field="sort", expected="one of sort and sort_by")
    return SearchRequest(
        text=params.query,
        filters=_filters(params.filters),
        facets=names,
        sort=params.sort or _sort(params, params.query),
        limit=params.limit,
        offset=params.offset,
        lenient=params.lenient,
        zone=params.zone,
    )


def _filters(text: str) -> dict[str, Any]:
    if not text.strip():
        return {}
    try:
        filters = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(
            f"filters is not JSON: {error.msg} at character {error.pos}.",
            field="filters",
            provided=text,
            expected='a JSON object such as {"type": "image"}',
        ) from None
    if not isinstance(filters, dict):
        raise InvalidInput(
            "filters is not an object.",
            field="filters",
            provided=text,
            expected='a JSON object such as {"type": "image"}',
        )
    return filters


def _sort(params: Paged, text: str) -> tuple[SortKey, ...]:
    """Return the sort key of ``sort_by`` and ``sort_order``; an order alone turns the default order round."""
    if params.sort_by is None and params.sort_order is None:
        return ()
    default = "relevance" if text.strip() else "created_at"
    return (SortKey(params.sort_by or default, params.sort_order),)


def _reply(call: Call[Any], found: Found, *, facets: bool = False) -> Reply:
    view, who, base = call.context.views.asset, call.who, call.base
    body: dict[str, Any] = {"results": [view(document, who, base) for document in found.documents]}
    if facets:
        body["facets"] = found.facets
    body["total_count"] = found.total
    body["limit"] = call.params.limit
    body["offset"] = call.params.offset
    if found.warnings:
        body["warnings"] = [warning.as_dict() for warning in found.warnings]
    return Reply(body)
