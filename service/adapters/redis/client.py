"""The Redis client: built from a URL, bounded in time, its errors as ours.

Redis holds nothing that cannot be lost: wake-ups of workers, counts of requests, replies that are kept for a while.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from redis import exceptions as failures
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection, Connection
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff

from service.errors import SettingsError, Unavailable
from service.urls import UNIX, fault, shown

ENGINE = "redis"
SETTING = "ASSETRY_REDIS_URL"
SCHEMES = ("redis://", "rediss://", UNIX)

OLDEST = (6, 2)
"""The oldest Redis that will do: ZMSCORE and the options of SET, EXPIRE and GETEX are of 6.2."""

CONNECTIONS = 64
"""Connections of one process at most; a command waits for one until its time is over."""
IDLE_SECONDS = 15
"""A connection that was idle for longer is tried by a PING first: a half-open one is found before it is used."""

LOST = (failures.ConnectionError, ConnectionError, failures.ReadOnlyError)
"""What is tried once more, on a new connection: one that is gone, or that leads to what is the primary no more.

After a failover the address may be another server's, while the old one goes on to answer its clients and refuses their
writes. Never a command whose answer did not come in time: it may have been carried out.
"""


@dataclass(frozen=True, slots=True)
class RedisOptions:
    """Which Redis, and how patient we are.

    ``url`` is ``redis://[user][:password]@host:port/db``, ``rediss://…`` (TLS; ``?ssl_ca_certs=FILE`` names a private
    authority, ``?ssl_cert_reqs=none`` trusts any certificate) or ``unix:///path?db=0``. Every key starts with
    ``prefix`` (arq's own have it behind ``arq:…:``), so that several services may share a database. A Redis Cluster is
    not supported. ``timeout`` is how long one command may take, connecting included, in seconds.
    """

    url: str = field(repr=False)  # it may hold a password
    prefix: str = "assetry"
    timeout: float = 2.0


def pool(options: RedisOptions) -> BlockingConnectionPool:
    """Build the connections; none is opened yet. Raises SettingsError for a URL that is none.

    It is the blocking pool: the plain one of this client opens connections one after the other under a lock, so that
    behind a Redis that hangs every caller would wait for the time-outs of all before it.
    """
    if wrong := fault(options.url, SCHEMES) or _database_fault(options.url):
        raise SettingsError(SETTING, f"the URL {wrong}.")
    # The client's default is off; with a certificate that nobody signed there is no name to check.
    named = options.url.startswith("rediss://") and ("ssl_cert_reqs", "none") not in parse_qsl(
        urlsplit(options.url).query
    )
    tls = {"ssl_check_hostname": True} if named else {}
    try:
        made: BlockingConnectionPool = BlockingConnectionPool.from_url(
            options.url,
            max_connections=CONNECTIONS,
            timeout=options.timeout,
            socket_timeout=options.timeout,
            socket_connect_timeout=options.timeout,
            health_check_interval=IDLE_SECONDS,
            redis_connect_func=_introduce,
            client_name="assetry",
            retry=Retry(ConstantBackoff(0.05), 1, LOST),  # type: ignore[arg-type]  # raw errors come up, too
            retry_on_error=list(LOST),
            **tls,
        )
    except ValueError as error:
        raise SettingsError(SETTING, f"{_mend(error, options.url)}.") from None
    return made


class Client(Redis):
    """The client of the pool, which tells the refusal of a replica also from within a script.

    Redis 6.2 wraps what stopped a script: ``ERR Error running script …: -READONLY You can't write …``.
    """

    async def parse_response(self, connection: Connection, command_name: str | bytes, **options: Any) -> Any:
        """Read the answer to a command."""
        try:
            return await super().parse_response(connection, command_name, **options)
        except failures.ResponseError as error:
            if " -READONLY " in str(error):
                raise failures.ReadOnlyError(str(error)) from error
            raise


async def connect(options: RedisOptions) -> Redis:
    """Return a client that has spoken with its Redis; ``aclose()`` lets go of it.

    Raises:
        SettingsError: it cannot be reached, refuses the credentials, or will not do; the message says how to fix it.
        Unavailable: it is there but not ready (it is loading its data).
    """
    client: Redis = Client.from_pool(pool(options))
    try:
        await greet(client, options)
    except BaseException:
        await client.aclose()
        raise
    return client


async def greet(client: Redis, options: RedisOptions) -> None:
    """Ask for a sign of life, and whether it is a Redis that will do. Raises as :func:`connect` does."""
    try:
        async with asyncio.timeout(2 * options.timeout):
            await client.ping()
            facts = await _server(client)
    except (failures.RedisError, OSError, TypeError, ValueError) as error:
        if isinstance(error, failures.BusyLoadingError):
            raise translate(error) from error
        # Not chained: the client's words may repeat the URL.
        raise SettingsError(SETTING, f"{_mend(error, options.url)}.") from None
    mode, version = str(facts.get("redis_mode", "standalone")), str(facts.get("redis_version", ""))
    if mode != "standalone":
        raise SettingsError(SETTING, f"{shown(options.url)} is a {mode}, which is not supported: name a single Redis.")
    if version and version_of(version) < OLDEST:
        needed = ".".join(map(str, OLDEST))
        raise SettingsError(SETTING, f"{shown(options.url)} is Redis {version}: it takes {needed} or later.")


def version_of(text: str) -> tuple[int, int]:
    """Return major and minor of a version such as ``7.0.15``."""
    major, minor, *_ = [int("".join(filter(str.isdigit, part)) or 0) for part in f"{text}.0".split(".")]
    return major, minor


@asynccontextmanager
async def answered(seconds: float) -> AsyncIterator[None]:
    """Bound commands in time, all together, and turn Redis's errors into Unavailable."""
    with translated():
        async with asyncio.timeout(seconds):
            yield


@contextmanager
def translated() -> Iterator[None]:
    """Turn Redis's errors into Unavailable; its own words stay behind."""
    try:
        yield
    except (failures.RedisError, OSError) as error:  # TimeoutError is an OSError
        raise translate(error) from error


REASONS: tuple[tuple[type[Exception], str], ...] = (
    (failures.TimeoutError, "no answer in time"),
    (TimeoutError, "no answer in time"),
    (failures.AuthenticationError, "it refuses the credentials"),
    (failures.NoPermissionError, "its user may not do this"),
    (failures.BusyLoadingError, "it is loading its data"),
    (failures.ReadOnlyError, "it is a replica, which takes no writes"),
    (failures.OutOfMemoryError, "its memory is full"),
    (failures.ConnectionError, "no connection"),
    (OSError, "no connection"),
    (failures.RedisError, "it refused a command"),
)
"""What an error means, in our words; the first that fits counts."""


def translate(error: Exception) -> Unavailable:
    """Return what an error of Redis or of its connection means."""
    return Unavailable(ENGINE, next(reason for kind, reason in REASONS if isinstance(error, kind)))


async def _introduce(connection: AbstractConnection) -> None:
    """Introduce ourselves on a new connection, without the PING of an idle one.

    The client would send that PING amid the introduction; a server that answers LOADING then has it connect again from
    within, hundreds of times.
    """
    connection.next_health_check = asyncio.get_running_loop().time() + IDLE_SECONDS
    await connection.on_connect()


async def _server(client: Redis) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = await client.info("server")
    except failures.NoPermissionError:
        return {}  # a user without INFO: nothing can be said, and nothing is wrong
    return facts


def _database_fault(url: str) -> str | None:
    """Say what is wrong with the number of the database: the client would take 0 without a word."""
    path = urlsplit(url).path.strip("/")
    if url.startswith(UNIX) or not path or path.isdecimal():
        return None
    return "ends with a database that is no number"


_UNTRUSTED = (
    "the certificate of {url} is not trusted, or another host's: "
    "write the host that it names, and name its authority by ?ssl_ca_certs=FILE"
)

CAUSES: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "the host name of {url} is not known: correct it"),
    (ssl.SSLCertVerificationError, _UNTRUSTED),
    (ssl.SSLError, "{url} does not speak TLS: write redis:// or the port that does"),
    (TimeoutError, "{url} does not answer in time: is the address right, and the way there open?"),
    (failures.TimeoutError, "{url} does not answer in time: is the address right, and the way there open?"),
    (failures.AuthenticationError, "{url} refuses the credentials: write redis://user:password@host (or :password@)"),
    (failures.NoPermissionError, "the user at {url} lacks permissions: allow it all commands on its keys"),
    (failures.InvalidResponse, "what answers at {url} is no Redis, or wants TLS (rediss://)"),
    (ConnectionResetError, "{url} closes the connection: {closed}, else see its log"),
    (BrokenPipeError, "{url} closes the connection: {closed}, else see its log"),
    (failures.ResponseError, "{url} has no such database, or refuses its clients: correct the number behind the port"),
    (FileNotFoundError, "there is no socket or certificate where the URL says: correct the path"),
    (failures.ConnectionError, "nothing answers at {url}: start Redis there, or correct the address"),
    (failures.RedisError, "the URL has a parameter of the wrong kind: correct what is behind the question mark"),
    (OSError, "nothing answers at {url}: start Redis there, or correct the address"),
    (TypeError, "the URL has a parameter that is not known: drop what is behind the question mark"),
    (ValueError, "the URL has a parameter of the wrong kind: correct what is behind the question mark"),
)
"""What an error at the start means and how to fix it; the first that fits the error or what is behind it counts."""


SAID: tuple[tuple[str, str], ...] = (
    (
        "CERTIFICATE_REQUIRED",
        "{url} wants to know its clients: name a certificate by ?ssl_certfile=FILE&ssl_keyfile=FILE",
    ),
    (
        "max number of clients",
        "{url} has as many clients as it takes: raise its maxclients, or write ?max_connections=N",
    ),
)
"""Words of the library or of Redis that say more than the error's class, with their fixes."""


_CLOSED = "write rediss:// if it wants TLS"
_CLOSED_TLS = "name a certificate by ?ssl_certfile=FILE&ssl_keyfile=FILE if it wants to know its clients"
"""Its word for why may be lost with the connection, so what is likely is said."""


def _mend(error: BaseException, url: str) -> str:
    behind = [cause for cause in (error.__cause__ or error.__context__, error) if cause is not None]
    for words, text in SAID:
        if any(words in str(cause) for cause in behind):
            return text.format(url=shown(url))
    said = next(text for kind, text in CAUSES if any(isinstance(cause, kind) for cause in behind))
    return said.format(url=shown(url), closed=_CLOSED_TLS if url.startswith("rediss:") else _CLOSED)
