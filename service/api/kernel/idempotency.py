"""``Idempotency-Key`` on the wire: the header, what makes two requests the same, and answers as they are stored."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable

import orjson
from starlette.requests import Request
from starlette.responses import Response

from service.api.kernel.bodies import JSON
from service.api.kernel.call import Reply
from service.core.shared.idempotency import Attempt, Work
from service.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from service.ports.replies import StoredReply

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
"""The header of an answer that was given before."""

MAX_LENGTH = 255
_EMPTY = frozenset({204, 304})
"""Statuses without a body."""

Responder = Callable[[Request, Exception], Response]
"""Makes the response to an error."""

_PRINTABLE = re.compile(r"[\x20-\x7e]+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_OUTCOMES = (NotFound, AlreadyExists, Conflict)
"""Errors that are the outcome of a request which was sound: kept as its answer, as a success is."""


def read_key(request: Request) -> str | None:
    """Return the request's key, None without one; quoted, as the draft has it, or plain, it is the same key.

    Raises InvalidInput unless it has 1 to 255 printable ASCII characters.
    """
    values = request.headers.getlist(HEADER)
    if not values:
        return None
    key = values[0].strip()
    if quoted := _QUOTED.fullmatch(key):
        key = re.sub(r'\\(["\\])', r"\1", quoted[1])
    if len(values) > 1 or len(key) > MAX_LENGTH or not _PRINTABLE.fullmatch(key):
        raise InvalidInput(
            f"The {HEADER} header is repeated, empty, too long or not printable ASCII.",
            field=HEADER,
            provided=key[:MAX_LENGTH],
            expected=f"one key of 1 to {MAX_LENGTH} printable ASCII characters, such as a UUID",
        )
    return key


def fingerprint(request: Request, digest: str) -> str:
    """Return a hash of all that a request asks for: method, path, query and body (by its ``digest``)."""
    # Each part is hashed by itself, so that no part can pass for the end of another.
    parts = (request.method, request.url.path, request.url.query, digest)
    return hashlib.sha256(b"".join(hashlib.sha256(part.encode()).digest() for part in parts)).hexdigest()


def stored(reply: Reply) -> StoredReply:
    """Return a reply as it is sent and stored: its JSON is encoded here and nowhere else."""
    if reply.status in _EMPTY:
        return StoredReply(reply.status, dict(reply.headers), b"")
    return StoredReply(reply.status, {"Content-Type": JSON, **reply.headers}, orjson.dumps(reply.body))


def work(request: Request, serve: Callable[[Attempt], Awaitable[Reply | Response]], respond: Responder) -> Work:
    """Return what runs a request once: outcomes that are errors become replies, other errors are raised."""

    async def run(attempt: Attempt) -> StoredReply:
        try:
            reply = await serve(attempt)
        except _OUTCOMES as error:
            request.scope["assetry.error"] = error
            response = respond(request, error)
            headers = {name: value for name, value in response.headers.items() if name != "content-length"}
            return StoredReply(response.status_code, headers, bytes(response.body))
        if not isinstance(reply, Reply):
            raise TypeError("a stream cannot be stored: a route that takes an Idempotency-Key answers a Reply")
        return stored(reply)

    return run


def response_of(reply: StoredReply) -> Response:
    """Return the response for a reply."""
    return Response(reply.body, reply.status, reply.headers)
