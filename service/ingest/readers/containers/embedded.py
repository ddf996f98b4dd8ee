"""The metadata blocks in a picture's file, as they are stored: undecoded, of bounded size."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO, Final

MAX_BLOCK: Final = 16 * 1024 * 1024
"""Bytes of one metadata block; a larger one is left out."""

_FAR = 1 << 62  # no file reaches as far, and no offset beyond can be asked for
MAX_STEPS: Final = 200_000
"""Chunks, boxes or segments that are walked through in one file."""


@dataclass(slots=True)
class Embedded:
    """What a file carries beside its pixels.

    ``width`` and ``height`` are those of the stored pixels. ``orientation`` (1 to 8, as in EXIF) is the container's own
    and stands above EXIF's. ``exif`` is a TIFF stream without the ``Exif`` mark; ``xmp`` are packets, the main one
    first; ``iptc`` is a series of IIM datasets; ``texts`` are texts by keyword. ``is_cut`` says that the file ends
    before what its header promises, or contradicts itself.
    """

    width: int | None = None
    height: int | None = None
    orientation: int | None = None
    exif: bytes | None = None
    xmp: list[bytes] = field(default_factory=list)
    iptc: bytes | None = None
    texts: dict[str, str] = field(default_factory=dict)
    is_cut: bool = False
    modified: str | None = None

    def sized(self, width: int, height: int) -> None:
        """Note the size of the stored pixels, if there are any."""
        if width > 0 and height > 0:
            self.width, self.height = width, height

    def add_exif(self, block: bytes | None) -> None:
        """Keep the first EXIF block; marks before the TIFF stream (some writers repeat them) are dropped."""
        while block is not None and block[:6] in (b"Exif\x00\x00", b"Exif\x00\xff"):
            block = block[6:]
        if block and self.exif is None and block[:2] in (b"II", b"MM"):
            self.exif = block

    def add_xmp(self, packet: bytes | None) -> None:
        """Keep a packet that is not blank."""
        if packet and packet.strip(b"\x00 \r\n\t"):
            self.xmp.append(packet)

    def add_photoshop(self, block: bytes) -> None:
        """Keep what Photoshop's image resources hold of IPTC, EXIF and XMP."""
        for number, data in resources(block):
            if number == 0x0404 and self.iptc is None:
                self.iptc = data
            elif number == 0x0422:
                self.add_exif(data)
            elif number == 0x0424:
                self.add_xmp(data)


Reader = Callable[[IO[bytes], int], Embedded]
"""Reads the blocks of an open file of so many bytes."""


def resources(block: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (id, data) of Photoshop's image resource blocks (Adobe Photoshop File Formats, "Image Resources")."""
    at = 0
    for _ in range(MAX_STEPS):
        if at + 12 > len(block) or block[at : at + 4] not in {b"8BIM", b"MeSa", b"PHUT", b"AgHg", b"DCSR"}:
            return
        number = int.from_bytes(block[at + 4 : at + 6], "big")
        name = 1 + block[at + 6]
        at += 6 + name + name % 2
        length = int.from_bytes(block[at : at + 4], "big")
        at += 4
        yield number, block[at : at + length]
        at += length + length % 2


def read_at(source: IO[bytes], at: int, length: int, limit: int = MAX_BLOCK) -> bytes | None:
    """Return ``length`` bytes at ``at``; None if they are more than ``limit`` or the file ends before them."""
    if not 0 < length <= limit or not 0 <= at < _FAR:
        return None
    source.seek(at)
    found = source.read(length)
    return found if len(found) == length else None


def inflated(block: bytes, limit: int = MAX_BLOCK) -> bytes | None:
    """Return a zlib stream's content; None if it is damaged or longer than ``limit``."""
    stream = zlib.decompressobj()
    try:
        found = stream.decompress(block, limit)
    except zlib.error:
        return None
    return None if stream.unconsumed_tail else found
