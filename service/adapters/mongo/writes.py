"""Writing records: one command each, confirmed by a majority, and what errors of these commands mean."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from pymongo import ReturnDocument
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError, WriteError

from service.adapters.mongo.barriers import Barriers
from service.adapters.mongo.client import Database, time_of_session
from service.adapters.mongo.codec import Document, document, org, record
from service.adapters.mongo.errors import DUPLICATE, is_transient, translated
from service.adapters.mongo.query import index_field, unique_field
from service.adapters.mongo.schema import COUNTERS
from service.adapters.shared.bodies import lookup
from service.errors import AlreadyExists, AssetryError, Conflict, NotFound, Unavailable
from service.ports.store import KINDS, Body, Index, Record

log = logging.getLogger(__name__)

T = TypeVar("T")

ATTEMPTS = 100
"""Attempts of a write whose record is changed by other writers meanwhile; one of them succeeds in each round."""
UNMATCHED = 8
"""Attempts that fail although the record is as it was read: then it is the server that does not compare."""
_PAUSE = 0.01  # seconds; grows with each attempt, with jitter

Make = Callable[[Record], tuple[Record, Document]]
"""Returns the record after a write, and the update that makes it."""


class Writes:
    """Writes the documents of records and records the times of these writes."""

    def __init__(self, database: Database, barriers: Barriers) -> None:
        self._database = database
        self._barriers = barriers

    async def insert(self, kind: str, key: str, body: Body, now: str) -> Record:
        """Insert a record. Raises AlreadyExists."""
        collection = self._database.collection(kind)

        async def write(session: Any) -> None:
            await collection.insert_one(document(kind, key, body, now), session=session)

        try:
            await self._write(kind, write)
        except DuplicateKeyError as error:
            raise await self._collision(kind, key, body, error.details) from error
        return Record(kind, key, 1, body, now)

    async def insert_many(self, kind: str, bodies: Mapping[str, Body], now: str) -> dict[str, Record | Exception]:
        """Insert each record on its own. Raises Unavailable if the outcome of any is unknown."""
        collection = self._database.collection(kind)
        documents = [document(kind, key, body, now) for key, body in bodies.items()]

        async def write(session: Any) -> list[Mapping[str, Any]]:
            try:
                await collection.insert_many(documents, ordered=False, session=session)
            except BulkWriteError as error:
                details = error.details or {}
                if details.get("writeConcernErrors"):
                    raise translated(error) from error
                return list(details.get("writeErrors", ()))
            return []

        errors = await self._write(kind, write, many=True)
        outcomes: dict[str, Record | Exception] = {key: Record(kind, key, 1, body, now) for key, body in bodies.items()}
        for error in errors:
            key = documents[error["index"]]["_id"]
            outcomes[key] = await self._refusal(kind, key, bodies[key], error)
        return outcomes

    async def change(self, kind: str, key: str, make: Make, expected_rev: int | None) -> Record:
        """Apply ``make`` to the current record and write the result. Raises NotFound, Conflict, AlreadyExists.

        The record is read, and then written by one command whose filter includes the rev that was read: if the driver
        resends it, nothing changes twice. If another writer was faster, it starts again.
        """
        tried = unmatched = 0
        for attempt in range(ATTEMPTS):
            before = await self._current(kind, key, expected_rev)
            rev = before.rev
            after, update = make(before)
            unmatched = unmatched + 1 if rev == tried else 0
            if unmatched == 1:  # nobody was faster: some servers report a unique collision like this
                await self._check_unique(after)
            if unmatched == UNMATCHED:
                words = f"a write to {kind} at rev {rev} does not match the record, which is at this rev"
                log.error("%s: the server does not compare as MongoDB does; run `assetry doctor`", words)
                raise Unavailable("store", f"{words} (run `assetry doctor`)")
            if await self._replace(after, rev, update):
                return after
            tried = rev
            await asyncio.sleep(random.uniform(0, _PAUSE * min(attempt, 20)))  # noqa: S311 - jitter
        raise Unavailable("store", "too many concurrent writes to the same record")

    async def discard(self, kind: str, keys: Sequence[str]) -> None:
        """Drop records; their streams show it as deletes."""
        collection = self._database.collection(kind)

        async def write(session: Any) -> None:
            await collection.delete_many({"_id": {"$in": list(keys)}}, session=session)

        await self._write(kind, write, many=True)

    async def reserve(self, name: str, block: int) -> int:
        """Reserve ``block`` numbers of a counter and return the first."""
        collection = self._database.collection(COUNTERS)

        async def write(session: Any) -> int:
            found = await collection.find_one_and_update(
                {"_id": name},
                {"$inc": {"last": block}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
                session=session,
            )
            assert found is not None  # it was made, if it was not there
            return int(found["last"])

        try:
            last = await self._write(COUNTERS, write)
        except DuplicateKeyError:  # another process created the counter at the same time
            last = await self._write(COUNTERS, write)
        return last - block + 1

    async def _write(self, kind: str, write: Callable[[Any], Awaitable[T]], *, many: bool = False) -> T:
        for attempt in range(3):
            try:
                async with self._database.time_limit(), self._database.session() as session:
                    result = await _attempt(write, session)
                    self._barriers.record_write(kind, time_of_session(session), many=many)
                    return result
            except _TransientConflict:
                await asyncio.sleep(random.uniform(0, _PAUSE * 2**attempt))  # noqa: S311 - jitter
        raise Unavailable("store", "there were too many conflicting writes")

    async def _current(self, kind: str, key: str, expected_rev: int | None) -> Record:
        async with self._database.time_limit():
            found = await self._database.collection(kind).find_one(
                {"_id": key, "tombstone": False}, max_time_ms=self._database.options.milliseconds
            )
        if found is None:
            raise NotFound(kind, key)
        before = record(kind, found)
        if expected_rev is not None and before.rev != expected_rev:
            raise Conflict(kind, key, expected=expected_rev, rev=before.rev)
        return before

    async def _replace(self, after: Record, rev: int, update: Document) -> bool:
        """Write a record if it is still at this rev; return whether it was."""
        collection = self._database.collection(after.kind)

        async def write(session: Any) -> bool:
            found = await collection.find_one_and_update(
                {"_id": after.key, "rev": rev, "tombstone": False},
                update,
                projection={"rev": 1},
                return_document=ReturnDocument.AFTER,
                session=session,
            )
            return found is not None

        try:
            return await self._write(after.kind, write)
        except DuplicateKeyError as error:
            raise await self._collision(after.kind, after.key, after.body, error.details, new=False) from error

    async def _refusal(self, kind: str, key: str, body: Body, error: Mapping[str, Any]) -> AssetryError:
        """Return what one of several write errors means."""
        if error.get("code") == DUPLICATE:
            return await self._collision(kind, key, body, error)
        return translated(WriteError("", error.get("code"), error))

    async def _collision(
        self, kind: str, key: str, body: Body, details: Mapping[str, Any] | None, *, new: bool = True
    ) -> AlreadyExists:
        """Return the violated unique index: as reported by the server, or else found by reading the records."""
        pattern = tuple((details or {}).get("keyPattern", ()))
        if pattern == ("_id",):
            return AlreadyExists(kind, "key", key)
        for index in _unique(kind):
            if pattern and pattern[-1] == unique_field(index):
                return AlreadyExists(kind, index.name, lookup(body, index.paths[-1]))
        async with self._database.time_limit():
            found = await self._conflicting_index(kind, key, body, new=new)
        return (
            AlreadyExists(kind, "key", key)
            if found is None
            else AlreadyExists(kind, found.name, lookup(body, found.paths[-1]))
        )

    async def _check_unique(self, after: Record) -> None:
        async with self._database.time_limit():
            index = await self._conflicting_index(after.kind, after.key, after.body, new=False)
        if index is not None:
            raise AlreadyExists(after.kind, index.name, lookup(after.body, index.paths[-1]))

    async def _conflicting_index(self, kind: str, key: str, body: Body, *, new: bool) -> Index | None:
        """Find the index on which another record has the same values; None: the key itself is taken."""
        collection = self._database.collection(kind)
        limit = self._database.options.milliseconds
        if new and await collection.find_one({"_id": key}, {"_id": 1}, max_time_ms=limit) is not None:
            return None
        for index in _unique(kind):
            if lookup(body, index.paths[-1]) is None:
                continue
            values = {index_field(path): lookup(body, path) for path in index.paths[:-1]}
            if "org" in values:
                values["org"] = org(body)
            values |= {unique_field(index): lookup(body, index.paths[-1]), "_id": {"$ne": key}}
            if await collection.find_one(values, {"_id": 1}, max_time_ms=limit) is not None:
                return index
        return None


class _TransientConflict(Exception):
    """The write conflicted with another one and may be sent again at once."""


async def _attempt(write: Callable[[Any], Awaitable[T]], session: Any) -> T:
    try:
        return await write(session)
    except PyMongoError as error:
        if is_transient(error):
            raise _TransientConflict from error
        raise


def _unique(kind: str) -> list[Index]:
    return [index for index in KINDS[kind] if index.unique]
