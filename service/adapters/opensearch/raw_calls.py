"""Raw calls to an OpenSearch by method and path, for the checks at startup and of ``assetry doctor``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Any

from opensearchpy import AsyncOpenSearch
from opensearchpy.exceptions import SerializationError, TransportError

from service.adapters.opensearch.connection import ENGINE, Connection, Host
from service.adapters.opensearch.diagnosis import fault
from service.adapters.opensearch.wire import client, describe, translate
from service.errors import Unavailable
from service.ports.search import Rejected

SECONDS = 4.0
"""The timeout of one call of a check."""


class RawClient:
    """An engine, called by path.

    Answers are the engine's JSON, unchanged.
    """

    def __init__(self, client: AsyncOpenSearch) -> None:
        self._client = client

    async def get(self, path: str, **params: str) -> Any:
        """Send a GET to a path and return the answer. Raises as :meth:`send`."""
        return await self.send("GET", path, None, **params)

    async def send(self, method: str, path: str, body: Any = None, **params: str) -> Any:
        """Send a request and return the answer. Raises Rejected for every 4xx, and Unavailable otherwise."""
        try:
            return await self._raw(method, path, body, params)
        except TransportError as error:
            status = error.status_code
            if isinstance(status, int) and 400 <= status < 500:
                raise Rejected(status, *describe(error.info)) from error
            raise translate(error) from error
        except SerializationError as error:
            raise Unavailable(ENGINE, "the answer is not JSON") from error

    async def first(self, host: Host) -> Mapping[str, Any]:
        """Return the answer to ``/``. Raises SettingsError or Unavailable, as :func:`diagnosis.fault` determines."""
        try:
            answer = await self._raw("GET", "/", None, {})
        except (TransportError, SerializationError) as error:
            raise fault(error, host) from error
        return answer if isinstance(answer, Mapping) else {}

    async def date(self) -> float | None:
        """Return the time in an answer's ``Date`` header, in seconds; None without one."""
        try:
            # The client does not expose headers; an earlier call has opened its connections.
            _, headers, _ = await self._client.transport.get_connection().perform_request("GET", "/", timeout=SECONDS)
            return parsedate_to_datetime(headers["Date"]).timestamp()
        except (TransportError, KeyError, ValueError):
            return None

    async def _raw(self, method: str, path: str, body: Any, params: Mapping[str, str]) -> Any:
        return await self._client.transport.perform_request(
            method, path, params={**params, "request_timeout": SECONDS}, body=body
        )


@asynccontextmanager
async def probing(connection: Connection, host: int | None = None) -> AsyncIterator[RawClient]:
    """Provide a raw client of all hosts, or of one alone. Raises SettingsError."""
    chosen = connection if host is None else replace(connection, hosts=(connection.hosts[host],))
    made = client(chosen)
    try:
        yield RawClient(made)
    finally:
        await made.close()
