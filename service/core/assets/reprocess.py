"""Reprocessing: the files of assets are read again, and their records get what the readers of today find in them.

The assets are those that a query finds when the work begins, or those that are named. Which they are is written down
first: what is found later, or no longer, changes nothing, nor does an index that is built anew meanwhile. What a person
gave is never overwritten; the rule is :func:`service.core.assets.records.reread`.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import Field, model_validator

from query.errors import QueryError
from query.types import SearchRequest
from service.core.access.keys import Principal
from service.core.assets.assets import check_id
from service.core.assets.records import reread
from service.core.operations.changes import Fail, RecordChanges, Skip
from service.core.operations.context import OperationContext
from service.core.operations.operations import Operations
from service.core.operations.registry import OperationType, Parameters, Result
from service.core.search.consistency import MAX_SECONDS, Consistency
from service.core.search.search import Searches
from service.core.shared.idempotency import Attempt
from service.errors import IngestError, InvalidInput, NotFound, Unavailable
from service.model import AssetBody, Json, Strict
from service.ports.files import Files, original_key, space_of
from service.ports.ingest import MetadataExtractor
from service.ports.store import Change, Record, Store

log = logging.getLogger(__name__)

MAX_IDS = 10_000
"""Assets that one request may name."""


class Reprocess(Parameters):
    """Which assets' files are to be read again: those that a query and filters find, or those of these ids.

    ``index_token`` stands for the writes that the query must see.
    """

    query: str | None = None
    filters: dict[str, Any] = Field(default_factory=dict)
    asset_ids: list[str] = Field(default_factory=list)
    index_token: str | None = None


class Reprocessed(Result):
    """How many assets there were; how many were changed, skipped, and could not be read."""

    total: int
    succeeded: int
    skipped: int
    failed: int


REPROCESS = OperationType(
    "reprocess", Reprocess, Reprocessed, concurrency=1, changes_records=True, permission="assets:write"
)


class ReprocessRequest(Strict):
    """What to read again: the assets that ``query`` (and ``filters``) find, or those that ``asset_ids`` names."""

    query: Annotated[str | None, Field(description="Query text; empty means every asset.")] = None
    filters: Annotated[dict[str, Json] | None, Field(description="As in a search: {field: value} …")] = None
    asset_ids: Annotated[list[str] | None, Field(min_length=1, max_length=MAX_IDS)] = None
    dry_run: Annotated[bool, Field(description="Only say how many assets it would be.")] = False

    @model_validator(mode="after")
    def _one_way(self) -> ReprocessRequest:
        if (self.query is None) == (self.asset_ids is None):
            raise ValueError("needs either query or asset_ids")
        if self.filters is not None and self.query is None:
            raise ValueError("takes filters with query only")
        return self


@dataclass(frozen=True, slots=True)
class Reprocessing:
    """Starts reprocessing for callers."""

    operations: Operations
    searches: Searches
    consistency: Consistency | None

    async def count(self, who: Principal, request: ReprocessRequest) -> int:
        """Return how many assets a request means now. Raises InvalidInput, QueryError, NotAllowed, Unavailable."""
        who.allow(str(REPROCESS.permission))
        if request.asset_ids is not None:
            return len({check_id(asset_id, "asset_ids") for asset_id in request.asset_ids})
        search = SearchRequest(text=request.query or "", filters=request.filters or {}, limit=0)
        return (await self.searches.run(who, search)).total

    async def start(self, who: Principal, request: ReprocessRequest, attempt: Attempt | None = None) -> Record:
        """Start the operation. Raises InvalidInput, QueryError, NotAllowed, Unavailable."""
        ids = [check_id(asset_id, "asset_ids") for asset_id in request.asset_ids or ()]
        token = None
        if request.query is not None:
            self.searches.check(who, SearchRequest(text=request.query, filters=request.filters or {}))
            token = await self.consistency.token() if self.consistency is not None else None
        parameters = Reprocess(
            query=request.query,
            filters=request.filters or {},
            asset_ids=list(dict.fromkeys(ids)),
            index_token=token,
        )
        return await self.operations.start(who, REPROCESS, parameters, attempt)


class Reprocessor:
    """Runs reprocessing: ``concurrency`` files are read at once, by the workers that read new ones, too."""

    def __init__(
        self,
        store: Store,
        files: Files,
        extractor: MetadataExtractor,
        open_searches: Callable[[], AbstractAsyncContextManager[Searches]],
        consistency: Consistency | None,
        *,
        concurrency: int,
    ) -> None:
        self._store = store
        self._files = files
        self._extractor = extractor
        self._open_searches = open_searches
        self._consistency = consistency
        self._concurrency = concurrency

    async def run(self, context: OperationContext[Reprocess]) -> Reprocessed:
        """Read the files of the operation's assets again; goes on where an earlier run came to."""
        if context.checkpoint is None:
            await self._write_down(context)
        assert context.checkpoint is not None
        changes = RecordChanges(self._store, "asset", context, self._read, concurrency=self._concurrency)
        await changes.run(int(context.checkpoint["inputs"]))
        counts = context.counts
        return Reprocessed(
            total=context.total, succeeded=counts["succeeded"], skipped=counts["skipped"], failed=counts["failed"]
        )

    async def _write_down(self, context: OperationContext[Reprocess]) -> None:
        """Keep which assets it is about; a run that is killed meanwhile is followed by one that begins with that."""
        parameters = context.parameters
        inputs = total = 0
        if parameters.query is None:
            await context.write_input(0, parameters.asset_ids)
            inputs, total = 1, len(parameters.asset_ids)
        else:
            await self._catch_up(parameters.index_token)
            async for keys in self._found(context.started_by, parameters):
                await context.write_input(inputs, keys)
                inputs, total = inputs + 1, total + len(keys)
                await context.report(0, total)
        await context.begin(total, {"inputs": inputs})

    async def _found(self, who: Principal, parameters: Reprocess) -> AsyncIterator[list[str]]:
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

    async def _read(self, record: Record) -> Change | Skip | Fail:
        body = cast("AssetBody", record.body)
        if body.get("deleted_at"):
            return Skip("deleted", "It is in the trash.")
        sha256 = body.get("sha256")
        if sha256 is None:
            return Skip("no_file", "It has no file.")
        filename = body.get("filename") or record.key
        try:
            async with self._files.local_path(original_key(space_of(body["org_id"]), sha256)) as path:
                facts = await self._extractor.extract(Path(path), filename, org_id=body["org_id"])
        except IngestError as error:
            return Fail(error.reason, error.message)
        except NotFound:
            return Fail("file_missing", "Its file is not there.")
        except OSError as error:
            log.warning("asset %s: its file cannot be read: %s", record.key, error)
            return Fail("unreadable", "Its file cannot be read.")
        return reread(body, facts) or Skip("unchanged", "Its file says what the record says.")
