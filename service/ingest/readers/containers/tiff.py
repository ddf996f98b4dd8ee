"""TIFF's directories (TIFF 6.0, BigTIFF, and cameras' raw formats built on them), as files and inside EXIF."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import zip_longest
from typing import IO, Any, Final, NamedTuple

from service.ingest.readers.containers.embedded import MAX_BLOCK, Embedded, read_at

MAX_VALUE: Final = 64 * 1024
"""Bytes of one value; longer ones (pixels' offsets, manufacturers' own data) are left out."""

_MAX_ENTRIES, _MAX_DIRECTORIES = 4096, 64
# Type → (bytes of one, struct's letter); rationals and texts are read by their own rules.
_TYPES: dict[int, tuple[int, str]] = {
    1: (1, ""), 2: (1, ""), 3: (2, "H"), 4: (4, "I"), 5: (8, ""), 6: (1, "b"), 7: (1, ""), 8: (2, "h"), 9: (4, "i"),
    10: (8, ""), 11: (4, "f"), 12: (8, "d"), 13: (4, "I"), 16: (8, "Q"), 17: (8, "q"), 18: (8, "Q"), 129: (1, ""),
}  # fmt: skip
_TEXTS, _RATIONALS = frozenset({2, 129}), {5: "I", 10: "i"}

_SUBFILE, _WIDTH, _HEIGHT, _SUBDIRECTORIES = 254, 256, 257, 330
_EXIF, _EXIF_WIDTH, _EXIF_HEIGHT = 0x8769, 0xA002, 0xA003
_PIXELS = ((273, 279), (324, 325))  # offsets and lengths of strips, and of tiles
_XMP, _IPTC, _PHOTOSHOP = 700, 33723, 34377


class Entry(NamedTuple):
    """A directory's entry: the type of its values, how many there are, and where they are."""

    kind: int
    amount: int
    at: int

    @property
    def length(self) -> int:
        """The bytes that the values take."""
        return self.amount * _TYPES[self.kind][0]


Directory = Mapping[int, Entry]


class Tiff:
    """A TIFF stream in an open file. Raises ValueError if it does not begin as one."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        source.seek(0)
        head = source.read(16)
        if len(head) < 8 or head[:2] not in (b"II", b"MM"):
            raise ValueError("the block does not begin as TIFF")
        self._order = "<" if head[:2] == b"II" else ">"
        self.is_little = head[:2] == b"II"
        self._big = head[2:4] in (b"+\x00", b"\x00+")
        self._first = int(self._unpack("Q", head[8:16]) if self._big else self._unpack("I", head[4:8]))

    def directories(self) -> Iterator[Directory]:
        """Yield the directories of the main chain, each once."""
        at, seen = self._first, set[int]()
        while at and at not in seen and len(seen) < _MAX_DIRECTORIES:
            seen.add(at)
            found, at = self._directory(at)
            if found or len(seen) == 1:
                yield found

    def below(self, directory: Directory, tag: int) -> Iterator[Directory]:
        """Yield the directories that an entry points to."""
        offsets = self.value(directory, tag)
        for at in (offsets if isinstance(offsets, tuple) else (offsets,))[:_MAX_DIRECTORIES]:
            if isinstance(at, int) and at > 0:
                yield self._directory(at)[0]

    def value(self, directory: Directory, tag: int) -> Any:
        """Return an entry's value: a number, a text, bytes, or a tuple of numbers; None if there is none or it is cut.

        A text's bytes are undecoded. A rational without a denominator is None.
        """
        entry = directory.get(tag)
        raw = self.raw(directory, tag, MAX_VALUE)
        if entry is None or raw is None:
            return None
        if entry.kind in {1, 2, 7, 129}:
            return raw
        if entry.kind in _RATIONALS:
            pairs = struct.iter_unpack(self._order + _RATIONALS[entry.kind] * 2, raw)
            values: tuple[Any, ...] = tuple(Fraction(above, below) if below else None for above, below in pairs)
        else:
            values = struct.unpack(f"{self._order}{entry.amount}{_TYPES[entry.kind][1]}", raw)
        return values[0] if len(values) == 1 else values

    def is_text(self, directory: Directory, tag: int) -> bool:
        """Return whether an entry is declared to be a text."""
        return tag in directory and directory[tag].kind in _TEXTS

    def raw(self, directory: Directory, tag: int, limit: int = MAX_BLOCK) -> bytes | None:
        """Return an entry's bytes; None if there is none, or it is longer than ``limit`` or cut off."""
        entry = directory.get(tag)
        return read_at(self._source, entry.at, entry.length, limit) if entry is not None else None

    def _directory(self, at: int) -> tuple[Directory, int]:
        """Return the entries at an offset and the offset of the next directory (0 for none)."""
        width, size, inline = (8, 20, "Q") if self._big else (2, 12, "I")
        head = read_at(self._source, at, width)
        if head is None:
            return {}, 0
        count = int(self._unpack("Q" if self._big else "H", head))
        if count > _MAX_ENTRIES:
            return {}, 0
        self._source.seek(at + width)
        block = self._source.read(count * size + (8 if self._big else 4))
        found: dict[int, Entry] = {}
        for number in range(min(count, len(block) // size)):
            row = block[number * size : (number + 1) * size]
            tag, kind = struct.unpack_from(self._order + "HH", row)
            amount, offset = struct.unpack_from(self._order + inline * 2, row, 4)
            if kind not in _TYPES or not amount or tag in found:
                continue
            length = amount * _TYPES[kind][0]
            place = at + width + number * size + (12 if self._big else 8)
            found[tag] = Entry(kind, amount, place if length <= (8 if self._big else 4) else offset)
        tail = block[count * size :]
        return found, int(self._unpack(inline, tail)) if len(tail) == struct.calcsize(inline) else 0

    def _unpack(self, letter: str, raw: bytes) -> int:
        return int(struct.unpack(self._order + letter, raw)[0]) if len(raw) == struct.calcsize("<" + letter) else 0


def main_picture(tiff: Tiff) -> tuple[Directory, int, int] | None:
    """Return the directory of the picture that the file is about, and its width and height as stored.

    That is the first of the chain. If it calls itself a reduced copy (NewSubfileType, as in DNG, NEF and ARW), it is
    the largest one that is none, in the chain or below. None if no directory has a size.
    """
    chain = list(tiff.directories())
    sized = [(each, *size) for each in chain if (size := _size(tiff, each))]
    if not sized:
        return None
    if not _is_reduced(tiff, sized[0][0]):
        return sized[0]
    below = [each for one in chain for each in tiff.below(one, _SUBDIRECTORIES)]
    sized += [(each, *size) for each in below if (size := _size(tiff, each))]
    whole = [row for row in sized if not _is_reduced(tiff, row[0])]
    return max(whole, key=lambda row: row[1] * row[2], default=sized[0])


def read(source: IO[bytes], size: int) -> Embedded:
    """Return the size of the main picture, and XMP and IPTC of the first directory that has them; EXIF is the file."""
    found = Embedded()
    try:
        tiff = Tiff(source)
    except ValueError:
        return found
    main = main_picture(tiff)
    if main is not None and (whole := _canon(source, tiff)):
        found.sized(*whole)
    elif main is not None:
        found.sized(main[1], main[2])
        found.is_cut = not _is_whole(tiff, main[0], size)
    for directory in tiff.directories():
        if not found.xmp:
            found.add_xmp(tiff.raw(directory, _XMP))
        if found.iptc is None and (block := tiff.raw(directory, _IPTC)) is not None:
            found.iptc = _swapped(block)
        if (block := tiff.raw(directory, _PHOTOSHOP)) is not None:
            found.add_photoshop(block)
    return found


def _canon(source: IO[bytes], tiff: Tiff) -> tuple[int, int] | None:
    """Return the size that EXIF gives a CR2, whose first directory is a preview that does not call itself one."""
    source.seek(8)
    if source.read(2) != b"CR":
        return None
    for directory in tiff.below(next(tiff.directories(), {}), _EXIF):
        width, height = tiff.value(directory, _EXIF_WIDTH), tiff.value(directory, _EXIF_HEIGHT)
        if isinstance(width, int) and isinstance(height, int):
            return width, height
    return None


def _is_whole(tiff: Tiff, directory: Directory, size: int) -> bool:
    """Return whether the strips or tiles of a picture lie within the file."""
    for offsets, counts in _PIXELS:
        starts, lengths = (_numbers(tiff.value(directory, tag)) for tag in (offsets, counts))
        if starts and any(start + length > size for start, length in zip_longest(starts, lengths, fillvalue=0)):
            return False
    return True


def _numbers(value: Any) -> tuple[int, ...]:
    found = value if isinstance(value, tuple) else (value,)
    return tuple(number for number in found if isinstance(number, int))


def _swapped(block: bytes) -> bytes:
    """Undo the swapping of a block that a writer declared as LONG in the other byte order."""
    if block[:1] == b"\x1c" or len(block) % 4:
        return block
    return b"".join(block[at : at + 4][::-1] for at in range(0, len(block), 4))


def _size(tiff: Tiff, directory: Directory) -> tuple[int, int] | None:
    width, height = tiff.value(directory, _WIDTH), tiff.value(directory, _HEIGHT)
    fits = isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0
    return (width, height) if fits else None


def _is_reduced(tiff: Tiff, directory: Directory) -> bool:
    kind = tiff.value(directory, _SUBFILE)
    return isinstance(kind, int) and bool(kind & 1)
