"""JPEG 2000 (ISO/IEC 15444-1 annex I): the size, and EXIF, XMP and IPTC in uuid boxes."""

from __future__ import annotations

import struct
from typing import IO

from service.ingest.readers.containers.bmff import EXIF_UUID, IPTC_UUID, XMP_UUID, Box, boxes, children
from service.ingest.readers.containers.embedded import Embedded


def read(source: IO[bytes], size: int) -> Embedded:
    """Return the blocks of a JP2 or JPX file, or the size of a bare codestream."""
    found = Embedded()
    head = source.read(24)
    if head[:4] == b"\xff\x4f\xff\x51":
        _codestream(found, head)
        return found
    found.is_cut = True
    for box in boxes(source, 0, size):
        if box.kind == b"jp2h":
            _header(source, found, box)
        elif box.kind == b"jp2c":
            found.is_cut = box.head(source, 4) != b"\xff\x4f\xff\x51"
        elif box.kind == b"xml ":
            packet = box.body(source)
            found.add_xmp(packet if b"http://www.w3.org/1999/02/22-rdf-syntax-ns#" in packet else None)
        elif box.kind == b"uuid":
            _uuid(found, box.body(source))
    return found


def _header(source: IO[bytes], found: Embedded, header: Box) -> None:
    for box in children(source, header):
        body = box.head(source, 8)
        if box.kind == b"ihdr" and len(body) == 8:
            height, width = struct.unpack(">II", body)
            found.sized(width, height)


def _uuid(found: Embedded, body: bytes) -> None:
    name, rest = body[:16], body[16:]
    if name == XMP_UUID:
        found.add_xmp(rest)
    elif name == EXIF_UUID:
        found.add_exif(rest)
    elif name == IPTC_UUID and found.iptc is None:
        found.iptc = rest


def _codestream(found: Embedded, head: bytes) -> None:
    """Read the SIZ marker: the grid's extent less the picture's offset in it."""
    if len(head) >= 24:
        right, bottom, left, top = struct.unpack_from(">IIII", head, 8)
        found.sized(right - left, bottom - top)
