"""What goes over the wire to an OpenSearch: the client, JSON by orjson, bulk bodies as bytes, and its errors as ours.

The only module that imports opensearch-py and knows how an engine words its refusals.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
from opensearchpy import AsyncOpenSearch, JSONSerializer
from opensearchpy.exceptions import ConnectionError as ConnectionFailed
from opensearchpy.exceptions import ConnectionTimeout, SerializationError, TransportError

from service.adapters.opensearch import ENGINE, Connection
from service.errors import Unavailable
from service.ports.search import BulkItem, BulkOutcome, Rejected

UNANSWERED = frozenset({408, 429, 502, 503, 504})
"""Statuses that say "not now" (as does every other 5xx); any other 4xx is a refusal of what was asked."""

UNENCODABLE = "unencodable_document"
"""The error type of a bulk item that is no JSON: it never left the process."""


class OrjsonSerializer(JSONSerializer):
    """opensearch-py's JSON serializer on orjson; text and bytes pass as they are."""

    def loads(self, s: str | bytes) -> Any:
        """Parse an answer. Raises SerializationError."""
        try:
            return orjson.loads(s)
        except orjson.JSONDecodeError as error:
            raise SerializationError(s, error) from error

    def dumps(self, data: Any) -> Any:
        """Encode a body. Raises TypeError for what is no JSON."""
        return data if isinstance(data, (str, bytes)) else orjson.dumps(data)


def client(connection: Connection) -> AsyncOpenSearch:
    """Build the client. It connects with its first request, on the event loop of that request.

    A lost connection is tried once more on another connection or host: searches only read, and a write with an
    external version may be repeated. What the engine *answered* (429 above all) is never retried here.
    """
    # The client warns of every failed request, with a stack trace: the adapter raises, and its caller knows more.
    logging.getLogger("opensearch").setLevel(logging.CRITICAL)
    hosts = list(connection.hosts)
    return AsyncOpenSearch(
        hosts=hosts,
        http_auth=(connection.user, connection.password or "") if connection.user else None,
        serializer=OrjsonSerializer(),
        max_retries=max(1, len(hosts) - 1),
        retry_on_status=(),
        retry_on_timeout=len(hosts) > 1,
        dead_timeout=5,
        pool_maxsize=connection.connections,
        timeout=connection.timeout,
        **_tls(connection),
    )


def _tls(connection: Connection) -> dict[str, Any]:
    """Return the TLS options that are set, if any host is reached over TLS."""
    if not any(host.startswith("https://") for host in connection.hosts):
        return {}
    files = {
        "ca_certs": connection.ca_certs,
        "client_cert": connection.client_cert,
        "client_key": connection.client_key,
    }
    given = {name: value for name, value in files.items() if value is not None}
    return {"verify_certs": connection.verify_certs, "ssl_show_warn": False, **given}


@contextmanager
def translated() -> Iterator[None]:
    """Turn opensearch-py's exceptions into Unavailable and Rejected."""
    try:
        yield
    except TransportError as error:
        raise translate(error) from error
    except SerializationError as error:
        raise Unavailable(ENGINE, "the answer is no JSON; is this the address of an OpenSearch?") from error


def translate(error: TransportError) -> Unavailable | Rejected:
    """Return what an opensearch-py error means."""
    if isinstance(error, ConnectionTimeout):
        return Unavailable(ENGINE, "no answer in time")
    if isinstance(error, ConnectionFailed):
        return Unavailable(ENGINE, f"no connection ({type(error.info).__name__})")
    status = error.status_code
    kind, reason = describe(error.info)
    if not isinstance(status, int) or status in UNANSWERED or status >= 500:
        return Unavailable(ENGINE, f"answered {status} {kind}")
    return Rejected(status, kind, reason)


def describe(info: Any) -> tuple[str, str]:
    """Return the type and reason of an error body, an item's ``error`` or a plain text."""
    error = info.get("error", info) if isinstance(info, Mapping) else info
    if not isinstance(error, Mapping):
        return "unknown", str(error)
    causes = [error]
    while isinstance(cause := causes[-1].get("caused_by"), Mapping):
        causes.append(cause)
    reasons = (str(cause["reason"]) for cause in causes if cause.get("reason"))
    return str(error.get("type", "unknown")), ": ".join(dict.fromkeys(reasons))


def bulk_body(items: Sequence[BulkItem]) -> tuple[bytes, dict[int, BulkOutcome]]:
    """Return a bulk body of ``index`` actions with external versions, and the outcomes of items that are no JSON.

    Those items (by position) are left out of the body: one bad document never spoils the rest of its batch.
    """
    lines: list[bytes] = []
    failed: dict[int, BulkOutcome] = {}
    for position, item in enumerate(items):
        action = {"index": {"_id": item.id, "version": item.version, "version_type": "external_gte"}}
        try:
            document = item.document if isinstance(item.document, bytes) else orjson.dumps(item.document)
        except TypeError as error:
            failed[position] = BulkOutcome(item.id, item.version, 400, UNENCODABLE, str(error))
            continue
        lines += (orjson.dumps(action), document)
    lines.append(b"")
    return b"\n".join(lines), failed


def bulk_outcome(item: BulkItem, answer: Mapping[str, Any]) -> BulkOutcome:
    """Read one entry of a bulk answer's ``items``."""
    result = answer["index"]
    if (error := result.get("error")) is None:
        return BulkOutcome(item.id, item.version, result["status"])
    kind, reason = describe(error)
    return BulkOutcome(item.id, item.version, result["status"], kind, reason)


def delete_body(items: Sequence[tuple[str, int]]) -> bytes:
    """Return a bulk body of ``delete`` actions with external versions."""
    actions = [{"delete": {"_id": key, "version": version, "version_type": "external_gte"}} for key, version in items]
    return b"\n".join([*map(orjson.dumps, actions), b""])


def deletion(item: tuple[str, int], answer: Mapping[str, Any]) -> BulkOutcome:
    """Read one entry of a bulk answer to :func:`delete_body`; a document that was not there is no failure."""
    result = answer["delete"]
    if (error := result.get("error")) is None:
        return BulkOutcome(*item, 200 if result.get("result") == "not_found" else result["status"])
    kind, reason = describe(error)
    return BulkOutcome(*item, result["status"], kind, reason)
