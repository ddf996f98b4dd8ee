"""The directory of an OLE compound file ([MS-CFB]): what its streams are called, which tells what it is."""

from __future__ import annotations

import struct
from typing import IO
from uuid import UUID

MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MAX_SECTORS = 256  # of the directory: 1,024 entries in sectors of 512 bytes
_END = 0xFFFFFFFA  # this sector number and those above it mean something else
_ROOT = 5


def directory(source: IO[bytes]) -> tuple[list[str], str]:
    """Return the names in the directory, those in folders too, and the class identifier of the root.

    Follows the chain of the directory's sectors as far as the file has them: a cut file gives what is there.
    """
    source.seek(0)
    header = source.read(512)
    if len(header) < 512 or header[:8] != MAGIC:
        return [], ""
    shift = struct.unpack_from("<H", header, 30)[0]
    if shift not in {9, 12}:
        return [], ""
    size, sector = 1 << shift, struct.unpack_from("<I", header, 48)[0]
    names: list[str] = []
    root = ""
    for _ in range(_MAX_SECTORS):
        if sector >= _END:
            break
        source.seek((sector + 1) * size)
        block = source.read(size)
        for at in range(0, len(block) - 127, 128):
            length, kind = struct.unpack_from("<HB", block, at + 64)
            if 2 <= length <= 64 and kind:
                names.append(block[at : at + length - 2].decode("utf-16-le", "replace"))
            if kind == _ROOT:
                root = str(UUID(bytes_le=block[at + 80 : at + 96]))
        sector = _next(source, header, sector, size)
    return names, root


def _next(source: IO[bytes], header: bytes, sector: int, size: int) -> int:
    """Return the sector after one in its chain, by the allocation table's sectors that the header lists."""
    number, place = divmod(sector, size // 4)
    if number >= 109:
        return _END  # listed elsewhere, in files of more than 7 MB: names that far on are not needed
    table = struct.unpack_from("<I", header, 76 + number * 4)[0]
    if table >= _END:
        return _END
    source.seek((table + 1) * size + place * 4)
    found = source.read(4)
    return int(struct.unpack("<I", found)[0]) if len(found) == 4 else _END
