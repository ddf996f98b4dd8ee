"""Pictures with metadata in places where Pillow writes none: made by hand, block by block."""

from __future__ import annotations

import base64
import io
import struct
from typing import Any

from PIL import Image

from tests.support.media_files import box, chunk

MAGIC_TRAILER = b"\x01" + bytes(range(255, -1, -1)) + b"\x00"


def packet(properties: str) -> bytes:
    """An XMP packet with these properties (attributes and elements of one description)."""
    attributes, _, elements = properties.partition("|")
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" '
        'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/" '
        'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:lr="http://ns.adobe.com/lightroom/1.0/" '
        'xmlns:digiKam="http://www.digikam.org/ns/1.0/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" '
        'xmlns:MicrosoftPhoto="http://ns.microsoft.com/photo/1.0/" '
        'xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/" '
        'xmlns:mwg-kw="http://www.metadataworkinggroup.com/schemas/keywords/" '
        'xmlns:MP="http://ns.microsoft.com/photo/1.2/" xmlns:MPRI="http://ns.microsoft.com/photo/1.2/t/RegionInfo#" '
        'xmlns:MPReg="http://ns.microsoft.com/photo/1.2/t/Region#" '
        'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        f"{attributes}>{elements}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def saved(kind: str, size: tuple[int, int] = (40, 30), **options: Any) -> bytes:
    """A picture as Pillow writes it."""
    out = io.BytesIO()
    Image.new("RGB", size, (200, 80, 40)).save(out, kind, **options)
    return out.getvalue()


def segment(marker: int, body: bytes) -> bytes:
    """A segment of a JPEG."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def jpeg_with(*segments: bytes) -> bytes:
    """A JPEG with segments after its first marker."""
    plain = saved("JPEG")
    return plain[:2] + b"".join(segments) + plain[2:]


def png_with(*chunks: bytes) -> bytes:
    """A PNG with chunks after its pixels, where exiftool writes them."""
    plain = saved("PNG")
    end = plain.rindex(b"\x00\x00\x00\x00IEND")
    return plain[:end] + b"".join(chunks) + plain[end:]


def international(keyword: str, text: str) -> bytes:
    """An iTXt chunk, uncompressed."""
    return chunk(b"iTXt", keyword.encode() + b"\x00\x00\x00\x00\x00" + text.encode())


def gif_with(xmp: bytes) -> bytes:
    """A GIF whose XMP comes after its picture."""
    plain = saved("GIF")
    return plain[:-1] + b"\x21\xff\x0bXMP DataXMP" + xmp + MAGIC_TRAILER + plain[-1:]


def webp_with(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP with the header of its extended form and chunks at its end."""
    plain = saved("WEBP")
    extended = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (39).to_bytes(3, "little") + (29).to_bytes(3, "little")
    parts = b"".join(kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2) for kind, body in chunks)
    inner = b"WEBP" + extended + plain[12:] + parts
    return b"RIFF" + struct.pack("<I", len(inner)) + inner


def jp2_with(*boxes: bytes) -> bytes:
    """A JPEG 2000 file with boxes at its end."""
    return saved("JPEG2000") + b"".join(boxes)


def psd(width: int = 40, height: int = 30, resources: bytes = b"", *, depth: int = 8) -> bytes:
    """A Photoshop file without layers."""
    header = struct.pack(">4sH6xHIIHH", b"8BPS", 1, 3, height, width, depth, 3)
    blocks = bytes(4) + struct.pack(">I", len(resources)) + resources + bytes(4)
    return header + blocks + b"\x00\x00" + bytes(width * height * 3 * depth // 8)


def resource(number: int, body: bytes) -> bytes:
    """One of Photoshop's image resources."""
    return b"8BIM" + struct.pack(">HHI", number, 0, len(body)) + body + bytes(len(body) % 2)


def heif(
    width: int, height: int, *, turns: int | None = None, axis: int | None = None, exif: bytes = b"", xmp: bytes = b""
) -> bytes:
    """The boxes of a HEIC without pixels: a primary picture, its size and turn, EXIF and XMP items in idat."""
    properties = [box(b"ispe", struct.pack(">III", 0, width, height))]
    if turns is not None:
        properties.append(box(b"irot", bytes([turns])))
    if axis is not None:
        properties.append(box(b"imir", bytes([axis])))
    count = len(properties)
    ipma = struct.pack(">IIHB", 0, 1, 1, count) + bytes(range(1, count + 1))
    exif_item = struct.pack(">I", 6) + b"Exif\x00\x00" + exif
    infos = b"".join(
        box(b"infe", struct.pack(">IHH", 2 << 24, number, 0) + kind + b"\x00" + mime)
        for number, kind, mime in ((1, b"hvc1", b""), (2, b"Exif", b""), (3, b"mime", b"application/rdf+xml\x00"))
    )
    places = struct.pack(">IBBH", 1 << 24, 0x44, 0, 2) + b"".join(
        struct.pack(">HHHHII", item, 1, 0, 1, offset, length)
        for item, offset, length in ((2, 0, len(exif_item)), (3, len(exif_item), len(xmp)))
    )
    meta = box(
        b"meta",
        bytes(4),
        box(b"hdlr", bytes(8) + b"pict" + bytes(13)),
        box(b"pitm", bytes(4) + b"\x00\x01"),
        box(b"iinf", bytes(4) + b"\x00\x03", infos),
        box(b"iloc", places),
        box(b"iprp", box(b"ipco", *properties), box(b"ipma", ipma)),
        box(b"idat", exif_item, xmp),
    )
    return box(b"ftyp", b"heic", bytes(4), b"mif1heic") + meta


def tiff_block(
    main: dict[int, tuple[int, Any]],
    detail: dict[int, tuple[int, Any]] | None = None,
    place: dict[int, tuple[int, Any]] | None = None,
    order: str = "<",
) -> bytes:
    """A TIFF stream of directories, as in EXIF: tag → (type, value); values are bytes, numbers or pairs of numbers."""
    groups = [dict(main)]
    for tag, below in ((0x8769, detail), (0x8825, place)):
        if below:
            groups[0][tag] = (4, len(groups))  # filled in below, when the offsets are known
            groups.append(below)
    starts, at = [], 8
    for group in groups:
        starts.append(at)
        at += 2 + 12 * len(group) + 4
    heap = bytearray()
    out = bytearray((b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8))
    for group in groups:
        out += struct.pack(order + "H", len(group))
        for tag, (kind, value) in sorted(group.items()):
            is_pointer = group is groups[0] and tag in (0x8769, 0x8825)
            body, count = _packed(kind, starts[value] if is_pointer else value, order)
            out += struct.pack(order + "HHI", tag, kind, count)
            if len(body) <= 4:
                out += body.ljust(4, b"\x00")
            else:
                out += struct.pack(order + "I", at + len(heap))
                heap += body
        out += bytes(4)
    return bytes(out + heap)


def _packed(kind: int, value: Any, order: str) -> tuple[bytes, int]:
    if isinstance(value, bytes):
        return value, len(value)
    values = value if isinstance(value, tuple) else (value,)
    if kind in (5, 10):
        pairs = [pair if isinstance(pair, tuple) else (pair, 1) for pair in values]
        return b"".join(struct.pack(order + ("II" if kind == 5 else "ii"), *pair) for pair in pairs), len(pairs)
    letter = {3: "H", 4: "I", 1: "B"}[kind]
    return struct.pack(order + letter * len(values), *values), len(values)


def exif_jpeg(block: bytes) -> bytes:
    """A JPEG with an EXIF block."""
    return jpeg_with(segment(0xE1, b"Exif\x00\x00" + block))


HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAZhtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAADRp"
    "bG9jAAAAAERAAAIAAQAAAAABvAABAAAAAAAAAIsAAgAAAAACRwABAAAAAAAAAFYAAAA4aWluZgAAAAAAAgAAABVpbmZlAgAAAAABAABo"
    "dmMxAAAAABVpbmZlAgAAAQACAABFeGlmAAAAAA5waXRtAAAAAAABAAAA12lwcnAAAAC4aXBjbwAAAHlodmNDAQNwAAAAkAAAAAAAHvAA"
    "/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAsQgEBA3AAAAMAkAAAAwAAAwAeoBQgYfJlupJKa5uAhoMCAAAD"
    "ADIAAAMAAhBiAAEAB0QBwXKwYkAAAAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAoAAAAFoAAAAQcGl4aQAAAAADCAgIAAAA"
    "F2lwbWEAAAAAAAAAAQABBIECAwQAAAAaaXJlZgAAAAAAAAAOY2RzYwACAAEAAQAAAOltZGF0AAAAhygBrxNH9VSASm6HDT//4mlH/9Ou"
    "eH6eXSMkzl1KIxmMYCL1V31qJb6HRo03fEWG9MvcrTOxoQNrSn4kQqTu29f/yzdO9uJ//Gb3ocFyFd39q9wGPJ/AQEhwFqX+zHNBH6Pr"
    "UxJ4F6DMjUMU/slZw17wifk3Zy/vIw7Y5mB1qKDTgNuBvgbKUAAAAAZFeGlmAABNTQAqAAAACAADAQ8AAgAAAAYAAAAyARIAAwAAAAEA"
    "BgAAATIAAgAAABQAAAA4AAAAAEFwcGxlADIwMjA6MDE6MDEgMDA6MDA6MDAA"
)
"""A HEIC of 160 by 90 pixels, its upper left quarter red, with an EXIF block of make, orientation 6 and date.

Made with pillow_heif 1.8.1, since nothing that the tests install writes HEVC.
"""
