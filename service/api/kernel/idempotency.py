"""``Idempotency-Key`` on the wire: the header, what makes two requests the same, and answers as they are kept."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable

import orjson
from starlette.requests import Request
from starlette.responses import Response

from service.api.dialects.native.errors import respond
from service.api.kernel.call import Reply
from service.api.kernel.errors import failure
from service.core.shared.idempotency import Attempt, Work
from service.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from service.ports.replies import StoredReply

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
"""The header of an answer that was given before."""

MAX_LENGTH = 255
_JSON = "application/json"
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
            f"The header {HEADER} is given twice, is empty, too long, or not printable ASCII.",
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


def kept(reply: Reply) -> StoredReply:
    """Return a reply as it is kept."""
    return StoredReply(reply.status, {"Content-Type": _JSON, **reply.headers}, orjson.dumps(reply.body).decode())


def work(request: Request, serve: Callable[[Attempt | None], Awaitable[Reply]]) -> Work:
    """Return what runs a request once: outcomes that are errors become replies, other errors are raised."""

    async def run(attempt: Attempt) -> StoredReply:
        try:
            return kept(await serve(attempt))
        except _OUTCOMES as error:
            request.scope["assetry.error"] = error
            response = respond(request, failure(error))
            return StoredReply(response.status_code, dict(response.headers), bytes(response.body).decode())

    return run


def response_of(reply: StoredReply, headers: dict[str, str]) -> Response:
    """Return the response for a reply with further headers; those of the reply itself win."""
    return Response(reply.body, reply.status, headers | dict(reply.headers))
