"""Change streams: opening, reading in batches, and closing them without two threads in one cursor."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from pymongo.errors import PyMongoError

from service.adapters.mongo.client import Database
from service.adapters.mongo.driver import ChangeStream, Driver
from service.adapters.mongo.errors import stream_error
from service.adapters.mongo.options import AWAIT_SECONDS
from service.adapters.mongo.token import ResumeToken, Token, as_timestamp
from service.errors import HistoryLost
from service.ports.store import MARKER

log = logging.getLogger(__name__)

Event = dict[str, Any]

WHOLE = ""
"""The name of the stream over the whole database."""

LOSSES = ("drop", "rename", "dropDatabase", "invalidate")
"""Operations that remove records without a change event for each."""

_PROJECTION = {"$project": {"_id": 1, "operationType": 1, "documentKey": 1, "ns": 1, "clusterTime": 1}}


def stream_names(database: Database, kinds: Sequence[str]) -> tuple[str, ...]:
    """Return the streams that a feed of ``kinds`` reads.

    On a server that reports cluster times, it is one over the database, in commit order. Other servers may only support
    streams of collections; then there is one per kind, that of the barriers first (see :meth:`Streams.read`).
    """
    return (WHOLE,) if database.has_cluster_time else (MARKER, *(kind for kind in kinds if kind != MARKER))


def pipeline(name: str, kinds: Sequence[str]) -> list[dict[str, Any]]:
    """Return a stream's pipeline: which key changed, but not what. ``_id`` is the event's resume token."""
    if name != WHOLE:
        return [_PROJECTION]
    losses = ["dropDatabase", "invalidate"]  # these have no collection
    ours = sorted({*kinds, MARKER})
    return [{"$match": {"$or": [{"ns.coll": {"$in": ours}}, {"operationType": {"$in": losses}}]}}, _PROJECTION]


def pipeline_hash(name: str, kinds: Sequence[str]) -> str:
    """Return a short hash of a stream's pipeline: a resume token is only valid for the same pipeline."""
    return hashlib.sha256(orjson.dumps(pipeline(name, kinds))).hexdigest()[:12]


def start(name: str, token: Token | None, digest: str) -> dict[str, Any]:
    """Return the options that start a stream after a token: after its event or, if the pipeline differs, at its time.

    Raises HistoryLost for a token that has neither.
    """
    if token is None:
        return {}
    if name in token.resume and token.pipeline == digest:
        return {"start_after": dict(token.resume[name])}  # unlike resume_after, it can go past an invalidation
    if token.time:
        return {"start_at_operation_time": as_timestamp(token.time)}
    raise HistoryLost("The token belongs to a feed of other kinds.")


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
        """The resume tokens of what was read; after an empty batch, the newest that the server sent."""
        return {name: token for name, stream in self._streams.items() if (token := stream.resume_token) is not None}

    async def open(self, token: Token | None) -> None:
        """Open every stream after a token; None: from now on.

        Raises HistoryLost for a token of other kinds, and the driver's PyMongoError unchanged, because at startup it
        has another meaning than to a follower.
        """
        for name in self._names:
            self._begun[name] = start(name, token, self.pipeline)
            self._streams[name] = await self._opened(name, self._begun[name])

    async def close(self) -> None:
        """Close every stream at the server, all within the time of one operation: one that hangs is left to itself."""
        streams, self._streams = list(self._streams.values()), {}
        try:
            async with asyncio.timeout(self._database.options.call_seconds):
                await asyncio.gather(*map(_closed, streams))
        except TimeoutError:
            log.warning("%d change streams were left to the server to close: it does not answer", len(streams))

    async def read(self) -> list[tuple[str, Event]]:
        """Return the next events with the names of their streams; none if nothing arrived for a while.

        Of several streams, that of the barriers is read first and reported last, after all others were read to their
        ends: so whatever was written before a barrier comes before it, as in a single stream.
        """
        first, *others = self._names
        self._held += [(first, event) for event in await self._read(first)]
        events_read: list[tuple[str, Event]] = []
        for name in others:
            while found := await self._read(name):
                events_read += [(name, event) for event in found]
                if len(events_read) >= self._limit:  # others write as fast as this reads: the barriers must wait
                    return events_read
        events_read, self._held = events_read + self._held, []
        return events_read

    async def _read(self, name: str) -> list[Event]:
        stream = self._streams[name]
        if not bool(stream.alive):  # the server dropped the cursor without reporting lost history
            await stream.close()
            token = stream.resume_token
            begin = self._begun[name] if token is None else {"start_after": token}
            if not begin:  # never resume "from now": what happened in between would be lost
                raise HistoryLost("The change stream ended before the server had reported its position.")
            try:
                stream = await self._opened(name, begin)
            except PyMongoError as error:
                raise stream_error(error) from error
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


async def _closed(stream: ChangeStream) -> None:
    try:
        await stream.close()
    except PyMongoError:
        return  # the cursor is gone with its connection


async def _shielded(driver: Driver, stream: ChangeStream, limit: int) -> list[Event]:
    """Read one batch. A cancelled caller waits for it: a cursor must not be closed while it is read."""
    reading = asyncio.ensure_future(_batch(driver, stream, limit))
    try:
        return await asyncio.shield(reading)
    except asyncio.CancelledError:
        await asyncio.wait([reading])
        if not reading.cancelled():
            reading.exception()  # retrieved, so that asyncio does not report it as never retrieved
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
        raise stream_error(error) from error
    return events
