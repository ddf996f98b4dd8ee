"""The chunks of AVI, WAVE and AIFF files, and the texts in them.

Microsoft's AVI RIFF File Reference, EBU Tech 3285 (Broadcast Wave), Apple's Audio Interchange File Format 1.3.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import IO, Any

from service.ingest.readers.containers import riff
from service.ingest.readers.containers.embedded import MAX_STEPS, read_at

_MAX_TEXT = 64 * 1024
_AIFF_FACTS: dict[bytes, str] = {b"NAME": "title", b"AUTH": "artist", b"(c) ": "copyright", b"ANNO": "comment"}
_FACTS: dict[bytes, str] = {
    b"INAM": "title", b"TITL": "title", b"IART": "artist", b"IPRD": "album", b"IGNR": "genre", b"IKEY": "keywords",
    b"ICRD": "date", b"IDIT": "created", b"ICMT": "comment", b"ISBJ": "comment", b"ICOP": "copyright",
    b"ISFT": "software", b"ILNG": "language", b"IRTD": "rating",
}  # fmt: skip


@dataclass(slots=True)
class Chunks:
    """What the chunks say: leaves of ``metadata``, texts by fact (see ``tagging``), XMP packets."""

    metadata: dict[str, Any] = field(default_factory=dict)
    said: dict[str, list[str]] = field(default_factory=dict)
    xmp: list[bytes] = field(default_factory=list)

    def say(self, fact: str, text: str) -> None:
        """Note a text, if there is one."""
        if text.strip():
            self.said.setdefault(fact, []).append(text)


def read(source: IO[bytes], size: int) -> Chunks:
    """Return what the chunks of an AVI or WAVE file say; frames and samples are passed over."""
    found = Chunks()
    stream, sound_bytes, a_second = b"", 0, 0
    for chunk in riff.chunks(source, size):
        if chunk.kind == b"_PMX":
            found.xmp += filter(None, [read_at(source, chunk.at, chunk.length)])
            continue
        if chunk.kind == b"data":
            sound_bytes = chunk.length
        if chunk.kind not in _FACTS and chunk.kind not in {b"avih", b"strh", b"strf", b"bext", b"fmt "}:
            continue
        body = read_at(source, chunk.at, min(chunk.length, _MAX_TEXT)) or b""
        if chunk.kind in _FACTS and (chunk.inside == b"INFO" or chunk.kind == b"IDIT"):
            found.say(_FACTS[chunk.kind], riff.text(body))
        elif chunk.kind == b"avih" and len(body) >= 40:
            _main(found, body)
        elif chunk.kind == b"strh":
            stream = body[:4]
        elif chunk.kind == b"strf" and stream == b"auds" and len(body) >= 8:
            channels, rate = struct.unpack_from("<HI", body, 2)
            found.metadata |= {"sample_rate": rate, "channels": channels}
        elif chunk.kind == b"fmt " and len(body) >= 12:
            _, channels, rate, a_second = struct.unpack_from("<HHII", body)
            found.metadata |= {"sample_rate": rate, "channels": channels}
        elif chunk.kind == b"bext":
            _broadcast(found, body)
    if sound_bytes and a_second:
        found.metadata["duration"] = round(sound_bytes / a_second, 3)
    return found


def _main(found: Chunks, body: bytes) -> None:
    """Read the main header: microseconds a frame, frames, width, height."""
    micros, _, _, _, frames, _, _, _, width, height = struct.unpack_from("<10I", body)
    if width and height:
        found.metadata |= {"width": width, "height": height}
    if micros:
        found.metadata["frame_rate"] = round(1_000_000 / micros, 3)
        if frames:
            found.metadata["duration"] = round(frames * micros / 1_000_000, 3)


def _broadcast(found: Chunks, body: bytes) -> None:
    """Read the Broadcast Wave extension: description, originator, its reference, date and time of origination."""
    if len(body) < 338:
        return
    found.say("comment", riff.text(body[:256]))
    found.say("artist", riff.text(body[256:288]))
    found.say("created", f"{riff.text(body[320:330])} {riff.text(body[330:338])}")


def read_aiff(source: IO[bytes], size: int) -> Chunks:
    """Return the texts of an AIFF file; its chunks are RIFF's with the numbers the other way round."""
    found = Chunks()
    at = 12
    for _ in range(MAX_STEPS):
        if at + 8 > size:
            break
        source.seek(at)
        head = source.read(8)
        length = int.from_bytes(head[4:], "big")
        if head[:4] in _AIFF_FACTS:
            found.say(_AIFF_FACTS[head[:4]], riff.text(read_at(source, at + 8, min(length, _MAX_TEXT)) or b""))
        at += 8 + length + length % 2
    return found
