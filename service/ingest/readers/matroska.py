"""The headers of a Matroska or WebM file (RFC 9559): duration, title, frame size."""

from __future__ import annotations

import struct
from typing import IO, Any

_EBML, _SEGMENT, _INFO, _TRACKS, _ENTRY, _VIDEO = 0x1A45DFA3, 0x18538067, 0x1549A966, 0x1654AE6B, 0xAE, 0xE0
_OPENED = frozenset({_SEGMENT, _INFO, _TRACKS, _ENTRY, _VIDEO})
_SCALE, _DURATION, _WIDTH, _HEIGHT, _FRAME = 0x2AD7B1, 0x4489, 0xB0, 0xBA, 0x23E383
_KEPT = frozenset({_SCALE, _DURATION, _WIDTH, _HEIGHT, _FRAME})
_MAX_ELEMENTS = 10_000
_CLUSTER = 0x1F43B675  # the content begins: end of the headers


def read(source: IO[bytes], size: int) -> dict[str, Any]:
    """Return ``duration``, ``width``, ``height`` and ``frame_rate`` as far as the headers contain them."""
    values = _values(source, size)
    found: dict[str, Any] = {}
    length = _real(values.get(_DURATION, b""))
    scale = int.from_bytes(values.get(_SCALE, b"\x0f\x42\x40"), "big")  # nanoseconds per tick, one million by default
    if length and length > 0:
        found["duration"] = round(length * scale / 1e9, 3)
    width, height, frame = (int.from_bytes(values.get(key, b""), "big") for key in (_WIDTH, _HEIGHT, _FRAME))
    if width and height:
        found |= {"width": width, "height": height}
    if frame:
        found["frame_rate"] = round(1e9 / frame, 3)
    return found


def _values(source: IO[bytes], size: int) -> dict[int, bytes]:
    values: dict[int, bytes] = {}
    at = 0
    for _ in range(_MAX_ELEMENTS):
        source.seek(at)
        head = source.read(12)
        name, used = _vint(head, keep_marker=True)
        length, more = _vint(head[used:], keep_marker=False)
        if not used or not more or name == _CLUSTER:
            break
        body = at + used + more
        if name in _OPENED:
            if name == _ENTRY and _WIDTH not in values:
                values.pop(_FRAME, None)  # it belonged to an audio track
            at = body
            continue
        if name in _KEPT and length <= 8:
            source.seek(body)
            values.setdefault(name, source.read(length))
        at = body + length
        if at >= size:
            break
    return values


def _vint(data: bytes, *, keep_marker: bool) -> tuple[int, int]:
    """Return a variable-length integer (RFC 8794 §4) and its width in bytes; width 0 if it is invalid."""
    if not data or not data[0]:
        return 0, 0
    width = 9 - data[0].bit_length()
    if len(data) < width:
        return 0, 0
    value = int.from_bytes(data[:width], "big")
    return (value if keep_marker else value & ((1 << (7 * width)) - 1)), width


def _real(body: bytes) -> float | None:
    layout = {4: ">f", 8: ">d"}.get(len(body))
    value = struct.unpack(layout, body)[0] if layout else None
    return value if value is not None and 0 < value < 1e15 else None
