"""Theora in Ogg (Theora Specification §6.2): frame size and rate. Vorbis comments are Mutagen's."""

from __future__ import annotations

import struct
from typing import IO, Any

_HEAD = 64 * 1024
_MARK = b"\x80theora"


def read(source: IO[bytes], size: int) -> dict[str, Any]:
    """Return the leaves of ``metadata`` in the identification header."""
    head = source.read(_HEAD)
    at = head.find(_MARK)
    body = head[at + len(_MARK) + 7 :][:16] if at >= 0 else b""
    if len(body) < 16:
        return {}
    width, height = int.from_bytes(body[:3], "big"), int.from_bytes(body[3:6], "big")
    frames, seconds = struct.unpack_from(">II", body, 8)
    found: dict[str, Any] = {"width": width, "height": height} if width and height else {}
    return found | ({"frame_rate": round(frames / seconds, 3)} if frames and seconds else {})
