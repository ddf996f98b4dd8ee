"""MP4, QuickTime and 3GPP files (ISO/IEC 14496-12, QuickTime File Format): frame size and turn, length, tags."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, Any

from service.ingest import clean, dates
from service.ingest.readers.containers.bmff import MAX_BOXES, XMP_UUID, Box, boxes, children, find

_MAX_TEXT = 64 * 1024
_MAX_TABLE = 1024 * 1024
_MAX_TAGS = 500
_EPOCH, _UNIX = datetime(1904, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)
_UNIX_SECONDS = int((_UNIX - _EPOCH).total_seconds())
# The upper left of the matrix in tkhd (§6.2.2), by its signs → EXIF's orientation
_TURNS = {
    (1, 0, 0, 1): 1, (-1, 0, 0, 1): 2, (-1, 0, 0, -1): 3, (1, 0, 0, -1): 4,
    (0, 1, 1, 0): 5, (0, 1, -1, 0): 6, (0, -1, -1, 0): 7, (0, -1, 1, 0): 8,
}  # fmt: skip
# User data (QuickTime's, with a sign of copyright, and 3GPP's) and Apple's keys → the fact
_USER_DATA: dict[bytes, str] = {
    b"\xa9nam": "title", b"\xa9cmt": "comment", b"\xa9des": "comment", b"\xa9inf": "comment", b"\xa9ART": "artist",
    b"\xa9aut": "artist", b"\xa9alb": "album", b"\xa9gen": "genre", b"\xa9key": "keywords", b"\xa9day": "date",
    b"\xa9cpy": "copyright", b"\xa9swr": "software", b"\xa9too": "software", b"\xa9xyz": "place", b"\xa9mak": "make",
    b"\xa9mod": "model",
}  # fmt: skip
_ASSET_DATA: dict[bytes, str] = {
    b"titl": "title", b"dscp": "comment", b"perf": "artist", b"auth": "artist", b"gnre": "genre", b"albm": "album",
    b"cprt": "copyright", b"kywd": "keywords",
}  # fmt: skip
_KEYS: dict[str, str] = {
    "title": "title", "displayname": "title", "description": "comment", "comment": "comment", "information": "comment",
    "artist": "artist", "author": "artist", "creator": "artist", "album": "album", "genre": "genre",
    "keywords": "keywords", "creationdate": "date", "year": "date", "date": "date", "copyright": "copyright",
    "software": "software", "encoder": "software", "location.iso6709": "place", "location": "place",
    "make": "make", "manufacturer": "make", "model": "model", "camera.lens_model": "lens", "rating.user": "rating",
}  # fmt: skip
_PREFIXES = ("com.apple.quicktime.", "com.android.")


@dataclass(slots=True)
class Movie:
    """What the boxes say: leaves of ``metadata``, texts by fact (see ``tagging``), XMP packets.

    ``kinds`` are those of the tracks: ``vide``, ``soun`` …
    """

    metadata: dict[str, Any] = field(default_factory=dict)
    said: dict[str, list[str]] = field(default_factory=dict)
    xmp: list[bytes] = field(default_factory=list)
    kinds: list[bytes] = field(default_factory=list)
    keyed: dict[str, int] = field(default_factory=dict)
    """By fact: how many texts are of rank 0."""

    def say(self, fact: str, text: str, rank: int = 1) -> None:
        """Note a text, if there is one; those of rank 0 (the device's own keys) come before all others."""
        texts = self.said.setdefault(fact, [])
        if text.strip() and len(texts) < _MAX_TAGS:
            texts.insert(self.keyed.get(fact, 0) if rank == 0 else len(texts), text)
            self.keyed[fact] = self.keyed.get(fact, 0) + (rank == 0)


@dataclass(slots=True)
class _Track:
    kind: bytes = b""
    number: int = 0
    width: int = 0
    height: int = 0
    turn: int | None = None
    scale: int = 0
    length: int = 0
    frames: int = 0


@dataclass(slots=True)
class _Fragments:
    """The lengths of a movie in fragments (§8.8), by track: in ticks, and in samples."""

    defaults: dict[int, int] = field(default_factory=dict)
    ticks: dict[int, int] = field(default_factory=dict)
    samples: dict[int, int] = field(default_factory=dict)


def read(source: IO[bytes], size: int) -> Movie:
    """Return what the movie's boxes say. ``width`` and ``height`` are those before the turn (``orientation``)."""
    movie, tracks, fragments = Movie(), list[_Track](), _Fragments()
    scale = length = 0
    count = 0
    for box in boxes(source, 0, size):
        count += 1
        if box.kind == b"moov":
            scale, length = _moov(source, box, movie, tracks, fragments)
        elif box.kind == b"moof":
            _moof(source, box, fragments)
        elif box.kind == b"meta":
            _meta(source, box, movie)
        elif box.kind == b"uuid" and box.head(source, 16) == XMP_UUID:
            movie.xmp.append(box.body(source)[16:])
    if count == MAX_BOXES:  # there may be more: the sum would be too short
        fragments.ticks.clear()
        fragments.samples.clear()
    movie.kinds = [track.kind for track in tracks]
    _measure(movie, tracks, fragments, length / scale if scale and length else None)
    return movie


def has_picture(source: IO[bytes], size: int) -> bool | None:
    """Return whether the file has a video track; None if it has no track at all."""
    moov = find(source, 0, size, b"moov")
    if moov is None:
        return None
    kinds = [
        found.head(source, 12)[8:12]
        for box in children(source, moov)
        if box.kind == b"trak" and (found := find(source, box.at, box.end, b"mdia", b"hdlr")) is not None
    ]
    return b"vide" in kinds if kinds else None


def _measure(movie: Movie, tracks: list[_Track], fragments: _Fragments, seconds: float | None) -> None:
    picture = next((track for track in tracks if track.kind == b"vide"), None)
    lengths = [ticks / track.scale for track in tracks if track.scale and (ticks := fragments.ticks.get(track.number))]
    own = [track.length / track.scale for track in tracks if track.scale and track.length]
    seconds = seconds or max(own, default=0.0) + max(lengths, default=0.0) or None
    if seconds:
        movie.metadata["duration"] = round(seconds, 3)
    if picture is None:
        return
    if picture.width and picture.height:
        movie.metadata |= {"width": picture.width, "height": picture.height}
    if picture.turn is not None:
        movie.metadata["orientation"] = picture.turn
    frames = picture.frames + fragments.samples.get(picture.number, 0)
    ticks = picture.length + fragments.ticks.get(picture.number, 0)
    if frames and ticks and picture.scale:
        movie.metadata["frame_rate"] = round(frames * picture.scale / ticks, 3)


def _moov(source: IO[bytes], moov: Box, movie: Movie, tracks: list[_Track], fragments: _Fragments) -> tuple[int, int]:
    scale = length = 0
    for box in children(source, moov):
        if box.kind == b"mvhd":
            created, scale, length = _clock(box.head(source, 32))
            movie.say("created", created or "")
        elif box.kind == b"trak":
            tracks.append(_trak(source, box, movie))
        elif box.kind == b"udta":
            _user_data(source, box, movie)
        elif box.kind == b"meta":
            _meta(source, box, movie)
        elif box.kind == b"mvex":
            length = _mvex(source, box, fragments) or length
    return scale, length


def _trak(source: IO[bytes], trak: Box, movie: Movie) -> _Track:
    track = _Track()
    for box in children(source, trak):
        body = box.head(source, 104)
        if box.kind == b"tkhd" and len(body) >= 84:
            track.number = int.from_bytes(body[20:24] if body[0] else body[12:16], "big")
            at = 52 if body[0] else 40
            *matrix, width, height = struct.unpack_from(">9iII", body, at)
            track.width, track.height = width >> 16, height >> 16
            sign = tuple((value > 0) - (value < 0) for value in (matrix[0], matrix[1], matrix[3], matrix[4]))
            track.turn = _TURNS.get(sign)
        elif box.kind == b"mdia":
            _mdia(source, box, track, movie)
    return track


def _mdia(source: IO[bytes], mdia: Box, track: _Track, movie: Movie) -> None:
    created = None
    for box in children(source, mdia):
        if box.kind == b"mdhd":
            created, track.scale, track.length = _clock(box.head(source, 32))
        elif box.kind == b"hdlr":
            track.kind = box.head(source, 12)[8:12]
    if track.kind != b"vide":
        return
    movie.say("created", created or "")
    tables = find(source, mdia.at, mdia.end, b"minf", b"stbl")
    for box in children(source, tables) if tables else ():
        if box.kind == b"stts":
            track.frames = _frames(box.body(source, _MAX_TABLE))
        elif box.kind == b"stsd" and not (track.width and track.height):
            body = box.head(source, 44)
            if len(body) == 44:  # the size that the codec has, where the track names none
                track.width, track.height = struct.unpack_from(">HH", body, 40)


def _clock(body: bytes) -> tuple[str | None, int, int]:
    """Return when it was made, the ticks a second and the ticks of mvhd and mdhd, which begin alike."""
    layout, at = (">QQIQ", 4) if body[:1] == b"\x01" else (">IIII", 4)
    if len(body) < at + struct.calcsize(layout):
        return None, 0, 0
    created, _, scale, length = struct.unpack_from(layout, body, at)
    if length in {0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF}:
        length = 0
    # Seconds since 1904; some devices count from 1970. Few films are older than that.
    epoch = _EPOCH if created >= _UNIX_SECONDS else _UNIX
    return dates.from_seconds(created, epoch) if created else None, scale, length


def _frames(body: bytes) -> int:
    """Return the sum of the sample counts in stts, 0 if the table is cut."""
    entries = int.from_bytes(body[4:8], "big")
    if not entries or len(body) < 8 + entries * 8:
        return 0
    return sum(count for count, _ in struct.iter_unpack(">II", body[8 : 8 + entries * 8]))


def _mvex(source: IO[bytes], mvex: Box, fragments: _Fragments) -> int:
    """Return the length of the whole movie, if mehd says it, and note the samples' default lengths (trex)."""
    length = 0
    for box in children(source, mvex):
        body = box.head(source, 24)
        if box.kind == b"mehd":
            length = int.from_bytes(body[4:12] if body[:1] == b"\x01" else body[4:8], "big")
        elif box.kind == b"trex" and len(body) == 24:
            track, _, ticks = struct.unpack_from(">III", body, 4)
            fragments.defaults[track] = ticks
    return length


def _moof(source: IO[bytes], moof: Box, fragments: _Fragments) -> None:
    body = moof.body(source, _MAX_TABLE)
    if body:  # small, and of many boxes: read at once
        source, moof = io.BytesIO(body), Box(moof.kind, 0, len(body))
    for traf in children(source, moof):
        if traf.kind != b"traf":
            continue
        track = default = ticks = 0
        start: int | None = None
        for box in children(source, traf):
            if box.kind == b"tfhd":
                track, default = _tfhd(box.head(source, 32), fragments)
            elif box.kind == b"tfdt":
                body = box.head(source, 12)
                start = int.from_bytes(body[4:12] if body[:1] == b"\x01" else body[4:8], "big")
            elif box.kind == b"trun":
                samples, length = _trun(box.body(source, _MAX_TABLE), default)
                ticks += length
                fragments.samples[track] = fragments.samples.get(track, 0) + samples
        # Where the fragment says when it begins, its end is the length so far.
        end = (start if start is not None else fragments.ticks.get(track, 0)) + ticks
        fragments.ticks[track] = max(fragments.ticks.get(track, 0), end)


def _tfhd(body: bytes, fragments: _Fragments) -> tuple[int, int]:
    """Return the track and the default length of its samples; the flags say which fields there are (§8.8.7)."""
    if len(body) < 8:
        return 0, 0
    flags, track = int.from_bytes(body[1:4], "big"), int.from_bytes(body[4:8], "big")
    at = 8 + (8 if flags & 1 else 0) + (4 if flags & 2 else 0)
    has_default = flags & 8 and len(body) >= at + 4
    return track, int.from_bytes(body[at : at + 4], "big") if has_default else fragments.defaults.get(track, 0)


def _trun(body: bytes, default: int) -> tuple[int, int]:
    """Return how many samples a run has, and how long they are together (§8.8.8)."""
    if len(body) < 8:
        return 0, 0
    flags, count = int.from_bytes(body[1:4], "big"), int.from_bytes(body[4:8], "big")
    if not flags & 0x100:
        return count, count * default
    at = 8 + (4 if flags & 1 else 0) + (4 if flags & 4 else 0)
    step = 4 * sum(bool(flags & mark) for mark in (0x100, 0x200, 0x400, 0x800))
    if at + count * step > len(body):
        return 0, 0
    return count, sum(int.from_bytes(body[at + n * step :][:4], "big") for n in range(count))


def _user_data(source: IO[bytes], udta: Box, movie: Movie) -> None:
    for box in children(source, udta):
        if box.kind == b"meta":
            _meta(source, box, movie)
        elif box.kind == b"XMP_":
            movie.xmp.append(box.body(source))
        elif box.kind in _USER_DATA:
            movie.say(_USER_DATA[box.kind], _quicktime_text(box.body(source, _MAX_TEXT)))
        elif box.kind in _ASSET_DATA:
            movie.say(_ASSET_DATA[box.kind], _asset_text(box.body(source, _MAX_TEXT)))
        elif box.kind == b"loci":
            movie.say("place", _location(box.body(source, _MAX_TEXT)))


def _quicktime_text(body: bytes) -> str:
    """Return the first text of an international text: its length, its language, and itself."""
    length = int.from_bytes(body[:2], "big")
    if 4 + length <= len(body) and length:
        return clean.decode(body[4 : 4 + length])
    data = body.partition(b"data\x00\x00\x00\x01\x00\x00\x00\x00")[2]  # as in iTunes' list
    return clean.decode(data)


def _asset_text(body: bytes) -> str:
    """Return a text of 3GPP TS 26.244 §8: version and flags, a language, and UTF-8 or UTF-16 to a NUL."""
    text = body[6:]
    if text[:2] in (b"\xfe\xff", b"\xff\xfe"):
        return text.decode("utf-16", "replace").partition("\x00")[0]
    return clean.decode(text.partition(b"\x00")[0])


def _location(body: bytes) -> str:
    """Return 3GPP's location as ISO 6709: a name, a role, then longitude, latitude and altitude in 16.16."""
    _, mark, rest = body[6:].partition(b"\x00")
    if not mark or len(rest) < 13:
        return ""
    lon, lat, metres = (value / 65536 for value in struct.unpack_from(">iii", rest, 1))
    return f"{lat:+010.5f}{lon:+011.5f}{metres:+.2f}/"


def _meta(source: IO[bytes], meta: Box, movie: Movie) -> None:
    """Read the metadata of Apple's keys (QuickTime File Format, "Metadata"); iTunes' list is Mutagen's."""
    head = meta.head(source, 12)
    skip = 0 if head[4:8] in (b"hdlr", b"keys", b"ilst") else 4  # QuickTime's has no version and flags
    parts = {box.kind: box for box in children(source, meta, skip)}
    if b"keys" not in parts or b"ilst" not in parts:
        return
    names = list(_key_names(parts[b"keys"].body(source, _MAX_TABLE)))
    for item in children(source, parts[b"ilst"]):
        index = int.from_bytes(item.kind, "big")
        if not 1 <= index <= len(names):
            continue
        fact = _KEYS.get(names[index - 1])
        data = next((box for box in children(source, item) if box.kind == b"data"), None)
        if fact and data:
            movie.say(fact, _key_text(data.body(source, _MAX_TEXT)), rank=0)


def _key_names(body: bytes) -> Iterator[str]:
    at = 8
    for _ in range(min(int.from_bytes(body[4:8], "big"), _MAX_TAGS)):
        length = int.from_bytes(body[at : at + 4], "big")
        if length < 8:
            return
        name = clean.decode(body[at + 8 : at + length]).lower()
        yield next((name.removeprefix(prefix) for prefix in _PREFIXES if name.startswith(prefix)), name)
        at += length


def _key_text(body: bytes) -> str:
    """Return a value as text by its well-known type: UTF-8, UTF-16, a number."""
    kind, value = int.from_bytes(body[:4], "big"), body[8:]
    if kind == 2:
        return value.decode("utf-16-be", "replace")
    if kind in {21, 65, 66, 67, 74}:
        return str(int.from_bytes(value, "big", signed=True))
    if kind in {22, 75, 76, 77, 78}:
        return str(int.from_bytes(value, "big"))
    if kind in {23, 24} and len(value) == (4 if kind == 23 else 8):
        return str(struct.unpack(">f" if kind == 23 else ">d", value)[0])
    return clean.decode(value.rstrip(b"\x00"))
