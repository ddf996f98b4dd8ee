"""Video files: frame size and rate from the container's headers; audio, duration and tags with Mutagen."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from service.ingest.facts import Facts, Sniffed
from service.ingest.limits import IngestLimits
from service.ingest.readers import audio, matroska, mp4
from service.ingest.readers.rdf import merged

_AVI_HEADER = struct.Struct("<4s4sI")


def read(path: Path, sniffed: Sniffed, filename: str, limits: IngestLimits) -> Facts:
    """Return the facts of a video: ``width``, ``height`` (pixels), ``frame_rate`` (Hz), ``duration`` (seconds), tags.

    Raises IngestError (``malformed``).
    """
    parse = _PARSERS.get(sniffed.format)
    found: dict[str, Any] = {}
    if parse is not None:
        with path.open("rb") as source:
            found = parse(source, path.stat().st_size)
    picture = Facts(metadata=found)
    if sniffed.format in audio.READERS:
        return merged(picture, audio.read(path, sniffed, filename, limits))
    return (
        picture
        if found
        else Facts(warnings=(f"No metadata was read: videos in {sniffed.format} format are not supported.",))
    )


def avi(source: IO[bytes], size: int) -> dict[str, Any]:
    """Read the main header of an AVI (``avih``): microseconds per frame, frame count, width, height."""
    head = source.read(4096)
    at = head.find(b"avih")
    if at < 0 or len(head) < at + 48:
        return {}
    micros, _, _, _, frames, _, _, _, width, height = struct.unpack_from("<10I", head, at + 8)
    found: dict[str, Any] = {"width": width, "height": height} if width and height else {}
    if micros:
        found["frame_rate"] = round(1_000_000 / micros, 3)
        found["duration"] = round(frames * micros / 1_000_000, 3)
    return found


_PARSERS: dict[str, Callable[[IO[bytes], int], dict[str, Any]]] = {
    "mp4": mp4.read, "mov": mp4.read, "mkv": matroska.read, "webm": matroska.read, "avi": avi,
}  # fmt: skip
