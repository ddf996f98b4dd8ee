"""The registry as an OpenSearch index body."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import Any

from mappings.field import CHECKSUM_PATH, FOLD, STEMS_PATH, WORDS_PATH, Field, FieldType
from mappings.fields import REGISTRY
from mappings.folding import KEYWORD_LENGTH
from mappings.stemming import languages

MAPPING_VERSION = 1  # increased by hand when documents must be reindexed for a reason that the hash does not cover
PROJECTION_VERSION = 5  # increased when `mappings.projection` or `indexer.documents` changes the documents it makes

MAX_OFFSET = 10_000
MAX_PAGE = 100
RESULT_WINDOW = MAX_OFFSET + MAX_PAGE
"""The largest offset plus limit: a full page at the maximum offset."""

_DATE_FORMAT = "strict_date_optional_time||epoch_millis"
_PLAIN: dict[FieldType, dict[str, Any]] = {
    FieldType.INTEGER: {"type": "long"},
    FieldType.FLOAT: {"type": "double"},
    FieldType.DATE: {"type": "date", "format": _DATE_FORMAT},
    FieldType.BOOLEAN: {"type": "boolean"},
    FieldType.GEO: {"type": "geo_point"},
}
_KEYWORD: dict[str, Any] = {"type": "keyword", "ignore_above": KEYWORD_LENGTH}
_RAW: dict[str, Any] = {"type": "keyword", "index": False, "ignore_above": KEYWORD_LENGTH}
_UNREAD: dict[str, Any] = {"type": "object", "enabled": False}  # any JSON value, kept in _source but not indexed
_WORDS: dict[str, Any] = {"type": "text", "analyzer": "whitespace"}  # words that `mappings.analysis` has made
_STEMS: dict[str, Any] = {**_WORDS, "index_options": "docs", "norms": False}
_CUSTOM: dict[str, Any] = {
    "key": _KEYWORD,
    "kind": _KEYWORD,
    "text": _WORDS,
    "keyword": _KEYWORD,
    "number": {"type": "double"},
    "date": {"type": "date", "format": _DATE_FORMAT},
}
# Every document has these; queries cannot name them.
_SYSTEM: dict[str, dict[str, Any]] = {
    "org_id": {"type": "keyword"},
    "deleted": {"type": "boolean"},  # the tombstone of a removed asset
    "asset_id": {"type": "keyword"},
    "rev": {"type": "long"},
    "focus": _UNREAD,
    "derived": _UNREAD,  # the leaves of metadata added by the projection; responses leave them out
}


def index_body(*, shards: int = 1, replicas: int = 0, refresh: str = "500ms") -> dict[str, Any]:
    """Return the body that creates the index: settings and mappings.

    `refresh` is the engine's refresh interval (`500ms`), the longest time until searches see a write.
    """
    return {
        "settings": {
            "index": {
                "number_of_shards": shards,
                "number_of_replicas": replicas,
                "refresh_interval": refresh,
                "max_result_window": RESULT_WINDOW,
                # Assetry writes deletes as documents; keeping the engine's own would block a repair for a minute.
                "gc_deletes": "0s",
                "mapping": {"total_fields": {"limit": 1000}},
            },
        },
        "mappings": _mappings(),
    }


def mapping_hash() -> str:
    """Return 16 hexadecimal digits that change whenever documents have to be reindexed."""
    return _hash(languages())


@cache
def _hash(stemmed: tuple[str, ...]) -> str:
    parts = [MAPPING_VERSION, PROJECTION_VERSION, _mappings(), stemmed]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _mappings() -> dict[str, Any]:
    root: dict[str, Any] = {"dynamic": "strict", "properties": {name: dict(body) for name, body in _SYSTEM.items()}}
    for field in REGISTRY.fields:
        for path, body in _engine_fields(field):
            _place(root, path, body)
    _place(root, WORDS_PATH, dict(_WORDS))
    _place(root, STEMS_PATH, dict(_STEMS))
    _place(root, CHECKSUM_PATH, dict(_UNREAD))
    # Leaves without a declared type stay in _source and are searched through `fold.extra`.
    root["properties"]["metadata"]["dynamic"] = False
    return root


def _engine_fields(field: Field) -> list[tuple[str, dict[str, Any]]]:
    """Return the paths and mappings needed by one field of the registry."""
    found: list[tuple[str, dict[str, Any]]]
    match field.type:
        case FieldType.FLAT:
            found = [(field.path, {"type": "flat_object"})]
            return found if field.name == "extra" else [(field.name, _UNREAD), *found]
        case FieldType.CUSTOM:
            return [(field.name, _UNREAD), (field.path, {"type": "nested", "properties": _CUSTOM})]
        case FieldType.NESTED:
            leaves = {child.name.rpartition(".")[2]: _leaf(child) for child in field.children}
            return [(field.name, _UNREAD), (field.path, {"type": "nested", "properties": leaves})]
        case FieldType.KEYWORD:
            found = [(field.name, dict(_RAW if field.raw_path is not None else _UNREAD)), (field.path, _KEYWORD)]
            return found if field.text_path is None else [*found, (field.text_path, dict(_WORDS))]
        case FieldType.TEXT:
            found = [(field.name, dict(_RAW if field.raw_path is not None else _UNREAD)), (field.path, dict(_WORDS))]
            return [*found, (f"{FOLD}.{field.name}", dict(_KEYWORD))] if field.folded else found
    return [(field.path, _leaf(field))]


def _leaf(field: Field) -> dict[str, Any]:
    """Return the mapping of a field that needs only one path."""
    if field.type is FieldType.TEXT:
        return dict(_WORDS)
    if field.type is FieldType.KEYWORD:
        return dict(_KEYWORD)
    return {"type": "unsigned_long"} if field.unsigned else dict(_PLAIN[field.type])


def _place(root: dict[str, Any], path: str, body: dict[str, Any]) -> None:
    """Put a mapping at a dotted path, creating the objects on the way."""
    *parents, leaf = path.split(".")
    node = root
    for name in parents:
        node = node["properties"].setdefault(name, {"type": "object", "properties": {}})
    node["properties"][leaf] = body
