"""RIFF: the chunks of WebP, AVI and WAVE files, and the texts of their INFO lists."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO, NamedTuple

from service.ingest import clean
from service.ingest.readers.containers.embedded import MAX_STEPS, Embedded, read_at

_MAX_TEXT = 64 * 1024
_MAX_DEPTH = 6


class Chunk(NamedTuple):
    """A chunk: its id, the type of the list it is in, where its body begins, and how long that is."""

    kind: bytes
    inside: bytes
    at: int
    length: int


def chunks(source: IO[bytes], size: int, skipped: frozenset[bytes] = frozenset({b"movi"})) -> Iterator[Chunk]:
    """Yield the chunks in file order, those in lists too; lists of the ``skipped`` types are passed over."""
    ends: list[tuple[int, bytes]] = [(size, b"")]
    at = 0
    for _ in range(MAX_STEPS):
        while len(ends) > 1 and at >= ends[-1][0]:
            ends.pop()
        if at + 8 > size:
            return
        source.seek(at)
        head = source.read(12)
        kind, length = head[:4], int.from_bytes(head[4:8], "little")
        body = at + 8
        if kind in {b"RIFF", b"LIST", b"RF64", b"BW64"} and len(head) == 12:
            if head[8:12] not in skipped and len(ends) <= _MAX_DEPTH:
                ends.append((min(body + length, size) if kind == b"LIST" else size, head[8:12]))
                at = body + 4
                continue
        else:
            yield Chunk(kind, ends[-1][1], body, min(length, size - body))
        at = body + length + length % 2


def info(source: IO[bytes], size: int) -> dict[str, str]:
    """Return the texts of the INFO lists by their four letters (Microsoft's "Multimedia Programming Interface")."""
    found: dict[str, str] = {}
    for chunk in chunks(source, size):
        if chunk.inside == b"INFO" and (body := read_at(source, chunk.at, min(chunk.length, _MAX_TEXT))):
            found.setdefault(chunk.kind.decode("latin-1"), text(body))
    return found


def text(body: bytes) -> str:
    """Return a text that ends at its first NUL."""
    return clean.decode(body.partition(b"\x00")[0])


def read(source: IO[bytes], size: int) -> Embedded:
    """Return the blocks of a WebP (RFC 9649)."""
    found = Embedded()
    for chunk in chunks(source, size):
        if chunk.kind == b"EXIF":
            found.add_exif(read_at(source, chunk.at, chunk.length))
        elif chunk.kind == b"XMP ":
            found.add_xmp(read_at(source, chunk.at, chunk.length))
        elif chunk.kind in _SIZES and found.width is None and (head := read_at(source, chunk.at, 10)):
            found.sized(*_SIZES[chunk.kind](head))
    return found


def _canvas(head: bytes) -> tuple[int, int]:
    return int.from_bytes(head[4:7], "little") + 1, int.from_bytes(head[7:10], "little") + 1


def _lossy(head: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from("<HH", head, 6) if head[3:6] == b"\x9d\x01\x2a" else (0, 0)
    return width & 0x3FFF, height & 0x3FFF


def _lossless(head: bytes) -> tuple[int, int]:
    bits = int.from_bytes(head[1:5], "little")
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


_SIZES = {b"VP8X": _canvas, b"VP8 ": _lossy, b"VP8L": _lossless}
