"""The Redis client: built from a URL, with timeouts, and errors translated to Assetry's.

Redis holds only what may be lost: wake-ups of workers, request counts, and replies that are kept for a while.
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
from service.urls import UNIX, fault, redacted

ENGINE = "redis"
SETTING = "ASSETRY_REDIS_URL"
SCHEMES = ("redis://", "rediss://", UNIX)

OLDEST = (6, 2)
"""The oldest supported Redis: ZMSCORE and the options of SET, EXPIRE and GETEX need 6.2."""

CONNECTIONS = 64
"""The largest number of connections per process; a command waits for a free one until it times out."""
IDLE_SECONDS = 15
"""A connection that was idle for longer is checked with a PING first, to detect a half-open one before it is used."""

RETRYABLE = (failures.ConnectionError, ConnectionError, failures.ReadOnlyError)
"""Errors after which a command is retried once, on a new connection: the connection broke, or reached a replica.

After a failover the address may belong to another server, while the old one still answers its clients but refuses
writes. A command that timed out is never retried: it may have been executed.
"""


@dataclass(frozen=True, slots=True)
class RedisOptions:
    """Which Redis to use, and how.

    ``url`` is ``redis://[user][:password]@host:port/db``, ``rediss://…`` (TLS; ``?ssl_ca_certs=FILE`` names a private
    CA, ``?ssl_cert_reqs=none`` trusts any certificate) or ``unix:///path?db=0``. Every key starts with ``prefix`` (in
    arq's own keys it follows ``arq:…:``), so that several services can share a database. Redis Cluster is not
    supported. ``timeout`` limits one command, including connecting, in seconds.
    """

    url: str = field(repr=False)  # may contain a password
    prefix: str = "assetry"
    timeout: float = 2.0


RedisClient = Redis
"""The client that :func:`connect` gives, for those who only hand it on."""


def pool(options: RedisOptions) -> BlockingConnectionPool:
    """Build the connection pool without opening a connection. Raises SettingsError for a malformed URL.

    It is the blocking pool: the client's default pool opens connections one after the other under a lock, so that
    with a Redis that hangs every caller would wait for the timeouts of all callers before it.
    """
    if wrong := fault(options.url, SCHEMES) or _database_fault(options.url):
        raise SettingsError(SETTING, f"the URL {wrong}.")
    # The client's default is off; with an untrusted certificate there is no host name to check.
    check_host = options.url.startswith("rediss://") and ("ssl_cert_reqs", "none") not in parse_qsl(
        urlsplit(options.url).query
    )
    tls = {"ssl_check_hostname": True} if check_host else {}
    try:
        connections: BlockingConnectionPool = BlockingConnectionPool.from_url(
            options.url,
            max_connections=CONNECTIONS,
            timeout=options.timeout,
            socket_timeout=options.timeout,
            socket_connect_timeout=options.timeout,
            health_check_interval=IDLE_SECONDS,
            redis_connect_func=_set_up_connection,
            client_name="assetry",
            retry=Retry(ConstantBackoff(0.05), 1, RETRYABLE),  # type: ignore[arg-type]  # raw errors come up, too
            retry_on_error=list(RETRYABLE),
            **tls,
        )
    except ValueError as error:
        raise SettingsError(SETTING, f"{_explain(error, options.url)}.") from None
    return connections


class Client(Redis):
    """The pool's client, which also recognizes a replica's refusal from within a script.

    Redis 6.2 wraps the error that stopped a script: ``ERR Error running script …: -READONLY You can't write …``.
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
    """Return a client that has talked to its Redis; ``aclose()`` releases it.

    Raises:
        SettingsError: it cannot be reached, refuses the credentials, or is not supported; the message says what to do.
        Unavailable: it is there but not ready (it is loading its data).
    """
    client: Redis = Client.from_pool(pool(options))
    try:
        await check_server(client, options)
    except BaseException:
        await client.aclose()
        raise
    return client


async def check_server(client: Redis, options: RedisOptions) -> None:
    """Check that Redis answers and that its version is supported. Raises as :func:`connect` does."""
    try:
        async with asyncio.timeout(2 * options.timeout):
            await client.ping()
            facts = await _server_info(client)
    except (failures.RedisError, OSError, TypeError, ValueError) as error:
        if isinstance(error, failures.BusyLoadingError):
            raise translate(error) from error
        # Not chained: the client's message may contain the URL.
        raise SettingsError(SETTING, f"{_explain(error, options.url)}.") from None
    mode, version = str(facts.get("redis_mode", "standalone")), str(facts.get("redis_version", ""))
    if mode != "standalone":
        raise SettingsError(
            SETTING, f"{redacted(options.url)} is a {mode}, which is not supported: use a single Redis server."
        )
    if version and version_of(version) < OLDEST:
        needed = ".".join(map(str, OLDEST))
        raise SettingsError(SETTING, f"{redacted(options.url)} is Redis {version}: upgrade it to {needed} or later.")


def version_of(text: str) -> tuple[int, int]:
    """Return the major and minor version of, for example, ``7.0.15``."""
    major, minor, *_ = [int("".join(filter(str.isdigit, part)) or 0) for part in f"{text}.0".split(".")]
    return major, minor


@asynccontextmanager
async def time_limit(seconds: float) -> AsyncIterator[None]:
    """Limit the total time of the enclosed commands, and turn Redis's errors into Unavailable."""
    with translated():
        async with asyncio.timeout(seconds):
            yield


@contextmanager
def translated() -> Iterator[None]:
    """Turn Redis's errors into Unavailable, without their text."""
    try:
        yield
    except (failures.RedisError, OSError) as error:  # TimeoutError is an OSError
        raise translate(error) from error


REASONS: tuple[tuple[type[Exception], str], ...] = (
    (failures.TimeoutError, "no answer in time"),
    (TimeoutError, "no answer in time"),
    (failures.AuthenticationError, "it rejected the credentials"),
    (failures.NoPermissionError, "its user lacks the permission"),
    (failures.BusyLoadingError, "it is loading its data"),
    (failures.ReadOnlyError, "it is a replica, which refuses writes"),
    (failures.OutOfMemoryError, "its memory is full"),
    (failures.ConnectionError, "no connection"),
    (OSError, "no connection"),
    (failures.RedisError, "it rejected a command"),
)
"""What each kind of error means; the first that matches counts."""


def translate(error: Exception) -> Unavailable:
    """Return Unavailable with the meaning of an error of Redis or of its connection."""
    return Unavailable(ENGINE, next(reason for kind, reason in REASONS if isinstance(error, kind)))


async def _set_up_connection(connection: AbstractConnection) -> None:
    """Set up a new connection, without the PING that the client sends after idle time.

    The client would send that PING during the set-up; if the server answers LOADING, it would reconnect recursively,
    hundreds of times.
    """
    connection.next_health_check = asyncio.get_running_loop().time() + IDLE_SECONDS
    await connection.on_connect()


async def _server_info(client: Redis) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = await client.info("server")
    except failures.NoPermissionError:
        return {}  # a user without INFO: nothing is known, and nothing is wrong
    return facts


def _database_fault(url: str) -> str | None:
    """Return what is wrong with the database number; the client would silently use 0."""
    path = urlsplit(url).path.strip("/")
    if url.startswith(UNIX) or not path or path.isdecimal():
        return None
    return "ends with a database that is not a number"


_UNTRUSTED = (
    "the certificate of {url} is not trusted, or belongs to another host: "
    "use the host name in the certificate, and name its CA with ?ssl_ca_certs=FILE"
)

CAUSES: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "cannot resolve the host name of {url}: correct it"),
    (ssl.SSLCertVerificationError, _UNTRUSTED),
    (ssl.SSLError, "{url} does not support TLS: use redis://, or the port for TLS"),
    (TimeoutError, "{url} does not answer in time: check the address, the network and the firewall"),
    (failures.TimeoutError, "{url} does not answer in time: check the address, the network and the firewall"),
    (failures.AuthenticationError, "{url} rejected the credentials: use redis://user:password@host (or :password@)"),
    (failures.NoPermissionError, "the user at {url} lacks permissions: allow it all commands on its keys"),
    (failures.InvalidResponse, "the server at {url} is not a Redis server, or expects TLS: use rediss:// for TLS"),
    (ConnectionResetError, "{url} closed the connection: {closed}; otherwise check its log"),
    (BrokenPipeError, "{url} closed the connection: {closed}; otherwise check its log"),
    (failures.ResponseError, "{url} has no such database, or refuses clients: correct the number after the port"),
    (FileNotFoundError, "the socket or certificate named in the URL does not exist: correct the path"),
    (failures.ConnectionError, "nothing answers at {url}: start Redis there, or correct the address"),
    (failures.RedisError, "the URL has a parameter with an invalid value: correct the part after the question mark"),
    (OSError, "nothing answers at {url}: start Redis there, or correct the address"),
    (TypeError, "the URL has an unknown parameter: remove it from the part after the question mark"),
    (ValueError, "the URL has a parameter with an invalid value: correct the part after the question mark"),
)
"""What a connection error means and how to fix it; the first that matches the error or its cause counts."""


MESSAGE_CAUSES: tuple[tuple[str, str], ...] = (
    (
        "CERTIFICATE_REQUIRED",
        "{url} requires a client certificate: name one with ?ssl_certfile=FILE&ssl_keyfile=FILE",
    ),
    (
        "max number of clients",
        "{url} has reached its limit of clients: raise its maxclients, or set ?max_connections=N",
    ),
)
"""Phrases from the library or Redis that say more than the error's class, with their explanations."""


_CLOSED = "use rediss:// if it expects TLS"
_CLOSED_TLS = "name a certificate with ?ssl_certfile=FILE&ssl_keyfile=FILE if it requires one from clients"
"""The server's reason may be lost with the connection, so the message names the likely one."""


def _explain(error: BaseException, url: str) -> str:
    causes = [cause for cause in (error.__cause__ or error.__context__, error) if cause is not None]
    for words, text in MESSAGE_CAUSES:
        if any(words in str(cause) for cause in causes):
            return text.format(url=redacted(url))
    explanation = next(text for kind, text in CAUSES if any(isinstance(cause, kind) for cause in causes))
    return explanation.format(url=redacted(url), closed=_CLOSED_TLS if url.startswith("rediss:") else _CLOSED)
