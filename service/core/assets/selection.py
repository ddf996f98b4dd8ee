"""Which assets an operation is about: those that a query finds when it is asked for, or those that are named.

Which they are is written down first: what is found later, or no longer, changes nothing, nor does an index that is
built anew meanwhile.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, replace
from typing import Annotated, Any, TypeVar

from pydantic import Field, model_validator

from query.errors import QueryError
from query.types import SearchRequest
from service.core.access.keys import Principal
from service.core.assets.assets import check_id
from service.core.assets.records import RENAMES
from service.core.operations.changes import RecordChanges, Work
from service.core.operations.context import OperationContext
from service.core.operations.registry import Outcome, Parameters, outcome
from service.core.search.consistency import MAX_SECONDS, Consistency
from service.core.search.search import Searches
from service.errors import InvalidInput, Unavailable
from service.model import Json, Strict
from service.ports.store import Store

MAX_IDS = 10_000
"""Assets that one request may name."""


class Selected(Parameters):
    """The assets that an operation is about: those that a query and filters find, or those of these ids.

    ``index_token`` stands for the writes that the query must see; ``limit`` bounds what it finds.
    """

    query: str | None = None
    filters: dict[str, Any] = Field(default_factory=dict)
    asset_ids: list[str] = Field(default_factory=list)
    index_token: str | None = None
    limit: int | None = None


class Selection(Strict):
    """Which assets: those that ``query`` (and ``filters``) find, or those that ``asset_ids`` names."""

    query: Annotated[str | None, Field(description="Query text; empty means every asset.")] = None
    filters: Annotated[dict[str, Json] | None, Field(description="As in a search: {field: value} …")] = None
    asset_ids: Annotated[list[str] | None, Field(min_length=1, max_length=MAX_IDS)] = None

    @model_validator(mode="after")
    def _one_way(self) -> Selection:
        if (self.query is None) == (self.asset_ids is None):
            raise ValueError("needs either query or asset_ids")
        if self.filters is not None and self.query is None:
            raise ValueError("takes filters with query only")
        return self

    @property
    def ids(self) -> list[str] | None:
        """The ids that it names, each once; None for a query. Raises InvalidInput for what is no id."""
        if self.asset_ids is None:
            return None
        return list(dict.fromkeys(check_id(asset_id, "asset_ids") for asset_id in self.asset_ids))

    @property
    def search(self) -> SearchRequest:
        """The search of its query."""
        return SearchRequest(text=self.query or "", filters=self.filters or {})


S = TypeVar("S", bound=Selected)


@dataclass(frozen=True, slots=True)
class Selecting:
    """Says for callers which assets a selection means, and as what an operation gets it."""

    searches: Searches
    consistency: Consistency | None

    async def count(self, who: Principal, selection: Selection) -> int:
        """Return how many assets a selection means now. Raises InvalidInput, QueryError, Unavailable."""
        ids = selection.ids
        if ids is not None:
            return len(ids)
        return (await self.searches.run(who, replace(selection.search, limit=0))).total

    async def first(self, who: Principal, selection: Selection, limit: int) -> list[str]:
        """Return the ids of the first assets that a query finds. Raises as :meth:`count` does."""
        found = await self.searches.run(who, replace(selection.search, limit=limit))
        return [hit.document["asset_id"] for hit in found.hits]

    async def selected(self, who: Principal, selection: Selection, parameters: type[S], **fields: Any) -> S:
        """Return the parameters of an operation on a selection. Raises InvalidInput, QueryError, Unavailable."""
        ids = selection.ids
        token = None
        if ids is None:
            self.searches.check(who, selection.search)
            token = await self.consistency.token() if self.consistency is not None else None
        return parameters(
            query=selection.query,
            filters=selection.filters or {},
            asset_ids=ids or [],
            index_token=token,
            **fields,
        )


class SelectedAssets:
    """The assets of an operation, for its handler."""

    def __init__(
        self,
        store: Store,
        open_searches: Callable[[], AbstractAsyncContextManager[Searches]],
        consistency: Consistency | None,
    ) -> None:
        self._store = store
        self._open_searches = open_searches
        self._consistency = consistency

    async def change(
        self, context: OperationContext[S], work: Work, *, concurrency: int, keeps_values: bool = True
    ) -> Outcome:
        """Work on each of the assets, ``concurrency`` of them at once; goes on where an earlier run came to."""
        inputs = await self.write_down(context)
        changes = RecordChanges(
            self._store,
            "asset",
            context,
            work,
            concurrency=concurrency,
            keeps_values=keeps_values,
            renames=RENAMES,
        )
        await changes.run(inputs)
        return outcome(context)

    async def write_down(self, context: OperationContext[S]) -> int:
        """Keep which assets it is about, once; return the number of pages of their ids.

        A run that is killed meanwhile is followed by one that begins with that.
        """
        if context.checkpoint is not None:
            return int(context.checkpoint["inputs"])
        parameters = context.parameters
        inputs = total = 0
        if parameters.query is None:
            await context.write_input(0, parameters.asset_ids)
            inputs, total = 1, len(parameters.asset_ids)
        else:
            await self._catch_up(parameters.index_token)
            async with aclosing(self._found(context.started_by, parameters)) as pages:
                async for found in pages:
                    keys = found if parameters.limit is None else found[: parameters.limit - total]
                    await context.write_input(inputs, keys)
                    inputs, total = inputs + 1, total + len(keys)
                    await context.report(0, total)
                    if total == parameters.limit:
                        break
        await context.begin(total, {"inputs": inputs})
        return inputs

    async def _found(self, who: Principal, parameters: Selected) -> AsyncGenerator[list[str], None]:
        search = SearchRequest(text=parameters.query or "", filters=parameters.filters)
        async with self._open_searches() as searches:
            try:
                async for keys in searches.walk(who, search):
                    yield keys
            except QueryError as error:
                if error.field == "cursor":
                    raise Unavailable("search", "it was started anew during the walk over what it found") from error
                raise InvalidInput(str(error), field="query") from error

    async def _catch_up(self, token: str | None) -> None:
        if token is None or self._consistency is None:
            return
        if not await self._consistency.caught_up(token, MAX_SECONDS):
            raise Unavailable("search", "the index is behind: it does not show yet what was written before")
