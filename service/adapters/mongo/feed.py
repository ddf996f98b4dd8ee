"""The change feed of a MongoDB database: events as dirty bits, and tokens that move while nothing happens."""

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
from service.adapters.mongo.errors import code_of, lost, translated
from service.adapters.mongo.options import AWAIT_SECONDS
from service.adapters.mongo.streams import LOSSES, WHOLE, Event, Streams
from service.adapters.mongo.token import Token, as_int, read_token, time_of
from service.errors import HistoryLost
from service.ports.store import MARKER, Changed

_HIDDEN = (13, 20, 8000)
"""Unauthorized, IllegalOperation (the router of a sharded cluster knows no ``local``), AtlasError (a shared tier)."""


async def oplog_hours(database: Database) -> float | None:
    """Return the hours between the oldest and the newest entry, None where ``local`` cannot be read.

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

MARK_SECONDS = 5.0
"""How often an idle feed tells how far the oplog was read, where others' writes move it on: a token that is not renewed
rolls off the oplog."""
POLL_SECONDS = 0.1
"""The pause after an empty batch of a server that does not wait with its answer."""
_EMPTY_SECONDS = 0.5  # between two empty batches
_CHANGES = ("insert", "update", "replace", "delete")

Goal = Callable[[], int]


class Feed:
    """One reader of the changes to ``kinds``.

    ``identity`` is the database's, ``goal`` tells the newest time that somebody of this process may wait for: when an
    idle feed has passed it, it says so at once.
    """

    def __init__(self, database: Database, identity: str, kinds: Sequence[str], limit: int, goal: Goal) -> None:
        self._database = database
        self._identity = identity
        self._kinds = frozenset(kinds) - {MARKER}
        self._limit = limit
        self._goal = goal
        self._streams = Streams(database, sorted(self._kinds), limit)
        self._place = Token(identity)
        self._told = self._place
        self._settled = True

    async def batches(self, after: str | None) -> AsyncIterator[list[Changed]]:
        """Yield batches for ever, as :meth:`service.ports.store.Store.changes` says."""
        token = None if after is None else read_token(after, self._identity)
        try:
            await self._open(token)
            told_at, yielded_at = time.monotonic(), 0.0
            while True:
                asked_at = time.monotonic()
                events = await self._streams.read()
                changes = [change for name, event in events if (change := self._change(name, event)) is not None]
                now = time.monotonic()
                if not events:
                    changes = self._mark(idle=now - told_at)
                for first in range(0, len(changes), self._limit):
                    yield changes[first : first + self._limit]
                if changes:
                    told_at, yielded_at, self._told, self._settled = now, now, self._place, not events
                elif now - yielded_at >= _EMPTY_SECONDS:
                    yielded_at = now
                    yield []
                if not events and now - asked_at < AWAIT_SECONDS / 2:
                    await asyncio.sleep(POLL_SECONDS)
        finally:
            await self._streams.close()

    async def _open(self, token: Token | None) -> None:
        try:
            await self._streams.open(token)
        except PyMongoError as error:
            raise lost(error) from error
        if token is None:
            resume = dict(self._streams.resume)
            begun = Token(self._identity, time=time_of(resume.get(WHOLE)))
        else:
            resume = dict(token.resume) if token.pipeline == self._streams.pipeline else {}
            begun = token
        self._place = self._told = replace(begun, resume=resume, pipeline=self._streams.pipeline)
        self._database.show(self._place.time)

    def _change(self, name: str, event: Event) -> Changed | None:
        """Move the place behind an event and return what a follower has to know of it. Raises HistoryLost."""
        operation, kind = event.get("operationType"), event.get("ns", {}).get("coll")
        if operation in LOSSES and (kind is None or kind == MARKER or kind in self._kinds):
            raise HistoryLost(f"The collection {kind or 'of every kind'} was dropped or renamed.")
        self._move(name, event)
        key = event.get("documentKey", {}).get("_id")
        if operation not in _CHANGES:
            log.info("the change stream has an operation that is passed over: %s", operation)
            return None
        if kind != MARKER:
            return Changed(kind, key, str(self._place)) if kind in self._kinds and isinstance(key, str) else None
        number = marker_number(key)
        if operation != "insert" or number <= self._place.marker:
            return None  # an old one was cleared away, or the feed began behind it
        self._place = replace(self._place, marker=number)
        return Changed(MARKER, str(key), str(self._place))

    def _move(self, name: str, event: Event) -> None:
        moment = event.get("clusterTime")
        time = as_int(moment) if isinstance(moment, Timestamp) else self._place.time
        resume = {**self._place.resume, name: event["_id"]}
        self._place = replace(
            self._place, time=max(time, self._place.time), whole=False, resume=resume, pipeline=self._streams.pipeline
        )
        self._database.show(self._place.time)

    def _mark(self, idle: float) -> list[Changed]:
        """Return how far the feed has come without a change, when somebody should know.

        After an empty batch every event up to the server's newest resume token was seen, all of its time included. That
        is told once after changes, when a goal of this process was passed, and now and then while others' writes move
        the oplog on.
        """
        resume = {**self._place.resume, **self._streams.resume}
        newest = max(time_of(resume.get(WHOLE)), self._place.time)
        place = replace(self._place, time=newest, whole=newest > 0, resume=resume)
        if place.time == 0 or (place.time, place.whole) <= (self._told.time, self._told.whole):
            return []
        passes = self._told.time < self._goal() <= place.time
        self._place = place
        self._database.show(place.time)
        if not (passes or idle >= MARK_SECONDS or not self._settled):
            return []
        return [Changed(MARKER, "", str(place))]


def marker_number(key: Any) -> int:
    """Return the number of a barrier from its document's key; 0 for what is no barrier of ours."""
    return int(key) if isinstance(key, str) and key.isascii() and key.isdigit() else 0
