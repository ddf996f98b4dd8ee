"""The objects of the native API (seed 000): assets, from records and from search documents alike, saved searches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from service.api.dialects.native.answers import Asset, Operation, OperationItem, SavedSearch
from service.core.assets.objects import RULES, ViewContext
from service.core.exports.exports import BULK_DOWNLOAD, EXPORT, download_of
from service.core.operations.items import Item
from service.core.search.saved_searches import SavedSearchBody
from service.ports.store import AnyRecord, Record
from service.times import api_time

PREFIX = "/v1/asset-library"
"""Where the native API is."""

MAKING = frozenset({EXPORT.name, BULK_DOWNLOAD.name})
"""Types of operations whose result is a file."""


@dataclass(frozen=True, slots=True)
class Include:
    """Which parts of an asset object are wanted."""

    metadata: bool = True
    stats: bool = True
    urls: bool = True


ALL = Include()


def asset(body: Mapping[str, Any], view_context: ViewContext, include: Include = ALL) -> Asset:
    """Return the asset object: the members of :class:`Asset`, in their order.

    ``body`` must hold ``rev`` and ``updated_at`` beside the record's own fields.
    """
    left_out = _left_out(include)
    view: dict[str, Any] = {}
    for name, rule in _MEMBERS:
        if name not in left_out:
            view[name] = body.get(name) if rule is None else rule(body, view_context)
    return cast(Asset, view)


def operation(record: AnyRecord, view_context: ViewContext) -> Operation:
    """Return an operation as seed 000 has it, field by field, then what Assetry knows besides."""
    body = record.body
    reached: Mapping[str, int] = {"succeeded": 0, "skipped": 0, "failed": 0, **body["progress"]}
    completed = body["status"] == "completed"
    return {
        "operation_id": record.key,
        "type": body["type"],
        "status": body["status"],
        "progress": {
            "completed": reached["completed"],
            "total": reached["total"],
            "percentage": 100 if completed else reached["percentage"],
            "succeeded": reached["succeeded"],
            "skipped": reached["skipped"],
            "failed": reached["failed"],
        },
        "result": _result(record, view_context),
        "created_at": api_time(body["created_at"]),
        "completed_at": _shown(body.get("completed_at")),
        "started_at": _shown(body.get("started_at")),
        "expires_at": _shown(body.get("expires_at")),
        "error": body.get("error"),
        "user_id": body["user_id"],
    }


def download_url(operation_id: str, view_context: ViewContext) -> str:
    """Return the signed link to what an operation makes."""
    name = download_of(operation_id)
    return view_context.links.download(view_context.base, f"{PREFIX}/downloads/{name}", name)


def _result(record: AnyRecord, view_context: ViewContext) -> dict[str, Any] | None:
    result: dict[str, Any] | None = record.body.get("result")
    if result is None or record.body["type"] not in MAKING:
        return result
    return {
        "download_url": download_url(record.key, view_context),
        "file_count": result["file_count"],
        "total_size_mb": megabytes(result["size"]),
        "expires_at": _shown(record.body.get("expires_at")),
        "filename": result["filename"],
        "mime_type": result["mime_type"],
        "size": result["size"],
        "sha256": result["sha256"],
        "missing": result["missing"],
    }


def megabytes(size: int) -> float:
    """Return a size in MB, with two digits behind the point where it is small."""
    return round(size / 1_000_000, 2)


def _shown(moment: str | None) -> str | None:
    return None if moment is None else api_time(moment)


def operation_item(item: Item) -> OperationItem:
    """Return an item of an operation."""
    return {"id": item.key, "status": item.status, "reason": item.reason, "message": item.message}


def saved_search(record: Record[SavedSearchBody]) -> SavedSearch:
    """Return a saved search as the API shows it."""
    body = record.body
    return {
        "id": record.key,
        "name": body["name"],
        "query": body["query"],
        "filters": body.get("filters") or {},
        "facets": body.get("facets") or [],
        "sort": body.get("sort"),
        "description": body.get("description"),
        "user_id": body["user_id"],
        "created_at": api_time(body["created_at"]),
        "updated_at": api_time(record.updated_at),
        "rev": record.rev,
    }


_MEMBERS = tuple((name, RULES.get(name)) for name in Asset.__annotations__)


def _left_out(include: Include) -> frozenset[str]:
    wanted = {"metadata": include.metadata, "usage_stats": include.stats, "urls": include.urls}
    return frozenset(name for name, is_wanted in wanted.items() if not is_wanted)
