"""``GET /docs``: the API's descriptions for people, by a viewer that comes with the service and works offline."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from html import escape
from importlib.resources import files
from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.api.kernel.conditions import is_unchanged
from service.api.kernel.inputs import Params, read_query
from service.api.kernel.openapi import Document, Endpoint
from service.api.kernel.route import Answer
from service.errors import NotFound

_VENDOR = "vendor/swagger-ui"
FILES: Mapping[str, tuple[str, str]] = {
    "docs.js": ("docs.js", "text/javascript"),
    "swagger-ui-bundle.js": (f"{_VENDOR}/swagger-ui-bundle.js", "text/javascript"),
    "swagger-ui.css": (f"{_VENDOR}/swagger-ui.css", "text/css"),
}
"""The files of the page by name: where each is below ``service/ui/static``, and its media type."""

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",  # its icons are in its style sheet
            "connect-src 'self'",  # the description, and calls that are tried out
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    ),
}

PAGE = "/docs"


class _PageParams(Params):
    """The query parameters of the page."""

    document: Annotated[str | None, Field(description="The path of a description; unset: the first.")] = None


VIEWER = (
    Endpoint(
        PAGE,
        "Show the descriptions in a browser.",
        {200: Answer(str, "A page.", "text/html")},
        errors=("VALIDATION_ERROR", "NOT_FOUND"),
        params=_PageParams,
    ),
    Endpoint(
        f"{PAGE}/{{file}}",
        "Return a file of that page.",
        {
            200: Answer(str, "The file.", "*/*", ("ETag",)),
            304: Answer(None, "Not modified: the browser has it.", headers=("ETag",)),
        },
        errors=("VALIDATION_ERROR", "NOT_FOUND"),
        path_parameters={"file": ("Its name.", {"enum": list(FILES)})},
    ),
)
"""The page, as the description shows it."""


def viewer_routes(documents: Mapping[str, Document]) -> list[Route]:
    """Return the router's entries of the page and its files; ``documents`` are the descriptions by path."""

    async def page(request: Request) -> Response:
        request.scope["assetry.route"] = PAGE
        chosen = read_query(_PageParams, request).document or next(iter(documents))
        if chosen not in documents:
            raise NotFound("document", chosen)
        return Response(_page(documents, chosen), 200, {**_HEADERS, "Cache-Control": "no-cache"}, "text/html")

    async def file(request: Request) -> Response:
        request.scope["assetry.route"] = f"{PAGE}/{{file}}"
        name = request.path_params["file"]
        if name not in FILES:
            raise NotFound("file", name)
        content, etag = _file(name)
        headers = {**_HEADERS, "Cache-Control": "public, max-age=3600", "ETag": etag}
        if is_unchanged(request.headers, etag):
            return Response(status_code=304, headers=headers)
        return Response(content, 200, headers, FILES[name][1])

    return [Route(PAGE, page, methods=["GET"]), Route(f"{PAGE}/{{file}}", file, methods=["GET"])]


@cache
def _file(name: str) -> tuple[bytes, str]:
    content = (files("service") / "ui" / "static" / FILES[name][0]).read_bytes()
    return content, f'"{hashlib.sha256(content).hexdigest()}"'


def _page(documents: Mapping[str, Document], chosen: str) -> str:
    """Return the page. All its links are relative: the service may be below a path of its host."""
    title, address = escape(documents[chosen].title), escape(chosen.removeprefix("/"))
    others = "".join(
        f'<a href="?document={escape(path)}">{escape(document.title)}</a> '
        for path, document in documents.items()
        if path != chosen
    )
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
<nav>{others}</nav>
<main id="viewer" data-document="{address}">
<noscript>This page needs JavaScript; the description is at <a href="{address}">{address}</a>.</noscript>
</main>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/docs.js"></script>
</html>
"""
