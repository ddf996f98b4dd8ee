"""What goes over the wire to an OpenSearch: the client, JSON by orjson, bulk bodies as bytes, errors as ours."""

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

NOT_NOW = frozenset({401, 403, 408, 429})
"""Statuses that say "not now", as does every 5xx: the credentials, a permission or a block are an operator's to fix.

Any other 4xx is a refusal of what was asked.
"""

TOO_MUCH = "too_many_buckets_exception"
"""A search whose facets have more values than the engine counts (``search.max_buckets``).

It says so with a 503, although no later attempt does better.
"""

FIRST_SHARE = 0.6
"""Of a reading call's time-out, where another host can be asked in the rest."""

CLOSED = "index_closed_exception"
"""The error type of whatever meets a closed index. Its status is 400, but it blames no request and no document."""

_SHARED = "no write index is defined for alias"
"""How the reason begins that blames each document for the name that it is written to: several indexes have it."""

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
    """Build the client. It connects with its first request, on the event loop of that request. Raises SettingsError.

    It repeats nothing: :func:`repeated` does where that is safe, and what writes is repeated by who knows what was
    written. It asks for no list of nodes: those of a managed service, or behind a balancer, cannot be reached by it.
    """
    # The client warns of every failed request, with a stack trace: the adapter raises, and its caller knows more.
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
        retry_on_timeout=True,  # without retries: a host that did not answer in time is held for dead
        retry_on_status=(),
        pool_maxsize=connection.connections,
        timeout=connection.timeout,
        connect_timeout=connection.connect_timeout,
        http_compress=connection.compress,
        ssl_context=connection.tls(),
    )


async def repeated(call: Callable[[float], Awaitable[T]], seconds: float, *, hosts: int) -> T:
    """Return what ``call(seconds)`` does; a lost connection is tried once more, on another host where there is one.

    For calls that only read. Both attempts together take ``seconds`` at most. With several hosts the first has a share
    of them, so that one host that hangs does not cost the answer.
    """
    clock = asyncio.get_running_loop().time
    late = clock() + seconds
    try:
        return await call(seconds if hosts == 1 else seconds * FIRST_SHARE)
    except ConnectionFailed as error:
        left = late - clock()
        if left <= 0 or (hosts == 1 and isinstance(error, ConnectionTimeout)):
            raise
    return await call(left)


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
    if TOO_MUCH in causes(error.info):
        return Rejected(400, TOO_MUCH, reason)
    if not isinstance(status, int) or status in NOT_NOW or status >= 500 or kind == CLOSED:
        return Unavailable(ENGINE, f"answered {status} {kind}")
    return Rejected(status, kind, reason)


def describe(info: Any) -> tuple[str, str]:
    """Return the type and reason of an error body, an item's ``error`` or a plain text."""
    chain = _chain(info)
    if not chain:
        return "unknown", str(info.get("error", info) if isinstance(info, Mapping) else info)
    reasons = (str(cause["reason"]) for cause in chain if cause.get("reason"))
    return str(chain[0].get("type", "unknown")), ": ".join(dict.fromkeys(reasons))


def causes(info: Any) -> list[str]:
    """Return the types of an error and of what caused it."""
    return [str(cause.get("type", "unknown")) for cause in _chain(info)]


def _chain(info: Any) -> list[Mapping[str, Any]]:
    """Return an error and what caused it, the last cause last; [] where that is not told."""
    error = info.get("error", info) if isinstance(info, Mapping) else info
    chain: list[Mapping[str, Any]] = []
    while isinstance(error, Mapping):
        chain.append(error)
        error = error.get("caused_by")
    return chain


def whole(answer: Mapping[str, Any]) -> bool:
    """Whether all shards took part in an answer.

    A shard of which no copy is anywhere is no failed one to OpenSearch: it is only not among the successful.
    """
    shards = answer["_shards"]
    return not shards["failed"] and bool(shards["successful"] >= shards["total"])


def lost_contexts(answer: Mapping[str, Any]) -> bool:
    """Whether a shard that a PIT names no longer knows it: then no later search by it will be whole, either."""
    failures = answer["_shards"].get("failures", ())
    return any(describe(failure.get("reason"))[0] == "search_context_missing_exception" for failure in failures)


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
    """Read one entry of a bulk answer's ``items``.

    What is wrong with the index has a status of its own: 403 (closed, as a block) and 404 (there is none to write to).
    """
    result = answer["index"]
    if (error := result.get("error")) is None:
        return BulkOutcome(item.id, item.version, result["status"])
    kind, reason = describe(error)
    status = 403 if kind == CLOSED else 404 if reason.startswith(_SHARED) else result["status"]
    return BulkOutcome(item.id, item.version, status, kind, reason)


def present(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the documents of a multi-get that are there.

    One that cannot be read (a shard that is away, a closed index) is no absent one: it raises Unavailable.
    """
    for found in answer["docs"]:
        if "error" in found:
            raise Unavailable(ENGINE, f"a document cannot be read ({describe(found)[0]})")
    return [found for found in answer["docs"] if found.get("found")]


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
