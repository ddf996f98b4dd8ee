"""Detects the type of a file from its content; the name only distinguishes kinds of text."""

from __future__ import annotations

import codecs
import re
import zipfile
from pathlib import Path
from typing import Final

import puremagic

from service.ingest.facts import Sniffed
from service.ingest.formats import BRANDS, EXTENSIONS, FORMATS, OGG, OLE_STREAMS, RIFF, SIGNATURES, ZIP_MEMBERS, Format

HEAD: Final = 64 * 1024
_BOMS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_SVG_ROOT = re.compile(r"<(?:[A-Za-z_][\w.-]{0,60}:)?svg[\s/>]")
_MAX_MEMBERS = 10_000


def sniff(path: Path, filename: str) -> Sniffed:
    """Return the type of the file at ``path``; ``filename`` is its original name. Reads 64 KiB.

    The name only decides which kind of text a text file is (``.md``, ``.csv``). Raises OSError.
    """
    with path.open("rb") as source:
        head = source.read(HEAD)
    ext = Path(filename).suffix.lstrip(".").lower()
    name = _binary(head, path) or _text(head, ext)
    if name is None:
        return _by_magic(head, path, ext)
    return _sniffed(FORMATS[name], ext)


def encoding_of(head: bytes) -> str | None:
    """Return the codec of a text from its first bytes: by its BOM, UTF-8 or Windows-1252; None if it is not text."""
    for mark, codec in _BOMS:
        if head.startswith(mark):
            return codec if _decodes(head, codec) else None
    if _CONTROL.search(head.decode("latin-1")):
        return None
    return next((codec for codec in ("utf-8", "cp1252") if _decodes(head, codec)), None)


def _sniffed(found: Format, ext: str) -> Sniffed:
    return Sniffed(found.type, found.mime_type, found.name, ext if EXTENSIONS.get(ext) is found else found.name)


def _binary(head: bytes, path: Path) -> str | None:
    for offset, signature, name in SIGNATURES:
        if head.startswith(signature, offset):
            return _confirmed(name, head)
    if head[:4] == b"RIFF":
        return RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        return BRANDS.get(head[8:12]) or _compatible(head)
    if head[:4] == b"OggS":
        return next((name for mark, name in OGG if mark in head[:4096]), "ogg")
    if head[:4] == b"\x1a\x45\xdf\xa3":  # EBML; its DocType is within the first bytes
        return "webm" if b"webm" in head[:64] else "mkv"
    if head[:2] == b"BM" and head[6:10] == b"\x00\x00\x00\x00" and len(head) > 26:
        return "bmp"
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return _zip(path)
    if head[:8] == _OLE:
        return next((name for stream, name in OLE_STREAMS if stream.encode("utf-16-le") in head), "ole")
    if b"%PDF-" in head[:1024]:  # ISO 32000-1 annex H: readers accept the header within the first 1024 bytes
        return "pdf"
    return None


def _confirmed(name: str, head: bytes) -> str | None:
    """Check further where four bytes are not enough."""
    if name == "aiff":
        return "aiff" if head[8:12] in (b"AIFF", b"AIFC") else None
    if name == "ico":  # a non-zero image count, and not an MPEG video
        return "ico" if head[4:6] not in (b"", b"\x00\x00") else None
    return name


def _compatible(head: bytes) -> str:
    size = min(int.from_bytes(head[:4], "big"), 256)
    brands = [head[at : at + 4] for at in range(16, size, 4)]
    return next((BRANDS[brand] for brand in brands if BRANDS.get(brand) in {"avif", "heic"}), "mp4")


def _zip(path: Path) -> str:
    """Distinguish office documents from other archives by the names of their members; nothing is unpacked."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [entry.filename for entry in archive.infolist()[:_MAX_MEMBERS]]
            if names[:1] == ["mimetype"] and archive.getinfo("mimetype").file_size < 128:
                declared = archive.read("mimetype").decode("ascii", "replace").strip()
                return next((row.name for row in FORMATS.values() if row.mime_type == declared), "zip")
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        return "zip"  # truncated or encrypted: still an archive by its first bytes
    if "[Content_Types].xml" in names:
        return next((name for member, name in ZIP_MEMBERS if any(each.startswith(member) for each in names)), "zip")
    return "zip"


def _text(head: bytes, ext: str) -> str | None:
    codec = encoding_of(head)
    if codec is None:
        return None
    start = head.decode(codec, "ignore").lstrip()
    root = _first_element(start)
    if _SVG_ROOT.match(root):
        return "svg"
    if start[:14].lower() == "<!doctype html" or root[:5].lower() == "<html":
        return "html"
    if start.startswith(("[InternetShortcut]", "[InternetShortcut.")):
        return "url"
    named = EXTENSIONS.get(ext)
    if named is not None and named.type == "text":
        return named.name
    return "xml" if start.startswith("<?xml") else "txt"


def _first_element(text: str) -> str:
    """Skip the prolog of an XML document (declaration, comments, doctype with its subset) and return what follows."""
    at = 0
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if text.startswith("<?", at):
            end, width = text.find("?>", at), 2
        elif text.startswith("<!--", at):
            end, width = text.find("-->", at), 3
        elif text[at : at + 9].upper() == "<!DOCTYPE":
            close, subset = text.find(">", at), text.find("[", at)
            inner = 0 <= subset < close
            end, width = (text.find("]", subset), 1) if inner else (close, 1)
            if inner and end >= 0:
                end = text.find(">", end)
        else:
            return text[at : at + 100]
        if end < 0:
            return ""
        at = end + width


def _by_magic(head: bytes, path: Path, ext: str) -> Sniffed:
    """Look up everything else in puremagic's larger table: fonts, archives, programs, rare media."""
    try:
        best = puremagic.magic_string(head)[0]
    except (puremagic.PureError, ValueError, IndexError):
        return _sniffed(FORMATS["bin"], ext)
    found = best.extension.lstrip(".").lower()
    mime = best.mime_type or FORMATS["bin"].mime_type
    major = mime.partition("/")[0]
    # One or two matching bytes can be a coincidence; only a confident match may decide a media type.
    if best.confidence < 0.5 or not found:
        return _sniffed(FORMATS["bin"], ext)
    kind = major if major in {"image", "video", "audio"} else "other"
    return Sniffed(kind, mime, found, found)


def _decodes(head: bytes, codec: str) -> bool:
    try:
        # only the last character of the head may be cut off
        codecs.getincrementaldecoder(codec)("strict").decode(head, len(head) < HEAD)
    except UnicodeDecodeError:
        return False
    return True
