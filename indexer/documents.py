"""Record → search document: the only projection.

Pure: a document depends on its record and on the code of ``mappings`` alone (whose ``PROJECTION_VERSION`` is raised
when this changes). What a document may hold is read from the index body, so a field is added in the registry only.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import orjson

from mappings.derived import derived_metadata
from mappings.index import index_body
from mappings.projection import fold_object
from service.ports.search import BulkItem, Json
from service.ports.store import Record

EPOCH_BITS = 40
"""A rev takes the low 40 bits of an index version, the epoch of the store the bits above."""

MAX_REV = 2**EPOCH_BITS - 1

TOMBSTONES = timedelta(days=7)
"""How old the tombstone of a document is that may go: past every retry, rebuild and change feed's window."""

_DERIVED = frozenset({"asset_id", "deleted", "fold", "org_id", "rev"})
"""Fields of the index that are no part of a record's body."""


def _of_records() -> Json:
    """Return the mapping of what is taken over from a record's body."""
    root = index_body()["mappings"]
    kept = {name: node for name, node in root["properties"].items() if name not in _DERIVED}
    return {**root, "properties": kept}


_ROOT: Mapping[str, Any] = _of_records()


def version(record: Record, epoch: int = 0) -> int:
    """Return the external version of a record's document: ``epoch · 2^40 + rev``.

    The epoch is raised when a store is restored from a backup, so that its old revs win over the lost ones.
    """
    return (epoch << EPOCH_BITS) + record.rev


def bulk_item(record: Record, epoch: int = 0, root: Mapping[str, Any] | None = None) -> BulkItem:
    """Return what to write for a record or tombstone, cut to what an index of another mapping (``root``) knows.

    Raises ValueError, TypeError or the like for a poison record.
    """
    return encoded(plain_item(record, epoch, root))


def plain_item(record: Record, epoch: int = 0, root: Mapping[str, Any] | None = None) -> BulkItem:
    """Return :func:`bulk_item` with the document as an object, for who compares it. Raises the like."""
    document = tombstone_document(record) if record.tombstone else search_document(record)
    return BulkItem(record.key, version(record, epoch), document if root is None else mapped(document, root))


def encoded(item: BulkItem) -> BulkItem:
    """Return an item with its document as bytes. Raises TypeError for what is no JSON."""
    if isinstance(item.document, bytes):
        return item
    return BulkItem(item.id, item.version, orjson.dumps(item.document))


def vanished_item(key: str, epoch: int = 0) -> BulkItem:
    """Return what to write for a key without any record: a removal that nothing but a new epoch outranks.

    Only a store that was changed behind Assetry's back has such keys; ids are never used again.
    """
    document: Json = {"asset_id": key, "deleted": True, "rev": MAX_REV}
    return BulkItem(key, (epoch << EPOCH_BITS) + MAX_REV, orjson.dumps(document))


def tombstone_document(record: Record) -> Json:
    """Return the document of a removed record: hidden by the alias, but its version keeps older writes out."""
    return {"asset_id": record.key, "org_id": record.org_id, "rev": record.rev, "deleted": True}


def search_document(record: Record) -> Json:
    """Return the document of a record: what searches show, what they look at (``fold``), and whose it is.

    Raises ValueError for a record that belongs to no organization: no search could ever show it.
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

    A strict object keeps its own properties only; one that is not parsed, or not dynamic, keeps all it is given, but
    for names that the engine takes for a path (:func:`holds`).
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

    The engine reads dots as a path: it refuses the whole document for an empty part of it, and for one that leads into
    a property that it reads. Whatever users call their leaves, their asset must be found; this leaf stays in the record
    alone.
    """
    if "." not in name:
        return name != ""
    parts = name.rstrip(".").split(".")
    into = properties.get(parts[0])
    return all(part.strip() for part in parts) and (into is None or into.get("enabled") is False)


def _inside(part: Any, node: Mapping[str, Any]) -> Any:
    """Return a value of an object or nested field, every object in it cut."""
    if isinstance(part, Mapping):
        return mapped(part, node)
    return [_inside(one, node) for one in part] if isinstance(part, list) else part
