"""The video track of an MP4 or QuickTime file (ISO/IEC 14496-12): frame size and rate."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO, Any

_CONTAINERS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl"})
_MAX_BOXES = 10_000
_MAX_BODY = 4096  # of a header box; the sample tables are not read


def read(source: IO[bytes], size: int) -> dict[str, Any]:
    """Return ``width``, ``height``, ``frame_rate`` and ``duration`` of the first video track, as far as known."""
    track: dict[bytes, bytes] = {}
    for kind, body in _boxes(source, size):
        if kind == b"trak":
            if _is_picture(track):
                break
            track = {}
        track.setdefault(kind, body)
    return _facts(track) if _is_picture(track) else {}


def _boxes(source: IO[bytes], size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the boxes in file order, including those in containers, each with the first bytes of its body."""
    at = 0
    for _ in range(_MAX_BOXES):
        if at + 8 > size:
            return
        source.seek(at)
        head = source.read(16)
        length, kind = int.from_bytes(head[:4], "big"), head[4:8]
        start = 8
        if length == 1:
            length, start = int.from_bytes(head[8:16], "big"), 16
        elif length == 0:
            length = size - at
        if length < start:
            return
        if kind in _CONTAINERS:
            yield kind, b""
            at += start
            continue
        if kind in {b"tkhd", b"mdhd", b"hdlr", b"stts"}:
            source.seek(at + start)
            yield kind, source.read(min(length - start, _MAX_BODY))
        at += length


def _is_picture(track: dict[bytes, bytes]) -> bool:
    return track.get(b"hdlr", b"")[8:12] == b"vide" and len(track.get(b"tkhd", b"")) >= 84


def _facts(track: dict[bytes, bytes]) -> dict[str, Any]:
    """Return the facts: sizes are 16.16 fixed point at the end of tkhd; the rate is frames divided by duration."""
    width, height = struct.unpack(">II", track[b"tkhd"][-8:])
    found: dict[str, Any] = {"width": width >> 16, "height": height >> 16} if width and height else {}
    seconds = _seconds(track.get(b"mdhd", b""))
    if seconds:
        found["duration"] = round(seconds, 3)
        frames = _frames(track.get(b"stts", b""))
        if frames:
            found["frame_rate"] = round(frames / seconds, 3)
    return found


def _seconds(body: bytes) -> float | None:
    layout, at = (">IQ", 20) if body[:1] == b"\x01" else (">II", 12)
    if len(body) < at + struct.calcsize(layout):
        return None
    scale, length = struct.unpack_from(layout, body, at)
    return length / scale if scale and length else None


def _frames(body: bytes) -> int | None:
    """Return the sum of the sample counts in stts, if the table is complete (it is short for a constant rate)."""
    entries = int.from_bytes(body[4:8], "big")
    if not entries or len(body) < 8 + entries * 8:
        return None
    return sum(int.from_bytes(body[at : at + 4], "big") for at in range(8, 8 + entries * 8, 8))
