"""Flash Video (Adobe Flash Video File Format 10.1): the onMetaData object at its beginning, in AMF0."""

from __future__ import annotations

import struct
from typing import IO, Any

from service.ingest import clean

_LEAVES = {
    "duration": "duration", "width": "width", "height": "height", "framerate": "frame_rate",
    "audiosamplerate": "sample_rate",
}  # fmt: skip
_TEXTS = {
    "title": "title", "artist": "artist", "author": "artist", "comment": "comment", "description": "comment",
    "copyright": "copyright", "date": "date", "creationdate": "created", "keywords": "keywords",
}  # fmt: skip
_NUMBER, _BOOLEAN, _STRING, _OBJECT, _NULL, _UNDEFINED, _ECMA, _END, _STRICT, _DATE = 0, 1, 2, 3, 5, 6, 8, 9, 10, 11
_MAX_HEAD = 256 * 1024


def read(source: IO[bytes], size: int) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Return the leaves of ``metadata`` in onMetaData, and its texts by fact (see ``tagging``)."""
    head = source.read(_MAX_HEAD)
    at = head.find(b"\x02\x00\x0aonMetaData")
    if at < 0:
        return {}, {}
    found, _ = _value(head, at + 13, 0)
    values = found if isinstance(found, dict) else {}
    leaves = {leaf: values.get(name) for name, leaf in _LEAVES.items()}
    numbers = {leaf: value for leaf, value in leaves.items() if isinstance(value, float) and 0 < value < 1e9}
    whole = {"width", "height", "sample_rate"}
    said = {
        _TEXTS[name.lower()]: [clean.decode(value)]
        for name, value in values.items()
        if isinstance(value, bytes) and value and name.lower() in _TEXTS
    }
    return {leaf: round(value) if leaf in whole else round(value, 3) for leaf, value in numbers.items()}, said


def _value(body: bytes, at: int, depth: int) -> tuple[Any, int]:
    """Return a value and where it ends. Raises ValueError for one that is cut, unknown or nested too deeply."""
    if at >= len(body) or depth > 4:
        raise ValueError("the metadata object is cut off")
    kind, at = body[at], at + 1
    if kind == _NUMBER and at + 8 <= len(body):
        return struct.unpack_from(">d", body, at)[0], at + 8
    if kind == _BOOLEAN:
        return body[at : at + 1] == b"\x01", at + 1
    if kind == _STRING:
        length = int.from_bytes(body[at : at + 2], "big")
        return body[at + 2 : at + 2 + length], at + 2 + length
    if kind in {_OBJECT, _ECMA}:
        return _object(body, at + (4 if kind == _ECMA else 0), depth)
    if kind in {_NULL, _UNDEFINED}:
        return None, at
    if kind == _STRICT:
        count, at = int.from_bytes(body[at : at + 4], "big"), at + 4
        for _ in range(count):
            _, at = _value(body, at, depth + 1)
        return None, at
    if kind == _DATE:
        return None, at + 10
    raise ValueError("the metadata object has a value of an unknown kind")


def _object(body: bytes, at: int, depth: int) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    while at + 3 <= len(body) and body[at : at + 3] != b"\x00\x00\x09":
        length = int.from_bytes(body[at : at + 2], "big")
        name = body[at + 2 : at + 2 + length].decode("utf-8", "replace")
        try:
            value, at = _value(body, at + 2 + length, depth + 1)
        except ValueError:
            break  # what came before it is good
        found[name] = value
    return found, at + 3
