"""Answers that are files: conditions, ranges (RFC 9110 §14), the headers that keep a browser safe, and the bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from service.api.kernel.conditions import is_changed, is_unchanged
from service.api.kernel.errors import PreconditionFailed, RangeNotSatisfiable
from service.api.kernel.route import Answer
from service.core.files.renditions import LINK_SECONDS, Rendition, Renditions
from service.ports.files import ByteRange, Content, disposition

_SAFE_INLINE = ("image/", "audio/", "video/", "application/pdf", "text/plain")
"""Media types that a browser may show. Whatever can hold a script (SVG, HTML, XML …) is only ever a download."""

_REDIRECTED = f"private, max-age={LINK_SECONDS // 3}"
"""How long a redirect may be kept: for less than its link is good."""

_AT_ONCE = 256 * 1024
"""Bytes of content that are sent without watching for a client that leaves: there is nothing to be spared by it."""

_RANGE = re.compile(r"^\s*(\d{0,18})\s*-\s*(\d{0,18})\s*$", re.ASCII)
_FROM_THE_START = re.compile(r"^\s*bytes\s*=\s*0+\s*-", re.ASCII | re.IGNORECASE)
_MAX_RANGES = 16
"""Ranges that one header may hold; more is an attack (CVE-2025-62727), not a reader."""


async def answer_file(
    request: Request, renditions: Renditions, rendition: Rendition, *, attachment: bool, lasting: bool = False
) -> Response:
    """Answer a file whole, in part, as unchanged, or by a link to the files' engine.

    ``attachment`` has a browser save it even if it could show it. ``lasting`` says that this URL never has another
    content: caches need not ask again.
    Raises InvalidInput, PreconditionFailed, RangeNotSatisfiable, NotFound, Unavailable.
    """
    etag = f'"{rendition.etag}"'
    inline = not attachment and _is_safe(rendition)
    headers = _headers(rendition, etag, inline=inline, lasting=lasting)
    if is_changed(request.headers, etag):
        message = "The file has changed."
        raise PreconditionFailed(message, field="If-Match", provided=request.headers["if-match"])
    if is_unchanged(request.headers, etag):
        return Response(status_code=304, headers=headers)
    if _may_be_sent_on(request) and (link := await renditions.link(rendition, attachment=not inline)):
        # Its Range and If-Range go on to the engine, whose own tags they then name.
        return Response(status_code=307, headers={"Location": link, "Cache-Control": _REDIRECTED})
    wanted = wanted_range(request.method, request.headers, etag)
    if request.method != "HEAD" and wanted is None:
        return FileResponse(renditions.open(rendition), 200, headers, rendition.mime_type)
    size = await renditions.size(rendition)
    part = read_range(wanted, size)
    if part:
        headers["Content-Range"] = f"bytes {part.first}-{part.last}/{size}"
    status = 206 if part else 200
    if request.method == "HEAD":
        headers["Content-Length"] = str(size)
        return Response(status_code=status, headers=headers, media_type=rendition.mime_type)
    return FileResponse(renditions.open(rendition, part), status, headers, rendition.mime_type)


def is_first_fetch(request: Request, response: Response) -> bool:
    """Whether an answer gives a file from its first byte, itself or by a link: what counts as a fetch of the file.

    A HEAD, a file that has not changed, and the later ranges of a download that is taken up again or of a video that is
    watched do not.
    """
    if request.method != "GET" or response.status_code not in (200, 206, 307):
        return False
    if response.status_code == 307:  # the engine will see to the range
        return _FROM_THE_START.match(request.headers.get("range", "bytes=0-")) is not None
    return response.headers.get("content-range", "bytes 0-").startswith("bytes 0-")


class FileResponse(StreamingResponse):
    """A response of a file's bytes, opened when it is sent: what is wrong then is still answered as an error."""

    def __init__(
        self,
        opening: AbstractAsyncContextManager[Content],
        status: int,
        headers: Mapping[str, str],
        media_type: str,
    ) -> None:
        super().__init__((), status, headers, media_type)
        self._opening = opening

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Open the file and send it. Raises NotFound, Unavailable."""
        async with AsyncExitStack() as stack:
            content = await stack.enter_async_context(self._opening)
            self.headers["Content-Length"] = str(content.size)
            self.body_iterator = content.chunks
            if content.size <= _AT_ONCE:
                await self.stream_response(send)
            else:
                await super().__call__(scope, receive, send)


def wanted_range(method: str, headers: Mapping[str, str], etag: str) -> str | None:
    """Return the ``Range`` that counts, if any: only of a GET, and with ``If-Range`` only of the very same bytes.

    A date in ``If-Range`` is never strong enough here.
    """
    if method != "GET" or headers.get("if-range", etag) != etag:
        return None
    return headers.get("range")


def read_range(header: str | None, size: int) -> ByteRange | None:
    """Return the part that is asked for; None for the whole.

    A header that is not well formed, or asks for several parts, is answered with the whole, as RFC 9110 allows.
    Raises RangeNotSatisfiable when the range lies outside of the file, or when there are more than 16 of them.
    """
    if header is None or not header.lower().startswith("bytes="):
        return None
    specs = header[6:].split(",", _MAX_RANGES)
    if len(specs) > _MAX_RANGES:
        raise RangeNotSatisfiable(size)
    if len(specs) > 1 or not (match := _RANGE.match(specs[0])) or match[1] == match[2] == "":
        return None
    if not match[1]:
        length = min(int(match[2]), size)
        if length == 0:
            raise RangeNotSatisfiable(size)
        return ByteRange(size - length, size - 1)
    first = int(match[1])
    last = min(int(match[2]), size - 1) if match[2] else size - 1
    if match[2] and int(match[2]) < first:
        return None
    if first >= size:
        raise RangeNotSatisfiable(size)
    return ByteRange(first, last)


def _may_be_sent_on(request: Request) -> bool:
    """Say whether the files' engine may answer instead.

    Not to who comes with a key: many clients take the header along, which would tell the engine the key, and S3 answers
    400 to a link and a header at once. The links in our answers need no key.
    """
    return request.method == "GET" and "authorization" not in request.headers


def _is_safe(rendition: Rendition) -> bool:
    return rendition.mime_type.startswith(_SAFE_INLINE) and rendition.mime_type != "image/svg+xml"


def _headers(rendition: Rendition, etag: str, *, inline: bool, lasting: bool) -> dict[str, str]:
    return {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=86400, immutable" if lasting else "private, no-cache",
        "Content-Disposition": disposition(rendition.filename, inline=inline),
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }


FILE_ANSWERS: Mapping[int, Answer] = {
    200: Answer(bytes, "The file.", "*/*", ("ETag", "Accept-Ranges")),
    206: Answer(bytes, "The part that `Range` asks for.", "*/*", ("ETag", "Accept-Ranges", "Content-Range")),
    304: Answer(None, "Not modified: the client has it.", headers=("ETag", "Accept-Ranges")),
    307: Answer(
        None,
        "For a signed link: the files' engine gives it, at `Location`, for some minutes.",
        headers=("Location",),
    ),
}
"""What a route answers whose handler calls :func:`answer_file`."""

FILE_ERRORS = ("PRECONDITION_FAILED", "RANGE_NOT_SATISFIABLE")
"""Codes of errors that such a route answers besides others."""
