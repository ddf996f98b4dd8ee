"""Detects truncated files: an interrupted transfer keeps the header and loses the end."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import IO

from service.errors import IngestError

_JPEG_END = b"\xff\xd9"
_START_OF_SCAN = 0xDA
_UNKNOWN = 0xFFFFFFFF
_MAX_STEPS = 100_000
_BLOCK = 64 * 1024
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length


def check_truncation(path: Path, name: str, filename: str) -> None:
    """Raise IngestError (``malformed``) if a file is truncated. Decodes nothing; formats without a check pass.

    Seeks from header to header, so that a film of many gigabytes costs neither memory nor address space.
    """
    check = _CHECKS.get(name)
    if check is None:
        return
    with path.open("rb") as source:
        size = source.seek(0, 2)
        if size and not check(source, size):
            raise IngestError(
                f"The {name} file is truncated. Upload the complete file.",
                reason="malformed",
                filename=filename,
            )


def _at(source: IO[bytes], at: int, length: int) -> bytes:
    source.seek(at)
    return source.read(length)


def _jpeg(source: IO[bytes], size: int) -> bool:
    """Check for an end marker after the start of the first scan; an earlier one belongs to an embedded thumbnail."""
    at = 2
    for _ in range(_MAX_STEPS):
        if at + 4 > size:
            return False
        head = _at(source, at, 4)
        if head[0] != 0xFF:
            at += 1  # padding between segments
            continue
        marker = head[1]
        if marker == 0xFF:
            at += 1
        elif marker in _STANDALONE:
            at += 2
        elif marker == _START_OF_SCAN:
            return _is_behind(source, at, size, _JPEG_END)
        else:
            at += 2 + max(2, int.from_bytes(head[2:4], "big"))
    return _is_behind(source, at, size, _JPEG_END)


def _is_behind(source: IO[bytes], start: int, size: int, mark: bytes) -> bool:
    """Return whether ``mark`` comes after ``start``, looking from the end, where it usually is."""
    end = size
    while end > start:
        at = max(start, end - _BLOCK)
        if mark in _at(source, at, end - at + len(mark) - 1):
            return True
        end = at
    return False


def _png(source: IO[bytes], size: int) -> bool:
    """Check that chunks follow each other up to IEND (PNG 3rd edition §5.3)."""
    at = 8
    while at + 12 <= size:
        head = _at(source, at, 8)
        if head[4:] == b"IEND":
            return True
        at += 12 + int.from_bytes(head[:4], "big")
    return False


def _riff(source: IO[bytes], size: int) -> bool:
    """Check the size in a RIFF header, which counts what follows it; an interrupted recorder leaves all ones."""
    if size < 12:
        return False
    stated = int(struct.unpack("<I", _at(source, 4, 4))[0])
    return stated == _UNKNOWN or size + 1 >= 8 + stated  # a missing padding byte is tolerated


def _boxes(source: IO[bytes], size: int) -> bool:
    """Check that boxes follow each other to the end (ISO/IEC 14496-12 §4.2); a length of 0 means "to the end"."""
    at = 0
    for _ in range(_MAX_STEPS):
        if at + 8 > size:
            return at <= size
        head = _at(source, at, 16)
        length = int.from_bytes(head[:4], "big")
        if length == 1 and len(head) == 16:
            length = int.from_bytes(head[8:16], "big")
        if length == 0:
            return True
        if length < 8:
            return False
        at += length
    return True  # so far it is whole, and longer than anybody waits


_CHECKS: dict[str, Callable[[IO[bytes], int], bool]] = {
    "jpg": _jpeg,
    "png": _png,
    **dict.fromkeys(("webp", "wav", "avi"), _riff),
    **dict.fromkeys(("mp4", "mov", "m4a", "3gp", "avif", "heic"), _boxes),
}
