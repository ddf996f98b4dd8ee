"""Compression of answers (RFC 9110 §8.4.1): of JSON and text that is sent in one piece, by zstd (RFC 8878) or gzip.

Files are left as they are: most of them are compressed, and a range of them counts stored bytes. Event streams are
pieces. An entity tag here names a record's rev and is the same in every encoding: a client that sends it back in
``If-Match`` means the record.
"""

from __future__ import annotations

import asyncio
import gzip
import re
import sys
from collections.abc import Callable, Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LEAST = 1024
"""Bytes of an answer from which compression saves a packet."""

_MUCH = 256 * 1024
"""Bytes that take long enough for a thread."""

CODINGS: Mapping[str, Callable[[bytes], bytes]] = {
    # As small as gzip, in a fifth of its time.
    "zstd": lambda body: zstd.compress(body, 3),
    "gzip": lambda body: gzip.compress(body, 5, mtime=0),
}
"""What a body can be sent as, the best first."""

_ALIASES = {"x-gzip": "gzip"}
_TYPES = re.compile(r"application/(json|[\w.+-]+\+json|javascript|xml)|text/(?!event-stream)[\w.+-]+")
_CODING = re.compile(r"\s*([\w-]+|\*)\s*(?:;\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?", re.IGNORECASE | re.ASCII)


def chosen(accepted: str) -> str | None:
    """Return the coding of :data:`CODINGS` for an ``Accept-Encoding`` header (RFC 9110 §12.5.3), if it takes one.

    The one with the highest weight, of several the best. An item that is not of the header's grammar is left out, so a
    coding is never sent to a client that may not take it.
    """
    weights: dict[str, float] = {}
    for item in accepted.split(",")[:32]:
        if match := _CODING.fullmatch(item):
            name = match[1].lower()
            weights[_ALIASES.get(name, name)] = float(match[2] or 1)
    taken = {name: weights.get(name, weights.get("*", 0.0)) for name in CODINGS}
    best = max(taken, key=taken.__getitem__)  # the first of those with the same weight
    return best if taken[best] > 0 and taken[best] >= weights.get("identity", 0.0) else None


class Compression:
    """An ASGI middleware that compresses what is worth it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        coding = chosen(", ".join(Headers(scope=scope).getlist("accept-encoding")))
        start: Message | None = None

        async def compressed(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_worth_it(Headers(raw=message["headers"])):
                start = message  # until the body shows its size
                return
            if start is not None:
                first, start = start, None
                message = await _encoded(first, message, coding)
                await send(first)
            await send(message)

        await self._app(scope, receive, compressed)


def _is_worth_it(headers: Headers) -> bool:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return "content-encoding" not in headers and _TYPES.fullmatch(kind) is not None


async def _encoded(start: Message, message: Message, coding: str | None) -> Message:
    """Return the body of an answer as it is sent, and say in the headers what it is."""
    headers = MutableHeaders(raw=start["headers"])
    body: bytes = message.get("body", b"")
    if message.get("more_body") or len(body) < LEAST:
        return message
    headers.add_vary_header("Accept-Encoding")
    if coding is not None:
        compress = CODINGS[coding]
        body = await asyncio.to_thread(compress, body) if len(body) > _MUCH else compress(body)
        headers["content-encoding"] = coding
        headers["content-length"] = str(len(body))
    start["headers"] = headers.raw
    return {**message, "body": body}
