"""Boxes of the ISO base media file format (ISO/IEC 14496-12 §4.2): MP4, QuickTime, HEIF, AVIF, JPEG 2000."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Final, NamedTuple

from service.ingest.readers.containers.embedded import MAX_BLOCK, read_at

XMP_UUID: Final = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
"""The uuid box that holds an XMP packet (XMP part 3 §1.2.7.1)."""

EXIF_UUID: Final = b"JpgTiffExif->JP2"
IPTC_UUID: Final = bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38")


MAX_BOXES: Final = 100_000
"""Boxes of one level that are walked through; a film in fragments of half a second has as many in seven hours."""


class Box(NamedTuple):
    """A box: its type, where its body begins and where it ends."""

    kind: bytes
    at: int
    end: int

    def body(self, source: IO[bytes], limit: int = MAX_BLOCK) -> bytes:
        """Return the body; nothing if it is longer than ``limit`` or cut off."""
        return read_at(source, self.at, self.end - self.at, limit) or b""

    def head(self, source: IO[bytes], length: int) -> bytes:
        """Return the first bytes of the body."""
        source.seek(self.at)
        return source.read(min(length, self.end - self.at))


def boxes(source: IO[bytes], at: int, end: int) -> Iterator[Box]:
    """Yield the boxes between two offsets, those in them not; ends at the first that is no box."""
    for _ in range(MAX_BOXES):
        if at + 8 > end:
            return
        source.seek(at)
        head = source.read(16)
        if len(head) < 8:
            return
        length, kind, start = int.from_bytes(head[:4], "big"), head[4:8], 8
        if length == 1 and len(head) == 16:
            length, start = int.from_bytes(head[8:16], "big"), 16
        elif length == 0:
            length = end - at
        if length < start:
            return
        yield Box(kind, at + start, min(at + length, end))
        at += length


def children(source: IO[bytes], box: Box, skip: int = 0) -> Iterator[Box]:
    """Yield the boxes in a box, after ``skip`` bytes of its own."""
    return boxes(source, box.at + skip, box.end)


def find(source: IO[bytes], at: int, end: int, *path: bytes) -> Box | None:
    """Return the first box on a path of types, or None."""
    for box in boxes(source, at, end):
        if box.kind == path[0]:
            return box if len(path) == 1 else find(source, box.at, box.end, *path[1:])
    return None
