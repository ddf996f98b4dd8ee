"""Matroska and WebM (RFC 9559): length, frame size and turn, sound, title, date and tags."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, Any, Final, NamedTuple

from service.ingest import clean, dates
from service.ingest.readers.containers.embedded import MAX_STEPS, read_at

_SEGMENT, _SEEK_HEAD, _SEEK, _SEEK_ID, _SEEK_AT = 0x18538067, 0x114D9B74, 0x4DBB, 0x53AB, 0x53AC
_INFO, _SCALE, _LENGTH, _DATE, _TITLE, _APP = 0x1549A966, 0x2AD7B1, 0x4489, 0x4461, 0x7BA9, 0x5741
_TRACKS, _ENTRY, _KIND, _VIDEO, _AUDIO, _FRAME = 0x1654AE6B, 0xAE, 0x83, 0xE0, 0xE1, 0x23E383
_WIDTH, _HEIGHT, _PROJECTION, _ROLL, _RATE, _CHANNELS = 0xB0, 0xBA, 0x7670, 0x7675, 0xB5, 0x9F
_TAGS, _TAG, _TARGETS, _SIMPLE, _NAME, _STRING = 0x1254C367, 0x7373, 0x63C0, 0x67C8, 0x45A3, 0x4487
_TRACK_TARGET = 0x63C5
_CLUSTER = 0x1F43B675  # the content begins: end of the headers
_PICTURE, _SOUND = 1, 2
_MAX_TEXT = 64 * 1024
_EPOCH: Final = datetime(2001, 1, 1, tzinfo=UTC)
# Quarter turns clockwise → EXIF's orientation
_TURNS = (1, 6, 3, 8)
# Tag names (RFC 9559's "Matroska Tags", and those that cameras' keys keep when they are copied) → the fact
_FACTS: dict[str, str] = {
    "title": "title", "artist": "artist", "author": "artist", "director": "artist", "lead_performer": "artist",
    "album": "album", "genre": "genre", "keywords": "keywords", "comment": "comment", "description": "comment",
    "synopsis": "comment", "summary": "comment", "date_recorded": "date", "date": "date", "date_digitized": "date",
    "date_released": "date", "creation_time": "created", "copyright": "copyright", "license": "license",
    "encoder": "software", "language": "language", "location": "place", "rating": "rating", "make": "make",
    "model": "model", "com.apple.quicktime.creationdate": "date", "com.apple.quicktime.location.iso6709": "place",
    "com.apple.quicktime.make": "make", "com.apple.quicktime.model": "model",
    "com.apple.quicktime.software": "software",
}  # fmt: skip


class Element(NamedTuple):
    """An element: its name with the marker bit, where its body begins and ends."""

    name: int
    at: int
    end: int


@dataclass(slots=True)
class Film:
    """What the headers say: leaves of ``metadata``, texts by fact (see ``tagging``), the kinds of the tracks."""

    metadata: dict[str, Any] = field(default_factory=dict)
    said: dict[str, list[str]] = field(default_factory=dict)
    kinds: list[int] = field(default_factory=list)

    def say(self, fact: str, text: str) -> None:
        """Note a text, if there is one."""
        if text and sum(map(len, self.said.values())) < 500:
            self.said.setdefault(fact, []).append(text)


def read(source: IO[bytes], size: int) -> Film:
    """Return what the headers say: those before the content, and those after it that the seek head names."""
    film = Film()
    segment = next((element for element in elements(source, 0, size) if element.name == _SEGMENT), None)
    if segment is None:
        return film
    seen: set[int] = set()
    later: dict[int, int] = {}
    for element in elements(source, segment.at, min(segment.end, size)):
        if element.name == _CLUSTER:
            break
        if element.name == _SEEK_HEAD:
            later |= _seek_head(source, element)
        elif element.name in _READERS and element.name not in seen:
            seen.add(element.name)
            _READERS[element.name](source, element, film)
    for name, offset in later.items():
        at = segment.at + offset
        found = next(elements(source, at, size), None) if name in _READERS and name not in seen else None
        if found is not None and found.name == name:
            _READERS[name](source, found, film)
    return film


def has_picture(source: IO[bytes], size: int) -> bool | None:
    """Return whether the file has a video track; None if it names no track."""
    kinds = read(source, size).kinds
    return _PICTURE in kinds if kinds else None


def elements(source: IO[bytes], at: int, end: int) -> Iterator[Element]:
    """Yield the elements between two offsets, those in them not; one of unknown length reaches to the end."""
    for _ in range(MAX_STEPS):
        if at + 2 > end:
            return
        source.seek(at)
        head = source.read(12)
        name, used = _vint(head, keep_marker=True)
        length, more = _vint(head[used:], keep_marker=False)
        if not used or not more:
            return
        body = at + used + more
        at = end if length == (1 << 7 * more) - 1 else body + length
        yield Element(name, body, min(at, end))


def _number(source: IO[bytes], element: Element) -> int:
    return int.from_bytes(read_at(source, element.at, element.end - element.at, 8) or b"", "big")


def _real(source: IO[bytes], element: Element) -> float | None:
    body = read_at(source, element.at, element.end - element.at, 8) or b""
    layout = {4: ">f", 8: ">d"}.get(len(body))
    value = struct.unpack(layout, body)[0] if layout else None
    return value if value is not None and abs(value) < 1e15 else None


def _text(source: IO[bytes], element: Element) -> str:
    body = read_at(source, element.at, element.end - element.at, _MAX_TEXT) or b""
    return clean.decode(body.rstrip(b"\x00"))


def _seek_head(source: IO[bytes], head: Element) -> dict[int, int]:
    found: dict[int, int] = {}
    for seek in elements(source, head.at, head.end):
        row = {each.name: _number(source, each) for each in elements(source, seek.at, seek.end)}
        if seek.name == _SEEK and row.get(_SEEK_AT):
            found[row.get(_SEEK_ID, 0)] = row[_SEEK_AT]
    return found


def _info(source: IO[bytes], info: Element, film: Film) -> None:
    scale, length = 1_000_000, None  # nanoseconds per tick
    for element in elements(source, info.at, info.end):
        if element.name == _SCALE:
            scale = _number(source, element) or scale
        elif element.name == _LENGTH:
            length = _real(source, element)
        elif element.name == _TITLE:
            film.say("title", _text(source, element))
        elif element.name == _APP:
            film.say("software", _text(source, element))
        elif element.name == _DATE:
            body = read_at(source, element.at, element.end - element.at, 8) or b""
            seconds = int.from_bytes(body, "big", signed=True) / 1e9  # nanoseconds since 2001
            film.say("created", dates.from_seconds(seconds, _EPOCH) or "")
    if length and length > 0:
        film.metadata["duration"] = round(length * scale / 1e9, 3)


def _tracks(source: IO[bytes], tracks: Element, film: Film) -> None:
    for entry in elements(source, tracks.at, tracks.end):
        if entry.name != _ENTRY:
            continue
        parts = {element.name: element for element in elements(source, entry.at, entry.end)}
        kind = _number(source, parts[_KIND]) if _KIND in parts else (_PICTURE if _VIDEO in parts else 0)
        is_first = kind not in film.kinds
        film.kinds.append(kind)
        if kind == _PICTURE and is_first:
            if _VIDEO in parts:
                _picture(source, parts[_VIDEO], film)
            if frame := _number(source, parts[_FRAME]) if _FRAME in parts else 0:
                film.metadata["frame_rate"] = round(1e9 / frame, 3)
        elif kind == _SOUND and is_first and _AUDIO in parts:
            _sound(source, parts[_AUDIO], film)


def _picture(source: IO[bytes], video: Element, film: Film) -> None:
    parts = {element.name: element for element in elements(source, video.at, video.end)}
    width, height = (_number(source, parts[name]) if name in parts else 0 for name in (_WIDTH, _HEIGHT))
    if width and height:
        film.metadata |= {"width": width, "height": height}
    projection = parts.get(_PROJECTION)
    for element in elements(source, projection.at, projection.end) if projection else ():
        roll = _real(source, element) if element.name == _ROLL else None
        if roll is not None and roll % 90 == 0:  # counter-clockwise, in degrees
            film.metadata["orientation"] = _TURNS[round(-roll / 90) % 4]


def _sound(source: IO[bytes], audio: Element, film: Film) -> None:
    for element in elements(source, audio.at, audio.end):
        if element.name == _RATE and (rate := _real(source, element)):
            film.metadata["sample_rate"] = round(rate)
        elif element.name == _CHANNELS and (channels := _number(source, element)):
            film.metadata["channels"] = channels


def _tags(source: IO[bytes], tags: Element, film: Film) -> None:
    for tag in elements(source, tags.at, tags.end):
        parts = list(elements(source, tag.at, tag.end))
        targets = next((part for part in parts if part.name == _TARGETS), None)
        of_track = any(
            each.name == _TRACK_TARGET and _number(source, each)
            for each in (elements(source, targets.at, targets.end) if targets else ())
        )
        for simple in parts if not of_track else ():
            if simple.name != _SIMPLE:
                continue
            row = {each.name: each for each in elements(source, simple.at, simple.end)}
            if _NAME in row and _STRING in row:
                fact = _FACTS.get(_text(source, row[_NAME]).lower())
                if fact:
                    film.say(fact, _text(source, row[_STRING]))


_READERS = {_INFO: _info, _TRACKS: _tracks, _TAGS: _tags}


def _vint(data: bytes, *, keep_marker: bool) -> tuple[int, int]:
    """Return a variable-length integer (RFC 8794 §4) and its width in bytes; width 0 if it is invalid."""
    if not data or not data[0]:
        return 0, 0
    width = 9 - data[0].bit_length()
    if len(data) < width:
        return 0, 0
    value = int.from_bytes(data[:width], "big")
    return (value if keep_marker else value & ((1 << (7 * width)) - 1)), width
