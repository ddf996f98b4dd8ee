"""What ``assetry db init`` makes of a MongoDB database: collections, validators, indexes, and the note that it did.

Each kind has a collection; the indexes are made from :data:`service.ports.store.KINDS`. An index is built by this
command only, never by a request: on a large collection that takes long.
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
"""The layout that this code reads and writes."""

META, COUNTERS = "meta", "counter"
"""The collections beside those of the kinds: what the database is, and its counters."""

_NOTE = "assetry"  # the key of the note in META


@dataclass(frozen=True, slots=True)
class SetupStep:
    """One thing to do: ``action`` (create collection, set validator, create index …) on a collection, in ``detail``."""

    collection: str
    action: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An index as it should be."""

    name: str
    keys: tuple[tuple[str, int], ...]
    unique: bool
    partial: Document

    def spec(self) -> Document:
        """Return it for ``createIndexes``."""
        made: Document = {"name": self.name, "key": dict(self.keys), "partialFilterExpression": self.partial}
        return {**made, "unique": True} if self.unique else made

    def is_like(self, other: Wanted) -> bool:
        """Whether MongoDB takes it for the same index."""
        return (self.keys, self.partial) == (other.keys, other.partial)


def wanted_indexes(kind: str) -> tuple[Wanted, ...]:
    """Return the indexes of a kind: one by organization and key, and those of the table.

    They hold live records only; others than the unique ones end with the key, so that a page needs no sort. MongoDB
    refuses a second index of the same keys and filter under another name (code 85), so each is there once.
    """
    first = Wanted("org_key", (("org", 1), ("key", 1)), False, {"tombstone": False})
    return (first, *(made for index in KINDS[kind] if not (made := _wanted(index)).is_like(first)))


def _wanted(index: Index) -> Wanted:
    if index.unique:
        keys = (*((index_field(path), 1) for path in index.paths[:-1]), (unique_field(index), 1))
        return Wanted(index.name, keys, True, {unique_field(index): {"$exists": True}})
    keys = tuple((index_field(path), 1) for path in index.paths)
    return Wanted(index.name, (*keys, ("key", 1)), False, {"tombstone": False})


def validator(kind: str) -> Document:
    """Return the JSON Schema of a kind's documents: their frame, and what indexed paths hold."""
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
    """Return the JSON Schema of what an indexed path holds: one value or none, or a list of them."""
    if not many:
        return {"bsonType": ["null", *SCALARS]}
    return {"bsonType": ["null", *SCALARS, "array"], "items": {"bsonType": ["null", *SCALARS]}}


async def plan(options: MongoOptions, *, driver: Driver | None = None) -> list[SetupStep]:
    """Return what ``apply`` would do; nothing when all is there. Raises SettingsError, Unavailable."""
    database = Database(options, driver=driver)
    await database.connect()
    try:
        return await _missing(database)
    except PyMongoError as error:
        raise settings_error(error) from None
    finally:
        await database.close()


async def apply(options: MongoOptions, *, driver: Driver | None = None) -> list[SetupStep]:
    """Make what is missing and return what was done; safe to run again, and by several at once.

    Raises SettingsError (a right is missing; a unique index over duplicates, says which), Unavailable.
    """
    database = Database(options, patient=True, driver=driver)
    await database.connect()
    try:
        steps = await _missing(database)
        for step in steps:
            await _ACTIONS[step.action](database, step)
    except PyMongoError as error:
        raise settings_error(error) from None
    else:
        return steps
    finally:
        await database.close()


async def identity(database: Database) -> str:
    """Return the id of a database that was set up for this Assetry. Raises SettingsError for any other."""
    found = await database.collection(META, majority=True).find_one(
        {"_id": _NOTE}, max_time_ms=database.options.milliseconds
    )
    name = database.options.database
    if found is None:
        raise SettingsError(SETTING, f"the database {name!r} is not set up: run `assetry db init` once")
    if found["version"] > SCHEMA_VERSION:
        raise SettingsError(SETTING, f"the database {name!r} was set up by a newer Assetry: upgrade this one")
    if found["version"] < SCHEMA_VERSION or not set(_names()) <= set(found["indexes"]):
        raise SettingsError(SETTING, f"the database {name!r} was set up by an older Assetry: run `assetry db init`")
    return str(found["database"])


def _names() -> list[str]:
    """Return what a database must have, as its note lists it."""
    return [f"{kind}.{index.name}" for kind in KINDS for index in wanted_indexes(kind)]


async def _missing(database: Database) -> list[SetupStep]:
    listed = await database.driver.collections(database.handle)
    present = {found["name"]: found.get("options", {}) for found in listed}
    indexes = {kind: await _present_indexes(database, kind) for kind in KINDS if kind in present}
    note = await database.collection(META).find_one({"_id": _NOTE}, max_time_ms=database.options.milliseconds)
    # A server that lists neither validators nor filters is believed by the note: they were sent to it.
    told = any("validator" in options for options in present.values()) or any(
        "partialFilterExpression" in index for found in indexes.values() for index in found
    )
    steps: list[SetupStep] = []
    for kind in KINDS:
        if kind not in present:
            steps.append(SetupStep(kind, "create collection", "with its validator"))
        elif present[kind].get("validator") != validator(kind) and (told or note is None):
            steps.append(SetupStep(kind, "set validator", "JSON Schema of its documents"))
        steps += _index_steps(kind, indexes.get(kind, ()), filters=told or note is None)
    ready = note is not None and note["version"] == SCHEMA_VERSION and set(_names()) <= set(note["indexes"])
    return steps if ready and not steps else [*steps, SetupStep(META, "write note", f"schema version {SCHEMA_VERSION}")]


async def _present_indexes(database: Database, kind: str) -> Sequence[Mapping[str, Any]]:
    return await database.driver.indexes(database.handle[kind])


def _index_steps(kind: str, present: Sequence[Mapping[str, Any]], *, filters: bool) -> list[SetupStep]:
    steps: list[SetupStep] = []
    for wanted in wanted_indexes(kind):
        alike = [index for index in present if _is_of(index, wanted)]
        if any(_equal(index, wanted, filters=filters) for index in alike):
            continue
        steps += [SetupStep(kind, "drop index", str(index["name"])) for index in alike]
        steps.append(SetupStep(kind, "create index", wanted.name))
    return steps


def _is_of(index: Mapping[str, Any], wanted: Wanted) -> bool:
    """Whether an index stands where the wanted one should: of its name, or over the same fields."""
    return index["name"] == wanted.name or tuple(dict(index["key"]).items()) == wanted.keys


def _equal(index: Mapping[str, Any], wanted: Wanted, *, filters: bool) -> bool:
    return (
        tuple(dict(index["key"]).items()) == wanted.keys
        and bool(index.get("unique", False)) == wanted.unique
        and (not filters or index.get("partialFilterExpression") == wanted.partial)
    )


async def _create_collection(database: Database, step: SetupStep) -> None:
    try:
        await database.handle.command(
            {"create": step.collection, "validator": validator(step.collection), "validationLevel": "strict"}
        )
    except OperationFailure as error:
        if error.code != NAMESPACE_EXISTS:  # somebody else is setting it up, too
            raise


async def _set_validator(database: Database, step: SetupStep) -> None:
    await database.handle.command(
        {"collMod": step.collection, "validator": validator(step.collection), "validationLevel": "strict"}
    )


async def _create_index(database: Database, step: SetupStep) -> None:
    wanted = next(index for index in wanted_indexes(step.collection) if index.name == step.detail)
    try:
        await database.handle.command({"createIndexes": step.collection, "indexes": [wanted.spec()]})
    except OperationFailure as error:
        if code_of(error) != DUPLICATE:
            raise
        raise SettingsError(
            SETTING,
            f"the collection {step.collection!r} holds duplicates that its unique index {wanted.name!r}"
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
    except DuplicateKeyError:  # somebody else wrote it first
        await collection.update_one({"_id": _NOTE}, update)


_ACTIONS = {
    "create collection": _create_collection,
    "set validator": _set_validator,
    "drop index": _drop_index,
    "create index": _create_index,
    "write note": _write_note,
}
