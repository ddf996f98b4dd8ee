"""Saved searches: a query text and filters under a name, run again with today's fields."""

from __future__ import annotations

import re
from typing import Annotated, Any, NotRequired, TypedDict, cast

from pydantic import Field

from query.facets.request import MAX_FACETS, read_request
from query.types import SearchRequest
from service.core.access.keys import Principal
from service.core.search.search import Searches
from service.core.shared.idempotency import Attempt, make_once
from service.core.shared.repository import Listed, Repository
from service.errors import InvalidInput, NotFound
from service.model import Json, Name, Prose, Strict
from service.ports.clock import Clock
from service.ports.store import Change, Order, Record, Store
from service.times import timestamp

KIND = "saved_search"
_ID = re.compile(r"search_[A-Za-z0-9]{1,64}")

Filters = Annotated[
    Annotated[dict[str, Json], Field(max_length=100)] | None,
    Field(description='Filters as in a search: {"field": value …}, with `sort_by` and `sort_order`.'),
]


Facets = Annotated[
    Annotated[list[str | dict[str, Json]], Field(max_length=MAX_FACETS)] | None,
    Field(description="Facets as in a search: names of fields, or objects with options."),
]
Sort = Annotated[
    Annotated[str, Field(max_length=500)] | None, Field(description="Sort keys as in a search: `-created_at,title`.")
]


class SearchCreate(Strict):
    """A new saved search."""

    name: Annotated[Name, Field(description="What people call it.")]
    query: Annotated[Prose, Field(description="Query text, see docs/ref-query-syntax.md; empty means everything.")] = ""
    filters: Filters = None
    facets: Facets = None
    sort: Sort = None
    description: Annotated[Prose | None, Field(description="What it is for.")] = None


class SearchPatch(Strict):
    """A change of a saved search: absent fields stay, null clears."""

    name: Annotated[Name | None, Field(description="What people call it.")] = None
    query: Annotated[Prose | None, Field(description="Query text.")] = None
    filters: Filters = None
    facets: Facets = None
    sort: Sort = None
    description: Annotated[Prose | None, Field(description="What it is for.")] = None


class SavedSearchBody(TypedDict):
    """The body of a record of the kind ``saved_search``; ``guid`` is of the attempt that made it."""

    org_id: str
    user_id: str
    name: str
    query: str
    filters: dict[str, Any]
    facets: NotRequired[list[Any]]
    sort: NotRequired[str | None]
    description: str | None
    created_at: str
    guid: NotRequired[str]


class SavedSearches:
    """The use cases of saved searches.

    They belong to the organization: whoever may search may run and read all of them, whoever may write may change them.
    """

    def __init__(self, store: Store, searches: Searches, clock: Clock) -> None:
        self._saved = Repository[SavedSearchBody](store, KIND)
        self._searches = searches
        self._clock = clock

    async def create(
        self, who: Principal, given: SearchCreate, attempt: Attempt | None = None
    ) -> Record[SavedSearchBody]:
        """Save a search; a repeated attempt returns what an earlier one saved.

        Raises QueryError when it does not compile.
        """
        body: SavedSearchBody = {
            "org_id": who.org_id,
            "user_id": who.user_id,
            "name": given.name,
            "query": given.query,
            "filters": given.filters or {},
            "facets": list(given.facets or ()),
            "sort": given.sort or None,
            "description": given.description,
            "created_at": timestamp(self._clock.now()),
        }
        self._searches.check(who, request_of(body))
        key = f"search_{self._clock.sid()}"
        if attempt is None:
            return await self._saved.insert(key, body)
        body["guid"] = attempt.guid
        return await make_once(self._saved, attempt, lambda: self._saved.insert(key, body))

    async def list(self, who: Principal, *, limit: int, after: str | None) -> Listed[SavedSearchBody]:
        """Return a page of the organization's saved searches, the newest first; ``*`` starts, too.

        Raises InvalidInput for an ``after`` that is not of this list.
        """
        return await self._saved.page(who.org_id, order=Order("created_at", descending=True), limit=limit, after=after)

    async def get(self, who: Principal, search_id: str) -> Record[SavedSearchBody]:
        """Return a saved search. Raises NotFound, also for another organization's."""
        return await self._saved.get(who.org_id, _checked(search_id))

    async def change(
        self, who: Principal, search_id: str, given: SearchPatch, *, expected_rev: int | None = None
    ) -> Record[SavedSearchBody]:
        """Change a saved search. Raises NotFound, Conflict, InvalidInput, QueryError when it no longer compiles."""
        data = given.model_dump(mode="json", exclude_unset=True)
        for name in ("name", "query"):
            if name in data and data[name] is None:
                raise InvalidInput(f"{name} cannot be null.", field=name, expected="a text, or leave the field out")
        if "filters" in data:
            data["filters"] = data["filters"] or {}
        if "facets" in data:
            data["facets"] = data["facets"] or []
        if "sort" in data:
            data["sort"] = data["sort"] or None

        def work(record: Record[SavedSearchBody]) -> Change | None:
            changed = {name: value for name, value in data.items() if record.body.get(name) != value}
            if changed.keys() & {"query", "filters", "facets", "sort"}:
                self._searches.check(who, request_of(cast("SavedSearchBody", {**record.body, **changed})))
            return Change(set=changed) if changed else None

        return await self._saved.change(who.org_id, _checked(search_id), work, expected_rev=expected_rev)

    async def delete(self, who: Principal, search_id: str, *, expected_rev: int | None = None) -> None:
        """Delete a saved search for good. Raises NotFound, Conflict."""
        await self._saved.remove(who.org_id, _checked(search_id), expected_rev=expected_rev)


def _checked(search_id: str) -> str:
    """Return the id if it has the form of one. Raises NotFound."""
    if not _ID.fullmatch(search_id):
        raise NotFound(KIND, search_id)
    return search_id


def request_of(body: SavedSearchBody) -> SearchRequest:
    """Return the request that a saved search stands for, without page, cursor and the like."""
    return SearchRequest(
        text=body["query"],
        filters=body.get("filters") or {},
        facets=[read_request(item) for item in body.get("facets") or ()],
        sort=body.get("sort") or "",
    )
