"""PNG (3rd edition): size, texts, EXIF, XMP and IPTC, also in chunks that follow the pixels."""

from __future__ import annotations

import struct
from typing import IO

from service.ingest import clean
from service.ingest.readers.containers.embedded import MAX_BLOCK, MAX_STEPS, Embedded, inflated, read_at

_XMP = "XML:com.adobe.xmp"
_PROFILE = "raw profile type "
_MAX_TEXTS = 200


def read(source: IO[bytes], size: int) -> Embedded:
    """Return the blocks of a PNG; the pixels are passed over."""
    found = Embedded()
    at, kept = 8, 0
    for _ in range(MAX_STEPS):
        source.seek(at)
        head = source.read(8)
        if len(head) < 8 or head[4:] == b"IEND":
            break
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind in _READERS and kept <= 4 * MAX_BLOCK and (body := read_at(source, at + 8, length)) is not None:
            kept += length
            _READERS[kind](found, body)
        at += 12 + length
    return found


def _header(found: Embedded, body: bytes) -> None:
    if len(body) >= 8:
        found.sized(*struct.unpack(">II", body[:8]))


def _time(found: Embedded, body: bytes) -> None:
    """Note tIME (§11.3.4.1): the last change of the picture, in UTC."""
    if len(body) == 7:
        year, *rest = struct.unpack(">HBBBBB", body)
        found.modified = "{:04d}-{:02d}-{:02d}T{:02d}:{:02d}:{:02d}Z".format(year, *rest)


def _text(found: Embedded, body: bytes) -> None:
    key, _, value = body.partition(b"\x00")
    _add(found, key, value, "latin-1")


def _compressed(found: Embedded, body: bytes) -> None:
    key, _, rest = body.partition(b"\x00")
    value = inflated(rest[1:])
    if value is not None:
        _add(found, key, value, "latin-1")


def _international(found: Embedded, body: bytes) -> None:
    """Note an iTXt chunk (§11.3.3.4): keyword, compression flag and method, language, translated keyword, text."""
    key, _, rest = body.partition(b"\x00")
    if len(rest) < 2:
        return
    *_, value = rest[2:].split(b"\x00", 2)
    text = inflated(value) if rest[0] else value
    if text is not None:
        _add(found, key, text, "utf-8")


def _add(found: Embedded, key: bytes, value: bytes, codec: str) -> None:
    name = clean.decode(key)
    if name == _XMP:
        found.add_xmp(value)
    elif name.lower().startswith(_PROFILE):
        _profile(found, name[len(_PROFILE) :].strip().lower(), value)
    elif len(found.texts) < _MAX_TEXTS:
        # tEXt is Latin-1 by the standard; programs write UTF-8 into it, and both decode as what they are.
        found.texts.setdefault(name, value.decode("utf-8", "replace") if codec == "utf-8" else clean.decode(value))


def _profile(found: Embedded, kind: str, value: bytes) -> None:
    """Unpack ImageMagick's profiles: a name, a length and hexadecimal digits, each on lines of their own."""
    parts = value.split(None, 2)
    if len(parts) < 3 or not parts[1].isdigit():
        return
    try:
        body = bytes.fromhex(b"".join(parts[2].split()).decode("ascii"))
    except ValueError:
        return
    if kind == "xmp" or body.startswith(b"http://ns.adobe.com/xap/1.0/\x00"):
        found.add_xmp(body.partition(b"\x00")[2] if body.startswith(b"http") else body)
    elif kind in {"exif", "app1"}:
        found.add_exif(body)
    elif kind in {"iptc", "8bim"}:
        found.add_photoshop(body)
        if found.iptc is None and body[:1] == b"\x1c":
            found.iptc = body


_READERS = {
    b"IHDR": _header, b"tEXt": _text, b"zTXt": _compressed, b"iTXt": _international, b"tIME": _time,
    b"eXIf": Embedded.add_exif,
}  # fmt: skip
