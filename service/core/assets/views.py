"""The asset object of the native API (seed 000), made from a record's body or from a search document alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.core.access.keys import Principal
from service.core.files.links import Links
from service.core.files.renditions import SIZES, available
from service.times import shown

_COPIED_BEFORE = ("type", "module", "submodule", "filename", "title", "description")
_COPIED_AFTER = (
    "alt_text", "credit", "creator", "source_info", "license", "rights_code", "rating", "people", "gps", "colours",
    "focus", "external_url", "mime_type", "sha256", "guid", "slug", "is_public", "custom", "rev",
)  # fmt: skip
_LISTS = frozenset({"creator", "people", "colours"})
_RENDITIONS = ("original", *SIZES)


@dataclass(frozen=True, slots=True)
class Include:
    """Which parts of an asset object are wanted."""

    metadata: bool = True
    stats: bool = True
    urls: bool = True


ALL = Include()


class Views:
    """Makes asset objects."""

    def __init__(self, links: Links) -> None:
        self._links = links

    def asset(self, body: Mapping[str, Any], who: Principal, base: str, include: Include = ALL) -> dict[str, Any]:
        """Return the asset object as seed 000 has it, field by field, then what Assetry knows besides.

        ``body`` must hold ``rev`` and ``updated_at`` beside the record's own fields; ``base`` is the public URL.
        """
        view: dict[str, Any] = {"id": body["id"]}
        for name in _COPIED_BEFORE:
            view[name] = body.get(name)
        tags = body.get("tags") or []
        view["tags"] = [*tags, *(body.get("admin_tags") or [])] if who.is_admin else tags
        if include.metadata:
            view["metadata"] = metadata(body)
        if include.urls:
            view["urls"] = self.urls(body, base)
        view |= {
            "status": body.get("status"),
            "created_at": shown(body.get("created_at")),
            "updated_at": shown(body.get("updated_at")),
            "user_id": body.get("user_id"),
            "cost": body.get("cost"),
        }
        if include.stats:
            view["usage_stats"] = body.get("usage_stats")
        view |= {
            "collections": body.get("collections") or [],
            "is_favorite": who.user_id in (body.get("favorited_by") or ()),
            "is_deleted": bool(body.get("deleted_at")),
            "deleted_at": shown(body.get("deleted_at")),
            "captured_at": shown(body.get("captured_at")),
            "expires_at": shown(body.get("expires_at")),
        }
        for name in _COPIED_AFTER:
            value = body.get(name)
            view[name] = [] if value is None and name in _LISTS else value
        return view

    def urls(self, body: Mapping[str, Any], base: str) -> dict[str, str | None]:
        """Return {original, thumbnail, preview}: signed links, null for what the asset does not have."""
        offered = available(body)
        filename = body.get("filename") or body["id"]
        urls: dict[str, str | None] = {
            name: self._links.link(base, body["id"], name, filename) if name in offered else None
            for name in _RENDITIONS
        }
        if not offered and body.get("external_url"):
            urls["original"] = body["external_url"]
        return urls


def metadata(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of a record or a search document alike: what was given, without what the index derives."""
    own: dict[str, Any] = body.get("metadata") or {}
    derived = body.get("derived")
    return {name: value for name, value in own.items() if name not in derived} if derived else own
