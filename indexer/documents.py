"""Record → search document: the only projection.

Pure: a document depends only on its record and on the code of ``mappings`` (raise ``PROJECTION_VERSION`` there when
this changes). What a document may contain is read from the index body, so that a field is added in the registry only.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import orjson

from indexer.checksum import holds_checksum, sealed
from mappings.derived import derived_metadata
from mappings.index import index_body
from mappings.projection import fold_object
from service.ports.search import BulkItem, Json
from service.ports.store import Record

EPOCH_BITS = 40
"""A rev takes the low 40 bits of an index version, the epoch of the store the bits above."""

MAX_REV = 2**EPOCH_BITS - 1

TOMBSTONES = timedelta(days=7)
"""The minimum age of a tombstone whose document may be purged: beyond any retry, reindex and oplog window."""

_DERIVED = frozenset({"asset_id", "deleted", "fold", "org_id", "rev"})
"""Fields of the index that do not come from a record's body."""


def _of_records() -> Json:
    """Return the mapping of the fields that come from a record's body."""
    root = index_body()["mappings"]
    kept = {name: node for name, node in root["properties"].items() if name not in _DERIVED}
    return {**root, "properties": kept}


_ROOT: Mapping[str, Any] = _of_records()


def version(record: Record, epoch: int = 0) -> int:
    """Return the external version of a record's document: ``epoch · 2^40 + rev``.

    The epoch is raised when a store is restored from a backup, so that its older revs win over the lost ones.
    """
    return (epoch << EPOCH_BITS) + record.rev


def bulk_item(record: Record, epoch: int = 0, root: Mapping[str, Any] | None = None) -> BulkItem:
    """Return the item for a record or tombstone, reduced to what an index with another mapping (``root``) knows.

    Raises ValueError, TypeError or similar for a poison record.
    """
    return encoded(plain_item(record, epoch, root))


def plain_item(record: Record, epoch: int = 0, root: Mapping[str, Any] | None = None) -> BulkItem:
    """Return :func:`bulk_item` with the document as an object, for comparisons. Raises the same."""
    document = tombstone_document(record) if record.tombstone else search_document(record)
    if root is not None:
        document = mapped(document, root)
    if not record.tombstone and (root is None or holds_checksum(root)):
        document = sealed(record, document)
    return BulkItem(record.key, version(record, epoch), document)


def encoded(item: BulkItem) -> BulkItem:
    """Return an item with its document as bytes. Raises TypeError for what JSON cannot represent."""
    if isinstance(item.document, bytes):
        return item
    return BulkItem(item.id, item.version, orjson.dumps(item.document))


def vanished_item(key: str, epoch: int = 0) -> BulkItem:
    """Return the item to write for a key without any record: a deletion that only a new epoch can supersede.

    Only a store that was modified without Assetry has such keys; keys are never reused.
    """
    document: Json = {"asset_id": key, "deleted": True, "rev": MAX_REV}
    return BulkItem(key, (epoch << EPOCH_BITS) + MAX_REV, orjson.dumps(document))


def tombstone_document(record: Record) -> Json:
    """Return the document of a deleted record: hidden by the alias, but its version keeps older writes out."""
    return {"asset_id": record.key, "org_id": record.org_id, "rev": record.rev, "deleted": True}


def search_document(record: Record) -> Json:
    """Return the document of a record: what searches return, what they match (``fold``), and whose it is.

    Raises ValueError for a record that belongs to no organization: no search could ever return it.
    """
    if record.org_id is None:
        raise ValueError(f"the asset {record.key!r} has no org_id")
    body = {"id": record.key, **record.body, "updated_at": record.updated_at}
    metadata = body.get("metadata")
    if isinstance(metadata, Mapping):
        derived = derived_metadata(metadata)
        body |= {"metadata": {**metadata, **derived}, "derived": list(derived)}
    return {
        **mapped(body, _ROOT),
        "fold": fold_object(body),
        "asset_id": record.key,
        "org_id": record.org_id,
        "rev": record.rev,
        "deleted": False,
    }


def mapped(value: Mapping[str, Any], node: Mapping[str, Any]) -> Json:
    """Return the part of an object that a mapping node has a place for.

    A strict object keeps its own properties only; one that is not parsed, or not dynamic, keeps everything except names
    that the engine would take for a path (:func:`holds`).
    """
    properties: Mapping[str, Any] = node.get("properties", {})
    keeps_all = node.get("dynamic") in (False, "false")
    kept: Json = {}
    for name, part in value.items():
        child = properties.get(name)
        if child is None:
            if keeps_all and holds(name, properties):
                kept[name] = part
        elif "properties" in child:
            kept[name] = _inside(part, child)
        else:
            kept[name] = part
    return kept


def holds(name: str, properties: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether an object that is not dynamic can hold a leaf of this name beside its ``properties``.

    The engine reads dots as a path: it rejects the whole document for an empty part of the path, and for a path that
    leads into a property that it parses. Whatever users call their fields, their asset must be found; such a field
    stays in the record only.
    """
    if "." not in name:
        return name != ""
    parts = name.rstrip(".").split(".")
    into = properties.get(parts[0])
    return all(part.strip() for part in parts) and (into is None or into.get("enabled") is False)


def _inside(part: Any, node: Mapping[str, Any]) -> Any:
    """Return the value of an object or nested field, with every object in it reduced."""
    if isinstance(part, Mapping):
        return mapped(part, node)
    return [_inside(one, node) for one in part] if isinstance(part, list) else part
