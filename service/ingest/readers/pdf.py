"""PDF with PDFium: pages, words and the information dictionary (ISO 32000-1 §14.3.3)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pypdfium2

from service.errors import IngestError
from service.ingest import clean, dates
from service.ingest.facts import Facts, Sniffed
from service.ingest.limits import IngestLimits

_WRONG_PASSWORD = 4  # FPDF_ERR_PASSWORD of fpdfview.h


class PasswordProtected(Exception):
    """The PDF can only be opened with a password."""


@contextmanager
def opened(path: Path, filename: str) -> Iterator[Any]:
    """Open a PDF. Raises Locked, and IngestError (``malformed``)."""
    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == _WRONG_PASSWORD:
            raise PasswordProtected from error
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
            return _facts(document, filename, limits)
    except PasswordProtected:
        return Facts(warnings=("The PDF is password-protected: pages and words were not counted.",))


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
    return Facts(
        title=clean.text(info.get("Title"), limits.title_chars),
        description=clean.text(info.get("Subject"), limits.text_chars),
        creator=clean.words(_split(info.get("Author"), ";"), limits),
        tags=clean.words(_split(info.get("Keywords"), ",;"), limits),
        captured_at=dates.pdf(info.get("CreationDate")),
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


def _split(value: str | None, marks: str) -> list[str]:
    return re.split(f"[{marks}]", value) if value else []
