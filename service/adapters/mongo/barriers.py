"""Barriers, and the times of a store's own writes: what a feed must pass to have seen them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from pymongo.errors import DuplicateKeyError

from service.adapters.mongo.client import Database, time_of_session
from service.adapters.mongo.codec import document
from service.adapters.mongo.streams import Streams
from service.adapters.mongo.token import Token
from service.ports.store import KINDS, MARKER

BARRIERS = "assetry.barrier"
"""The counter of barriers: a barrier's number rises, and is the key of its document."""

_KEPT = 100  # barrier documents that are kept, and how many are deleted at a time

log = logging.getLogger(__name__)

Reserve = Callable[[str], Awaitable[int]]


class Barriers:
    """Produces the tokens that a feed is compared with.

    ``identity`` is the database's id. On a server that reports cluster times, a write's token is the time of its
    answer, which is no earlier than the write. Otherwise it is a barrier: the newest one, if nothing was written since.
    """

    def __init__(self, database: Database, identity: str, reserve: Reserve) -> None:
        self._database = database
        self._identity = identity
        self._reserve = reserve
        self._newest: dict[str, tuple[int, bool]] = {}
        self._writes: Counter[str] = Counter()
        self._covered: Counter[str] | None = None
        self._barrier = Token(identity)
        self._goal = 0

    def record_open(self, time: int) -> None:
        """Record the time at which the store was opened: whatever was written by then counts as its own."""
        self._barrier = Token(self._identity, time=time, whole=time > 0)

    def record_write(self, kind: str, time: int, *, many: bool = False) -> None:
        """Record a write that returned. ``many``: it may be several events with the same time."""
        self._writes[kind] += 1
        self._newest[kind] = max(self._newest.get(kind, (0, False)), (time, many))

    def goal(self) -> int:
        """Return the newest time that a caller in this process may be waiting for."""
        return self._goal

    async def barrier(self) -> Token:
        """Write a barrier and return its token, which a feed can start after."""
        token = await self._mark()
        return token if token.time else await self._with_streams(token)

    async def _mark(self) -> Token:
        """Write a barrier and return its token, which says whether a feed has passed it."""
        before = Counter(self._writes)
        collection = self._database.collection(MARKER)
        number, time = await self._write_marker()
        if number % _KEPT == 0:
            old = [str(gone) for gone in range(max(1, number - 2 * _KEPT), number - _KEPT)]
            async with self._database.time_limit():
                await collection.delete_many({"_id": {"$in": old}})
        token = Token(self._identity, time=time, marker=number)
        if number > self._barrier.marker:
            self._barrier, self._covered = token, before
        self._database.record_seen(time)
        self._goal = max(self._goal, time)
        return token

    async def _write_marker(self) -> tuple[int, int]:
        """Write the next barrier's document and return its number and time.

        In a database restored from a dump taken during writes, the counter may be older than the documents: the numbers
        of existing documents are skipped.
        """
        while True:
            number = await self._reserve(BARRIERS)
            try:
                async with self._database.time_limit(), self._database.session() as session:
                    marker = document(MARKER, str(number), {}, "")
                    await self._database.collection(MARKER).insert_one(marker, session=session)
                    return number, time_of_session(session)
            except DuplicateKeyError:
                log.warning("barrier %d exists already: its counter is too old, as after a restore", number)

    async def position(self, kinds: Sequence[str]) -> Token:
        """Return the token of the newest write to these kinds, or of the newest barrier."""
        if not self._database.has_cluster_time:
            covered = self._covered
            if covered is None or any(self._writes[kind] > covered[kind] for kind in kinds):
                return await self._mark()  # opening a stream for each kind would take longer than the write did
            return self._barrier
        time, many = max((self._newest.get(kind, (0, False)) for kind in kinds), default=(0, False))
        self._goal = max(self._goal, time)
        if (time, many) <= (self._barrier.time, self._barrier.whole):
            return self._barrier
        return Token(self._identity, time=time, whole=many)

    async def _with_streams(self, token: Token) -> Token:
        """Return a barrier's token with the positions of all streams, for a server that cannot start at a time."""
        streams = Streams(self._database, tuple(KINDS), 1)
        try:
            async with self._database.time_limit():
                await streams.open(None)
            return Token(token.database, marker=token.marker, resume=streams.resume, pipeline=streams.pipeline)
        finally:
            await streams.close()
