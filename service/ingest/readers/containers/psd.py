"""Photoshop's PSD and PSB (Adobe Photoshop File Formats Specification): size, and the image resources."""

from __future__ import annotations

import struct
from typing import IO

from service.ingest.readers.containers.embedded import Embedded, read_at

_MAX_SIDE = {1: 30_000, 2: 300_000}


def read(source: IO[bytes], size: int) -> Embedded:
    """Return the blocks of a PSD or PSB; no size if its header breaks the specification."""
    found = Embedded()
    head = source.read(30)
    if len(head) < 30:
        return found
    version, channels, height, width, depth, mode, colours = struct.unpack(">4xH6xHIIHHI", head)
    fits = max(width, height) <= _MAX_SIDE.get(version, 0)
    if not (fits and 1 <= channels <= 56 and depth in {1, 8, 16, 32} and mode <= 9):
        return found
    found.sized(width, height)
    found.is_cut = not _is_whole(source, size, colours, wide=version == 2)
    at = 30 + colours
    length = read_at(source, at, 4)
    block = read_at(source, at + 4, int.from_bytes(length, "big")) if length else None
    if block:
        found.add_photoshop(block)
    return found


def _is_whole(source: IO[bytes], size: int, colours: int, *, wide: bool) -> bool:
    """Return whether the colours, the resources and the layers end before the file, and a picture follows."""
    at = 30 + colours
    for width in (4, 8 if wide else 4):
        length = read_at(source, at, width)
        if length is None:
            return False
        at += width + int.from_bytes(length, "big")
    return at + 2 <= size
