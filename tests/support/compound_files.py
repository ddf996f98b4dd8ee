"""OLE compound files made by hand: [MS-CFB] version 3, and the property sets of [MS-OLEPS] in them."""

from __future__ import annotations

import struct
from pathlib import Path

_SECTOR, _FREE, _END, _FAT = 512, 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
_SMALL = 4096  # streams below this would be in a stream of their own


def compound_file(path: Path, streams: dict[str, bytes]) -> Path:
    """Write a compound file whose root has these streams, each filled up with zeros to whole sectors."""
    padded = {
        name: body.ljust(max(_SMALL, -(-len(body) // _SECTOR) * _SECTOR), b"\0") for name, body in streams.items()
    }
    table: list[int] = [_FAT]
    sectors: list[bytes] = []

    def chain(content: bytes) -> int:
        first = len(table)
        count = -(-len(content) // _SECTOR)
        table.extend([*range(first + 1, first + count), _END])
        sectors.extend(content[at : at + _SECTOR].ljust(_SECTOR, b"\0") for at in range(0, len(content), _SECTOR))
        return first

    # Siblings are in a tree; one that is a list to the right is a tree, too, if it is in order.
    ordered = sorted(padded, key=lambda name: (len(name), name.upper()))
    rows = [_entry("Root Entry", 5, 1 if ordered else _FREE, _END, 0)]
    for at, name in enumerate(ordered, 1):
        start = chain(padded[name])
        rows.append(_entry(name, 2, _FREE, start, len(padded[name]), right=at + 1 if at < len(ordered) else _FREE))
    directory = chain(b"".join(rows))
    assert len(table) <= _SECTOR // 4, "more sectors than one table has places"
    header = struct.pack(
        "<8s16sHHHHH6xIIIIIIIIII",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"",
        0x3E, 3, 0xFFFE, 9, 6, 0, 1, directory, 0, _SMALL, _END, 0, _END, 0, 0,
    )  # fmt: skip
    fat = struct.pack("<128I", *(table + [_FREE] * (128 - len(table))))
    path.write_bytes(header[:76] + struct.pack("<109I", 0, *([_FREE] * 108)) + fat + b"".join(sectors))
    return path


def _entry(name: str, kind: int, child: int, start: int, size: int, right: int = _FREE) -> bytes:
    text = name.encode("utf-16-le") + b"\0\0"
    return struct.pack("<64sHBBIII16xI16xIQ", text, len(text), kind, 1, _FREE, right, child, 0, start, size)


def properties(values: dict[int, int | str | bytes], codepage: int = 1252) -> bytes:
    """A stream with one property set: numbers are VT_I4, texts VT_LPSTR, bytes a type with its value."""
    codec = {1200: "utf-16-le", 65001: "utf-8"}.get(codepage, f"cp{codepage}")
    body, index = b"", b""
    start = 8 + 8 * (len(values) + 1)
    for name, value in {1: struct.pack("<IHxx", 2, codepage), **values}.items():
        if isinstance(value, str):
            text = value.encode(codec) + (b"\0\0" if codepage == 1200 else b"\0")
            value = struct.pack("<II", 0x1E, len(text)) + text + b"\0" * (-len(text) % 4)
        elif isinstance(value, int):
            value = struct.pack("<Ii", 3, value)
        index += struct.pack("<II", name, start + len(body))
        body += value
    section = struct.pack("<II", start + len(body), len(values) + 1) + index + body
    return struct.pack("<HHI16sI16sI", 0xFFFE, 0, 0x00020006, b"", 1, b"", 48) + section
