"""JPEG (ITU-T T.81): the frame's size, and EXIF, XMP, IPTC and comments in the segments before the pixels."""

from __future__ import annotations

from typing import IO

from service.ingest import clean
from service.ingest.readers.containers.embedded import MAX_BLOCK, MAX_STEPS, Embedded

_XMP, _EXTENDED = b"http://ns.adobe.com/xap/1.0/\x00", b"http://ns.adobe.com/xmp/extension/\x00"
_PHOTOSHOP = b"Photoshop 3.0\x00"
_APP1, _APP13, _COMMENT, _SCAN, _END = 0xE1, 0xED, 0xFE, 0xDA, 0xD9
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})  # SOF0 to SOF15; those three are tables
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length


def read(source: IO[bytes], size: int) -> Embedded:
    """Return the blocks of a JPEG; reads no pixels."""
    found = Embedded()
    photoshop, exif, extended = bytearray(), bytearray(), dict[bytes, list[tuple[int, int, bytes]]]()
    for marker, body in _segments(source):
        if marker in _FRAMES and len(body) >= 5:
            found.sized(int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big"))
        elif marker == _APP1 and body.startswith(b"Exif\x00"):
            # A block of more than 64 KB goes on in further segments; one that begins anew is another's.
            if not exif or body[6:8] not in (b"II", b"MM"):
                exif += body[6:] if exif else body
        elif marker == _APP1 and body.startswith(_XMP):
            found.add_xmp(body[len(_XMP) :])
        elif marker == _APP1 and body.startswith(_EXTENDED) and len(body) >= len(_EXTENDED) + 40:
            guid, rest = body[len(_EXTENDED) :][:32], body[len(_EXTENDED) + 32 :]
            part = (int.from_bytes(rest[4:8], "big"), int.from_bytes(rest[:4], "big"), rest[8:])
            extended.setdefault(guid, []).append(part)
        elif marker == _APP13 and body.startswith(_PHOTOSHOP) and len(photoshop) < MAX_BLOCK:
            photoshop += body[len(_PHOTOSHOP) :]
        elif marker == _COMMENT and body:
            found.texts.setdefault("comment", clean.decode(body))
    found.add_exif(bytes(exif))
    found.add_photoshop(bytes(photoshop))
    for guid, parts in extended.items():
        if any(guid in packet for packet in found.xmp):  # the main packet names the one that belongs to it
            found.add_xmp(_joined(parts))
    return found


def _segments(source: IO[bytes]) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    at, kept = 2, 0
    for _ in range(MAX_STEPS):
        source.seek(at)
        head = source.read(4)
        if len(head) < 4:
            break
        if head[0] != 0xFF or head[1] == 0xFF:
            at += 1  # padding between segments
            continue
        marker = head[1]
        if marker in _STANDALONE:
            at += 2
            continue
        if marker in {_SCAN, _END}:
            break
        length = max(2, int.from_bytes(head[2:4], "big"))
        if marker in _FRAMES or marker in {_APP1, _APP13, _COMMENT}:
            body = source.read(length - 2)
            kept += len(body)
            if kept > 4 * MAX_BLOCK:
                break
            found.append((marker, body))
        at += 2 + length
    return found


def _joined(parts: list[tuple[int, int, bytes]]) -> bytes | None:
    """Join the parts of extended XMP (XMP part 3 §1.1.3.1), each with its offset and the length of the whole."""
    whole = bytearray()
    for offset, _, part in sorted(parts):
        if offset != len(whole):
            return None
        whole += part
    return bytes(whole) if len(whole) == parts[0][1] else None
