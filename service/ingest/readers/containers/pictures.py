"""The reader of each picture format's metadata blocks."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO

from service.ingest.readers.containers import gif, heif, jpeg, jpeg2000, png, psd, riff, tiff
from service.ingest.readers.containers.embedded import Embedded, Reader


def bmp(source: IO[bytes], size: int) -> Embedded:
    """Return the size in a bitmap's header (Windows and OS/2), with or without the header of a file before it."""
    found = Embedded()
    head = source.read(40)
    body = head[14:] if head[:2] == b"BM" else head
    length = int.from_bytes(body[:4], "little")
    if length == 12 and len(body) >= 8:
        found.sized(*struct.unpack_from("<HH", body, 4))
    elif 16 <= length <= 1024 and len(body) >= 12:
        width, height = struct.unpack_from("<ii", body, 4)
        found.sized(width, abs(height))  # a negative height: rows from the top
    return found


READERS: dict[str, Reader] = {
    "jpg": jpeg.read, "png": png.read, "gif": gif.read, "webp": riff.read, "tiff": tiff.read, "psd": psd.read,
    "jp2": jpeg2000.read, "avif": heif.read, "heic": heif.read, "bmp": bmp, "dib": bmp,
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
