"""HEIF (ISO/IEC 23008-12), as in HEIC and AVIF: size and turn of the primary picture, and its EXIF and XMP items."""

from __future__ import annotations

import struct
from typing import IO, NamedTuple

from service.ingest.readers.containers.bmff import Box, children, find
from service.ingest.readers.containers.embedded import MAX_BLOCK, Embedded, read_at

_MAX_ITEMS = 10_000
# EXIF's orientation by the quarter turns counter-clockwise (irot), and by the mirror's axis after them (imir, §6.5.12)
_TURNS = (1, 8, 3, 6)
_MIRRORED = {(0, 0): 4, (0, 1): 2, (1, 0): 5, (1, 1): 7, (2, 0): 2, (2, 1): 4, (3, 0): 7, (3, 1): 5}


class _Item(NamedTuple):
    kind: bytes
    mime: bytes


class _Place(NamedTuple):
    method: int
    extents: list[tuple[int, int]]


def read(source: IO[bytes], size: int) -> Embedded:
    """Return the blocks of a HEIF file; a file of a sequence without a still picture has none."""
    found = Embedded()
    meta = find(source, 0, size, b"meta")
    if meta is None:
        return found
    parts = {box.kind: box for box in children(source, meta, 4)}
    primary = _primary(parts[b"pitm"].body(source)) if b"pitm" in parts else None
    if primary is not None and b"iprp" in parts:
        _shape(source, found, parts[b"iprp"], primary)
    if b"iinf" in parts and b"iloc" in parts:
        _items(source, found, parts)
    return found


def _primary(body: bytes) -> int | None:
    if len(body) < 6:
        return None
    return int.from_bytes(body[4:6] if body[0] == 0 else body[4:8], "big")


def _shape(source: IO[bytes], found: Embedded, iprp: Box, primary: int) -> None:
    """Read the primary item's size (ispe), quarter turns (irot) and mirror (imir), in its own list of properties."""
    ipco = next((box for box in children(source, iprp) if box.kind == b"ipco"), None)
    properties = list(children(source, ipco)) if ipco else []
    turns, axis = 0, None
    for box in children(source, iprp):
        if box.kind != b"ipma":
            continue
        for index in _associations(box.body(source)).get(primary, []):
            if not 1 <= index <= len(properties):
                continue
            kind, body = properties[index - 1].kind, properties[index - 1].head(source, 12)
            if kind == b"ispe" and len(body) == 12:
                found.sized(*struct.unpack_from(">II", body, 4))
            elif kind == b"irot" and body:
                turns = body[0] & 3
            elif kind == b"imir" and body:
                axis = body[0] & 1
    # These boxes, not EXIF, say how the picture is shown (§7.2.3); without them it is shown as stored.
    found.orientation = _TURNS[turns] if axis is None else _MIRRORED[turns, axis]


def _associations(body: bytes) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    if len(body) < 8:
        return found
    wide_ids, wide = body[0] >= 1, bool(body[3] & 1)
    at = 8
    for _ in range(min(int.from_bytes(body[4:8], "big"), _MAX_ITEMS)):
        step = 4 if wide_ids else 2
        if at + step >= len(body):
            break
        item, count = int.from_bytes(body[at : at + step], "big"), body[at + step]
        at += step + 1
        width = 2 if wide else 1
        indexes = [int.from_bytes(body[at + n * width :][:width], "big") for n in range(count)]
        found.setdefault(item, []).extend(index & (0x7FFF if wide else 0x7F) for index in indexes)
        at += count * width
    return found


def _items(source: IO[bytes], found: Embedded, parts: dict[bytes, Box]) -> None:
    places = _places(parts[b"iloc"].body(source))
    data = parts.get(b"idat")
    for number, item in _infos(source, parts[b"iinf"]).items():
        is_xmp = item.kind == b"mime" and item.mime == b"application/rdf+xml"
        if (item.kind != b"Exif" and not is_xmp) or number not in places:
            continue
        body = _content(source, places[number], data)
        if is_xmp:
            found.add_xmp(body)
        elif body and len(body) > 4:
            # §A.2.1: the offset of the TIFF stream comes first
            found.add_exif(body[4 + int.from_bytes(body[:4], "big") :])


def _infos(source: IO[bytes], iinf: Box) -> dict[int, _Item]:
    version = iinf.head(source, 1)
    found: dict[int, _Item] = {}
    for box in children(source, iinf, 6 if version == b"\x00" else 8):
        body = box.head(source, 256)
        if box.kind != b"infe" or len(body) < 12 or body[0] < 2 or len(found) >= _MAX_ITEMS:
            continue
        wide = 4 if body[0] == 3 else 2
        number, kind = int.from_bytes(body[4 : 4 + wide], "big"), body[6 + wide : 10 + wide]
        _, mime, *_ = (body[10 + wide :] + b"\x00\x00").split(b"\x00")
        found[number] = _Item(kind, mime)
    return found


def _places(body: bytes) -> dict[int, _Place]:
    """Read iloc (ISO/IEC 14496-12 §8.11.3): where each item's content is."""
    found: dict[int, _Place] = {}
    if len(body) < 8 or body[0] > 2:
        return found
    version, sizes = body[0], (body[4] >> 4, body[4] & 15, body[5] >> 4, body[5] & 15 if body[0] else 0)
    wide = 4 if version == 2 else 2
    at = 6
    count, at = int.from_bytes(body[at : at + wide], "big"), at + wide

    def number(width: int) -> int:
        nonlocal at
        value = int.from_bytes(body[at : at + width], "big")
        at += width
        return value

    for _ in range(min(count, _MAX_ITEMS)):
        if at >= len(body):
            break
        item = number(wide)
        method = number(2) & 15 if version else 0
        number(2)
        base, extents = number(sizes[2]), []
        for _ in range(min(number(2), _MAX_ITEMS)):
            number(sizes[3])
            offset, length = number(sizes[0]), number(sizes[1])
            extents.append((base + offset, length))
            if at > len(body):
                break
        found[item] = _Place(method, extents)
    return found


def _content(source: IO[bytes], place: _Place, data: Box | None) -> bytes | None:
    if place.method > 1 or (place.method == 1 and data is None):
        return None
    start = data.at if place.method == 1 and data is not None else 0
    whole = bytearray()
    for offset, length in place.extents:
        part = read_at(source, start + offset, length)
        if part is None or len(whole) + len(part) > MAX_BLOCK:
            return None
        whole += part
    return bytes(whole)
