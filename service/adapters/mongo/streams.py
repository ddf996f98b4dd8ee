"""Change streams: opened, read in batches, and closed without two threads in one cursor."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from pymongo.errors import PyMongoError

from service.adapters.mongo.client import Database
from service.adapters.mongo.driver import ChangeStream, Driver
from service.adapters.mongo.errors import lost
from service.adapters.mongo.options import AWAIT_SECONDS
from service.adapters.mongo.token import ResumeToken, Token, as_timestamp
from service.errors import HistoryLost
from service.ports.store import MARKER

Event = dict[str, Any]

WHOLE = ""
"""The name of the stream over the whole database."""

LOSSES = ("drop", "rename", "dropDatabase", "invalidate")
"""Operations that take records away without a change of each."""

_PROJECTION = {"$project": {"_id": 1, "operationType": 1, "documentKey": 1, "ns": 1, "clusterTime": 1}}


def stream_names(database: Database, kinds: Sequence[str]) -> tuple[str, ...]:
    """Return the streams that a feed of ``kinds`` reads.

    One over the database, where the server tells its time: it shows all in the order of commits. A server that tells
    none may have streams of collections only; then there is one a kind, the barriers' first (see :meth:`Streams.read`).
    """
    return (WHOLE,) if database.clocked else (MARKER, *(kind for kind in kinds if kind != MARKER))


def pipeline(name: str, kinds: Sequence[str]) -> list[dict[str, Any]]:
    """Return what a stream asks for: that something happened to a key, never what. ``_id`` is what it resumes by."""
    if name != WHOLE:
        return [_PROJECTION]
    losses = ["dropDatabase", "invalidate"]  # they have no collection
    ours = sorted({*kinds, MARKER})
    return [{"$match": {"$or": [{"ns.coll": {"$in": ours}}, {"operationType": {"$in": losses}}]}}, _PROJECTION]


def pipeline_hash(name: str, kinds: Sequence[str]) -> str:
    """Return a short hash of what a stream asks for: a resume token is good for the same question only."""
    return hashlib.sha256(orjson.dumps(pipeline(name, kinds))).hexdigest()[:12]


def start(name: str, token: Token | None, asks: str) -> dict[str, Any]:
    """Return how a stream begins behind a token: behind its event, or at its time if it asked something else.

    Raises HistoryLost for a token that knows neither.
    """
    if token is None:
        return {}
    if name in token.resume and token.pipeline == asks:
        return {"start_after": dict(token.resume[name])}  # unlike resume_after it passes an invalidation
    if token.time:
        return {"start_at_operation_time": as_timestamp(token.time)}
    raise HistoryLost("The token is of a feed of other kinds.")


class Streams:
    """The open change streams of one feed."""

    def __init__(self, database: Database, kinds: Sequence[str], limit: int) -> None:
        self._database = database
        self._kinds = kinds
        self._limit = limit
        self._names = stream_names(database, kinds)
        self._streams: dict[str, ChangeStream] = {}
        self._begun: dict[str, Mapping[str, Any]] = {}
        self._held: list[tuple[str, Event]] = []
        self.pipeline = pipeline_hash(self._names[0], kinds)

    @property
    def resume(self) -> Mapping[str, ResumeToken]:
        """The resume tokens of what was read; after an empty batch the newest that the server gave for it."""
        return {name: token for name, stream in self._streams.items() if (token := stream.resume_token) is not None}

    async def open(self, token: Token | None) -> None:
        """Open every stream behind a token, None: from now on.

        Raises HistoryLost for a token of other kinds, and the driver's PyMongoError as it is: at the start it means
        something else than to a follower.
        """
        for name in self._names:
            self._begun[name] = start(name, token, self.pipeline)
            self._streams[name] = await self._opened(name, self._begun[name])

    async def close(self) -> None:
        """Close every stream at the server."""
        while self._streams:
            _, stream = self._streams.popitem()
            try:
                await stream.close()
            except PyMongoError:
                continue  # it is gone with its connection

    async def read(self) -> list[tuple[str, Event]]:
        """Return the next events with the names of their streams; none when nothing came for a while.

        Of several streams the barriers' is read first and told last, when every other was read to its end: so what was
        written before a barrier comes before it, as in one stream.
        """
        first, *others = self._names
        self._held += [(first, event) for event in await self._read(first)]
        told: list[tuple[str, Event]] = []
        for name in others:
            while found := await self._read(name):
                told += [(name, event) for event in found]
                if len(told) >= self._limit:  # others write as fast as this reads: the barriers wait for the end
                    return told
        told, self._held = told + self._held, []
        return told

    async def _read(self, name: str) -> list[Event]:
        stream = self._streams[name]
        if not bool(stream.alive):  # the server forgot the cursor, without a word that history was lost
            await stream.close()
            token = stream.resume_token
            begin = self._begun[name] if token is None else {"start_after": token}
            if not begin:  # never "from now on": nobody knows what happened in between
                raise HistoryLost("The change stream ended before the server had told its place.")
            try:
                stream = await self._opened(name, begin)
            except PyMongoError as error:
                raise lost(error) from error
            self._streams[name] = stream
        return await _shielded(self._database.driver, stream, self._limit)

    async def _opened(self, name: str, begin: Mapping[str, Any]) -> ChangeStream:
        handle = self._database.handle
        return await self._database.driver.watch(
            handle if name == WHOLE else handle[name],
            pipeline(name, self._kinds),
            max_await_time_ms=round(AWAIT_SECONDS * 1000),
            batch_size=self._limit,
            **begin,
        )


async def _shielded(driver: Driver, stream: ChangeStream, limit: int) -> list[Event]:
    """Read one batch. A cancelled caller waits for it: nobody may close a cursor that is being read."""
    reading = asyncio.ensure_future(_batch(driver, stream, limit))
    try:
        return await asyncio.shield(reading)
    except asyncio.CancelledError:
        await asyncio.wait([reading])
        if not reading.cancelled():
            reading.exception()  # looked at, so that asyncio does not report it as lost
        raise


async def _batch(driver: Driver, stream: ChangeStream, limit: int) -> list[Event]:
    try:
        event = await stream.try_next()
        events: list[Event] = []
        while event is not None:
            events.append(event)
            if len(events) == limit or not driver.has_next(stream):
                break
            event = await stream.try_next()
    except PyMongoError as error:
        raise lost(error) from error
    return events
