"""PDF with PDFium: pages, words and the information dictionary (ISO 32000-1 §14.3.3)."""

from __future__ import annotations

import ctypes
import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

from service.errors import IngestError
from service.ingest import clean, dates
from service.ingest.dates import DateKind
from service.ingest.facts import Facts, Sniffed
from service.ingest.limits import IngestLimits
from service.ingest.readers import rdf
from service.ingest.readers.documents import pdf_xmp

# Of fpdfview.h: FPDF_ERR_PASSWORD and FPDF_ERR_SECURITY.
_LOCKED = {
    4: "The PDF is password-protected: its properties, pages and words were not read.",
    5: "The PDF is encrypted in a way that is not supported: its properties, pages and words were not read.",
}


class PasswordProtected(Exception):
    """The PDF can only be opened with a password, or with a program that knows its encryption."""


@contextmanager
def opened(path: Path, filename: str) -> Iterator[Any]:
    """Open a PDF. Raises PasswordProtected, and IngestError (``malformed``)."""
    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if (code := getattr(error, "err_code", None)) in _LOCKED:
            raise PasswordProtected(_LOCKED[code]) from error
        raise IngestError("The PDF is damaged and cannot be opened.", reason="malformed", filename=filename) from error
    with closing(document):
        yield document


def read(path: Path, sniffed: Sniffed, filename: str, limits: IngestLimits) -> Facts:
    """Return the facts of a PDF; a password-protected one is accepted, with a warning.

    ``word_count`` is left out if ``pdf_pages`` or ``pdf_seconds`` stops the count: a partial count would be wrong.
    Raises IngestError (``malformed``).
    """
    try:
        with opened(path, filename) as document:
            facts = _facts(document, filename, limits)
            changed = pdf_xmp.instant(dates.pdf(document.get_metadata_value("ModDate")))
    except PasswordProtected as error:
        return Facts(warnings=(str(error),))
    described = pdf_xmp.read(path, filename, limits)
    # ISO 32000-1 §14.3.2 NOTE: whichever was written last is right; writers that keep both change both
    newer = described.changed is None or changed is None or described.changed >= changed
    return rdf.merged(described.facts, facts) if newer else rdf.merged(facts, described.facts)


def _facts(document: Any, filename: str, limits: IngestLimits) -> Facts:
    pages = len(document)
    if not pages:
        raise IngestError("The PDF is damaged: it has no pages.", reason="malformed", filename=filename)
    info: dict[str, str] = document.get_metadata_dict()
    words, problem = _words(document, pages, limits)
    metadata: dict[str, Any] = {"page_count": pages}
    if words is not None:
        metadata["word_count"] = words
    software = clean.text(info.get("Creator") or info.get("Producer"), limits.title_chars)
    if software:
        metadata["software"] = software
    language = clean.text(_language(document), 35)
    if language:
        metadata["language"] = language
    return Facts(
        title=clean.text(info.get("Title"), limits.title_chars),
        description=clean.text(info.get("Subject"), limits.text_chars),
        creator=clean.words(_split(info.get("Author"), ";"), limits),
        tags=clean.words(_split(info.get("Keywords"), ",;"), limits),
        captured_at=dates.pdf(info.get("CreationDate")),
        captured_kind=DateKind.DIGITIZED,
        metadata=metadata,
        warnings=(problem,) if problem else (),
    )


def _words(document: Any, pages: int, limits: IngestLimits) -> tuple[int | None, str | None]:
    if pages > limits.pdf_pages:
        return None, f"Words were not counted: the PDF has more than {limits.pdf_pages} pages (pdf_pages)."
    deadline = time.monotonic() + limits.pdf_seconds
    total = 0
    for number in range(pages):
        if time.monotonic() > deadline:
            return None, f"Words were not counted: counting took longer than {limits.pdf_seconds:g} s (pdf_seconds)."
        try:
            with closing(document[number]) as page, closing(page.get_textpage()) as text:
                total += len(text.get_text_range().split())
        except pypdfium2.PdfiumError:
            return None, f"Words were not counted: page {number + 1} is damaged."
    return total, None


def _language(document: Any) -> str:
    """Return the natural language that the catalogue gives (ISO 32000-1 §14.9.2), empty if it gives none."""
    size = pdfium.FPDFCatalog_GetLanguage(document, None, 0)
    if not 2 < size <= 200:
        return ""
    units = (ctypes.c_ushort * (size // 2))()
    pdfium.FPDFCatalog_GetLanguage(document, units, size)
    return bytes(units).decode("utf-16-le", "replace").rstrip("\x00")


def _split(value: str | None, marks: str) -> list[str]:
    return re.split(f"[{marks}]", value) if value else []
