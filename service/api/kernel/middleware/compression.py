"""Compression of answers (RFC 9110 §8.4.1): of JSON and text that is sent in one piece, for clients that take gzip.

Files are left as they are: most of them are compressed, and a range of them counts stored bytes. Event streams are
pieces. An entity tag here names a record's rev and is the same in every encoding: a client that sends it back in
``If-Match`` means the record.
"""

from __future__ import annotations

import asyncio
import gzip
import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LEAST = 1024
"""Bytes of an answer from which compression saves a packet."""

_LEVEL = 5
_MUCH = 256 * 1024
"""Bytes that take long enough for a thread."""

_TYPES = re.compile(r"application/(json|[\w.+-]+\+json|javascript|xml)|text/(?!event-stream)[\w.+-]+")
_CODING = re.compile(r"\s*(gzip|x-gzip|\*)\s*(?:;\s*q\s*=\s*([0-9.]+)\s*)?", re.IGNORECASE)


def takes_gzip(accepted: str) -> bool:
    """Say whether an ``Accept-Encoding`` header takes gzip (RFC 9110 §12.5.3)."""
    weights: dict[str, float] = {}
    for item in accepted.split(",")[:32]:
        if match := _CODING.fullmatch(item):
            try:
                weights[match[1].lower()] = float(match[2] or 1)
            except ValueError:
                return False
    named = [weights[name] for name in ("gzip", "x-gzip") if name in weights]
    return max(named, default=weights.get("*", 0.0)) > 0


class Compression:
    """An ASGI middleware that compresses what is worth it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        accepted = takes_gzip(", ".join(Headers(scope=scope).getlist("accept-encoding")))
        start: Message | None = None

        async def compressed(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_worth_it(Headers(raw=message["headers"])):
                start = message  # until the body shows its size
                return
            if start is not None:
                first, start = start, None
                message = await _encoded(first, message, accepted=accepted)
                await send(first)
            await send(message)

        await self._app(scope, receive, compressed)


def _is_worth_it(headers: Headers) -> bool:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return "content-encoding" not in headers and _TYPES.fullmatch(kind) is not None


async def _encoded(start: Message, message: Message, *, accepted: bool) -> Message:
    """Return the body of an answer as it is sent, and say in the headers what it is."""
    headers = MutableHeaders(raw=start["headers"])
    body: bytes = message.get("body", b"")
    if message.get("more_body") or len(body) < LEAST:
        return message
    headers.add_vary_header("Accept-Encoding")
    if accepted:
        work = asyncio.to_thread(gzip.compress, body, _LEVEL, mtime=0) if len(body) > _MUCH else None
        body = gzip.compress(body, _LEVEL, mtime=0) if work is None else await work
        headers["content-encoding"] = "gzip"
        headers["content-length"] = str(len(body))
    start["headers"] = headers.raw
    return {**message, "body": body}
