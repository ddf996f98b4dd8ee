"""Records as MongoDB documents.

::

    {_id: key, key: key, rev: long, tombstone: bool, updated_at: text, org: text, unique: {…}, body: {…}}

``body`` holds the record's body unchanged. The other fields are copies for indexes: ``key``, because not every server
allows ``_id`` in an index with other fields; ``org``, the body's ``org_id`` or empty text; and ``unique``, the value of
each unique index's last path by the index's name, absent if there is no value, so that the index leaves the document
out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import bson
import orjson
from bson.codec_options import CodecOptions, TypeDecoder, TypeRegistry
from bson.dbref import DBRef
from bson.int64 import Int64

from service.adapters.shared.bodies import applied, check_indexed, dump, lookup
from service.ports.store import KINDS, Body, Change, Record

Document = dict[str, Any]


class _PlainIntegers(TypeDecoder):
    """Reads 64-bit integers as int, because not every JSON encoder accepts the driver's own type."""

    bson_type = Int64

    def transform_bson(self, value: Any) -> int:
        """Return the plain integer."""
        return int(value)


class _PlainReferences(TypeDecoder):
    """Reads an object with the keys ``$ref`` and ``$id`` as a plain object, where the driver would create a DBRef.

    Such objects occur in metadata written by others (JSON Schema has both keys).
    """

    bson_type = DBRef

    def transform_bson(self, value: Any) -> Document:
        """Return the plain object."""
        return dict(value.as_doc())


CODEC: CodecOptions[Document] = CodecOptions(
    document_class=dict, type_registry=TypeRegistry([_PlainIntegers(), _PlainReferences()])
)
"""How documents are decoded."""


MAX_BYTES = 16 * 2**20
"""MongoDB's maximum size of a document, as BSON."""
_GROWTH = 8  # a list of digits grows 6.5 times from JSON to BSON; nothing grows more


def fits(kind: str, key: str, text: bytes) -> bool:
    """Whether a body's document is within the BSON limit; BSON may be several times as long as the JSON."""
    return len(text) * _GROWTH < MAX_BYTES or len(bson.encode(document(kind, key, read_body(text), ""))) <= MAX_BYTES


def read_body(text: bytes) -> Body:
    """Decode a validated body as every store returns it: JSON values, not shared with anyone."""
    body: Body = orjson.loads(text)
    return body


def document(kind: str, key: str, body: Body, now: str) -> Document:
    """Return the document of a new record."""
    return {
        "_id": key,
        "key": key,
        "rev": Int64(1),
        "tombstone": False,
        "updated_at": now,
        "org": org(body),
        "unique": unique(kind, body),
        "body": body,
    }


def record(kind: str, found: Mapping[str, Any]) -> Record:
    """Return the record of a document."""
    return Record(kind, found["_id"], found["rev"], found["body"], found["updated_at"], bool(found["tombstone"]))


def org(body: Body) -> str:
    """Return a document's ``org``."""
    value = body.get("org_id")
    return value if isinstance(value, str) else ""


def unique(kind: str, body: Body) -> Document:
    """Return a document's ``unique``."""
    values = {index.name: lookup(body, index.paths[-1]) for index in KINDS[kind] if index.unique}
    return {name: value for name, value in values.items() if value is not None}


def updated(before: Record, change: Change, now: str) -> tuple[Record, Document]:
    """Return the record after a change, and the update that turns the old document into the new one.

    Only the changed top-level fields are written, each as a whole: no path is built from a user's key. Raises
    InvalidInput, TooLarge. ``before`` may be modified.
    """
    kind = before.kind
    taken = unique(kind, before.body)
    body = applied(before.body, change)
    check_indexed(body, KINDS[kind])
    after = Record(kind, before.key, before.rev + 1, read_body(dump(body, kind=kind)), now)
    names = dict.fromkeys([*change.set, *(path.split(".")[0] for path in change.increment)])
    fields = {f"body.{name}": after.body[name] for name in names}
    dropped = {f"body.{name}": "" for name in change.unset}
    if any(isinstance(value, bool) for value in fields.values()):
        # A server that stores documents in SQL turns true into 1 when it is set by its path.
        fields, dropped = {"body": after.body}, {}
    update: Document = {
        "$set": {**fields, "org": org(after.body), "updated_at": now},
        "$inc": {"rev": Int64(1)},
    }
    if taken != (takes := unique(kind, after.body)):
        update["$set"]["unique"] = takes
    if dropped:
        update["$unset"] = dropped
    return after, update


def removed(before: Record, rest: Body, now: str) -> tuple[Record, Document]:
    """Return a record's tombstone, and the update that writes it."""
    body: Body = rest if before.org_id is None else {"org_id": before.org_id, **rest}
    stone = Record(before.kind, before.key, before.rev + 1, body, now, tombstone=True)
    return stone, {
        "$set": {"body": body, "unique": {}, "tombstone": True, "updated_at": now},
        "$inc": {"rev": Int64(1)},
    }
