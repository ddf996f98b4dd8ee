"""ASF, the container of WMV and WMA (Advanced Systems Format, revision 01.20.03): frame size and rate, date."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO, Any
from uuid import UUID

from service.ingest import dates
from service.ingest.readers.containers.embedded import MAX_STEPS

_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)


def _guid(text: str) -> bytes:
    return UUID(text).bytes_le


HEADER = _guid("75B22630-668E-11CF-A6D9-00AA0062CE6C")
_PROPERTIES = _guid("8CABDCA1-A947-11CF-8EE4-00C00C205365")
_STREAM = _guid("B7DC0791-A9B7-11CF-8EE6-00C00C205365")
_EXTENSION = _guid("5FBF03B5-A92E-11CF-8EE3-00C00C205365")
_EXTENDED_STREAM = _guid("14E6A5CB-C672-4332-8399-A96952065B5A")
PICTURE = _guid("BC19EFC0-5B4D-11CF-A8FD-00805F5C442B")
SOUND = _guid("F8699E40-5B4D-11CF-A8FD-00805F5C442B")


def read(source: IO[bytes], size: int) -> tuple[dict[str, Any], str | None]:
    """Return leaves of ``metadata`` and when the file was made, as ISO 8601.

    ``sample_rate`` and ``channels`` are None where there is no sound: Mutagen reads any stream as if it were one.
    """
    source.seek(16)
    length = int.from_bytes(source.read(8), "little")
    metadata: dict[str, Any] = {"sample_rate": None, "channels": None}
    created: str | None = None
    for kind, at, end in _objects(source, 30, min(length, size)):
        source.seek(at)
        body = source.read(min(end - at, 256))
        if kind == _PROPERTIES and len(body) >= 32:
            ticks = int.from_bytes(body[24:32], "little")  # of 100 nanoseconds since 1601
            created = dates.from_seconds(ticks / 10_000_000, _EPOCH) if ticks else None
        elif kind == _STREAM and body[:16] == PICTURE and len(body) >= 62:
            width, height = struct.unpack_from("<II", body, 54)
            if width and height:
                metadata |= {"width": width, "height": height}
        elif kind == _STREAM and body[:16] == SOUND and len(body) >= 62:
            channels, rate = struct.unpack_from("<HI", body, 56)
            metadata |= {"sample_rate": rate, "channels": channels}
        elif kind == _EXTENSION:
            metadata |= _rate(source, at + 22, end)
    return metadata, created


def _rate(source: IO[bytes], at: int, end: int) -> dict[str, float]:
    for kind, begin, _ in _objects(source, at, end):
        source.seek(begin + 52)
        ticks = int.from_bytes(source.read(8), "little") if kind == _EXTENDED_STREAM else 0
        if 0 < ticks < 100_000_000:
            return {"frame_rate": round(10_000_000 / ticks, 3)}
    return {}


def _objects(source: IO[bytes], at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    for _ in range(MAX_STEPS):
        if at + 24 > end:
            return
        source.seek(at)
        head = source.read(24)
        length = int.from_bytes(head[16:24], "little")
        if len(head) < 24 or length < 24:
            return
        yield head[:16], at + 24, min(at + length, end)
        at += length
