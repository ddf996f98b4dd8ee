"""A client of one database: its options, sessions and time limits, and the cluster times of its answers."""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from bson.timestamp import Timestamp
from pymongo.errors import ConfigurationError, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from service.adapters.mongo.codec import CODEC
from service.adapters.mongo.driver import Client, Collection, Driver, Handle, Session
from service.adapters.mongo.errors import settings_error, time_limit
from service.adapters.mongo.motor_driver import MotorDriver
from service.adapters.mongo.options import MongoOptions, overridden
from service.adapters.mongo.token import as_int, as_timestamp
from service.errors import Unavailable

log = logging.getLogger(__name__)

_MAJORITY = ReadConcern("majority")


def make_client(
    driver: Driver, options: MongoOptions, listeners: Sequence[Any] = (), *, unlimited: bool = False
) -> Client:
    """Return a client on the running loop; it connects on its first call. Raises SettingsError for the URL.

    The options that Assetry relies on override those in the URL: majority writes, retries, reads from the primary. An
    ``unlimited`` client waits for an answer as long as the connection lasts.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # so that the driver reports options that it would ignore
            return driver.client(
                options,
                appname="assetry",
                w="majority",
                journal=True,
                wTimeoutMS=options.milliseconds,
                readPreference="primary",
                retryWrites=True,
                retryReads=True,
                serverSelectionTimeoutMS=options.milliseconds,
                connectTimeoutMS=options.milliseconds,
                socketTimeoutMS=None if unlimited else round(options.socket_seconds * 1000),
                maxPoolSize=options.threads,
                event_listeners=list(listeners),
            )
    except (PyMongoError, UserWarning, ValueError, TypeError):
        raise settings_error(ConfigurationError()) from None  # the driver's message may contain the URL


class Database:
    """The database of a store.

    ``has_cluster_time`` says whether its answers carry the cluster time, as those of every replica set do. ``seen`` is
    the newest time (64 bits) that a follower was shown: its later reads must not be older. An ``unlimited`` database
    sets no limit on an answer, for an operator's commands that may take long, such as building an index.
    """

    def __init__(
        self,
        options: MongoOptions,
        listeners: Sequence[Any] = (),
        *,
        unlimited: bool = False,
        driver: Driver | None = None,
    ) -> None:
        self.options = options
        self.driver = driver or MotorDriver()
        self.has_cluster_time = False
        self.seen = 0
        self.version = ""
        self._client: Client | None = None
        self._listeners = listeners
        self._unlimited = unlimited

    async def connect(self) -> None:
        """Find the primary. Raises SettingsError (the URL, the user, TLS) and Unavailable."""
        for words in overridden(self.options.url):
            log.warning("%s", words)
        self._client = make_client(self.driver, self.options, self._listeners, unlimited=self._unlimited)
        try:
            async with self.startup_time_limit():
                async with self.session() as session:
                    await self._client.admin.command("ping", session=session)
                    self.has_cluster_time = session.operation_time is not None
                self.version = await self._find_version()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close every connection. Safe to call twice."""
        client, self._client = self._client, None
        if client is not None:
            await self.driver.close(client)

    @property
    def client(self) -> Client:
        """The client. Raises Unavailable when it is closed."""
        if self._client is None:
            raise Unavailable("store", "the store is not open")
        return self._client

    @property
    def handle(self) -> Handle:
        """The database, for change streams and administration."""
        return self.client.get_database(self.options.database, codec_options=CODEC, read_concern=_MAJORITY)

    def collection(self, name: str, *, majority: bool = False) -> Collection:
        """Return a collection; with ``majority``, reads return only what a failover cannot roll back."""
        concern = WriteConcern(w="majority", wtimeout=self.options.milliseconds, j=True)
        return self.client.get_database(self.options.database).get_collection(
            name,
            codec_options=CODEC,
            write_concern=concern,
            read_concern=_MAJORITY if majority else None,
        )

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Provide a session, whose ``operation_time`` is the time of its last operation."""
        async with self.driver.session(self.client) as session:
            yield session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Session]:
        """Provide a session whose reads are at least as new as what a follower was shown (``afterClusterTime``)."""
        async with self.session() as session:
            if self.seen:
                session.advance_operation_time(as_timestamp(self.seen))
            yield session

    @asynccontextmanager
    async def time_limit(self) -> AsyncIterator[None]:
        """Limit the enclosed calls to the time of one operation. Raises Unavailable and other translated errors."""
        async with time_limit(self.options.call_seconds):
            yield

    @asynccontextmanager
    async def startup_time_limit(self) -> AsyncIterator[None]:
        """Limit the enclosed calls at startup, when a setting may be wrong. Raises SettingsError, Unavailable."""
        try:
            async with asyncio.timeout(2 * self.options.call_seconds):
                yield
        except TimeoutError:
            raise Unavailable("store", "the database did not answer in time") from None
        except PyMongoError as error:
            # Neither the message nor the chain is shown: they name hosts, and may contain the URL.
            raise settings_error(error) from None

    def record_seen(self, time: int) -> None:
        """Record that a follower was shown what happened at ``time``."""
        self.seen = max(self.seen, time)

    async def _find_version(self) -> str:
        built = await self.client.admin.command("buildInfo")
        if "version" in built:
            return str(built["version"])
        hello = await self.client.admin.command("hello")
        return f"wire version {hello.get('maxWireVersion', 'unknown')}"


def time_of_session(session: Session) -> int:
    """Return the time of a session's last operation as 64 bits; 0 if the server does not report it."""
    time = session.operation_time
    return as_int(time) if isinstance(time, Timestamp) else 0
