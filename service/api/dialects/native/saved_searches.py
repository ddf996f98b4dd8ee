"""Saved searches: ``/searches``, ``/searches/{search_id}`` and ``/searches/{search_id}/execute``."""

from __future__ import annotations

from typing import Any

from service.api.dialects.native.answers import DeletedSearch
from service.api.dialects.native.params import ExecuteSearch
from service.api.dialects.native.search import answer, paged
from service.api.dialects.native.views import saved_search
from service.api.kernel.call import Call, Reply
from service.api.kernel.conditions import expected_rev, record_tag
from service.api.kernel.inputs import NoParams
from service.api.kernel.pagination import CursorParams, Page
from service.core.search.saved_searches import SavedSearchBody, SearchCreate, SearchPatch, request_of
from service.ports.store import Record


def _reply(record: Record[SavedSearchBody], status: int = 200, **headers: str) -> Reply:
    return Reply(saved_search(record), status, {"ETag": record_tag(record.rev), **headers})


async def _expected_rev(call: Call[Any, Any]) -> int | None:
    searches = call.context.saved_searches
    return await expected_rev(call.request.headers, lambda: searches.get(call.who, call.path["search_id"]))


async def create(call: Call[NoParams, SearchCreate]) -> Reply:
    """Save a search; its text and filters must compile."""
    record = await call.context.saved_searches.create(call.who, call.body, call.attempt)
    return _reply(record, 201, Location=call.url(f"/searches/{record.key}"))


async def listing(call: Call[CursorParams, None]) -> Reply:
    """List the organization's saved searches, the newest first."""
    params = call.params
    listed = await call.context.saved_searches.list(call.who, limit=params.limit, after=params.cursor)
    items = [saved_search(record) for record in listed.records]
    return call.page("searches", Page(items, params.limit, listed.total, listed.after))


async def read(call: Call[NoParams, None]) -> Reply:
    """Return a saved search."""
    return _reply(await call.context.saved_searches.get(call.who, call.path["search_id"]))


async def update(call: Call[NoParams, SearchPatch]) -> Reply:
    """Change the fields that the body names; ``If-Match`` makes sure that nobody else did meanwhile."""
    rev = await _expected_rev(call)
    searches = call.context.saved_searches
    return _reply(await searches.change(call.who, call.path["search_id"], call.body, expected_rev=rev))


async def delete(call: Call[NoParams, None]) -> Reply:
    """Delete a saved search for good."""
    search_id = call.path["search_id"]
    rev = await _expected_rev(call)
    await call.context.saved_searches.delete(call.who, search_id, expected_rev=rev)
    body: DeletedSearch = {"id": search_id, "is_deleted": True}
    return Reply(body)


async def execute(call: Call[ExecuteSearch, None]) -> Reply:
    """Run a saved search with the fields of today; one that no longer compiles says why."""
    record = await call.context.saved_searches.get(call.who, call.path["search_id"])
    return await answer(call, paged(call, request_of(record.body)))
