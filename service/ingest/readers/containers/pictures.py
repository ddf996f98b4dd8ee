"""The reader of each picture format's metadata blocks."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import IO

from service.ingest.readers.containers import gif, heif, jpeg, jpeg2000, jpegxl, png, psd, riff, tiff
from service.ingest.readers.containers.embedded import MAX_BLOCK, Embedded, Reader, read_at

_COLOURS = 1 << 16  # no palette has more
_LENGTHS = frozenset({16, 40, 52, 56, 64, 108, 124})  # of the headers that there are beside the first, of 12
_BITS = frozenset({0, 1, 2, 4, 8, 16, 24, 32, 64})  # a pixel; 0 for an embedded JPEG or PNG


def bmp(source: IO[bytes], size: int) -> Embedded:
    """Return the size in a bitmap's header (Windows and OS/2), with or without the header of a file before it."""
    found = Embedded()
    head = source.read(64)
    body = head[14:] if head[:2] == b"BM" else head
    length = int.from_bytes(body[:4], "little")
    if length == 12 and len(body) >= 12:
        width, height, planes, bits = struct.unpack_from("<HHHH", body, 4)
    elif length in _LENGTHS and len(body) >= 16:
        width, height, planes, bits = struct.unpack_from("<iiHH", body, 4)
        if length >= 40 and int.from_bytes(body[32:36], "little") > _COLOURS:
            return found
    else:
        return found
    if planes == 1 and bits in _BITS:
        found.sized(width, abs(height))  # a negative height: rows from the top
    return found


def dds(source: IO[bytes], size: int) -> Embedded:
    """Return the size in the header of a DirectDraw surface (Microsoft's DDS_HEADER)."""
    found = Embedded()
    head = source.read(128)
    if len(head) == 128 and head[4:8] == b"\x7c\x00\x00\x00":
        height, width = struct.unpack_from("<II", head, 12)
        found.sized(width, height)
    return found


def raf(source: IO[bytes], size: int) -> Embedded:
    """Return the blocks of the JPEG in a Fujifilm raw picture; its size is that of the preview, so it is left out."""
    source.seek(84)
    at, length = struct.unpack(">II", source.read(8).ljust(8, b"\x00"))
    found = jpeg.read(io.BytesIO(read_at(source, at, length, 4 * MAX_BLOCK) or b""), length)
    found.width = found.height = None
    return found


READERS: dict[str, Reader] = {
    "jpg": jpeg.read, "png": png.read, "gif": gif.read, "webp": riff.read, "tiff": tiff.read, "psd": psd.read,
    "jp2": jpeg2000.read, "avif": heif.read, "heic": heif.read, "bmp": bmp, "dib": bmp,
    "dds": dds, "jxl": jpegxl.read, "orf": tiff.read, "rw2": tiff.read, "raf": raf,
}  # fmt: skip


def embedded(path: Path, name: str) -> Embedded:
    """Return the metadata blocks of a picture of the format ``name``; nothing for a format that has none."""
    reader = READERS.get(name)
    if reader is None:
        return Embedded()
    with path.open("rb") as source:
        size = source.seek(0, 2)
        source.seek(0)
        return reader(source, size)
