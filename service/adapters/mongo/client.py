"""One client of one database: how it is asked, and what its answers tell of the cluster's time."""

from __future__ import annotations

import asyncio
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
from service.adapters.mongo.errors import asked, settings_error
from service.adapters.mongo.motor_driver import MotorDriver
from service.adapters.mongo.options import MongoOptions
from service.adapters.mongo.token import as_int, as_timestamp
from service.errors import Unavailable

_MAJORITY = ReadConcern("majority")


def make_client(
    driver: Driver, options: MongoOptions, listeners: Sequence[Any] = (), *, patient: bool = False
) -> Client:
    """Return a client on the running loop; it connects when it is first asked. Raises SettingsError for the URL.

    What Assetry relies on wins over the same option in the URL: majority writes, retries, reads at the primary. A
    ``patient`` one waits for an answer as long as the connection holds.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # so the driver tells of options that it passes over
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
                socketTimeoutMS=None if patient else round(options.socket_seconds * 1000),
                maxPoolSize=options.threads,
                event_listeners=list(listeners),
            )
    except (PyMongoError, UserWarning, ValueError, TypeError):
        raise settings_error(ConfigurationError()) from None  # the driver's message may quote the URL


class Database:
    """The database of a store.

    ``clocked`` says whether its answers bear the cluster's time, as those of every replica set do. ``seen`` is the
    newest time (64 bits) that was shown to a follower: what it reads afterwards must not be older. A ``patient`` one
    has no bound for an answer, for the commands of an operator that take as long as they take: the build of an index.
    """

    def __init__(
        self,
        options: MongoOptions,
        listeners: Sequence[Any] = (),
        *,
        patient: bool = False,
        driver: Driver | None = None,
    ) -> None:
        self.options = options
        self.driver = driver or MotorDriver()
        self.clocked = False
        self.seen = 0
        self.version = ""
        self._client: Client | None = None
        self._listeners = listeners
        self._patient = patient

    async def connect(self) -> None:
        """Find the server that takes writes. Raises SettingsError (the URL, the account, TLS), Unavailable."""
        self._client = make_client(self.driver, self.options, self._listeners, patient=self._patient)
        try:
            async with self.starting():
                async with self.session() as session:
                    await self._client.admin.command("ping", session=session)
                    self.clocked = session.operation_time is not None
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
        """The database, to watch and to administer."""
        return self.client.get_database(self.options.database, codec_options=CODEC, read_concern=_MAJORITY)

    def collection(self, name: str, *, majority: bool = False) -> Collection:
        """Return a collection; ``majority`` reads only what no failover takes back."""
        concern = WriteConcern(w="majority", wtimeout=self.options.milliseconds, j=True)
        return self.client.get_database(self.options.database).get_collection(
            name,
            codec_options=CODEC,
            write_concern=concern,
            read_concern=_MAJORITY if majority else None,
        )

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Give a session: what it did last has its time in ``operation_time``."""
        async with self.driver.session(self.client) as session:
            yield session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Session]:
        """Give a session whose reads are at least as new as what was shown to a follower (``afterClusterTime``)."""
        async with self.session() as session:
            if self.seen:
                session.advance_operation_time(as_timestamp(self.seen))
            yield session

    @asynccontextmanager
    async def asked(self) -> AsyncIterator[None]:
        """Ask something within the time of one operation. Raises Unavailable and what the table of codes says."""
        async with asked(self.options.call_seconds):
            yield

    @asynccontextmanager
    async def starting(self) -> AsyncIterator[None]:
        """Ask something at the start, where a setting may be to blame. Raises SettingsError, Unavailable."""
        try:
            async with asyncio.timeout(2 * self.options.call_seconds):
                yield
        except TimeoutError:
            raise Unavailable("store", "the database did not answer in time") from None
        except PyMongoError as error:
            # Neither the message nor the chain is shown: they name hosts, and may quote the URL.
            raise settings_error(error) from None

    def show(self, time: int) -> None:
        """Note that a follower was shown what happened at ``time``."""
        self.seen = max(self.seen, time)

    async def _find_version(self) -> str:
        built = await self.client.admin.command("buildInfo")
        if "version" in built:
            return str(built["version"])
        hello = await self.client.admin.command("hello")
        return f"wire version {hello.get('maxWireVersion', 'unknown')}"


def time_of_session(session: Session) -> int:
    """Return the time of what a session did last as 64 bits; 0 where the server tells none."""
    time = session.operation_time
    return as_int(time) if isinstance(time, Timestamp) else 0
