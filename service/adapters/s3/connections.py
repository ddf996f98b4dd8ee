"""Connections to the S3 engine: their timeouts and retries."""

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

from service.adapters.s3.errors import timed_out
from service.adapters.s3.options import CA, S3Options
from service.errors import SettingsError

RETRIES = 2
"""Retries of a request, at once and after 0.4 s, if it was refused or reset, or answered with 429 or a 5xx."""

_BUSY = (429, 500, 502, 503, 504)


class _FastRetry(Retry):
    """Retries fast failures only: when an engine hangs, a retry would use up the caller's time."""

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        """Return the remaining retries. Raises the error itself if it was a timeout."""
        if error is not None and timed_out(error):
            raise error
        return super().increment(method, url, response, error, _pool, _stacktrace)


def connections(options: S3Options, *, idle: float | None = None) -> urllib3.PoolManager:
    """Return the connection pool. Raises SettingsError for certificates that cannot be read.

    ``idle`` replaces the options' limit of seconds without an answer.
    """
    ca = str(options.ca) if options.ca else os.environ.get("SSL_CERT_FILE") or certifi.where()
    if options.url.startswith("https:"):
        _check_certificates(ca)
    idle_seconds = idle or options.idle
    pool = urllib3.PoolManager(
        maxsize=4 * options.threads,  # while its reader is slow, a download holds a connection but no thread
        timeout=Timeout(connect=options.connect, read=idle_seconds),
        blocksize=256 * 1024,  # bytes of a body that are read and sent at a time
        cert_reqs="CERT_REQUIRED",
        ca_certs=ca,
        # An engine's Retry-After may be minutes, for which a thread would sleep: our client gets a 503 instead.
        retries=_FastRetry(
            total=RETRIES,
            backoff_factor=0.2,
            status_forcelist=_BUSY,
            respect_retry_after_header=False,
            raise_on_status=False,
        ),
    )
    pool.pool_classes_by_scheme = _pools(idle_seconds)
    return pool


def _pools(idle: float) -> dict[str, type[HTTPConnectionPool]]:
    """Return connection pools that allow ``idle`` seconds for each block of a body to be sent.

    By default the library keeps the connect timeout in force until the whole request is sent: each block would have
    to leave within it, which a busy engine or a slow uplink does not always manage.
    """

    class Plain(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            self.sock.settimeout(idle)

        def request(self, *arguments: Any, **named: Any) -> None:
            if self.sock is not None:  # the library sets this timeout when it reuses a connection
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
        raise SettingsError(CA, f"cannot read {path}: {error.strerror}.") from error
    if "BEGIN CERTIFICATE" not in text and "BEGIN TRUSTED CERTIFICATE" not in text:
        raise SettingsError(CA, f"{path} contains no PEM certificate.")
