"""Motor: the one module that imports it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from service.adapters.mongo.codec import Document
from service.adapters.mongo.driver import ChangeStream, Client, Collection, Handle, Session
from service.adapters.mongo.options import MongoOptions


class MotorDriver:
    """The driver by Motor: PyMongo's synchronous client in a pool of threads, one pool for all clients of a process."""

    def client(self, options: MongoOptions, **settings: Any) -> Client:
        """Return a client on the running loop, with PyMongo's settings."""
        os.environ.setdefault("MOTOR_MAX_WORKERS", str(options.threads))
        # Motor is imported when the first client is made: it builds its pool of threads at import.
        from motor.motor_asyncio import AsyncIOMotorClient

        return cast("Client", AsyncIOMotorClient[Document](options.url, **settings))

    async def close(self, client: Client) -> None:
        """Close every connection of a client."""
        cast("Any", client).close()

    @asynccontextmanager
    async def session(self, client: Client) -> AsyncIterator[Session]:
        """Give a causally consistent session."""
        async with await cast("Any", client).start_session(causal_consistency=True) as session:
            yield session

    async def watch(self, target: Handle | Collection, pipeline: Sequence[Document], **options: Any) -> ChangeStream:
        """Open a change stream."""
        stream = cast("Any", target).watch(pipeline, **options)
        return cast("ChangeStream", await stream.__aenter__())  # watch() itself asks nothing yet

    def has_next(self, stream: ChangeStream) -> bool:
        """Whether the next event is here already."""
        inner = getattr(getattr(stream, "delegate", None), "_cursor", None)
        has_next = getattr(inner, "_has_next", None)
        return has_next is not None and bool(has_next())

    async def collections(self, handle: Handle) -> list[Document]:
        """Return what a database says of its collections."""
        return [found async for found in await cast("Any", handle).list_collections()]

    async def indexes(self, collection: Collection) -> list[Document]:
        """Return what a collection says of its indexes."""
        return [found async for found in cast("Any", collection).list_indexes()]
