"""Saved searches: ``/searches``, ``/searches/{search_id}`` and ``/searches/{search_id}/execute``."""

from __future__ import annotations

from typing import Any

from service.api.dialects.native.params import ExecuteSearch, ListSearches, NoParams
from service.api.dialects.native.search import answer, paged
from service.api.kernel.call import Call, Reply
from service.api.kernel.inputs import expected_rev, read_json
from service.core.search.saved_searches import SavedSearchBody, SearchCreate, SearchPatch, request_of, view
from service.ports.store import Record


def _reply(record: Record[SavedSearchBody], status: int = 200, **headers: str) -> Reply:
    return Reply(view(record), status, {"ETag": f'"{record.rev}"', **headers})


async def create(call: Call[NoParams]) -> Reply:
    """Save a search; its text and filters must compile."""
    given = await read_json(SearchCreate, call.request, call.context.settings.json_limit)
    record = await call.context.saved_searches.create(call.who, given, call.attempt)
    return _reply(record, 201, Location=f"{call.base}{call.prefix}/searches/{record.key}")


async def listing(call: Call[ListSearches]) -> Reply:
    """List the organization's saved searches, the newest first."""
    params = call.params
    listed = await call.context.saved_searches.list(call.who, limit=params.limit, after=params.cursor)
    body: dict[str, Any] = {
        "searches": [view(record) for record in listed.records],
        "total_count": listed.total,
        "limit": params.limit,
    }
    if listed.after is not None:
        body["next_cursor"] = listed.after
    return Reply(body)


async def read(call: Call[NoParams]) -> Reply:
    """Return a saved search."""
    return _reply(await call.context.saved_searches.get(call.who, call.path["search_id"]))


async def update(call: Call[NoParams]) -> Reply:
    """Change the fields that the body names; ``If-Match`` makes sure that nobody else did meanwhile."""
    given = await read_json(SearchPatch, call.request, call.context.settings.json_limit)
    rev = expected_rev(call.request)
    searches = call.context.saved_searches
    return _reply(await searches.change(call.who, call.path["search_id"], given, expected_rev=rev))


async def delete(call: Call[NoParams]) -> Reply:
    """Delete a saved search for good."""
    search_id = call.path["search_id"]
    await call.context.saved_searches.delete(call.who, search_id, expected_rev=expected_rev(call.request))
    return Reply({"id": search_id, "is_deleted": True})


async def execute(call: Call[ExecuteSearch]) -> Reply:
    """Run a saved search with the fields of today; one that no longer compiles says why."""
    record = await call.context.saved_searches.get(call.who, call.path["search_id"])
    return await answer(call, paged(call, request_of(record.body)))
