"""What a request's body may be, as values of the route table: each kind reads itself and checks itself."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel
from starlette.requests import Request

from service.api.kernel.context import Context
from service.api.kernel.errors import UnsupportedMediaType
from service.api.kernel.forms import Form, FormLimits, FormParts, read_form
from service.api.kernel.inputs import Unknown, parse_json, read_body
from service.core.assets.assets import Upload
from service.errors import InvalidInput

JSON = "application/json"
FORM = "multipart/form-data"


class Received(Protocol):
    """A body that has arrived."""

    @property
    def uploads(self) -> Sequence[Upload]:
        """Its files."""
        ...

    async def digest(self) -> str:
        """Return a hash of what it says: two bodies that say the same have the same one."""
        ...

    def parse(self, unknown: Unknown) -> BaseModel | None:
        """Check it. Raises InvalidInput that names every field that is wrong."""
        ...


class Body(Protocol):
    """A kind of body: its media type, the model that checks it, and how it is read."""

    @property
    def media_type(self) -> str:
        """The media type, as OpenAPI names it."""
        ...

    @property
    def model(self) -> type[BaseModel]:
        """The model of what the handler gets."""
        ...

    @property
    def example(self) -> Any:
        """An example for the description, None without one."""
        ...

    def accepts(self, media_type: str) -> bool:
        """Say whether a body of this media type (lower case, without parameters) is of this kind."""
        ...

    def receive(self, request: Request, context: Context) -> AbstractAsyncContextManager[Received]:
        """Read the body; what is on its way to the files port is gone when the context ends, unless it was kept.

        Raises TooLarge, InvalidInput.
        """
        ...

    def schema(self, model: dict[str, Any]) -> dict[str, Any]:
        """Return the body's schema of OpenAPI; ``model`` is a reference to that of its model."""
        ...


@dataclass(frozen=True, slots=True)
class JsonBody:
    """JSON, whatever its media type's prefix."""

    model: type[BaseModel]
    media_type: str = JSON
    example: Any = None

    def accepts(self, media_type: str) -> bool:
        """Take ``application/json`` and every ``+json``."""
        return media_type == JSON or media_type.endswith("+json")

    @asynccontextmanager
    async def receive(self, request: Request, context: Context) -> AsyncIterator[Received]:
        """Read it whole."""
        yield _Bytes(self.model, await read_body(request, context.settings.json_limit))

    def schema(self, model: dict[str, Any]) -> dict[str, Any]:
        """Return the model's."""
        return model


@dataclass(frozen=True, slots=True)
class FormBody:
    """A multipart form: one part with the JSON of the model, one with a file; each may be left out, but not both."""

    model: type[BaseModel]
    json_part: str
    file_part: str = "file"
    media_type: str = FORM
    example: Any = None

    def accepts(self, media_type: str) -> bool:
        """Take ``multipart/form-data``."""
        return media_type == FORM

    @asynccontextmanager
    async def receive(self, request: Request, context: Context) -> AsyncIterator[Received]:
        """Read it; the file goes on to the files port while it comes, so that memory stays flat."""
        settings = context.settings
        limits = FormLimits(settings.json_limit, settings.upload_limit)
        parts = FormParts(texts=(self.json_part,), files=(self.file_part,))
        async with read_form(request, context.assets.receive, parts, limits) as form:
            yield _JsonAndFile(self, form)

    def schema(self, model: dict[str, Any]) -> dict[str, Any]:
        """Return an object of the parts."""
        file = {"type": "string", "contentMediaType": "application/octet-stream"}
        return {"type": "object", "properties": {self.json_part: model, self.file_part: file}}


@dataclass(frozen=True, slots=True)
class _Bytes:
    """JSON text; without a model it is not looked at."""

    model: type[BaseModel] | None
    text: bytes
    uploads: Sequence[Upload] = ()

    async def digest(self) -> str:
        return hashlib.sha256(self.text).hexdigest()

    def parse(self, unknown: Unknown) -> BaseModel | None:
        return None if self.model is None else parse_json(self.model, self.text, "body", unknown)


@dataclass(frozen=True, slots=True)
class _JsonAndFile:
    kind: FormBody
    form: Form

    @property
    def uploads(self) -> Sequence[Upload]:
        return tuple(self.form.files.values())

    async def digest(self) -> str:
        return await self.form.digest()

    def parse(self, unknown: Unknown) -> BaseModel | None:
        text = self.form.texts.get(self.kind.json_part)
        if text is None and not self.form.files:
            parts = f"the parts {self.kind.json_part} and {self.kind.file_part}"
            raise InvalidInput("The form is empty.", field=self.kind.file_part, expected=parts)
        return parse_json(self.kind.model, text or b"{}", self.kind.json_part, unknown)


@asynccontextmanager
async def receive(
    bodies: Sequence[Body], request: Request, context: Context, *, whole: bool
) -> AsyncIterator[Received]:
    """Read the body of a request by the kind that its Content-Type names, the first if it names none.

    A route without a body takes no notice of one, unless ``whole`` asks for it, for its hash.
    Raises UnsupportedMediaType, TooLarge, InvalidInput.
    """
    if not bodies:
        yield _Bytes(None, await read_body(request, context.settings.json_limit) if whole else b"")
        return
    given = request.headers.get("content-type", bodies[0].media_type).split(";")[0].strip().lower()
    kind = next((body for body in bodies if body.accepts(given)), None)
    if kind is None:
        expected = " or ".join(body.media_type for body in bodies)
        message = f"This route does not take a body of the type {given[:80]}." if given else "Content-Type is empty."
        raise UnsupportedMediaType(message, field="Content-Type", provided=given[:80], expected=expected)
    async with kind.receive(request, context) as received:
        yield received
