"""Small files made by hand: what no library writes, or writes wrong on purpose."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path

from PIL import Image


def picture(path: Path, size: tuple[int, int] = (40, 30), **options: object) -> Path:
    """Save a one-colour picture in the format of the path's suffix."""
    Image.new("RGB", size, (200, 80, 40)).save(path, **options)  # type: ignore[arg-type]
    return path


def chunk(kind: bytes, body: bytes) -> bytes:
    """A PNG chunk with a true checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    """A PNG whose header claims any size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\x00" * 100)
    body = b"".join((chunk(b"IHDR", header), *chunks, chunk(b"IDAT", pixels), chunk(b"IEND", b"")))
    return b"\x89PNG\r\n\x1a\n" + body


def jpeg(size: tuple[int, int] = (40, 30)) -> bytes:
    """A whole JPEG."""
    out = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(out, "JPEG")
    return out.getvalue()


def archive(path: Path, members: dict[str, bytes]) -> Path:
    """A zip archive with these members."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, body in members.items():
            out.writestr(name, body)
    return path


def box(kind: bytes, *parts: bytes) -> bytes:
    """A box of ISO/IEC 14496-12."""
    body = b"".join(parts)
    return struct.pack(">I", len(body) + 8) + kind + body


def mp4(width: int, height: int, seconds: int, frames: int, *, brand: bytes = b"isom") -> bytes:
    """An MP4 with one picture track in its headers and no samples."""
    scale = 1000
    movie = struct.pack(">IIIII", 0, 0, 0, scale, seconds * scale) + b"\x00" * 80
    track = b"\x00" * 76 + struct.pack(">II", width << 16, height << 16)
    media = struct.pack(">IIIIIHH", 0, 0, 0, scale, seconds * scale, 0, 0)
    handler = b"\x00" * 8 + b"vide" + b"\x00" * 13
    times = struct.pack(">IIII", 0, 1, frames, scale * seconds // frames)
    tables = box(b"minf", box(b"stbl", box(b"stts", times)))
    tracks = box(b"trak", box(b"tkhd", track), box(b"mdia", box(b"mdhd", media), box(b"hdlr", handler), tables))
    return box(b"ftyp", brand, b"\x00\x00\x02\x00", brand) + box(b"moov", box(b"mvhd", movie), tracks)


def element(name: bytes, body: bytes) -> bytes:
    """A Matroska element with an eight-byte length."""
    return name + b"\x01" + len(body).to_bytes(7, "big") + body


def matroska(width: int, height: int, seconds: float) -> bytes:
    """The headers of a WebM: a sound track first, then a picture track at 25 frames a second."""
    info = element(
        b"\x15\x49\xa9\x66",
        element(b"\x2a\xd7\xb1", b"\x0f\x42\x40") + element(b"\x44\x89", struct.pack(">d", seconds * 1000)),
    )
    sound = element(b"\xae", element(b"\x23\xe3\x83", (21_000_000).to_bytes(4, "big")))
    size = element(b"\xb0", width.to_bytes(2, "big")) + element(b"\xba", height.to_bytes(2, "big"))
    film = element(b"\xae", element(b"\x23\xe3\x83", (40_000_000).to_bytes(4, "big")) + element(b"\xe0", size))
    tracks = element(b"\x16\x54\xae\x6b", sound + film)
    head = element(b"\x1a\x45\xdf\xa3", element(b"\x42\x82", b"webm"))
    return head + element(b"\x18\x53\x80\x67", info + tracks + element(b"\x1f\x43\xb6\x75", b"\x00" * 32))


def avi(width: int, height: int, frames: int, micros: int) -> bytes:
    """The headers of an AVI."""
    main = struct.pack("<14I", micros, 0, 0, 0, frames, 0, 1, 0, width, height, 0, 0, 0, 0)
    body = (
        b"AVI " + b"LIST" + struct.pack("<I", len(main) + 12) + b"hdrl" + b"avih" + struct.pack("<I", len(main)) + main
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def svg(inner: str = "", root: str = 'width="10" height="20"', prolog: str = "") -> str:
    """A drawing around ``inner``."""
    return f'{prolog}<svg xmlns="http://www.w3.org/2000/svg" {root}>{inner}<rect width="5" height="5"/></svg>'


RDF = (
    '<metadata><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:cc="http://web.resource.org/cc/">'
    '<cc:Work rdf:about="">{}</cc:Work></rdf:RDF></metadata>'
)
"""Creative Commons' block around its properties."""
