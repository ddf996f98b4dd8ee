"""``GET /files/{asset_id}/{rendition}/{filename}``: originals and pictures of them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from service.api.dialects.native.errors import respond
from service.api.kernel.conditions import changed, unchanged, wanted_range
from service.api.kernel.context import Context
from service.api.kernel.errors import CODES, Failure, failure, shown
from service.api.kernel.ranges import NotSatisfiable, read_range
from service.core.assets.assets import check_id
from service.core.files.renditions import LINK_SECONDS, Rendition
from service.errors import AssetryError
from service.ports.files import Content, disposition

_PATH = "/files/{asset_id}/{rendition}/{filename}"
_SAFE_INLINE = ("image/", "audio/", "video/", "application/pdf", "text/plain")
"""Media types that a browser may show. Whatever can hold a script (SVG, HTML, XML …) is only ever a download."""

_REDIRECTED = f"private, max-age={LINK_SECONDS // 3}"
"""How long a redirect may be kept: for less than its link is good."""

_AT_ONCE = 256 * 1024
"""Bytes of content that are sent without watching for a client that leaves: there is nothing to be spared by it."""


def file_routes(context: Context) -> list[Route]:
    """Return the router's entries for files."""

    async def endpoint(request: Request) -> Response:
        request.scope["assetry.route"] = _PATH
        try:
            return await _serve(context, request)
        except AssetryError as error:
            request.scope["assetry.error"] = error
            return respond(request, failure(error))

    return [Route(_PATH, endpoint, methods=["GET"])]


async def _serve(context: Context, request: Request) -> Response:
    body = await _permitted(context, request)
    rendition = await context.renditions.find(body, request.path_params["rendition"])
    etag = f'"{rendition.etag}"'
    inline = _is_inline(rendition) and "download" not in request.query_params
    headers = _headers(rendition, etag, inline=inline)
    if changed(request.headers, etag):
        status, _ = CODES["PRECONDITION_FAILED"]
        details = {"field": "If-Match", "provided": shown(request.headers["if-match"])}
        return respond(request, Failure(status, "PRECONDITION_FAILED", "The file is another one now.", details))
    if unchanged(request.headers, etag):
        return Response(status_code=304, headers=headers)
    if _may_be_sent_on(request) and (link := await context.renditions.link(rendition, attachment=not inline)):
        # Its Range and If-Range go on to the engine, whose own tags they then name.
        return Response(status_code=307, headers={"Location": link, "Cache-Control": _REDIRECTED})
    wanted = wanted_range(request.method, request.headers, etag)
    if request.method != "HEAD" and wanted is None:
        return Streamed(context.renditions.open(rendition), 200, headers, rendition.mime_type)
    size = await context.renditions.size(rendition)
    try:
        part = read_range(wanted, size)
    except NotSatisfiable:
        status, _ = CODES["RANGE_NOT_SATISFIABLE"]
        message, content_range = f"The file has {size} bytes.", {"Content-Range": f"bytes */{size}"}
        return respond(request, Failure(status, "RANGE_NOT_SATISFIABLE", message, {"field": "Range"}, content_range))
    if part:
        headers["Content-Range"] = f"bytes {part.first}-{part.last}/{size}"
    status = 206 if part else 200
    if request.method == "HEAD":
        headers["Content-Length"] = str(size)
        return Response(status_code=status, headers=headers, media_type=rendition.mime_type)
    return Streamed(context.renditions.open(rendition, part), status, headers, rendition.mime_type)


async def _permitted(context: Context, request: Request) -> Mapping[str, Any]:
    """Return the asset's body if a signed link or an API key allows to read it; another's asset is not found."""
    asset_id, name = check_id(request.path_params["asset_id"]), request.path_params["rendition"]
    query = request.query_params
    if "signature" in query:
        context.links.check(asset_id, name, query.get("expires", ""), query["signature"])
        return (await context.assets.get_any(asset_id)).body
    who = await context.keys.authenticate(request.headers.get("authorization"))
    await context.rate_limiter.take(who)
    who.allow("assets:read")
    return (await context.assets.get(who, asset_id)).body


def _may_be_sent_on(request: Request) -> bool:
    """Say whether the files' engine may answer instead.

    Not to who comes with a key: many clients take the header along, which would tell the engine the key, and S3 answers
    400 to a link and a header at once. The links in our answers need no key.
    """
    return request.method == "GET" and "authorization" not in request.headers


def _is_inline(rendition: Rendition) -> bool:
    return rendition.mime_type.startswith(_SAFE_INLINE) and rendition.mime_type != "image/svg+xml"


def _headers(rendition: Rendition, etag: str, *, inline: bool) -> dict[str, str]:
    return {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=86400, immutable",
        "Content-Disposition": disposition(rendition.filename, inline=inline),
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }


class Streamed(StreamingResponse):
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
        """Open the file and send it."""
        async with AsyncExitStack() as stack:
            try:
                content = await stack.enter_async_context(self._opening)
            except AssetryError as error:
                scope["assetry.error"] = error
                await respond(Request(scope), failure(error))(scope, receive, send)
                return
            self.headers["Content-Length"] = str(content.size)
            self.body_iterator = content.chunks
            if content.size <= _AT_ONCE:
                await self.stream_response(send)
            else:
                await super().__call__(scope, receive, send)
