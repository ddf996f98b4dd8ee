"""Bulk work: ``/assets/bulk/…``, and the undoing of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import Field, model_validator

from service.api.dialects.native.answers import (
    BulkConfirmation,
    BulkDeleteOperation,
    BulkOperation,
    BulkPreview,
    RetrievedAssets,
)
from service.api.dialects.native.assets import view_context_of
from service.api.dialects.native.views import Include, asset, operation
from service.api.kernel.call import Call, Reply
from service.api.kernel.inputs import NoParams
from service.core.assets.objects import body_of
from service.core.bulk.bulk import Confirmation, Preview
from service.core.bulk.requests import (
    BulkCollections,
    BulkDelete,
    BulkFavorites,
    BulkRequest,
    BulkSelection,
    BulkUpdate,
)
from service.core.operations.operations import FINISHED
from service.ports.store import Record
from service.times import api_time, timestamp

AT_ONCE = 100
"""Assets up to which an answer waits a moment for the end: the seed recommends no more."""
PATIENCE = 1.0
"""Seconds that it waits at most."""
_A_SECOND = 200
"""Assets that are changed in a second, as a first guess of when an operation will have ended."""


class BulkRetrieve(BulkSelection):
    """Which assets are wanted, and which of their parts; those of a query come in pages."""

    include_metadata: bool = True
    include_urls: bool = True
    include_stats: bool = True
    limit: Annotated[int | None, Field(ge=1, le=100, description="Assets on a page, with `query`.")] = None
    cursor: Annotated[str | None, Field(max_length=4096, description="`next_cursor` of the page before.")] = None

    @model_validator(mode="after")
    def _pages(self) -> BulkRetrieve:
        if self.query is None and (self.limit is not None or self.cursor is not None):
            raise ValueError("takes limit and cursor with query only")
        return self


async def retrieve(call: Call[NoParams, BulkRetrieve]) -> Reply:
    """Return assets by their ids, in that order, or a page of those that a query finds."""
    request = call.body
    include = Include(request.include_metadata, request.include_stats, request.include_urls)
    view_context = view_context_of(call)
    ids = request.ids
    if ids is None:
        search = replace(request.search, limit=request.limit or 100, sort="-created_at")
        found = await call.context.searches.run(call.who, search, cursor=request.cursor or "*")
        body: RetrievedAssets = {
            "assets": [asset(hit.document, view_context, include) for hit in found.hits],
            "total_found": found.total,
            "total_requested": found.total,
        }
        if found.next_cursor is not None:
            body["next_cursor"] = found.next_cursor
        return Reply(body)
    records = await call.context.assets.get_many(call.who, ids)
    held = [asset(body_of(records[key]), view_context, include) for key in ids if key in records]
    body = {"assets": held, "total_found": len(held), "total_requested": len(ids)}
    if missing := [key for key in ids if key not in records]:
        body["not_found"] = missing
    return Reply(body)


async def update(call: Call[NoParams, BulkUpdate]) -> Reply:
    """Change the metadata of many assets; each fails by itself, and what changed can be undone."""
    if call.body.dry_run:
        return _previewed(await call.context.bulk.preview(call.who, call.body))
    return await _started(call, await call.context.bulk.update(call.who, call.body, call.attempt))


async def collections(call: Call[NoParams, BulkCollections]) -> Reply:
    """Put many assets into collections, and take them out."""
    if call.body.dry_run:
        return _previewed(await call.context.bulk.preview(call.who, call.body))
    return await _started(call, await call.context.bulk.collect(call.who, call.body, call.attempt))


async def favorites(call: Call[NoParams, BulkFavorites]) -> Reply:
    """Make many assets favourites of the caller, or no longer."""
    if call.body.dry_run:
        return _previewed(await call.context.bulk.preview(call.who, call.body))
    return await _started(call, await call.context.bulk.favor(call.who, call.body, call.attempt))


async def delete(call: Call[NoParams, BulkDelete]) -> Reply:
    """Move many assets to the trash, or delete them for good; a confirmation may be asked for first."""
    if call.body.dry_run:
        return _previewed(await call.context.bulk.preview(call.who, call.body))
    outcome = await call.context.bulk.delete(call.who, call.body, call.attempt)
    if isinstance(outcome, Confirmation):
        body: BulkConfirmation = {
            "status": "confirmation_required",
            "assets_total": outcome.total,
            "confirmation_token": outcome.token,
            "expires_at": api_time(timestamp(outcome.expires_at)),
        }
        return Reply(body)
    return await _started(call, outcome, deleted=True)


async def undo(call: Call[NoParams, None]) -> Reply:
    """Change back what an operation changed, as far as nobody has changed it since; its items say what was left."""
    record = await call.context.undoing.start(call.who, call.path["operation_id"], call.attempt)
    return call.accepted(operation(record, view_context_of(call)), f"/operations/{record.key}")


async def _started(call: Call[Any, Any], record: Record, *, deleted: bool = False) -> Reply:
    """Answer an operation: at its end if that comes at once, as it does for a few assets."""
    request: BulkRequest = call.body
    if request.asset_ids is not None and len(request.asset_ids) <= AT_ONCE:
        record = await call.context.operations.settled(record.key, PATIENCE)
    body = _operation(record.key, record.body, deleted=deleted)
    if record.body["status"] in FINISHED:
        return Reply(body, headers={"Location": call.url(f"/operations/{record.key}")})
    return call.accepted(body, f"/operations/{record.key}")


def _operation(key: str, body: Mapping[str, Any], *, deleted: bool) -> BulkOperation | BulkDeleteOperation:
    reached: Mapping[str, int] = {"succeeded": 0, "skipped": 0, "failed": 0, **body["progress"]}
    total = max(reached["total"], len(body["params"].get("asset_ids") or ()))
    ended = body["status"] in FINISHED
    left = total - sum(reached[status] for status in ("succeeded", "skipped", "failed"))
    end = body["completed_at"] if ended else timestamp(datetime.now(UTC) + timedelta(seconds=1 + left / _A_SECOND))
    rest: dict[str, Any] = {
        "assets_skipped": reached["skipped"],
        "assets_failed": reached["failed"],
        "assets_total": total,
        "estimated_completion": api_time(end),
    }
    name = "assets_deleted" if deleted else "assets_updated"
    status = body["status"] if ended else "processing"
    return {"operation_id": key, "status": status, name: reached["succeeded"], **rest}  # type: ignore[return-value]


def _previewed(preview: Preview) -> Reply:
    body: BulkPreview = {
        "dry_run": True,
        "assets_total": preview.total,
        "items": [
            {
                "id": item.key,
                "status": item.status,
                "reason": item.reason,
                "message": item.message,
                "before": {**item.before},
                "after": {**item.after},
            }
            for item in preview.items
        ],
    }
    return Reply(body)
