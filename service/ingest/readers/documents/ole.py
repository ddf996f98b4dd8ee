"""OLE compound files, among them Word, Excel and PowerPoint of 1997 to 2003: their property sets ([MS-OLEPS])."""

from __future__ import annotations

import codecs
import struct
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import olefile

from service.errors import IngestError
from service.ingest import clean, dates
from service.ingest.facts import Facts
from service.ingest.limits import MIB, IngestLimits

MAX_STREAM: Final = 2 * MIB
"""Bytes of a stream with properties; legitimate ones are far smaller."""

_SUMMARY, _DOCUMENT = "\x05SummaryInformation", "\x05DocumentSummaryInformation"
# Property identifiers of the two sets ([MS-OLEPS] §3.1.3, [MS-OSHARED] §2.3.3.2).
_NAMES: dict[str, dict[int, str]] = {
    _SUMMARY: {
        2: "title", 3: "subject", 4: "author", 5: "keywords", 6: "comments", 12: "created", 14: "pages", 15: "words",
        18: "software",
    },
    _DOCUMENT: {7: "slides", 28: "language"},
}  # fmt: skip
_CODEPAGE = 1
_MAX_PROPERTIES = 1000
_I2, _I4, _LPSTR, _LPWSTR, _FILETIME = 0x02, 0x03, 0x1E, 0x1F, 0x40
_PASSWORD = "The document is password-protected: its text cannot be read."  # noqa: S105
_PACKAGES = frozenset({"EncryptedPackage", "EncryptedSummary", "DRMEncryptedDataSpace"})


def read(path: Path, filename: str, limits: IngestLimits) -> Facts:
    """Return the facts in the property sets of a compound file. Raises IngestError (``malformed``)."""
    try:
        with closing(olefile.OleFileIO(path)) as document:
            said: dict[str, Any] = {}
            for stream, names in _NAMES.items():
                content = _stream(document, stream)
                if content is not None:
                    said = {**dict(_properties(content, names)), **said}
            problems = (_PASSWORD,) if _is_encrypted(document) else ()
    except (OSError, RecursionError, struct.error, IndexError, ValueError, TypeError) as error:
        raise IngestError(
            "The document is damaged: its compound file cannot be read.", reason="malformed", filename=filename
        ) from error
    return _facts(said, problems, limits)


def _facts(said: dict[str, Any], problems: tuple[str, ...], limits: IngestLimits) -> Facts:
    pages = said.get("slides") or said.get("pages")
    metadata: dict[str, Any] = {
        "page_count": pages if isinstance(pages, int) and pages > 0 else None,
        "word_count": said["words"] if isinstance(said.get("words"), int) and said["words"] > 0 else None,
        "software": clean.text(said.get("software"), limits.title_chars),
        "language": clean.text(said.get("language"), 35),
    }

    def parts(name: str, marks: str) -> list[str]:
        text = said.get(name)
        return text.translate(dict.fromkeys(map(ord, marks), "\n")).split("\n") if isinstance(text, str) else []

    return Facts(
        title=clean.text(said.get("title"), limits.title_chars),
        description=clean.text(said.get("comments") or said.get("subject"), limits.text_chars),
        creator=clean.words(parts("author", ";"), limits),
        tags=clean.words(parts("keywords", ",;"), limits),
        captured_at=dates.stamp(said.get("created")),
        metadata={name: value for name, value in metadata.items() if value is not None},
        warnings=problems,
    )


def _stream(document: Any, name: str, limit: int = MAX_STREAM) -> bytes | None:
    """Return a stream, None if there is none or if it is larger than ``limit`` bytes."""
    if not document.exists(name) or document.get_size(name) > limit:
        return None
    with document.openstream(name) as source:
        content: bytes = source.read(limit)
    return content


def _is_encrypted(document: Any) -> bool:
    """Return whether the document has a password: in a package of its own, or by a sign in its first stream."""
    if any(document.exists(name) for name in _PACKAGES):
        return True
    start = _stream(document, "WordDocument", 32 * MIB)
    if start is not None and len(start) > 12:
        return start[11] & 0x01 != 0  # fEncrypted of FibBase ([MS-DOC] §2.5.2)
    for name in ("Workbook", "Book"):
        book = _stream(document, name, 32 * MIB)
        if book is not None:
            return _has_file_pass(book)
    return False


def _has_file_pass(book: bytes) -> bool:
    """Return whether one of the first records is FilePass, which begins encryption ([MS-XLS] §2.4.117)."""
    at = 0
    for _ in range(8):
        if at + 4 > len(book):
            return False
        kind, length = struct.unpack_from("<HH", book, at)
        if kind == 0x2F:
            return True
        at += 4 + length
    return False


def _properties(content: bytes, names: dict[int, str]) -> Iterator[tuple[str, Any]]:
    """Yield the named properties of the first set in a stream; those that point outside it are left out."""
    if len(content) < 48:
        return
    (start,) = struct.unpack_from("<I", content, 44)
    section = content[start:]
    if len(section) < 8:
        return
    (count,) = struct.unpack_from("<I", section, 4)
    offsets: dict[int, int] = {}
    for at in range(8, min(len(section) - 7, 8 + 8 * min(count, _MAX_PROPERTIES)), 8):
        name, offset = struct.unpack_from("<II", section, at)
        offsets.setdefault(name, offset)
    page = _value(section, offsets.get(_CODEPAGE, len(section)), "cp1252")
    codec = _codec(page if isinstance(page, int) else 1252)
    for name, offset in offsets.items():
        value = _value(section, offset, codec) if name in names else None
        if value is not None:
            yield names[name], value


def _value(section: bytes, offset: int, codec: str) -> Any:
    """Return a property that is a number, a text or a time (as ISO 8601), None for any other type."""
    if offset + 8 > len(section):
        return None
    (kind,) = struct.unpack_from("<I", section, offset)
    body = section[offset + 4 :]
    if kind in {_I2, _I4}:
        return struct.unpack_from("<h" if kind == _I2 else "<i", body)[0]
    if kind in {_LPSTR, _LPWSTR}:
        (length,) = struct.unpack_from("<I", body)
        wide = kind == _LPWSTR
        text = body[4 : 4 + (length * 2 if wide else length)].decode("utf-16-le" if wide else codec, "replace")
        return text.partition("\x00")[0]
    if kind == _FILETIME and len(body) >= 8:
        (ticks,) = struct.unpack_from("<Q", body)
        return _moment(ticks)
    return None


def _moment(ticks: int) -> str | None:
    """Return a FILETIME, tenths of microseconds since 1601, as ISO 8601; 0 means unknown."""
    try:
        return (datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=ticks // 10)).isoformat() if ticks else None
    except OverflowError:
        return None


def _codec(page: int) -> str:
    known = {1200: "utf-16-le", 10000: "mac_roman", 65001: "utf-8"}
    name = known.get(page % 0x10000, f"cp{page % 0x10000}")
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "cp1252"
