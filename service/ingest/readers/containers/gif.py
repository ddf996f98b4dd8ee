"""GIF (89a): the canvas, comments, and XMP in its application extension."""

from __future__ import annotations

from typing import IO

from service.ingest import clean
from service.ingest.readers.containers.embedded import MAX_BLOCK, Embedded

_EXTENSION, _IMAGE, _COMMENT, _APPLICATION = 0x21, 0x2C, 0xFE, 0xFF
_MAX_BLOCKS = 2_000_000  # of at most 255 bytes each
# XMP part 3 §1.1.2: the packet is not divided into blocks; these bytes lead a reader of blocks to its end.
_TRAILER = b"\x01" + bytes(range(255, -1, -1))


def read(source: IO[bytes], size: int) -> Embedded:
    """Return the blocks of a GIF; the pixels are passed over."""
    found = Embedded()
    head = source.read(13)
    if len(head) < 13:
        return found
    found.sized(int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little"))
    source.seek(_table(head[10]), 1)
    budget = [_MAX_BLOCKS]
    while budget[0] > 0:
        kind = source.read(1)
        if kind == bytes([_IMAGE]):
            descriptor = source.read(9)
            if len(descriptor) < 9:
                break
            source.seek(_table(descriptor[8]) + 1, 1)
            _skip(source, budget)
        elif kind == bytes([_EXTENSION]):
            _extension(source, found, budget)
        else:
            break
    return found


def _extension(source: IO[bytes], found: Embedded, budget: list[int]) -> None:
    label = source.read(1)
    if label == bytes([_COMMENT]):
        _, text = _blocks(source, budget)
        found.texts.setdefault("comment", clean.decode(text))
    elif label == bytes([_APPLICATION]):
        name = source.read((source.read(1) or b"\x00")[0])
        if name != b"XMP DataXMP":
            _skip(source, budget)
            return
        raw, joined = _blocks(source, budget)
        found.add_xmp(raw.removesuffix(_TRAILER) if raw.endswith(_TRAILER[-200:]) else joined)
    else:
        _skip(source, budget)


def _table(flags: int) -> int:
    """Return the length of a colour table."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _skip(source: IO[bytes], budget: list[int]) -> None:
    while (length := source.read(1)) and length[0] and budget[0] > 0:
        budget[0] -= 1
        source.seek(length[0], 1)
    budget[0] -= 1


def _blocks(source: IO[bytes], budget: list[int]) -> tuple[bytes, bytes]:
    """Return what the blocks hold, once with the bytes that give their lengths and once without."""
    raw, joined = bytearray(), bytearray()
    while (length := source.read(1)) and length[0] and budget[0] > 0 and len(raw) < MAX_BLOCK:
        budget[0] -= 1
        part = source.read(length[0])
        raw += length + part
        joined += part
    return bytes(raw), bytes(joined)
