"""Multipart forms (RFC 7578): texts, and files that go on to the files port while they come."""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from service.api.kernel.inputs import limited, too_large
from service.core.assets.assets import Upload
from service.errors import InvalidInput
from service.model import short_filename
from service.ports.files import Incoming

_EXTENDED = re.compile(rb";\s*filename\*\s*=\s*\"?(utf-8|iso-8859-1)'[^']*'([^;\s\"]+)", re.IGNORECASE)
"""A file name as RFC 5987 writes it: its charset, and its bytes with percent signs."""


@dataclass(frozen=True, slots=True)
class Begin:
    """A part begins: its name, and its file name if it has one."""

    name: str
    filename: str | None


Event = Begin | bytes
"""What a body is made of: the begin of a part, then its content in pieces."""


class _Events:
    """Gathers what the parser finds."""

    def __init__(self, charset: str) -> None:
        self.found: list[Event] = []
        self.ended = False
        self._charset = charset
        self._field = self._value = b""
        self._disposition = b""

    def on_part_begin(self) -> None:
        self._disposition = b""

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._disposition = self._value
        self._field = self._value = b""

    def on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        if b"name" not in options:
            raise broken("a part has no name")
        self.found.append(Begin(self._text(options[b"name"]), self._filename(options.get(b"filename"))))

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self.found.append(data[start:end] if end - start < len(data) else data)

    def on_end(self) -> None:
        self.ended = True

    def _filename(self, plain: bytes | None) -> str | None:
        """Return the part's file name, None if it has none.

        Some clients write one that is not ASCII as RFC 5987 says, .NET's beside a stand-in; RFC 7578 wants it as plain
        text, so that one goes first.
        """
        if plain is not None and not plain.startswith(b"=?"):
            return self._text(plain)
        if extended := _EXTENDED.search(self._disposition):
            try:
                return unquote_to_bytes(extended[2]).decode(extended[1].decode())
            except UnicodeDecodeError:
                raise broken("a part's filename* is not of its charset") from None
        return None if plain is None else self._text(plain)

    def _text(self, text: bytes) -> str:
        try:
            decoded = text.decode(self._charset)
            decoded.encode()  # some charsets write half of a character, which nothing after us could
        except (ValueError, LookupError):  # it is not of the charset; or that is none of texts, such as base64
            return text.decode("latin-1")
        return decoded


async def read_parts(content_type: str, stream: AsyncIterator[bytes]) -> AsyncGenerator[Event, None]:
    """Give the parts of a body in their order. Raises InvalidInput where it is broken."""
    _, options = parse_options_header(content_type)
    if not (boundary := options.get(b"boundary")):
        raise broken("its Content-Type names no boundary")
    events = _Events(_charset(options.get(b"charset", b"utf-8")))
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": events.on_part_begin,
                "on_header_field": events.on_header_field,
                "on_header_value": events.on_header_value,
                "on_header_end": events.on_header_end,
                "on_headers_finished": events.on_headers_finished,
                "on_part_data": events.on_part_data,
                "on_end": events.on_end,
            },
        )
        async for chunk in stream:
            parser.write(chunk)
            found, events.found = events.found, []
            for event in found:
                yield event
    except FormParserError:
        raise broken("it is not made of parts as its boundary says") from None
    if not events.ended:
        raise broken("it ends before its last boundary")


def broken(why: str) -> InvalidInput:
    """Return the error of a body that cannot be read."""
    return InvalidInput(f"The multipart body is broken: {why}.", field="body")


def _charset(name: bytes) -> str:
    try:
        return codecs.lookup(name.decode("latin-1")).name
    except (LookupError, ValueError):
        return "latin-1"


_ENVELOPE = 64 * 1024
"""Bytes that boundaries and headers of parts may take; a file just at its limit must fit."""


@dataclass(frozen=True, slots=True)
class FormLimits:
    """The most bytes of all texts together, and of each file."""

    json: int
    upload: int


@dataclass(frozen=True, slots=True)
class FormParts:
    """The names of the parts that a form may have, once each: those that are text, and those that are files."""

    texts: tuple[str, ...]
    files: tuple[str, ...] = ()

    @property
    def expected(self) -> str:
        """What the form may hold, in words."""
        return f"the parts {' and '.join((*self.texts, *self.files))}, once each"


@dataclass(frozen=True, slots=True)
class Form:
    """The parts that came, by name."""

    texts: Mapping[str, bytes]
    files: Mapping[str, Upload]

    async def digest(self) -> str:
        """Return a hash of what the form says: the same for every boundary, and for every order of the parts."""
        said = [(name.encode(), b"text", b"", hashlib.sha256(text).digest()) for name, text in self.texts.items()]
        for name, upload in self.files.items():
            content = (await upload.content.sha256()).encode()
            said.append((name.encode(), b"file", hashlib.sha256(upload.filename.encode()).digest(), content))
        # Each part is hashed by itself, so that no part can pass for the end of another.
        hashes = sorted(hashlib.sha256(b"\0".join(part)).digest() for part in said)
        return hashlib.sha256(b"".join(hashes)).hexdigest()


Receive = Callable[[], AbstractAsyncContextManager[Incoming]]
"""Begins to receive a file; what nobody keeps is gone when its context ends."""


@asynccontextmanager
async def read_form(request: Request, receive: Receive, expected: FormParts, limits: FormLimits) -> AsyncIterator[Form]:
    """Read a multipart body with the expected parts, in any order.

    Raises TooLarge and InvalidInput, as soon as it is known; what came of a file is gone then.
    """
    async with AsyncExitStack() as stack:
        parts = _Parts(receive, expected, limits, stack)
        stream = limited(request, len(expected.files) * limits.upload + limits.json + _ENVELOPE)
        async with aclosing(read_parts(request.headers.get("content-type", ""), stream)) as events:
            async for event in events:
                if isinstance(event, Begin):
                    await parts.begin(event)
                else:
                    await parts.add(event)
        yield parts.form()


class _Parts:
    """What came so far."""

    def __init__(self, receive: Receive, expected: FormParts, limits: FormLimits, stack: AsyncExitStack) -> None:
        self._receive = receive
        self._expected = expected
        self._limits = limits
        self._stack = stack
        self._texts: dict[str, bytearray] = {}
        self._files: dict[str, Upload] = {}
        self._size = 0
        self._current: bytearray | Upload | None = None

    async def begin(self, part: Begin) -> None:
        name = part.name
        if name in self._texts or name in self._files or name not in (*self._expected.texts, *self._expected.files):
            raise InvalidInput(
                f"The part {name[:80]!r} is not expected.", field=name[:80], expected=self._expected.expected
            )
        if name in self._expected.texts:
            self._current = self._texts[name] = bytearray()
        elif part.filename is None:
            raise InvalidInput(f"The part {name} has no file name.", field=name, expected='filename="…" in its header')
        else:
            upload = Upload(_base(part.filename), await self._stack.enter_async_context(self._receive()))
            self._current = self._files[name] = upload

    async def add(self, content: bytes) -> None:
        if isinstance(self._current, Upload):
            await self._current.content.write(content)
            return
        assert self._current is not None
        self._current += content
        self._size += len(content)
        if self._size > self._limits.json:
            raise too_large(self._limits.json)

    def form(self) -> Form:
        return Form({name: bytes(text) for name, text in self._texts.items()}, self._files)


def _base(filename: str) -> str:
    """Return the file's own name, without the folders that some clients put before it."""
    return short_filename(filename.replace("\x00", "").strip()).strip() or "unnamed"
