"""What a record holds in a field: read from the record itself, not from its search document."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from mappings.derived import derived_metadata
from mappings.fields import Field, FieldType
from service.ports.store import Record

Body = Mapping[str, Any]


def plain(record: Record) -> dict[str, Any]:
    """Return a record as one object, with what the service derives from its metadata."""
    metadata = record.body["metadata"]
    return {
        **record.body,
        "updated_at": record.updated_at,
        "metadata": {**metadata, **derived_metadata(metadata)},
    }


def values(body: Body, name: str) -> list[Any]:
    """Return the values at a dotted name, none or one or many."""
    value: Any = body
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return [item for item in value if item is not None] if isinstance(value, list) else [] if value is None else [value]


def of_field(body: Body, field: Field) -> list[Any]:
    """Return what is compared in a field: numbers, times, truth values, or folded texts."""
    if field.type is FieldType.FLAT:
        return [folded(text_of(value)) for key, value in leaves(body, field) if not field.key or key == field.key]
    found = values(body, field.name)
    if field.type is FieldType.DATE:
        return [datetime.fromisoformat(value).astimezone(UTC) for value in found]
    if field.type is FieldType.INTEGER:
        return [int(value) for value in found]
    if field.type is FieldType.KEYWORD:
        texts = [folded(text_of(value)) for value in found]
        return [path for text in texts for path in above(text)] if field.hierarchical else texts
    return found


def above(path: str) -> list[str]:
    """Return a path and all paths above it."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]


def leaves(body: Body, field: Field) -> list[tuple[str, Any]]:
    """Return (key, value) of the leaves of an open object, keys as queries name them."""
    if field.name.startswith("extra"):
        return [(key, body["metadata"][key]) for key in ("codec", "bits") if key in body["metadata"]]
    owner = field.name.removesuffix(f".{field.key}") if field.key else field.name
    return list(_walk(values(body, owner), ""))


def _walk(items: list[Any], key: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for item in items:
        if not isinstance(item, Mapping):
            found.append((key, item))
            continue
        for name, value in item.items():
            part = folded(name).replace(" ", "_")
            found += _walk(value if isinstance(value, list) else [value], f"{key}.{part}" if key else part)
    return found


def folded(text: str) -> str:
    """Return a keyword as keywords are compared: composed and case-folded."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def text_of(value: Any) -> str:
    """Return a value as text."""
    return str(value).lower() if isinstance(value, bool) else str(value)
