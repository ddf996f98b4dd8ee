"""What the adapter needs of a driver of MongoDB: the one seam between it and Motor, or what comes after Motor.

The shapes are those of PyMongo, which both Motor and PyMongo's own async client have; what the two say differently is a
method of :class:`Driver`. BSON, errors and options are PyMongo's with either.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from bson.timestamp import Timestamp

from service.adapters.mongo.codec import Document
from service.adapters.mongo.options import MongoOptions


class Session(Protocol):
    """A session: what it did last has its time in ``operation_time``."""

    @property
    def operation_time(self) -> Timestamp | None:
        """The cluster's time of what the session did last, None where the server tells none."""
        ...

    def advance_operation_time(self, operation_time: Timestamp) -> None:
        """Have what is read next be at least as new."""
        ...


class Cursor(Protocol):
    """What a search found."""

    async def to_list(self, length: int | None) -> list[Document]:
        """Return all of it."""
        ...


class Collection(Protocol):
    """A collection of documents."""

    def find(self, *arguments: Any, **options: Any) -> Cursor:
        """Search documents."""
        ...

    async def find_one(self, *arguments: Any, **options: Any) -> Document | None:
        """Return a document, None if there is none."""
        ...

    async def find_one_and_update(self, *arguments: Any, **options: Any) -> Document | None:
        """Change a document and return it, None if there is none."""
        ...

    async def insert_one(self, *arguments: Any, **options: Any) -> object:
        """Write a document."""
        ...

    async def insert_many(self, *arguments: Any, **options: Any) -> object:
        """Write documents."""
        ...

    async def update_one(self, *arguments: Any, **options: Any) -> object:
        """Change a document."""
        ...

    async def delete_many(self, *arguments: Any, **options: Any) -> object:
        """Delete documents."""
        ...

    async def count_documents(self, *arguments: Any, **options: Any) -> int:
        """Count documents."""
        ...

    async def estimated_document_count(self, **options: Any) -> int:
        """Count documents by what the server keeps of a collection."""
        ...


class Handle(Protocol):
    """A database of a server."""

    def __getitem__(self, name: str) -> Collection: ...

    def get_collection(self, name: str, **options: Any) -> Collection:
        """Return a collection with its own concerns."""
        ...

    async def command(self, *arguments: Any, **options: Any) -> Document:
        """Send a command and return the answer."""
        ...


class Client(Protocol):
    """A client of a server or a replica set."""

    @property
    def admin(self) -> Handle:
        """The database for commands about the server."""
        ...

    def get_database(self, name: str, **options: Any) -> Handle:
        """Return a database with its own concerns."""
        ...


class ChangeStream(Protocol):
    """An open change stream."""

    @property
    def alive(self) -> bool:
        """Whether the server knows its cursor still."""
        ...

    @property
    def resume_token(self) -> Document | None:
        """Where it is."""
        ...

    async def try_next(self) -> Document | None:
        """Return the next event, None if none came for a while."""
        ...

    async def close(self) -> None:
        """Close it at the server."""
        ...


class Driver(Protocol):
    """A driver. Errors are PyMongo's."""

    def client(self, options: MongoOptions, **settings: Any) -> Client:
        """Return a client on the running loop, with PyMongo's settings; it connects when it is first asked."""
        ...

    async def close(self, client: Client) -> None:
        """Close every connection of a client."""
        ...

    def session(self, client: Client) -> AbstractAsyncContextManager[Session]:
        """Give a causally consistent session."""
        ...

    async def watch(self, target: Handle | Collection, pipeline: Sequence[Document], **options: Any) -> ChangeStream:
        """Open a change stream over a database or a collection; the server has opened it when this returns."""
        ...

    def has_next(self, stream: ChangeStream) -> bool:
        """Whether the next event is here already, so that reading it waits for nobody.

        No driver says it in public. Where it is not known, each event is a batch of its own: slow, but right.
        """
        ...

    async def collections(self, handle: Handle) -> list[Document]:
        """Return what a database says of its collections."""
        ...

    async def indexes(self, collection: Collection) -> list[Document]:
        """Return what a collection says of its indexes."""
        ...
