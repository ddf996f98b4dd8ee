"""Whether a picture's file is whole: a broken transfer keeps the header and loses the end."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable
from pathlib import Path

from service.errors import IngestError

_JPEG_END = b"\xff\xd9"
_START_OF_SCAN = 0xDA
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length


def check_whole(path: Path, name: str, filename: str) -> None:
    """Raise IngestError (``malformed``) if a JPEG, PNG or WebP ends too early; other formats pass. Decodes nothing."""
    check = _CHECKS.get(name)
    if check is None:
        return
    with path.open("rb") as source:
        if source.seek(0, 2) == 0:
            return
        with mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if not check(content):
                raise IngestError(
                    f"The {name} picture is cut short: it ends before its end marker.",
                    reason="malformed",
                    filename=filename,
                )


def _jpeg(content: mmap.mmap) -> bool:
    """An end marker after the first scan's start; one before it belongs to an embedded thumbnail."""
    at, size = 2, len(content)
    while at + 4 <= size:
        if content[at] != 0xFF:
            at += 1  # padding between segments
            continue
        marker = content[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _STANDALONE:
            at += 2
        elif marker == _START_OF_SCAN:
            return content.rfind(_JPEG_END, at) >= 0
        else:
            at += 2 + max(2, int.from_bytes(content[at + 2 : at + 4], "big"))
    return False


def _png(content: mmap.mmap) -> bool:
    """Chunks that follow each other up to IEND (PNG 3rd edition §5.3)."""
    at, size = 8, len(content)
    while at + 12 <= size:
        (length,) = struct.unpack_from(">I", content, at)
        if content[at + 4 : at + 8] == b"IEND":
            return True
        at += 12 + length
    return False


def _riff(content: mmap.mmap) -> bool:
    """The size in a RIFF header counts what follows it; encoders that forget the padding byte are forgiven."""
    return len(content) >= 12 and len(content) + 1 >= 8 + int(struct.unpack_from("<I", content, 4)[0])


_CHECKS: dict[str, Callable[[mmap.mmap], bool]] = {"jpg": _jpeg, "png": _png, "webp": _riff}
