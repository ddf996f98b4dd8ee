"""The wire format of an OpenSearch: the client, JSON by orjson, bulk bodies as bytes, errors as Assetry's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import orjson
from opensearchpy import AsyncOpenSearch, JSONSerializer
from opensearchpy.exceptions import ConnectionError as ConnectionFailed
from opensearchpy.exceptions import ConnectionTimeout, SerializationError, TransportError

from service.adapters.opensearch.connection import ENGINE, Connection
from service.adapters.opensearch.http import HttpConnection
from service.adapters.opensearch.pool import HostPool
from service.errors import Unavailable
from service.ports.search import BulkItem, BulkOutcome, Rejected

T = TypeVar("T")

TEMPORARY = frozenset({401, 403, 408, 429})
"""Statuses that mean "not now", as every 5xx does: credentials, permissions and blocks are for an operator to fix.

Any other 4xx is a rejection of the request.
"""

TOO_MANY_BUCKETS = "too_many_buckets_exception"
"""The error of a search whose facets have more values than the engine counts (``search.max_buckets``).

It is reported as a 503, although a retry cannot succeed.
"""

FIRST_ATTEMPT_SHARE = 0.6
"""The first attempt's share of a reading call's timeout, if another host can be asked in the remaining time."""

CLOSED = "index_closed_exception"
"""The error type of any request to a closed index. Its status is 400, but no request or document is at fault."""

_SHARED = "no write index is defined for alias"
"""How the reason begins that blames each document when several indexes have the write alias."""

UNENCODABLE = "unencodable_document"
"""The error type of a bulk item that cannot be encoded as JSON: it never left the process."""


class OrjsonSerializer(JSONSerializer):
    """opensearch-py's JSON serializer on orjson; text and bytes are passed through."""

    def loads(self, s: str | bytes) -> Any:
        """Parse an answer. Raises SerializationError."""
        try:
            return orjson.loads(s)
        except orjson.JSONDecodeError as error:
            raise SerializationError(s, error) from error

    def dumps(self, data: Any) -> Any:
        """Encode a body. Raises TypeError for what JSON cannot represent."""
        return data if isinstance(data, (str, bytes)) else orjson.dumps(data)


def client(connection: Connection) -> AsyncOpenSearch:
    """Build the client. It connects on its first request, on the event loop of that request. Raises SettingsError.

    It never retries: :func:`with_retry` does where that is safe, and writes are retried by callers that know what was
    written. It does not ask for the list of nodes: those of a managed service, or behind a load balancer, are
    unreachable.
    """
    # The client logs every failed request with a stack trace: the adapter raises instead, and its caller knows more.
    logging.getLogger("opensearch").setLevel(logging.CRITICAL)
    return AsyncOpenSearch(
        hosts=[
            {
                "host": host.name,
                "port": host.port,
                "use_ssl": host.scheme == "https",
                "url_prefix": host.prefix,
                "http_auth": host.auth,
            }
            for host in connection.addresses()
        ],
        connection_class=HttpConnection,
        connection_pool_class=HostPool,
        serializer=OrjsonSerializer(),
        max_retries=0,
        retry_on_timeout=True,  # there are no retries: it marks a host that did not answer in time as dead
        retry_on_status=(),
        pool_maxsize=connection.connections,
        timeout=connection.timeout,
        connect_timeout=connection.connect_timeout,
        http_compress=connection.compress,
        ssl_context=connection.tls(),
    )


async def with_retry(call: Callable[[float], Awaitable[T]], seconds: float, *, hosts: int) -> T:
    """Return the result of ``call(seconds)``, retried once after a lost connection, on another host if there is one.

    For calls that only read. Both attempts together take ``seconds`` at most. With several hosts the first attempt
    gets a share of that time, so that one host that hangs does not cost the answer.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + seconds
    try:
        return await call(seconds if hosts == 1 else seconds * FIRST_ATTEMPT_SHARE)
    except ConnectionFailed as error:
        remaining = deadline - clock()
        if remaining <= 0 or (hosts == 1 and isinstance(error, ConnectionTimeout)):
            raise
    return await call(remaining)


@contextmanager
def translated() -> Iterator[None]:
    """Turn opensearch-py's exceptions into Unavailable and Rejected."""
    try:
        yield
    except TransportError as error:
        raise translate(error) from error
    except SerializationError as error:
        raise Unavailable(ENGINE, "the answer is not JSON; is this the address of an OpenSearch?") from error


def translate(error: TransportError) -> Unavailable | Rejected:
    """Return what an opensearch-py error means."""
    if isinstance(error, ConnectionTimeout):
        return Unavailable(ENGINE, "no answer in time")
    if isinstance(error, ConnectionFailed):
        return Unavailable(ENGINE, f"no connection ({type(error.info).__name__})")
    status = error.status_code
    kind, reason = describe(error.info)
    if TOO_MANY_BUCKETS in causes(error.info):
        return Rejected(400, TOO_MANY_BUCKETS, reason)
    if not isinstance(status, int) or status in TEMPORARY or status >= 500 or kind == CLOSED:
        return Unavailable(ENGINE, f"answered {status} {kind}")
    return Rejected(status, kind, reason)


def describe(info: Any) -> tuple[str, str]:
    """Return the type and reason of an error body, an item's ``error`` or plain text."""
    chain = _chain(info)
    if not chain:
        return "unknown", str(info.get("error", info) if isinstance(info, Mapping) else info)
    reasons = (str(cause["reason"]) for cause in chain if cause.get("reason"))
    return str(chain[0].get("type", "unknown")), ": ".join(dict.fromkeys(reasons))


def causes(info: Any) -> list[str]:
    """Return the types of an error and of its causes."""
    return [str(cause.get("type", "unknown")) for cause in _chain(info)]


def _chain(info: Any) -> list[Mapping[str, Any]]:
    """Return an error and its causes, the last cause last; [] if there are none."""
    error = info.get("error", info) if isinstance(info, Mapping) else info
    chain: list[Mapping[str, Any]] = []
    while isinstance(error, Mapping):
        chain.append(error)
        error = error.get("caused_by")
    return chain


def is_complete(answer: Mapping[str, Any]) -> bool:
    """Whether all shards took part in an answer.

    OpenSearch does not count an unassigned shard as failed: it is only missing among the successful ones.
    """
    shards = answer["_shards"]
    return not shards["failed"] and bool(shards["successful"] >= shards["total"])


def lost_contexts(answer: Mapping[str, Any]) -> bool:
    """Whether a shard no longer knows a PIT that names it: then every later search with the PIT is partial too."""
    failures = answer["_shards"].get("failures", ())
    return any(describe(failure.get("reason"))[0] == "search_context_missing_exception" for failure in failures)


def bulk_body(items: Sequence[BulkItem]) -> tuple[bytes, dict[int, BulkOutcome]]:
    """Return a bulk body of ``index`` actions with external versions, and the outcomes of items that are not JSON.

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
    """Read one entry of a bulk answer's ``items``.

    Problems of the index have a status of their own: 403 (closed or blocked) and 404 (there is no index to write to).
    """
    result = answer["index"]
    if (error := result.get("error")) is None:
        return BulkOutcome(item.id, item.version, result["status"])
    kind, reason = describe(error)
    status = 403 if kind == CLOSED else 404 if reason.startswith(_SHARED) else result["status"]
    return BulkOutcome(item.id, item.version, status, kind, reason)


def existing(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the documents of a multi-get that exist.

    One that cannot be read (an unavailable shard, a closed index) does not count as absent: it raises Unavailable.
    """
    for found in answer["docs"]:
        if "error" in found:
            raise Unavailable(ENGINE, f"cannot read a document ({describe(found)[0]})")
    return [found for found in answer["docs"] if found.get("found")]


def delete_body(items: Sequence[tuple[str, int]]) -> bytes:
    """Return a bulk body of ``delete`` actions with external versions."""
    actions = [{"delete": {"_id": key, "version": version, "version_type": "external_gte"}} for key, version in items]
    return b"\n".join([*map(orjson.dumps, actions), b""])


def delete_outcome(item: tuple[str, int], answer: Mapping[str, Any]) -> BulkOutcome:
    """Read one entry of a bulk answer to :func:`delete_body`; a missing document is no failure."""
    result = answer["delete"]
    if (error := result.get("error")) is None:
        return BulkOutcome(*item, 200 if result.get("result") == "not_found" else result["status"])
    kind, reason = describe(error)
    return BulkOutcome(*item, result["status"], kind, reason)
