"""Detects truncated files: an interrupted transfer keeps the header and loses the end."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable
from pathlib import Path

from service.errors import IngestError

_JPEG_END = b"\xff\xd9"
_START_OF_SCAN = 0xDA
_UNKNOWN = 0xFFFFFFFF
_MAX_BOXES = 100_000
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length


def check_truncation(path: Path, name: str, filename: str) -> None:
    """Raise IngestError (``malformed``) if a file is truncated. Decodes nothing; formats without a check pass."""
    check = _CHECKS.get(name)
    if check is None:
        return
    with path.open("rb") as source:
        if source.seek(0, 2) == 0:
            return
        with mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if not check(content):
                raise IngestError(
                    f"The {name} file is truncated. Upload the complete file.",
                    reason="malformed",
                    filename=filename,
                )


def _jpeg(content: mmap.mmap) -> bool:
    """Check for an end marker after the start of the first scan; an earlier one belongs to an embedded thumbnail."""
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
    """Check that chunks follow each other up to IEND (PNG 3rd edition §5.3)."""
    at, size = 8, len(content)
    while at + 12 <= size:
        (length,) = struct.unpack_from(">I", content, at)
        if content[at + 4 : at + 8] == b"IEND":
            return True
        at += 12 + length
    return False


def _riff(content: mmap.mmap) -> bool:
    """Check the size in a RIFF header, which counts what follows it; an interrupted recorder leaves all ones."""
    if len(content) < 12:
        return False
    size = int(struct.unpack_from("<I", content, 4)[0])
    return size == _UNKNOWN or len(content) + 1 >= 8 + size  # a missing padding byte is tolerated


def _boxes(content: mmap.mmap) -> bool:
    """Check that boxes follow each other to the end (ISO/IEC 14496-12 §4.2); a length of 0 means "to the end"."""
    at, size = 0, len(content)
    for _ in range(_MAX_BOXES):
        if at + 8 > size:
            return at <= size
        length = int.from_bytes(content[at : at + 4], "big")
        if length == 1 and at + 16 <= size:
            length = int.from_bytes(content[at + 8 : at + 16], "big")
        if length == 0:
            return True
        if length < 8:
            return False
        at += length
    return False


_CHECKS: dict[str, Callable[[mmap.mmap], bool]] = {
    "jpg": _jpeg,
    "png": _png,
    **dict.fromkeys(("webp", "wav", "avi"), _riff),
    **dict.fromkeys(("mp4", "mov", "m4a", "avif", "heic"), _boxes),
}
