"""The production store: canonical records in a MongoDB replica set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

from pymongo.errors import ExecutionTimeout

from service.adapters.mongo.barriers import Barriers
from service.adapters.mongo.client import Database, time_of_session
from service.adapters.mongo.codec import Document, fits, read_body, record, removed, updated
from service.adapters.mongo.driver import Driver
from service.adapters.mongo.errors import TOO_LARGE
from service.adapters.mongo.feed import Feed, oplog_hours
from service.adapters.mongo.options import SETTING, MongoOptions
from service.adapters.mongo.query import Part, page_parts, where_filter
from service.adapters.mongo.schema import META, identity, missing
from service.adapters.mongo.setup_watch import SetupWatch, lacks
from service.adapters.mongo.streams import Streams
from service.adapters.mongo.token import read_token
from service.adapters.mongo.writes import Writes
from service.adapters.shared.arguments import (
    MAX_COUNTER,
    check_kind,
    check_range,
    checked,
    checked_change,
    checked_many,
    discarded,
    find_key,
    find_keys,
    tombstone_body,
)
from service.adapters.shared.bodies import lookup
from service.adapters.shared.keyed_lock import KeyedLock
from service.adapters.shared.pages import Cursor, read_cursor, write_cursor
from service.errors import InvalidInput, NotFound, SettingsError, TooLarge, Unavailable
from service.ports.clock import Clock
from service.ports.store import KINDS, Body, Change, Changed, Condition, Order, Page, Record
from service.times import timestamp

__all__ = ["MongoOptions", "MongoStore"]

_COUNT_MILLISECONDS = 1000


class MongoStore:
    """The store port on MongoDB; :class:`service.ports.store.Store` states what each method promises.

    Several processes may share one database, which ``assetry db init`` has set up. ``listeners`` are event listeners
    of the driver (for tests); ``driver`` is Motor unless another one is given.
    """

    def __init__(
        self, options: MongoOptions, clock: Clock, listeners: Sequence[Any] = (), *, driver: Driver | None = None
    ) -> None:
        self._clock = clock
        self._database = Database(options, listeners, driver=driver)
        self._locks = KeyedLock()
        self._identity = ""
        self._barriers: Barriers | None = None
        self._writes: Writes | None = None
        self._setup: SetupWatch | None = None

    async def open(self) -> None:
        """Connect, and check that the database is usable.

        Raises:
            SettingsError: the URL, the credentials or TLS is wrong, the server is not in a replica set, or the database
                is not set up; names ``ASSETRY_MONGODB_URL``.
            Unavailable: no server answers.
        """
        await self._database.connect()
        try:
            await self._examine()
        except BaseException:
            await self._database.close()
            raise

    async def _examine(self) -> None:
        async with self._database.startup_time_limit():
            async with self._database.session() as session:
                await self._database.collection(META, majority=True).find_one(
                    {}, session=session, max_time_ms=self._database.options.milliseconds
                )
                time = time_of_session(session)
            streams = Streams(self._database, tuple(KINDS), 1)
            try:
                await streams.open(None)
            finally:
                await streams.close()
            self._identity = await identity(self._database)
            if steps := await missing(self._database):
                raise SettingsError(SETTING, f"{lacks(steps)}: run it again")
        self._setup = SetupWatch(self._database)
        self._setup.start()
        self._barriers = Barriers(self._database, self._identity, lambda name: self.counter(name))
        self._barriers.record_open(time)
        self._writes = Writes(self._database, self._barriers)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def get(self, kind: str, key: str) -> Record:
        """Return the record. Raises NotFound."""
        check_kind(kind)
        find_key(kind, key)
        async with self._database.time_limit():
            found = await self._database.collection(kind).find_one(
                {"_id": key, "tombstone": False}, max_time_ms=self._database.options.milliseconds
            )
        if found is None:
            raise NotFound(kind, key)
        return record(kind, found)

    async def get_many(self, kind: str, keys: Sequence[str], *, tombstones: bool = False) -> dict[str, Record]:
        """Return the existing records, by key, at least as new as what the feed has shown."""
        check_kind(kind)
        where: Document = {"_id": {"$in": find_keys(keys)}}
        if not tombstones:
            where["tombstone"] = False
        found = await self._shown(kind, Part(where, []), 0)
        return {one.key: one for one in found}

    async def insert(self, kind: str, key: str, body: Body) -> Record:
        """Write a new record at rev 1. Raises AlreadyExists, InvalidInput."""
        text = checked(kind, key, body)
        return await self._opened().insert(kind, key, read_body(text), self._now())

    async def insert_many(self, kind: str, bodies: Mapping[str, Body]) -> dict[str, Record | Exception]:
        """Insert several records in one command. Each succeeds or fails on its own."""
        check_kind(kind)
        texts = await asyncio.to_thread(_checked, kind, dict(bodies))
        good = {key: read_body(text) for key, text in texts.items() if isinstance(text, bytes)}
        written = await self._opened().insert_many(kind, good, self._now()) if good else {}
        return {key: text if isinstance(text, InvalidInput) else written[key] for key, text in texts.items()}

    async def update(self, kind: str, key: str, change: Change, *, expected_rev: int | None = None) -> Record:
        """Apply ``change`` and return the record after it. Raises NotFound, Conflict, AlreadyExists, InvalidInput."""
        check_kind(kind)
        find_key(kind, key)
        make = partial(updated, change=checked_change(kind, change), now=self._now())
        async with self._locks.hold(f"{kind}/{key}"):
            return await self._opened().change(kind, key, make, expected_rev)

    async def remove(self, kind: str, key: str, *, expected_rev: int | None = None, by: Body | None = None) -> Record:
        """Replace the record with a tombstone at rev+1 and return it. Raises NotFound, Conflict."""
        check_kind(kind)
        find_key(kind, key)
        make = partial(removed, rest=tombstone_body(kind, by), now=self._now())
        async with self._locks.hold(f"{kind}/{key}"):
            return await self._opened().change(kind, key, make, expected_rev)

    async def discard(self, kind: str, keys: Sequence[str]) -> None:
        """Drop records of a journal without a trace."""
        gone = discarded(kind, keys)
        if gone:
            await self._opened().discard(kind, gone)

    async def find(
        self,
        kind: str,
        where: Mapping[str, Condition],
        *,
        order: Order | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page:
        """Return a page of the records that meet every condition. Raises InvalidInput (a bad value or cursor)."""
        check_kind(kind)
        check_range("limit", limit, 1000)
        parts = page_parts(kind, where, order, read_cursor(order, after))
        found: list[tuple[Part, Record]] = []
        for part in parts:  # one record more than requested tells whether there is a next page
            found += [(part, one) for one in await self._found(kind, part, limit + 1 - len(found))]
            if len(found) > limit:
                break
        records = [one for _, one in found[:limit]]
        if len(found) <= limit:
            return Page(records, None)
        part, last = found[limit - 1]
        value = None if part.path is None else lookup(last.body, part.path)
        return Page(records, write_cursor(order, Cursor(value, last.key)))

    async def scan(self, kind: str, *, after: str | None = None, limit: int = 1000) -> list[Record]:
        """Return up to ``limit`` records in key order, after the key ``after``, including tombstones."""
        check_kind(kind)
        check_range("limit", limit, 10_000)
        where: Document = {} if after is None else {"_id": {"$gt": after}}
        return await self._shown(kind, Part(where, [("_id", 1)]), limit)

    async def count(self, kind: str, where: Mapping[str, Condition]) -> int:
        """Return how many records meet every condition."""
        check_kind(kind)
        query = where_filter(kind, where)
        async with self._database.time_limit():
            return await self._database.collection(kind).count_documents(
                query, maxTimeMS=self._database.options.milliseconds
            )

    async def size(self, kind: str) -> int:
        """Return how many records a kind has; no index holds the answer, and millions are not counted one by one."""
        check_kind(kind)
        collection = self._database.collection(kind)
        limit = min(self._database.options.milliseconds, _COUNT_MILLISECONDS)
        async with self._database.time_limit():
            try:
                return await collection.count_documents(where_filter(kind, {}), maxTimeMS=limit)
            except ExecutionTimeout:
                return await collection.estimated_document_count(maxTimeMS=self._database.options.milliseconds)

    async def counter(self, name: str, block: int = 1) -> int:
        """Reserve ``block`` numbers and return the first."""
        check_range("block", block, MAX_COUNTER)
        return await self._opened().reserve(name, block)

    def changes(self, after: str | None, *, kinds: Sequence[str], limit: int = 1000) -> AsyncIterator[list[Changed]]:
        """Yield batches of changes and barriers after ``after``, forever. Raises HistoryLost."""
        for kind in kinds:
            check_kind(kind)
        check_range("limit", limit, 10_000)
        return Feed(self._database, self._identity, kinds, limit, self._opened_barriers().goal).batches(after)

    async def barrier(self) -> str:
        """Write a marker and return its token: the time of that write's answer."""
        return str(await self._opened_barriers().barrier())

    async def position(self, kinds: Sequence[str]) -> str:
        """Return the token of this store's newest write to these kinds, or of its newest barrier."""
        for kind in kinds:
            check_kind(kind)
        return str(await self._opened_barriers().position(kinds))

    def passed(self, token: str, mark: str) -> bool:
        """Whether a feed whose last token is ``token`` has passed ``mark``. Raises HistoryLost for a foreign token."""
        return read_token(token, self._identity).passed(read_token(mark, self._identity))

    async def window(self) -> float | None:
        """Return the oplog window in hours; None if ``local`` cannot be read."""
        async with self._database.time_limit():
            return await oplog_hours(self._database)

    async def ping(self) -> Mapping[str, Any]:
        """Return the engine and its version after a round trip. Raises Unavailable."""
        async with self._database.time_limit():
            await self._database.client.admin.command("ping", maxTimeMS=self._database.options.milliseconds)
        facts: dict[str, Any] = {"engine": "mongodb", "version": self._database.version}
        if self._setup is not None and self._setup.problem is not None:
            facts |= {"degraded": True, "reason": self._setup.problem, "fix": "assetry db init"}
        return facts

    async def close(self) -> None:
        """Close the connections. Safe to call twice."""
        if self._setup is not None:
            await self._setup.stop()
        await self._database.close()

    async def _found(self, kind: str, part: Part, limit: int) -> list[Record]:
        """Read records from the primary."""
        async with self._database.time_limit():
            cursor = self._database.collection(kind).find(
                part.filter,
                sort=part.sort,
                limit=limit,
                allow_disk_use=True if part.path else None,
                max_time_ms=self._database.options.milliseconds,
            )
            return [record(kind, found) for found in await cursor.to_list(None)]

    async def _shown(self, kind: str, part: Part, limit: int) -> list[Record]:
        """Read majority-committed records, at least as new as what the feed has shown."""
        async with self._database.time_limit(), self._database.reading() as session:
            cursor = self._database.collection(kind, majority=True).find(
                part.filter,
                sort=part.sort or None,
                limit=limit,
                max_time_ms=self._database.options.milliseconds,
                session=session,
            )
            return [record(kind, found) for found in await cursor.to_list(None)]

    def _opened(self) -> Writes:
        if self._writes is None:
            raise Unavailable("store", "the store is not open")
        return self._writes

    def _opened_barriers(self) -> Barriers:
        if self._barriers is None:
            raise Unavailable("store", "the store is not open")
        return self._barriers

    def _now(self) -> str:
        return timestamp(self._clock.now())


def _checked(kind: str, bodies: Mapping[str, Body]) -> dict[str, bytes | InvalidInput]:
    """Return each body as JSON text, or its error; one that is too long would otherwise fail the whole command."""
    texts = checked_many(kind, bodies)
    return {
        key: text if isinstance(text, InvalidInput) or fits(kind, key, text) else TooLarge(TOO_LARGE)
        for key, text in texts.items()
    }
