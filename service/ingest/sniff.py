"""Detects the type of a file from its content; the name only distinguishes kinds of text."""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import puremagic

from service.errors import IngestError
from service.ingest import compound
from service.ingest.facts import Sniffed
from service.ingest.formats import (
    ANYMAPS,
    BRANDS,
    EXTENSIONS,
    FORMATS,
    OGG,
    OLE_CLASSES,
    OLE_STREAMS,
    RIFF,
    SHARED,
    SIGNATURES,
    ZIP_MEMBERS,
    ZIPPED,
    Format,
)
from service.ingest.readers.containers import asf, matroska, mp4, mpeg
from service.ingest.readers.documents import archive

HEAD: Final = 64 * 1024
_BOMS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_SVG_ROOT = re.compile(r"<(?:[A-Za-z_][\w.-]{0,60}:)?svg[\s/>]")
_MAX_MEMBERS = 10_000


def sniff(path: Path, filename: str) -> Sniffed:
    """Return the type of the file at ``path``; ``filename`` is its original name.

    Reads 64 KiB, and of a recording's container the headers of its tracks. The name only decides which kind of text a
    text file is (``.md``, ``.csv``). Raises OSError.
    """
    with path.open("rb") as source:
        head = source.read(HEAD)
    ext = Path(filename).suffix.lstrip(".").lower()
    name = _binary(head, path, ext) or _text(head, ext)
    if name is None and ext == "tga" and _is_targa(head):
        name = "tga"
    if name is None:
        return _by_magic(head, ext)
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
    fits = EXTENSIONS.get(ext) is found or ext in SHARED[found.name]
    return Sniffed(found.type, found.mime_type, found.name, ext if fits else found.name)


def _binary(head: bytes, path: Path, ext: str) -> str | None:
    for offset, signature, name in SIGNATURES:
        if head.startswith(signature, offset):
            confirm = _CONFIRMED.get(name)
            if confirm is None:
                return name
            if (confirmed := confirm(head)) is not None:
                return confirmed
    return _by_container(head, path, ext) or _by_structure(head, path)


def _by_container(head: bytes, path: Path, ext: str) -> str | None:
    """Recognise containers, and by what is in them which format it is."""
    if head[:4] in (b"RIFF", b"RF64", b"BW64"):
        return RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _brand(head, path)
    if head[4:8] in (b"moov", b"mdat", b"wide", b"pnot") and head[:4] != b"\x00\x00\x00\x00":
        return "mov"  # QuickTime before it had a brand
    if head[:4] == b"OggS":
        return next((name for mark, name in OGG if mark in head[:4096]), "ogg")
    if head[:4] == b"\x1a\x45\xdf\xa3":  # EBML; its DocType is within the first bytes
        return _matroska(head, path)
    if head[:16] == asf.HEADER:
        # Sound alone makes it WMA; video, or neither within the head, WMV.
        return "wma" if asf.SOUND in head and asf.PICTURE not in head else "wmv"
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return _zip(path, ext)
    if head[:8] == compound.MAGIC:
        return _compound(head, path, ext)
    if head[:3] == b"\x1f\x8b\x08":
        return "svg" if _is_zipped_svg(head) else "gz"
    return None


def _by_structure(head: bytes, path: Path) -> str | None:
    """Recognise formats whose first bytes are too few to tell, by the fields of their headers."""
    if head[:2] in ANYMAPS and (_ANYMAP.match(head) or _PLAIN_ANYMAP.match(head) or _PAM.match(head)):
        return ANYMAPS[head[:2]]
    if head[:2] == b"BM" and len(head) > 26 and (head[6:10] == b"\x00\x00\x00\x00" or _is_bitmap(head[14:])):
        return "bmp"
    if len(head) > 16 and _is_bitmap(head):
        return "dib"
    if len(head) >= 128 and head[0] == 0x0A and head[1] in {0, 2, 3, 4, 5} and head[2] == 1 and head[3] in {1, 2, 4, 8}:
        return "pcx"
    if b"%PDF-" in head[:1024]:  # ISO 32000-1 annex H: readers accept the header within the first 1024 bytes
        return "pdf"
    if mpeg.packet_size(head) is not None:
        return "mpegts"
    if _has_targa_footer(path):
        return "tga"
    if _XBM.match(head):
        return "xbm"
    return _sound_after_padding(head)


# The plain forms are texts of numbers alone, so that a note that begins "P1 10 20" is none of them.
_ANYMAP = re.compile(rb"P[4-6Ff](?:\s|#[^\n]*\n)+-?\d+(?:\s|#[^\n]*\n)+-?\d+\s")
_PLAIN_ANYMAP = re.compile(rb"P[1-3](?:\s|#[^\n]*\n)+\d+(?:\s|#[^\n]*\n)+\d+\s(?:[\d\s]|#[^\n]*\n){0,200}(?![^\d\s#])")
_PAM = re.compile(rb"P7\s*\n(?:#[^\n]*\n|\s)*(?:WIDTH|HEIGHT|DEPTH|MAXVAL|TUPLTYPE)\s")
_XBM = re.compile(rb"\s*(?:/\*.*?\*/\s*)?#define[ \t]+\S*_width[ \t]+\d+\s+#define[ \t]+\S*_height[ \t]+\d+", re.DOTALL)


def _is_bitmap(header: bytes) -> bool:
    """Return whether a bitmap's header follows: its length, then sizes, one plane and so many bits a pixel."""
    length = int.from_bytes(header[:4], "little")
    at = {12: 8, 16: 12, 40: 12, 52: 12, 56: 12, 64: 12, 108: 12, 124: 12}.get(length, 0)
    planes, bits = (int.from_bytes(header[at + n : at + n + 2], "little") for n in (0, 2))
    return bool(at) and planes == 1 and bits in {1, 2, 4, 8, 16, 24, 32}


def _is_targa(head: bytes) -> bool:
    """Return whether the fields of a Targa header fit; the first version has no mark, so its name has to say so."""
    if len(head) < 18:
        return False
    has_map, kind, width, height, bits = head[1], head[2], head[12:14], head[14:16], head[16]
    fits = has_map in {0, 1} and kind in {1, 2, 3, 9, 10, 11} and bits in {1, 8, 15, 16, 24, 32}
    return fits and width != b"\x00\x00" and height != b"\x00\x00"


def _has_targa_footer(path: Path) -> bool:
    with path.open("rb") as source:
        if source.seek(0, 2) < 44:
            return False
        source.seek(-18, 2)
        return source.read(18) == b"TRUEVISION-XFILE.\x00"


def _is_zipped_svg(head: bytes) -> bool:
    try:
        start = zlib.decompressobj(wbits=31).decompress(head, HEAD)
    except zlib.error:
        return False
    return _text(start, "") == "svg"


def _compound(head: bytes, path: Path, ext: str) -> str:
    with path.open("rb") as source:
        names, root = compound.directory(source)
    known = {name.lstrip("\x01\x02\x03\x05") for name in names}
    if (
        "EncryptedPackage" in known
    ):  # a document of today in the wrapping of its password: what it is, only its name says
        named = EXTENSIONS.get(ext)
        return named.name if named is not None and named.name in {"docx", "xlsx", "pptx", "vsdx"} else "ole"
    if not names:  # a cut or damaged directory: the names may still be in the first sectors
        return next((name for stream, name in OLE_STREAMS if stream.encode("utf-16-le") in head), "ole")
    return next((name for stream, name in OLE_STREAMS if stream in known), None) or OLE_CLASSES.get(root, "ole")


def _matroska(head: bytes, path: Path) -> str:
    is_web = b"webm" in head[:64]
    with path.open("rb") as source:
        has_picture = matroska.has_picture(source, source.seek(0, 2))
    if has_picture is False:
        return "weba" if is_web else "mka"
    return "webm" if is_web else "mkv"


def _brand(head: bytes, path: Path) -> str:
    """Return the format by the brands; a film without a video track is a sound, whatever its brand says."""
    name = BRANDS.get(head[8:12])
    size = min(int.from_bytes(head[:4], "big"), 256)
    brands = [head[at : at + 4] for at in range(8, size, 4) if at != 12]
    if name in {None, "heic"}:
        kinds = [BRANDS[brand] for brand in brands if brand in BRANDS]
        name = "avif" if "avif" in kinds else "heic" if name == "heic" or "heic" in kinds else "mp4"
    if name not in {"mp4", "mov", "3gp"}:
        return name or "mp4"
    with path.open("rb") as source:
        has_picture = mp4.has_picture(source, source.seek(0, 2))
    return "m4a" if has_picture is False else name


def _aiff(head: bytes) -> str | None:
    return "aiff" if head[8:12] in (b"AIFF", b"AIFC") else None


def _icon(name: str) -> Callable[[bytes], str | None]:
    """Return a check for a non-zero count of images, each with a reserved byte of zero: MPEG begins alike."""
    return lambda head: name if head[4:6] not in (b"", b"\x00\x00") and head[9:10] == b"\x00" else None


def _tagged(head: bytes) -> str:
    """Return what follows an ID3v2 tag, which is not always MP3: some programs put it before FLAC and AAC."""
    length = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=False))
    body = head[10 + length :].lstrip(b"\x00")
    if body.startswith(b"fLaC"):
        return "flac"
    return "aac" if _frames_of(_ADTS, body) else "mp3"


def _sound_after_padding(head: bytes) -> str | None:
    """Recognise MPEG audio behind zeros, as some recorders leave: frames that follow each other."""
    body = head.lstrip(b"\x00")
    if body is head or len(body) == len(head):
        return None
    return "mp3" if _frames_of(_MPEG, body) else "aac" if _frames_of(_ADTS, body) else None


def _frames_of(length_of: Callable[[bytes], int], body: bytes, wanted: int = 3) -> bool:
    """Return whether so many frames begin where the one before says that it ends."""
    at = 0
    for _ in range(wanted):
        length = length_of(body[at : at + 8])
        if not length:
            return False
        at += length
    return True


def _adts(head: bytes) -> int:
    """Return the length of an ADTS frame (ISO/IEC 13818-7 §6.2.1), 0 for none."""
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or head[2] >> 2 & 15 > 12:
        return 0
    return (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5


_ADTS: Final = _adts
_BIT_RATES = (  # kbit/s by index, of MPEG-1 and of MPEG-2 and 2.5, layer III
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
_SAMPLE_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def _mpeg_audio(head: bytes) -> int:
    """Return the length of a frame of MPEG audio layer III (ISO/IEC 11172-3 §2.4.2.3), 0 for none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return 0
    version, index, rate = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or index in {0, 15} or rate == 3:
        return 0
    first = version == 3
    bits = _BIT_RATES[0 if first else 1][index] * 1000
    return (144 if first else 72) * bits // _SAMPLE_RATES[version][rate] + (head[2] >> 1 & 1)


_MPEG: Final = _mpeg_audio
_CONFIRMED: dict[str, Callable[[bytes], str | None]] = {
    # Where the first bytes are not enough: the format, or None if it is none after all
    "aiff": _aiff,
    "ico": _icon("ico"),
    "cur": _icon("cur"),
    "mp3": lambda head: _tagged(head) if head.startswith(b"ID3") else "mp3",
    # Of Animator's files: 8 bits a pixel, and so many frames
    "fli": lambda head: "fli" if head[12:14] in (b"\x08\x00", b"\x00\x00") and head[6:8] != b"\x00\x00" else None,
    "dv": lambda head: "dv" if len(head) > 80 and head[80] == 0x3F else None,
    "ac3": lambda head: "ac3" if len(head) > 5 and head[5] >> 3 <= 16 and head[4] >> 6 < 3 else None,
}


def _zip(path: Path, ext: str) -> str:
    """Distinguish documents from other archives by what they declare, or by the names of their members.

    An archive that cannot be opened is a document if its name says so: then its reader says why.
    """
    try:
        with archive.opened(path, path.name) as content:
            declared = content.read("mimetype")
            names = list(content.names)[:_MAX_MEMBERS]
    except IngestError:
        named = EXTENSIONS.get(ext)
        return named.name if named is not None and named.name in ZIPPED else "zip"
    except archive.UnreadableMember:
        declared, names = None, []
    if declared is not None:
        mime = declared[:100].decode("ascii", "replace").strip()
        if (found := next((row.name for row in FORMATS.values() if row.mime_type == mime), None)) is not None:
            return found
    if declared is None and "meta-inf/container.xml" in names:
        return "epub"  # without the declaration, as readers of books accept it
    if "[content_types].xml" in names:
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


def _by_magic(head: bytes, ext: str) -> Sniffed:
    """Look up everything else in puremagic's larger table: fonts, archives, programs, rare media."""
    try:
        best = puremagic.magic_string(head)[0]
    except (puremagic.PureError, ValueError, IndexError):
        return _sniffed(FORMATS["bin"], ext)
    found = best.extension.lstrip(".").lower()
    mime = best.mime_type or FORMATS["bin"].mime_type
    major = mime.partition("/")[0]
    # One or two matching bytes can be a coincidence; only a confident match may decide a media type. One without a
    # media type (some are a row of zeros) counts only if the name says the same.
    if best.confidence < 0.5 or not found or (not best.mime_type and found != ext):
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
