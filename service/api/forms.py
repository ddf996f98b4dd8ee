"""Multipart uploads: the JSON of an asset and its file, which goes on to the files port while it comes."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass

from starlette.requests import Request

from service.api.inputs import limited, too_large
from service.api.parts import Begin, read_parts
from service.core.assets import Upload
from service.errors import InvalidInput
from service.ports.files import Incoming

_ENVELOPE = 64 * 1024
"""Bytes that boundaries and headers of parts may take; a file just at its limit must fit."""


@dataclass(frozen=True, slots=True)
class FormLimits:
    """The most bytes of the JSON and of the file."""

    json: int
    upload: int


@dataclass(frozen=True, slots=True)
class Form:
    """A multipart upload: the JSON of the part ``asset`` and the part ``file``, if they came."""

    asset: bytes | None
    upload: Upload | None

    async def digest(self) -> str:
        """Return a hash of what the form says: the same for every boundary, and for every order of the parts."""
        name = self.upload.filename.encode() if self.upload else b""
        content = (await self.upload.content.sha256()).encode() if self.upload else b""
        parts = (self.asset or b"", name, content)
        return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


Receive = Callable[[], AbstractAsyncContextManager[Incoming]]
"""Begins to receive a file; what nobody keeps is gone when its context ends."""


@asynccontextmanager
async def read_form(request: Request, receive: Receive, limits: FormLimits) -> AsyncIterator[Form]:
    """Read a multipart body with the parts ``asset`` and ``file``, once each in any order.

    Raises TooLarge and InvalidInput, as soon as it is known; what came of the file is gone then.
    """
    async with AsyncExitStack() as stack:
        parts = _Parts(receive, limits, stack)
        stream = limited(request, limits.upload + limits.json + _ENVELOPE)
        async with aclosing(read_parts(request.headers.get("content-type", ""), stream)) as events:
            async for event in events:
                if isinstance(event, Begin):
                    await parts.begin(event)
                else:
                    await parts.add(event)
        yield parts.form()


class _Parts:
    """What came so far."""

    def __init__(self, receive: Receive, limits: FormLimits, stack: AsyncExitStack) -> None:
        self._receive = receive
        self._limits = limits
        self._stack = stack
        self._asset: bytearray | None = None
        self._upload: Upload | None = None
        self._in_file = False

    async def begin(self, part: Begin) -> None:
        self._in_file = part.name == "file"
        there = {"asset": self._asset, "file": self._upload}
        if there.get(part.name, part) is not None:
            raise InvalidInput(
                f"The part {part.name[:80]!r} is not expected.",
                field=part.name[:80],
                expected="the parts asset and file, once each",
            )
        if not self._in_file:
            self._asset = bytearray()
        elif part.filename is None:
            raise InvalidInput("The part file has no file name.", field="file", expected='filename="…" in its header')
        else:
            self._upload = Upload(_base(part.filename), await self._stack.enter_async_context(self._receive()))

    async def add(self, content: bytes) -> None:
        if self._in_file:
            assert self._upload is not None
            await self._upload.content.write(content)
            return
        assert self._asset is not None
        self._asset += content
        if len(self._asset) > self._limits.json:
            raise too_large(self._limits.json)

    def form(self) -> Form:
        return Form(None if self._asset is None else bytes(self._asset), self._upload)


def _base(filename: str) -> str:
    """Return the file's own name, without the folders that some clients put before it."""
    name = filename.replace("\\", "/").rsplit("/", 1)[-1].replace("\x00", "").strip()
    return name[:256] or "unnamed"
