"""Members of an asset that only the service writes: a client may send back an asset as it read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field

from service.api.dialects.native.answers import Asset
from service.errors import InvalidInput
from service.model import AssetPatch

_ReadOnly = Annotated[
    Any, Field(json_schema_extra={"readOnly": True}, description="As it was read; another value is refused.")
]


class AssetUpdate(AssetPatch):
    """A change to an asset: what the body names, and nothing else. Members that were read may be sent back."""

    id: _ReadOnly = None
    urls: _ReadOnly = None
    created_at: _ReadOnly = None
    updated_at: _ReadOnly = None
    user_id: _ReadOnly = None
    cost: _ReadOnly = None
    usage_stats: _ReadOnly = None
    deleted_at: _ReadOnly = None
    mime_type: _ReadOnly = None
    sha256: _ReadOnly = None
    guid: _ReadOnly = None
    slug: _ReadOnly = None
    taxonomy: _ReadOnly = None
    rev: _ReadOnly = None


READ_ONLY = frozenset(AssetUpdate.model_fields) - frozenset(AssetPatch.model_fields)


def check_read_only(given: AssetUpdate, current: Asset) -> None:
    """Raise InvalidInput for a read-only member that is neither what the asset has nor what it had when it was read."""
    held: Mapping[str, Any] = {**current}
    for name in sorted(given.model_fields_set & READ_ONLY):
        value = getattr(given, name)
        if value != held.get(name) and not _was(name, value, held.get(name)):
            raise InvalidInput(
                f"{name} is read-only.",
                field=name,
                provided=value,
                expected="the value as it was read; or leave it out",
            )


def _was(name: str, value: Any, now: Any) -> bool:
    """Say whether a value may be an earlier one of a member that changes by itself: with time, uses and writes."""
    match name:
        case "rev":
            return isinstance(value, int) and 1 <= value <= now
        case "updated_at":
            return isinstance(value, str) and now is not None and value[:10] <= now[:10] and value <= now
        case "usage_stats":
            return isinstance(value, dict) and all(
                isinstance(count, int) and 0 <= count <= now.get(use, -1) for use, count in value.items()
            )
        case "urls":  # links are signed anew from time to time
            return (
                isinstance(value, dict)
                and value.keys() == now.keys()
                and all(_place(value[each]) == _place(now[each]) for each in now)
            )
    return False


def _place(link: Any) -> Any:
    return urlsplit(link).path if isinstance(link, str) else link
