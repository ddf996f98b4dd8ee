"""opensearch-py's connection to one host, on aiohttp: limited in time and number, bodies streamed, nothing logged."""

from __future__ import annotations

import asyncio
import gzip
import io
from collections.abc import Collection, Mapping
from typing import Any

import aiohttp
import orjson
from aiohttp.client_exceptions import ConnectionTimeoutError
from opensearchpy import AIOHttpConnection
from opensearchpy.exceptions import ConnectionError as ConnectionFailed
from opensearchpy.exceptions import ConnectionTimeout, TransportError
from yarl import URL

COMPRESSED = 1024
"""Smaller bodies are sent uncompressed: gzip would not save packets."""

_LEVEL = 1
_DNS_SECONDS = 10
_ASIDE = 64 * 1024
"""Larger bodies are compressed in a thread, not on the event loop."""


class HttpConnection(AIOHttpConnection):
    """Connections to one host.

    It replaces the client's own for four reasons: a connect timeout (a host that is down must not cost a call's whole
    timeout), bodies of any size without aiohttp's warning, no redirects (they would send the credentials elsewhere),
    and no Python warning for an engine's deprecation header.
    """

    def __init__(self, *, connect_timeout: float, **options: Any) -> None:
        """``connect_timeout`` is in seconds; the other options are the client's."""
        super().__init__(**options)
        self._connect_timeout = connect_timeout

    async def perform_request(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None = None,
        body: bytes | str | None = None,
        timeout: float | None = None,
        ignore: Collection[int] = (),
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Return (status, headers, body).

        Raises ConnectionTimeout when there is no complete answer within ``timeout`` seconds (including the wait for a
        free connection), ConnectionFailed when the host cannot be reached or closes the connection, and TransportError
        for a status of 300 or more that is not in ``ignore``.
        """
        session = self.session or self._open()
        sent = {**self.headers, **(headers or {})}
        data = None if body is None else await self._encode(body, sent)
        seconds = aiohttp.ClientTimeout(total=timeout or self.timeout, sock_connect=self._connect_timeout)
        address = self._address(url, params)
        try:
            async with session.request(
                method, address, data=data, headers=sent, timeout=seconds, allow_redirects=False
            ) as answer:
                raw = await answer.read()
        except ConnectionTimeoutError as error:  # nothing has been sent
            raise ConnectionFailed("N/A", str(error), error) from error
        except TimeoutError as error:
            raise ConnectionTimeout("TIMEOUT", str(error), error) from error
        except (aiohttp.ClientError, OSError) as error:
            raise ConnectionFailed("N/A", str(error), error) from error
        if not 200 <= answer.status < 300 and answer.status not in ignore:
            raise _error(answer.status, raw)
        return answer.status, answer.headers, raw

    def _open(self) -> aiohttp.ClientSession:
        """Create the session, on the event loop of the first request."""
        connector = aiohttp.TCPConnector(
            limit=self._limit or 0, ssl=self._ssl_context or True, ttl_dns_cache=_DNS_SECONDS, keepalive_timeout=30
        )
        self.session = session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), skip_auto_headers=("accept-encoding",)
        )
        # aiohttp would send a PUT or DELETE again if the first got no answer, and has no option to prevent it.
        session._retry_connection = False
        return session

    def _address(self, path: str, params: Mapping[str, Any] | None) -> URL:
        query = "" if not params else str(URL.build(query=dict(params)).raw_query_string)
        return URL.build(
            scheme=self.scheme,
            host=self.hostname,
            port=self.port,
            path=self.url_prefix + path,
            query_string=query,
            encoded=True,
        )

    async def _encode(self, body: bytes | str, headers: dict[str, str]) -> io.BytesIO:
        """Return the body as a stream, which aiohttp writes in pieces without copying it whole."""
        data = body.encode() if isinstance(body, str) else body
        if self.http_compress and len(data) >= COMPRESSED:
            headers["content-encoding"] = "gzip"
            if len(data) < _ASIDE:
                data = gzip.compress(data, _LEVEL, mtime=0)
            else:
                data = await asyncio.to_thread(gzip.compress, data, _LEVEL, mtime=0)
        return io.BytesIO(data)


def _error(status: int, raw: bytes) -> TransportError:
    """Return the error of a status, with the answer's body as data if it is JSON (a gateway's may be anything)."""
    try:
        info = orjson.loads(raw)
    except orjson.JSONDecodeError:
        info = raw.decode("utf-8", "replace")
    return TransportError(status, "", info)
