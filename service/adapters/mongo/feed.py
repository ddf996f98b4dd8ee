"""The change feed of a MongoDB database: which records changed, and tokens that advance while nothing happens."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Any

from bson.timestamp import Timestamp
from pymongo.errors import PyMongoError

from service.adapters.mongo.client import Database
from service.adapters.mongo.errors import code_of, stream_error, translated
from service.adapters.mongo.options import AWAIT_SECONDS
from service.adapters.mongo.streams import LOSSES, WHOLE, Event, Streams
from service.adapters.mongo.token import Token, as_int, read_token, time_of
from service.errors import HistoryLost
from service.ports.store import MARKER, Changed

_HIDDEN = (13, 20, 8000)
"""Unauthorized, IllegalOperation (a sharded cluster's router has no ``local``), AtlasError (a shared tier)."""


async def oplog_hours(database: Database) -> float | None:
    """Return the hours between the oldest and the newest oplog entry; None if ``local`` cannot be read.

    Raises what :func:`service.adapters.mongo.errors.translated` makes of an outage.
    """
    oplog = database.client.get_database("local")["oplog.rs"]
    limit = database.options.milliseconds
    try:
        first = await oplog.find_one({}, {"ts": 1}, sort=[("$natural", 1)], max_time_ms=limit)
        last = await oplog.find_one({}, {"ts": 1}, sort=[("$natural", -1)], max_time_ms=limit)
    except PyMongoError as error:
        if code_of(error) not in _HIDDEN:
            raise translated(error) from error
        return None
    if first is None or last is None:
        return None
    return float(last["ts"].time - first["ts"].time) / 3600


log = logging.getLogger(__name__)

PROGRESS_SECONDS = 5.0
"""How often an idle feed reports its position while others' writes advance the oplog: a token that is not renewed
falls out of the oplog window."""
POLL_SECONDS = 0.1
"""The pause after an empty batch from a server that does not wait for events before it answers."""
_EMPTY_SECONDS = 0.5  # between two empty batches
_CHANGES = ("insert", "update", "replace", "delete")

Goal = Callable[[], int]


class Feed:
    """One reader of the changes to ``kinds``.

    ``identity`` is the database's id; ``goal`` returns the newest time that a caller in this process may be waiting
    for: an idle feed that has passed it reports that at once.
    """

    def __init__(self, database: Database, identity: str, kinds: Sequence[str], limit: int, goal: Goal) -> None:
        self._database = database
        self._identity = identity
        self._kinds = frozenset(kinds) - {MARKER}
        self._limit = limit
        self._goal = goal
        self._streams = Streams(database, sorted(self._kinds), limit)
        self._position = Token(identity)
        self._reported = self._position
        self._settled = True

    async def batches(self, after: str | None) -> AsyncIterator[list[Changed]]:
        """Yield batches forever, as :meth:`service.ports.store.Store.changes` promises."""
        token = None if after is None else read_token(after, self._identity)
        try:
            await self._open(token)
            reported_at, yielded_at = time.monotonic(), 0.0
            while True:
                read_at = time.monotonic()
                events = await self._streams.read()
                changes = [change for name, event in events if (change := self._change(name, event)) is not None]
                now = time.monotonic()
                if not events:
                    changes = self._progress(idle=now - reported_at)
                for first in range(0, len(changes), self._limit):
                    yield changes[first : first + self._limit]
                if changes:
                    reported_at, yielded_at, self._reported, self._settled = now, now, self._position, not events
                elif now - yielded_at >= _EMPTY_SECONDS:
                    yielded_at = now
                    yield []
                if not events and now - read_at < AWAIT_SECONDS / 2:
                    await asyncio.sleep(POLL_SECONDS)
        finally:
            await self._streams.close()

    async def _open(self, token: Token | None) -> None:
        try:
            await self._streams.open(token)
        except PyMongoError as error:
            raise stream_error(error) from error
        if token is None:
            resume = dict(self._streams.resume)
            begun = Token(self._identity, time=time_of(resume.get(WHOLE)))
        else:
            resume = dict(token.resume) if token.pipeline == self._streams.pipeline else {}
            begun = token
        self._position = self._reported = replace(begun, resume=resume, pipeline=self._streams.pipeline)
        self._database.record_seen(self._position.time)

    def _change(self, name: str, event: Event) -> Changed | None:
        """Advance the position past an event and return the change to report, if any. Raises HistoryLost."""
        operation, kind = event.get("operationType"), event.get("ns", {}).get("coll")
        if operation in LOSSES and (kind is None or kind == MARKER or kind in self._kinds):
            raise HistoryLost(f"The collection {kind or 'of every kind'} was dropped or renamed.")
        self._advance(name, event)
        key = event.get("documentKey", {}).get("_id")
        if operation not in _CHANGES:
            log.info("ignored a change stream event of type %s", operation)
            return None
        if kind != MARKER:
            return Changed(kind, key, str(self._position)) if kind in self._kinds and isinstance(key, str) else None
        number = marker_number(key)
        if operation != "insert" or number <= self._position.marker:
            return None  # an old barrier was deleted, or the feed started after it
        self._position = replace(self._position, marker=number)
        return Changed(MARKER, str(key), str(self._position))

    def _advance(self, name: str, event: Event) -> None:
        cluster_time = event.get("clusterTime")
        time = as_int(cluster_time) if isinstance(cluster_time, Timestamp) else self._position.time
        resume = {**self._position.resume, name: event["_id"]}
        self._position = replace(
            self._position,
            time=max(time, self._position.time),
            whole=False,
            resume=resume,
            pipeline=self._streams.pipeline,
        )
        self._database.record_seen(self._position.time)

    def _progress(self, idle: float) -> list[Changed]:
        """Return how far the feed has come without a change, if that should be reported.

        After an empty batch, every event up to the server's newest resume token has been seen, including all at its
        time. That is reported once after changes, when a time that this process waits for was passed, and occasionally
        while others' writes advance the oplog.
        """
        resume = {**self._position.resume, **self._streams.resume}
        newest = max(time_of(resume.get(WHOLE)), self._position.time)
        position = replace(self._position, time=newest, whole=newest > 0, resume=resume)
        if position.time == 0 or (position.time, position.whole) <= (self._reported.time, self._reported.whole):
            return []
        goal_passed = self._reported.time < self._goal() <= position.time
        self._position = position
        self._database.record_seen(position.time)
        if not (goal_passed or idle >= PROGRESS_SECONDS or not self._settled):
            return []
        return [Changed(MARKER, "", str(position))]


def marker_number(key: Any) -> int:
    """Return the number of a barrier from its document's key; 0 if it is not a barrier's key."""
    return int(key) if isinstance(key, str) and key.isascii() and key.isdigit() else 0
