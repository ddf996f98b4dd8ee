"""The body of a native request, read as far as it must be before the handler runs."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import Message

from service.api.kernel.context import Context
from service.api.kernel.forms import Form, FormLimits, read_form
from service.api.kernel.inputs import read_body

_FORM = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class Content:
    """A request that a handler may read, its form if it is one, and a hash of what came ("" unless asked for)."""

    request: Request
    form: Form | None = None
    digest: str = ""


@asynccontextmanager
async def read_content(request: Request, context: Context, *, form: bool, digest: bool) -> AsyncIterator[Content]:
    """Read a multipart form if ``form`` allows one, and whatever else came if its hash is asked for.

    A form's hash is of its parts: a client draws a new boundary for each try. Memory stays flat, a file is on its way
    to the files port, which keeps it if the handler says so.
    Raises TooLarge, InvalidInput.
    """
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    settings = context.settings
    if form and media_type == _FORM:
        limits = FormLimits(settings.json_limit, settings.upload_limit)
        async with read_form(request, context.assets.receive, limits) as parts:
            yield Content(request, parts, await parts.digest() if digest else "")
    elif digest:
        body = await read_body(request, settings.json_limit)
        yield Content(_again(request, body), None, hashlib.sha256(body).hexdigest())
    else:
        yield Content(request)


def _again(request: Request, body: bytes) -> Request:
    """Return the request with its body still to be read."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request(request.scope, receive)
