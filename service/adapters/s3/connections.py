"""Connections to the S3 engine: how long they wait for it, and what they send again."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import certifi
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import ConnectionPool, HTTPConnectionPool, HTTPSConnectionPool
from urllib3.response import BaseHTTPResponse
from urllib3.util import Retry, Timeout

from service.adapters.s3.errors import late
from service.adapters.s3.options import CA, S3Options
from service.errors import SettingsError

RETRIES = 2
"""How often a request is sent again, at once and after 0.4 s: when it was refused, reset, or answered by 429 or 5xx."""

_BUSY = (429, 500, 502, 503, 504)


class _Patience(Retry):
    """Retries of what fails at once. An engine that hangs is not asked again: its time is the caller's."""

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        """Return what is left of the retries. Raises the error itself for what took too long."""
        if error is not None and late(error):
            raise error
        return super().increment(method, url, response, error, _pool, _stacktrace)


def connections(options: S3Options, *, idle: float | None = None) -> urllib3.PoolManager:
    """Return the pool of connections. Raises SettingsError for certificates that cannot be read.

    ``idle`` is their own bound for an answer, in seconds.
    """
    ca = str(options.ca) if options.ca else os.environ.get("SSL_CERT_FILE") or certifi.where()
    if options.url.startswith("https:"):
        _check_certificates(ca)
    patience = idle or options.idle
    pool = urllib3.PoolManager(
        maxsize=4 * options.threads,  # a download holds a connection, but no thread, while its reader is slow
        timeout=Timeout(connect=options.connect, read=patience),
        blocksize=256 * 1024,  # bytes of a body that are read and sent at once
        cert_reqs="CERT_REQUIRED",
        ca_certs=ca,
        # An engine's Retry-After is minutes, and a thread would sleep through them: who asked us is told to come back.
        retries=_Patience(
            total=RETRIES,
            backoff_factor=0.2,
            status_forcelist=_BUSY,
            respect_retry_after_header=False,
            raise_on_status=False,
        ),
    )
    pool.pool_classes_by_scheme = _pools(patience)
    return pool


def _pools(idle: float) -> dict[str, type[HTTPConnectionPool]]:
    """Return pools whose connections have ``idle`` seconds to take the next block of a body.

    Of itself the library leaves the time for connecting in force until the whole request is sent: each block would have
    to leave within that, which an engine that is busy, or a narrow uplink, does not keep.
    """

    class Plain(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            self.sock.settimeout(idle)

        def request(self, *arguments: Any, **named: Any) -> None:
            if self.sock is not None:  # the library sets this time when it uses a connection again
                self.timeout = idle
            super().request(*arguments, **named)

    class Secure(Plain, HTTPSConnection):
        """The same over TLS."""

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def _check_certificates(path: str) -> None:
    try:
        text = Path(path).read_text("ascii", "replace")
    except OSError as error:
        raise SettingsError(CA, f"{path} cannot be read: {error.strerror}.") from error
    if "BEGIN CERTIFICATE" not in text and "BEGIN TRUSTED CERTIFICATE" not in text:
        raise SettingsError(CA, f"{path} holds no certificate in PEM.")
