"""What ``assetry db init`` creates in a MongoDB database: collections, validators, indexes, and a note about it.

Each kind has a collection; the indexes are created from :data:`service.ports.store.KINDS`. Only this command builds
indexes, never a request: on a large collection that takes long.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo.errors import DuplicateKeyError, OperationFailure, PyMongoError

from service.adapters.mongo.client import Database
from service.adapters.mongo.codec import Document
from service.adapters.mongo.driver import Driver
from service.adapters.mongo.errors import DUPLICATE, NAMESPACE_EXISTS, code_of, settings_error
from service.adapters.mongo.options import SETTING, MongoOptions
from service.adapters.mongo.query import SCALARS, index_field, unique_field
from service.adapters.shared.bodies import many_paths
from service.errors import SettingsError
from service.ports.store import KINDS, Index

SCHEMA_VERSION = 1
"""The version of the layout that this code reads and writes."""

META, COUNTERS = "meta", "counter"
"""The collections besides those of the kinds: the note about the database, and its counters."""

_NOTE = "assetry"  # the key of the note in META


@dataclass(frozen=True, slots=True)
class SetupStep:
    """A step: an ``action`` (create collection, set validator, create index …) on a collection, with its ``detail``."""

    collection: str
    action: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class IndexSpec:
    """The specification of an index."""

    name: str
    keys: tuple[tuple[str, int], ...]
    unique: bool
    partial: Document

    def command(self) -> Document:
        """Return it in the form that ``createIndexes`` takes."""
        built: Document = {"name": self.name, "key": dict(self.keys), "partialFilterExpression": self.partial}
        return {**built, "unique": True} if self.unique else built

    def is_like(self, other: IndexSpec) -> bool:
        """Whether MongoDB regards both as the same index."""
        return (self.keys, self.partial) == (other.keys, other.partial)


def wanted_indexes(kind: str) -> tuple[IndexSpec, ...]:
    """Return the indexes of a kind: one by organization and key, and those of the table.

    They contain live records only; all but the unique ones end with the key, so that a page needs no sort. MongoDB
    refuses a second index with the same keys and filter under another name (code 85), so there is one of each.
    """
    first = IndexSpec("org_key", (("org", 1), ("key", 1)), False, {"tombstone": False})
    return (first, *(built for index in KINDS[kind] if not (built := _index_spec(index)).is_like(first)))


def _index_spec(index: Index) -> IndexSpec:
    if index.unique:
        keys = (*((index_field(path), 1) for path in index.paths[:-1]), (unique_field(index), 1))
        return IndexSpec(index.name, keys, True, {unique_field(index): {"$exists": True}})
    *leading, last = map(index_field, index.paths)
    keys = (*((path, 1) for path in leading), (last, -1 if index.descending else 1))
    return IndexSpec(index.name, (*keys, ("key", 1)), False, {"tombstone": False})


def validator(kind: str) -> Document:
    """Return the JSON Schema of a kind's documents: their fields, and what indexed paths hold."""
    body: Document = {"bsonType": "object"}
    for path in dict.fromkeys(path for index in KINDS[kind] for path in index.paths):
        many = path in many_paths(KINDS[kind])
        *parents, last = path.split(".")
        targets = [body]
        for name in parents:
            inner = [target.setdefault("properties", {}).setdefault(name, {}) for target in targets]
            targets = inner + [target.setdefault("items", {}) for target in inner if many]
        for target in targets:
            target.setdefault("properties", {})[last] = _values(many=many)
    frame = {
        "_id": {"bsonType": "string", "minLength": 1},
        "key": {"bsonType": "string", "minLength": 1},
        "rev": {"bsonType": ["int", "long"], "minimum": 1},
        "tombstone": {"bsonType": "bool"},
        "updated_at": {"bsonType": "string"},
        "org": {"bsonType": "string"},
        "unique": {"bsonType": "object"},
        "body": body,
    }
    schema = {"bsonType": "object", "required": list(frame), "properties": frame, "additionalProperties": False}
    return {"$jsonSchema": schema}


def _values(*, many: bool) -> Document:
    """Return the JSON Schema of what an indexed path holds: a single value or none, or also a list of them."""
    if not many:
        return {"bsonType": ["null", *SCALARS]}
    return {"bsonType": ["null", *SCALARS, "array"], "items": {"bsonType": ["null", *SCALARS]}}


async def plan(options: MongoOptions, *, driver: Driver | None = None) -> list[SetupStep]:
    """Return the steps that ``apply`` would take; none if nothing is missing. Raises SettingsError, Unavailable."""
    database = Database(options, driver=driver)
    await database.connect()
    try:
        return await missing(database)
    except PyMongoError as error:
        raise settings_error(error) from None
    finally:
        await database.close()


async def apply(options: MongoOptions, *, driver: Driver | None = None) -> list[SetupStep]:
    """Create what is missing and return the steps taken; safe to run again, and several times at once.

    Raises SettingsError (a missing permission; a unique index with duplicates, named in the message), Unavailable.
    """
    database = Database(options, unlimited=True, driver=driver)
    await database.connect()
    try:
        steps = await missing(database)
        for step in steps:
            await _ACTIONS[step.action](database, step)
    except PyMongoError as error:
        raise settings_error(error) from None
    else:
        return steps
    finally:
        await database.close()


async def identity(database: Database) -> str:
    """Return the id of a database set up for this version. Raises SettingsError for any other."""
    found = await database.collection(META, majority=True).find_one(
        {"_id": _NOTE}, max_time_ms=database.options.milliseconds
    )
    name = database.options.database
    if found is None:
        raise SettingsError(SETTING, f"the database {name!r} is not set up: run `assetry db init` once")
    if found["version"] > SCHEMA_VERSION:
        raise SettingsError(SETTING, f"the database {name!r} was set up by a newer version: upgrade this installation")
    if found["version"] < SCHEMA_VERSION or not set(_names()) <= set(found["indexes"]):
        raise SettingsError(SETTING, f"the database {name!r} was set up by an older version: run `assetry db init`")
    return str(found["database"])


def _names() -> list[str]:
    """Return the names of all required indexes, as the note lists them."""
    return [f"{kind}.{index.name}" for kind in KINDS for index in wanted_indexes(kind)]


async def missing(database: Database) -> list[SetupStep]:
    """Return the steps that a connected database lacks. Raises the driver's errors."""
    listed = await database.driver.collections(database.handle)
    present = {found["name"]: found.get("options", {}) for found in listed}
    indexes = {kind: await _present_indexes(database, kind) for kind in KINDS if kind in present}
    note = await database.collection(META).find_one({"_id": _NOTE}, max_time_ms=database.options.milliseconds)
    # Some servers list neither validators nor filters nor directions: then the note is trusted, as they were sent.
    lists_details = any("validator" in options for options in present.values()) or any(
        "partialFilterExpression" in index for found in indexes.values() for index in found
    )
    steps: list[SetupStep] = []
    for kind in KINDS:
        if kind not in present:
            steps.append(SetupStep(kind, "create collection", "with its validator"))
        elif present[kind].get("validator") != validator(kind) and (lists_details or note is None):
            steps.append(SetupStep(kind, "set validator", "JSON Schema of its documents"))
        steps += _index_steps(kind, indexes.get(kind, ()), filters=lists_details or note is None)
    ready = note is not None and note["version"] == SCHEMA_VERSION and set(_names()) <= set(note["indexes"])
    return steps if ready and not steps else [*steps, SetupStep(META, "write note", f"schema version {SCHEMA_VERSION}")]


async def _present_indexes(database: Database, kind: str) -> Sequence[Mapping[str, Any]]:
    return await database.driver.indexes(database.handle[kind])


def _index_steps(kind: str, present: Sequence[Mapping[str, Any]], *, filters: bool) -> list[SetupStep]:
    steps: list[SetupStep] = []
    for wanted in wanted_indexes(kind):
        existing = [index for index in present if _is_of(index, wanted, filters=filters)]
        if any(_equal(index, wanted, filters=filters) for index in existing):
            continue
        steps += [SetupStep(kind, "drop index", str(index["name"])) for index in existing]
        steps.append(SetupStep(kind, "create index", wanted.name))
    return steps


def _is_of(index: Mapping[str, Any], wanted: IndexSpec, *, filters: bool) -> bool:
    """Whether an existing index is in the place of the wanted one: it has its name, or the same keys."""
    return index["name"] == wanted.name or _has_keys(index, wanted, directions=filters)


def _has_keys(index: Mapping[str, Any], wanted: IndexSpec, *, directions: bool) -> bool:
    keys = tuple(dict(index["key"]).items())
    return keys == wanted.keys if directions else [path for path, _ in keys] == [path for path, _ in wanted.keys]


def _equal(index: Mapping[str, Any], wanted: IndexSpec, *, filters: bool) -> bool:
    return (
        _has_keys(index, wanted, directions=filters)
        and bool(index.get("unique", False)) == wanted.unique
        and (not filters or index.get("partialFilterExpression") == wanted.partial)
    )


async def _create_collection(database: Database, step: SetupStep) -> None:
    try:
        await database.handle.command(
            {"create": step.collection, "validator": validator(step.collection), "validationLevel": "strict"}
        )
    except OperationFailure as error:
        if error.code != NAMESPACE_EXISTS:  # another process is setting it up too
            raise


async def _set_validator(database: Database, step: SetupStep) -> None:
    await database.handle.command(
        {"collMod": step.collection, "validator": validator(step.collection), "validationLevel": "strict"}
    )


async def _create_index(database: Database, step: SetupStep) -> None:
    wanted = next(index for index in wanted_indexes(step.collection) if index.name == step.detail)
    try:
        await database.handle.command({"createIndexes": step.collection, "indexes": [wanted.command()]})
    except OperationFailure as error:
        if code_of(error) != DUPLICATE:
            raise
        raise SettingsError(
            SETTING,
            f"the collection {step.collection!r} contains duplicates, which its unique index {wanted.name!r}"
            f" ({', '.join(name for name, _ in wanted.keys)}) does not allow: remove them, then run this again",
        ) from None


async def _drop_index(database: Database, step: SetupStep) -> None:
    await database.handle.command({"dropIndexes": step.collection, "index": step.detail})


async def _write_note(database: Database, _: SetupStep) -> None:
    update = {
        "$setOnInsert": {"database": uuid.uuid4().hex},
        "$set": {"version": SCHEMA_VERSION, "indexes": _names()},
    }
    collection = database.collection(META)
    try:
        await collection.update_one({"_id": _NOTE}, update, upsert=True)
    except DuplicateKeyError:  # another process wrote it first
        await collection.update_one({"_id": _NOTE}, update)


_ACTIONS = {
    "create collection": _create_collection,
    "set validator": _set_validator,
    "drop index": _drop_index,
    "create index": _create_index,
    "write note": _write_note,
}
