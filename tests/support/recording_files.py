"""Films and sounds put together box by box: what few programs write, or none."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from tests.support.media_files import box, element

SECONDS_1904 = 2_082_844_800
"""Seconds from 1904 to 1970."""

MATRICES: dict[int, tuple[int, int, int, int]] = {
    1: (1, 0, 0, 1), 2: (-1, 0, 0, 1), 3: (-1, 0, 0, -1), 4: (1, 0, 0, -1),
    5: (0, 1, 1, 0), 6: (0, 1, -1, 0), 7: (0, -1, -1, 0), 8: (0, -1, 1, 0),
}  # fmt: skip
"""EXIF's orientation → the upper left of the matrix of a track's header."""


def movie(
    *extra: bytes,
    size: tuple[int, int] = (160, 90),
    turn: int = 1,
    created: int = 0,
    seconds: float = 2,
    frames: int = 50,
    handler: bytes = b"vide",
    brand: bytes = b"isom",
    after: bytes = b"",
) -> bytes:
    """An MP4 with one track; ``extra`` boxes follow it in moov, ``after`` follows moov."""
    scale, ticks = 1000, round(seconds * 1000)
    a, b, c, d = (number << 16 for number in MATRICES[turn])
    matrix = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    header = struct.pack(">IIIII", 0, created, 0, scale, ticks) + bytes(80)
    track = struct.pack(">IIIIII", 0, 0, 0, 1, 0, ticks) + bytes(16) + matrix
    track += struct.pack(">II", size[0] << 16, size[1] << 16)
    media = struct.pack(">IIIIIHH", 0, 0, 0, scale, ticks, 0, 0)
    times = (
        struct.pack(">II", 0, 1) + struct.pack(">II", frames, ticks // frames) if frames else struct.pack(">II", 0, 0)
    )
    tables = box(b"minf", box(b"stbl", box(b"stts", times)))
    trak = box(
        b"trak",
        box(b"tkhd", track),
        box(b"mdia", box(b"mdhd", media), box(b"hdlr", bytes(8) + handler + bytes(13)), tables),
    )
    return box(b"ftyp", brand, bytes(4), brand) + box(b"moov", box(b"mvhd", header), trak, *extra) + after


def user_data(**texts: str) -> bytes:
    """QuickTime's user data: a type without its sign of copyright → a text."""
    return box(
        b"udta",
        *(
            box(b"\xa9" + name.encode(), struct.pack(">HH", len(text.encode()), 0x55C4) + text.encode())
            for name, text in texts.items()
        ),
    )


def keys(**texts: str) -> bytes:
    """Apple's metadata: a key without ``com.apple.quicktime.`` (``__`` for a dot) → a text."""
    names = [b"com.apple.quicktime." + name.replace("__", ".").encode() for name in texts]
    items = [box(b"data", struct.pack(">II", 1, 0) + text.encode()) for text in texts.values()]
    return box(
        b"meta",
        box(b"hdlr", bytes(8) + b"mdta" + bytes(13)),
        box(b"keys", struct.pack(">II", 0, len(names)), *(box(b"mdta", name) for name in names)),
        box(b"ilst", *(box(struct.pack(">I", number), item) for number, item in enumerate(items, 1))),
    )


def fragments(durations: Sequence[Sequence[int]], default: int = 0, *, with_time: bool = False) -> tuple[bytes, bytes]:
    """The box that announces fragments (mvex), and the fragments of track 1: each the lengths of its samples."""
    extends = box(b"mvex", box(b"trex", struct.pack(">IIIIII", 0, 1, 1, default, 0, 0)))
    out, start = b"", 0
    for lengths in durations:
        parts = [box(b"tfhd", struct.pack(">II", 0x020000, 1))]
        if with_time:
            parts.append(box(b"tfdt", struct.pack(">II", 0, start)))
        flags = 0 if default else 0x100
        run = struct.pack(">II", flags, len(lengths))
        parts.append(box(b"trun", run + (b"" if default else struct.pack(f">{len(lengths)}I", *lengths))))
        out += box(b"moof", box(b"mfhd", bytes(8)), box(b"traf", *parts)) + box(b"mdat", b"samples")
        start += sum(lengths) if not default else default * len(lengths)
    return extends, out


def matroska(
    *,
    title: str = "",
    roll: float | None = None,
    kind: int = 1,
    date: int | None = None,
    tags: dict[str, str] | None = None,
    tags_last: bool = False,
    doctype: bytes = b"matroska",
) -> bytes:
    """A Matroska file of 12.5 s with one track; the tags stand at the end, named by the seek head, if wanted."""
    info = element(b"\x2a\xd7\xb1", b"\x0f\x42\x40") + element(b"\x44\x89", struct.pack(">d", 12_500))
    if title:
        info += element(b"\x7b\xa9", title.encode())
    if date is not None:
        info += element(b"\x44\x61", date.to_bytes(8, "big", signed=True))
    video = element(b"\xb0", b"\x01\x40") + element(b"\xba", b"\x00\xf0")
    if roll is not None:
        video += element(b"\x76\x70", element(b"\x76\x75", struct.pack(">d", roll)))
    body = element(b"\xe0", video) if kind == 1 else element(b"\xe1", element(b"\xb5", struct.pack(">d", 44100)))
    tracks = element(b"\x16\x54\xae\x6b", element(b"\xae", element(b"\x83", bytes([kind])) + body))
    simple = b"".join(
        element(b"\x67\xc8", element(b"\x45\xa3", name.encode()) + element(b"\x44\x87", text.encode()))
        for name, text in (tags or {}).items()
    )
    described = element(b"\x12\x54\xc3\x67", element(b"\x73\x73", simple)) if tags else b""
    cluster = element(b"\x1f\x43\xb6\x75", bytes(200))
    head = element(b"\x15\x49\xa9\x66", info) + tracks
    if tags_last:

        def seek(at: int) -> bytes:
            row = element(b"\x53\xab", b"\x12\x54\xc3\x67") + element(b"\x53\xac", at.to_bytes(4, "big"))
            return element(b"\x11\x4d\x9b\x74", element(b"\x4d\xbb", row))

        head = seek(len(seek(0)) + len(head) + len(cluster)) + head
    inner = head + cluster + described if tags_last else head + described + cluster
    return element(b"\x1a\x45\xdf\xa3", element(b"\x42\x82", doctype)) + element(b"\x18\x53\x80\x67", inner)


def riff(kind: bytes, *chunks: bytes) -> bytes:
    """A RIFF file of chunks."""
    body = kind + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of RIFF, padded to an even length."""
    return kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def info(**texts: bytes) -> bytes:
    """An INFO list."""
    return chunk(b"LIST", b"INFO" + b"".join(chunk(name.encode(), text + b"\x00") for name, text in texts.items()))


def wave(*chunks: bytes, seconds: int = 1) -> bytes:
    """A WAVE of silence, 8 kHz, 16 bits, one channel, with chunks after its samples."""
    form = struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16)
    return riff(b"WAVE", chunk(b"fmt ", form), chunk(b"data", bytes(16000 * seconds)), *chunks)


def transport_stream(packet: int = 188, *, packets: int = 8, picture: bool = True) -> bytes:
    """Packets of a transport stream; the first begins an MPEG-2 picture of 352 by 288 at 25 Hz."""
    pes = b"\x00\x00\x01" + (b"\xe0" if picture else b"\xc0") + b"\x00\x00\x80\x80\x05\x21\x00\x01\x00\x01"
    sequence = b"\x00\x00\x01\xb3" + bytes([22, 1, 32, 0x13]) + bytes(4)
    first = b"\x47\x41\x00\x10" + pes + (sequence if picture else b"")
    body = [first.ljust(188, b"\xff"), *[b"\x47\x01\x00\x10".ljust(188, b"\xff")] * (packets - 1)]
    before = bytes(packet - 188) if packet == 192 else b""
    after = bytes(packet - 188) if packet == 204 else b""
    return b"".join(before + each + after for each in body)
