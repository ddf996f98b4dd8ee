"""JPEG XL (ISO/IEC 18181): the size in the codestream's header, and EXIF and XMP in the container's boxes."""

from __future__ import annotations

from typing import IO

from service.ingest.readers.containers.bmff import boxes
from service.ingest.readers.containers.embedded import Embedded

_CODESTREAM = b"\xff\x0a"
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))  # width to height, by the ratio field less one


def read(source: IO[bytes], size: int) -> Embedded:
    """Return the blocks of a JPEG XL file, bare or in a container; boxes compressed by Brotli are passed over."""
    found = Embedded()
    head = source.read(16)
    if head[:2] == _CODESTREAM:
        _size(found, head[2:])
        return found
    for box in boxes(source, 0, size):
        if box.kind in {b"jxlc", b"jxlp"} and found.width is None:
            body = box.head(source, 20)[4 if box.kind == b"jxlp" else 0 :]  # a part begins with its number
            if body[:2] == _CODESTREAM:
                _size(found, body[2:])
        elif box.kind == b"xml ":
            found.add_xmp(box.body(source))
        elif box.kind == b"Exif":
            body = box.body(source)
            found.add_exif(body[4 + int.from_bytes(body[:4], "big") :])
    return found


def _size(found: Embedded, head: bytes) -> None:
    """Read SizeHeader (part 1 §D.2): bits from the lowest of each byte on."""
    bits, at = int.from_bytes(head, "little"), 0

    def take(count: int) -> int:
        nonlocal at
        value = bits >> at & ((1 << count) - 1)
        at += count
        return value

    def side(*, by_eight: bool) -> int:
        return (take(5) + 1) * 8 if by_eight else take((9, 13, 18, 30)[take(2)]) + 1

    by_eight = bool(take(1))
    height = side(by_eight=by_eight)
    ratio = take(3)
    across, down = _RATIOS[ratio - 1] if ratio else (0, 1)
    width = height * across // down if ratio else side(by_eight=by_eight)
    if len(head) >= 9:
        found.sized(width, height)
