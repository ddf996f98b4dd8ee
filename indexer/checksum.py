"""A checksum in each document, over the record that it was made of and over itself.

A verify that finds it right need not project the record again, which takes ten times as long: the document is the one
that this very record gave with this projection, and nobody has changed either since. Where it is missing or wrong, the
contents are compared; a checksum alone never makes a difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import orjson

from mappings.field import CHECKSUM_PATH, FOLD
from mappings.index import mapping_hash
from service.ports.store import Record

_NAME = CHECKSUM_PATH.removeprefix(f"{FOLD}.")
_BYTES = 12


def checksum(record: Record, document: Mapping[str, Any]) -> str:
    """Return the checksum of a record and its document, which is without one. Raises TypeError for what is not JSON.

    The members of an object count in their order: stores and engines keep it, and one that does not is compared.
    """
    digest = blake2b(mapping_hash().encode(), digest_size=_BYTES)
    for part in (record.key, record.updated_at, record.body, document):
        digest.update(orjson.dumps(part))
    return digest.hexdigest()


def sealed(record: Record, document: dict[str, Any]) -> dict[str, Any]:
    """Return a document with its checksum."""
    return {**document, FOLD: {**document[FOLD], _NAME: checksum(record, document)}}


def holds_checksum(root: Mapping[str, Any]) -> bool:
    """Whether an index with this mapping has a place for it."""
    return _NAME in root.get("properties", {}).get(FOLD, {}).get("properties", {})


def is_unchanged(record: Record, source: Mapping[str, Any]) -> bool:
    """Whether a document as the engine returned it is what the projection of the record gave, by its checksum."""
    fold = source.get(FOLD)
    if not isinstance(fold, Mapping) or _NAME not in fold:
        return False
    try:
        return bool(fold[_NAME] == checksum(record, unsealed(source)))
    except TypeError:  # a record that another program wrote contains something that is not JSON
        return False


def unsealed(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a document without its checksum."""
    fold = document.get(FOLD)
    if not isinstance(fold, Mapping) or _NAME not in fold:
        return document
    return {**document, FOLD: {name: value for name, value in fold.items() if name != _NAME}}
