"""The objects of the native API (seed 000): assets, from records and from search documents alike, saved searches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from service.api.dialects.native.answers import Asset, Operation, OperationItem, SavedSearch, Urls
from service.core.access.keys import Principal
from service.core.exports.exports import BULK_DOWNLOAD, EXPORT, download_of
from service.core.files.links import Links, version_of
from service.core.files.renditions import available
from service.core.operations.items import Item
from service.core.search.saved_searches import SavedSearchBody
from service.model import LIST_FIELDS
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


@dataclass(frozen=True, slots=True)
class ViewContext:
    """For whom asset objects are made: who asks, and how links begin (``base`` is the public URL)."""

    who: Principal
    links: Links
    base: str


def body_of(record: AnyRecord) -> dict[str, Any]:
    """Return a record's body with its rev and time, as :func:`asset` takes it."""
    return {**record.body, "rev": record.rev, "updated_at": record.updated_at}


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


def urls(body: Mapping[str, Any], view_context: ViewContext) -> Urls:
    """Return {original, thumbnail, preview}: signed links, null for what the asset does not have."""
    offered = available(body)
    filename = body.get("filename") or body["id"]

    def link(name: str) -> str | None:
        if name not in offered:
            return None
        return view_context.links.link(view_context.base, body["id"], name, filename, version_of(body["sha256"]))

    original = body.get("external_url") or None if not offered else link("original")
    return {"original": original, "thumbnail": link("thumbnail"), "preview": link("preview")}


def metadata(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of a record or a search document alike: what was given, without what the index derives."""
    own: dict[str, Any] = body.get("metadata") or {}
    derived = body.get("derived")
    return {name: value for name, value in own.items() if name not in derived} if derived else own


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


Rule = Callable[[Mapping[str, Any], ViewContext], Any]


def _tags(body: Mapping[str, Any], view_context: ViewContext) -> list[str]:
    tags: list[str] = body.get("tags") or []
    return [*tags, *(body.get("admin_tags") or [])] if view_context.who.is_admin else tags


def _moment(name: str) -> Rule:
    return lambda body, _: api_time(body.get(name))


def _list(name: str) -> Rule:
    return lambda body, _: [] if body.get(name) is None else body[name]


_RULES: Mapping[str, Rule] = {
    **{name: _list(name) for name in LIST_FIELDS},
    "tags": _tags,
    "taxonomy": _list("taxonomy"),
    "metadata": lambda body, _: metadata(body),
    "urls": urls,
    "is_favorite": lambda body, view_context: view_context.who.user_id in (body.get("favorited_by") or ()),
    "is_deleted": lambda body, _: bool(body.get("deleted_at")),
    **{name: _moment(name) for name in ("created_at", "updated_at", "deleted_at", "captured_at", "expires_at")},
}
"""How members are made that are not just the record's field of that name."""

_MEMBERS = tuple((name, _RULES.get(name)) for name in Asset.__annotations__)


def _left_out(include: Include) -> frozenset[str]:
    wanted = {"metadata": include.metadata, "usage_stats": include.stats, "urls": include.urls}
    return frozenset(name for name, is_wanted in wanted.items() if not is_wanted)
