"""MongoDB's driver by PyMongo's own async client, which comes after Motor: it shows that the driver is one module."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from pymongo import AsyncMongoClient

from service.adapters.mongo.codec import Document
from service.adapters.mongo.driver import ChangeStream, Client, Collection, Handle, Session
from service.adapters.mongo.options import MongoOptions


class PyMongoDriver:
    """The driver by :class:`pymongo.AsyncMongoClient`: no threads, a connection for each command under way."""

    def client(self, options: MongoOptions, **settings: Any) -> Client:
        return cast("Client", AsyncMongoClient[Document](options.url, **settings))

    async def close(self, client: Client) -> None:
        await cast("AsyncMongoClient[Document]", client).close()

    @asynccontextmanager
    async def session(self, client: Client) -> AsyncIterator[Session]:
        async with cast("AsyncMongoClient[Document]", client).start_session(causal_consistency=True) as session:
            yield cast("Session", session)

    async def watch(self, target: Handle | Collection, pipeline: Sequence[Document], **options: Any) -> ChangeStream:
        return cast("ChangeStream", await cast("Any", target).watch(pipeline, **options))

    def has_next(self, stream: ChangeStream) -> bool:
        has_next = getattr(getattr(stream, "_cursor", None), "_has_next", None)
        return has_next is not None and bool(has_next())

    async def collections(self, handle: Handle) -> list[Document]:
        return [found async for found in await cast("Any", handle).list_collections()]

    async def indexes(self, collection: Collection) -> list[Document]:
        return [found async for found in await cast("Any", collection).list_indexes()]
