"""A multipart/form-data body (RFC 7578), part by part as it comes."""

from __future__ import annotations

import codecs
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.errors import InvalidInput


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
        filename = options.get(b"filename")
        self.found.append(Begin(self._text(options[b"name"]), None if filename is None else self._text(filename)))

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self.found.append(data[start:end] if end - start < len(data) else data)

    def on_end(self) -> None:
        self.ended = True

    def _text(self, text: bytes) -> str:
        try:
            return text.decode(self._charset)
        except UnicodeDecodeError:
            return text.decode("latin-1")


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
    """Return the error of a body that can not be read."""
    return InvalidInput(f"The multipart body is broken: {why}.", field="body")


def _charset(name: bytes) -> str:
    try:
        return codecs.lookup(name.decode("latin-1")).name
    except LookupError:
        return "latin-1"
