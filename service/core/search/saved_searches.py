"""Saved searches: a query text and filters under a name, run again with today's fields."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from query.cursors import START
from query.types import SearchRequest
from service.core.access.keys import Principal
from service.core.search.search import Searches
from service.core.shared.idempotency import Attempt, make_once
from service.errors import Conflict, InvalidInput, NotFound
from service.model import Json, Name, Prose, Strict
from service.ports.clock import Clock
from service.ports.store import Body, Change, Order, Record, Store
from service.times import timestamp

KIND = "saved_search"
_ID = re.compile(r"search_[A-Za-z0-9]{1,64}")
_RETRIES = 10
"""How often a change is worked out anew when another writer was faster."""

Filters = Annotated[
    Annotated[dict[str, Json], Field(max_length=100)] | None,
    Field(description='Filters as in a search: {"field": value …}, with `sort_by` and `sort_order`.'),
]


class SearchCreate(Strict):
    """A new saved search."""

    name: Annotated[Name, Field(description="What people call it.")]
    query: Annotated[Prose, Field(description="Query text, see docs/ref-query-syntax.md; empty means everything.")] = ""
    filters: Filters = None
    description: Annotated[Prose | None, Field(description="What it is for.")] = None


class SearchPatch(Strict):
    """A change of a saved search: absent fields stay, null clears."""

    name: Annotated[Name | None, Field(description="What people call it.")] = None
    query: Annotated[Prose | None, Field(description="Query text.")] = None
    filters: Filters = None
    description: Annotated[Prose | None, Field(description="What it is for.")] = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of saved searches, how many there are in all, and where the next page starts (None at the end)."""

    records: list[Record]
    total: int
    after: str | None


class SavedSearches:
    """The use cases of saved searches.

    They belong to the organization: whoever may search may run and read all of them, whoever may write may change them.
    """

    def __init__(self, store: Store, searches: Searches, clock: Clock) -> None:
        self._store = store
        self._searches = searches
        self._clock = clock

    async def create(self, who: Principal, given: SearchCreate, attempt: Attempt | None = None) -> Record:
        """Save a search; a repeated attempt returns what an earlier one saved.

        Raises QueryError when it does not compile.
        """
        filters = given.filters or {}
        self._searches.check(who, SearchRequest(text=given.query, filters=filters))
        body: Body = {
            "org_id": who.org_id,
            "user_id": who.user_id,
            "name": given.name,
            "query": given.query,
            "filters": filters,
            "description": given.description,
            "created_at": timestamp(self._clock.now()),
        }
        key = f"search_{self._clock.sid()}"
        if attempt is None:
            return await self._store.insert(KIND, key, body)
        body["guid"] = attempt.guid
        return await make_once(self._store, KIND, attempt, lambda: self._store.insert(KIND, key, body))

    async def list(self, who: Principal, *, limit: int, after: str | None) -> Listed:
        """Return a page of the organization's saved searches, the newest first; ``*`` starts, too.

        Raises InvalidInput for an ``after`` that is not of this list.
        """
        where = {"org_id": who.org_id}
        after = None if after == START else after
        order = Order("created_at", descending=True)
        try:
            page = await self._store.find(KIND, where, order=order, limit=limit, after=after)
        except InvalidInput as error:
            expected = "next_cursor of the page before"
            raise InvalidInput("The cursor is not of this list.", field="cursor", expected=expected) from error
        return Listed(page.records, await self._store.count(KIND, where), page.after)

    async def get(self, who: Principal, search_id: str) -> Record:
        """Return a saved search. Raises NotFound, also for another organization's."""
        if not _ID.fullmatch(search_id):
            raise NotFound(KIND, search_id)
        record = await self._store.get(KIND, search_id)
        if record.org_id != who.org_id:
            raise NotFound(KIND, search_id)
        return record

    async def change(
        self, who: Principal, search_id: str, given: SearchPatch, *, expected_rev: int | None = None
    ) -> Record:
        """Change a saved search. Raises NotFound, Conflict, InvalidInput, QueryError when it no longer compiles."""
        data = given.model_dump(mode="json", exclude_unset=True)
        for name in ("name", "query"):
            if name in data and data[name] is None:
                raise InvalidInput(f"{name} cannot be null.", field=name, expected="a text, or leave the field out")
        if "filters" in data:
            data["filters"] = data["filters"] or {}
        for attempt in range(_RETRIES):
            record = await self._at(who, search_id, expected_rev)
            changed = {name: value for name, value in data.items() if record.body.get(name) != value}
            if not changed:
                return record
            if changed.keys() & {"query", "filters"}:
                self._searches.check(who, request_of({**record.body, **changed}))
            try:
                return await self._store.update(KIND, search_id, Change(set=changed), expected_rev=record.rev)
            except Conflict:
                if expected_rev is not None or attempt == _RETRIES - 1:
                    raise
        raise AssertionError("unreachable: the loop returns or raises")

    async def delete(self, who: Principal, search_id: str, *, expected_rev: int | None = None) -> None:
        """Delete a saved search for good. Raises NotFound, Conflict."""
        await self._at(who, search_id, expected_rev)
        await self._store.remove(KIND, search_id, expected_rev=expected_rev)

    async def _at(self, who: Principal, search_id: str, expected_rev: int | None) -> Record:
        record = await self.get(who, search_id)
        if expected_rev is not None and record.rev != expected_rev:
            raise Conflict(KIND, search_id, expected=expected_rev, rev=record.rev)
        return record


def request_of(body: Body) -> SearchRequest:
    """Return the request that a saved search stands for, without page, cursor and the like."""
    return SearchRequest(text=body["query"], filters=body.get("filters") or {})
