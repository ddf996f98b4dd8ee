"""The columns of an exported table: a path into an asset each, and what stands in its cells.

A column is named by its path as search knows it (``metadata.width``, ``custom.client``); any path into an asset may be
asked for. A list is its values with ``; `` between them, an object is JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import orjson

from service.errors import InvalidInput
from service.model import Metadata

Cell: TypeAlias = str | int | float | bool | None

OPEN = frozenset({"metadata", "custom", "urls", "usage_stats", "cost", "gps", "focus"})
"""Members of an asset below which a path may go on."""

MAX_COLUMNS = 200
_BETWEEN = "; "
_OBJECTS = frozenset({"exif", "iptc", "xmp"})

BASIC: tuple[str, ...] = (
    *("id", "type", "module", "submodule", "filename", "title", "description", "tags", "collections", "status"),
    *("created_at", "updated_at", "user_id", "creator", "credit", "license", "rights_code", "rating", "captured_at"),
    *("gps.lat", "gps.lon", "is_public", "is_favorite", "cost.credits_used", "cost.amount", "cost.currency"),
)
METADATA: tuple[str, ...] = tuple(f"metadata.{name}" for name in Metadata.model_fields if name not in _OBJECTS)
URLS: tuple[str, ...] = ("urls.original", "urls.thumbnail", "urls.preview")
STATS: tuple[str, ...] = tuple(f"usage_stats.{name}" for name in ("downloads", "views", "shares", "favorites"))


def columns(*, metadata: bool, urls: bool, stats: bool) -> tuple[str, ...]:
    """Return the columns of an export that does not say which it wants."""
    return (*BASIC, *(METADATA if metadata else ()), *(URLS if urls else ()), *(STATS if stats else ()))


def check_columns(names: Sequence[str], members: frozenset[str]) -> tuple[str, ...]:
    """Return chosen columns, each once; ``members`` are those of an asset. Raises InvalidInput for another one."""
    for name in names:
        member, dot, rest = name.partition(".")
        if member not in members or (dot and (member not in OPEN or not rest)):
            raise InvalidInput(
                f"An asset has no member {name[:80]!r}.",
                field="columns",
                provided=name,
                expected="members of an asset, such as title, metadata.width or custom.client",
            )
    return tuple(dict.fromkeys(names))


def cell(asset: Mapping[str, Any], column: str) -> Cell:
    """Return what stands in a cell; None for nothing."""
    value: Any = asset
    for part in _parts(column):
        value = value.get(part) if isinstance(value, Mapping) else None
    return _shown(value)


def _parts(column: str) -> tuple[str, ...]:
    """Return the keys on the way: a member, and a key below it, which may have dots of its own."""
    member, dot, rest = column.partition(".")
    return (member, rest) if dot else (member,)


def _shown(value: Any) -> Cell:
    if isinstance(value, list):
        if all(isinstance(item, str | int | float) for item in value):
            return _BETWEEN.join(map(str, value)) or None
        return orjson.dumps(value).decode()
    if isinstance(value, Mapping):
        return orjson.dumps(value).decode() if value else None
    cell: Cell = value
    return cell
