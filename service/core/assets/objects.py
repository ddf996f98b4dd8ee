"""An asset as its organization sees it: the members of an object, made of its record or of its search document.

Dialects show these members, or some of them, and exports write them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from service.core.access.keys import Principal
from service.core.files.links import Links, version_of
from service.core.files.renditions import available
from service.model import LIST_FIELDS
from service.ports.store import AnyRecord
from service.times import api_time

MEMBERS: tuple[str, ...] = (
    *("id", "type", "module", "submodule", "filename", "title", "description", "tags", "metadata", "urls", "status"),
    *("created_at", "updated_at", "user_id", "cost", "usage_stats", "collections", "is_favorite", "is_deleted"),
    *("deleted_at", "captured_at", "expires_at", "alt_text", "credit", "creator", "source_info", "license"),
    *("rights_code", "rating", "people", "taxonomy", "gps", "colours", "focus", "external_url", "mime_type", "sha256"),
    *("guid", "slug", "is_public", "custom", "rev"),
)
"""The members of an asset's object, in their order."""


@dataclass(frozen=True, slots=True)
class ViewContext:
    """For whom asset objects are made: who asks, and how links begin (``base`` is the public URL)."""

    who: Principal
    links: Links
    base: str


def body_of(record: AnyRecord) -> dict[str, Any]:
    """Return a record's body with its rev and time, as :func:`asset` takes it."""
    return {**record.body, "rev": record.rev, "updated_at": record.updated_at}


def asset_object(body: Mapping[str, Any], view_context: ViewContext) -> dict[str, Any]:
    """Return the whole object of an asset; ``body`` is as :func:`body_of` gives it."""
    return {name: member(name, body, view_context) for name in MEMBERS}


def member(name: str, body: Mapping[str, Any], view_context: ViewContext) -> Any:
    """Return a member of an asset's object."""
    rule = RULES.get(name)
    return body.get(name) if rule is None else rule(body, view_context)


def urls(body: Mapping[str, Any], view_context: ViewContext) -> dict[str, str | None]:
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


Rule = Callable[[Mapping[str, Any], ViewContext], Any]


def _tags(body: Mapping[str, Any], view_context: ViewContext) -> list[str]:
    tags: list[str] = body.get("tags") or []
    return [*tags, *(body.get("admin_tags") or [])] if view_context.who.is_admin else tags


def _moment(name: str) -> Rule:
    return lambda body, _: api_time(body.get(name))


def _list(name: str) -> Rule:
    return lambda body, _: [] if body.get(name) is None else body[name]


RULES: Mapping[str, Rule] = {
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
