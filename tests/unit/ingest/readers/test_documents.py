from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pypdf import PdfReader, PdfWriter

from service.demo.files import save_pdf
from service.errors import IngestError
from service.ingest.extract import extract
from service.ingest.limits import IngestLimits
from tests.support import media_files as builders

FACTS = {"title": "A plan", "creator": "Ada; Ben", "tags": ("brand", "plan"), "description": "About it"}


def paper(path: Path, *pages: str) -> Path:
    save_pdf(path, list(pages), FACTS, datetime(2024, 1, 15, 10, 30, tzinfo=UTC))
    return path


def test_a_pdf(tmp_path: Path) -> None:
    path = paper(tmp_path / "a.pdf", "one two three (four)", "five six")
    found = extract(path, "a.pdf")
    assert (found.type, found.mime_type, found.title, found.description) == (
        "pdf",
        "application/pdf",
        "A plan",
        "About it",
    )
    assert (found.creator, found.tags) == (("Ada", "Ben"), ("brand", "plan"))
    assert found.captured_at == "2024-01-15T10:30:00Z"
    assert (found.metadata["page_count"], found.metadata["word_count"]) == (2, 8)
    with path.open("rb") as source:  # another reader agrees
        other = PdfReader(source)
        assert len(other.pages) == 2
        assert sum(len(page.extract_text().split()) for page in other.pages) == 8


@pytest.mark.parametrize(
    ("limits", "named"), [(IngestLimits(pdf_pages=1), "pdf_pages"), (IngestLimits(pdf_seconds=-1.0), "pdf_seconds")]
)
def test_past_a_limit_no_words_are_counted(tmp_path: Path, limits: IngestLimits, named: str) -> None:
    found = extract(paper(tmp_path / "a.pdf", "one", "two"), "a.pdf", limits)
    assert found.metadata["page_count"] == 2
    assert "word_count" not in found.metadata
    assert named in found.warnings[0]


def test_a_locked_pdf_is_kept_with_a_warning(tmp_path: Path) -> None:
    writer = PdfWriter(clone_from=paper(tmp_path / "open.pdf", "secret"))
    writer.encrypt("password", algorithm="RC4-128")
    path = tmp_path / "locked.pdf"
    writer.write(path)
    found = extract(path, "locked.pdf")
    assert "page_count" not in found.metadata
    assert "password" in found.warnings[0]


def test_an_owner_password_does_not_keep_readers_out(tmp_path: Path) -> None:
    writer = PdfWriter(clone_from=paper(tmp_path / "open.pdf", "free words"))
    writer.encrypt("", "owner", algorithm="RC4-128")
    path = tmp_path / "a.pdf"
    writer.write(path)
    assert extract(path, "a.pdf").metadata["word_count"] == 4


def test_a_damaged_pdf_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(b"%PDF-1.4\nnothing follows")
    with pytest.raises(IngestError) as caught:
        extract(path, "a.pdf")
    assert caught.value.reason == "malformed"


def test_a_pdf_without_pages_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    PdfWriter().write(path)
    with pytest.raises(IngestError) as caught:
        extract(path, "a.pdf")
    assert caught.value.reason == "malformed"


CORE = b"""<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/"><dc:title>Letter</dc:title>
 <dc:creator>Ada</dc:creator><cp:keywords>brand, plan; spring</cp:keywords><dc:description>Text</dc:description>
 <dcterms:created>2024-03-01T08:00:00Z</dcterms:created></cp:coreProperties>"""
APP = b"""<Properties><Pages>3</Pages><Words>512</Words><Application>Writer</Application></Properties>"""
META = b"""<office:document-meta xmlns:office="o" xmlns:meta="m" xmlns:dc="http://purl.org/dc/elements/1.1/"><office:meta>
 <dc:title>Brief</dc:title><dc:creator>Ben</dc:creator><meta:keyword>eins</meta:keyword><meta:keyword>zwei</meta:keyword>
 <meta:document-statistic meta:page-count="2" meta:word-count="77"/></office:meta></office:document-meta>"""


def test_word(tmp_path: Path) -> None:
    members = {"[Content_Types].xml": b"", "word/document.xml": b"", "docProps/core.xml": CORE, "docProps/app.xml": APP}
    found = extract(builders.archive(tmp_path / "a.docx", members), "a.docx")
    assert (found.type, found.title, found.creator, found.tags) == (
        "document",
        "Letter",
        ("Ada",),
        ("brand", "plan", "spring"),
    )
    assert found.captured_at == "2024-03-01T08:00:00Z"
    assert (found.metadata["page_count"], found.metadata["word_count"], found.metadata["software"]) == (
        3,
        512,
        "Writer",
    )


def test_opendocument(tmp_path: Path) -> None:
    members = {"mimetype": b"application/vnd.oasis.opendocument.text", "meta.xml": META}
    found = extract(builders.archive(tmp_path / "a.odt", members), "a.odt")
    assert (found.title, found.creator, found.tags) == ("Brief", ("Ben",), ("eins", "zwei"))
    assert (found.metadata["page_count"], found.metadata["word_count"]) == (2, 77)


def test_a_document_that_unpacks_without_end_is_a_bomb(tmp_path: Path) -> None:
    members = {
        "[Content_Types].xml": b"",
        "word/document.xml": b"",
        "docProps/core.xml": b"<a>" + b" " * 50_000_000 + b"</a>",
    }
    path = builders.archive(tmp_path / "a.docx", members)
    assert path.stat().st_size < 100_000
    with pytest.raises(IngestError) as caught:
        extract(path, "a.docx")
    assert caught.value.reason == "bomb"


def test_a_zip_of_ten_thousand_zeros_is_only_an_archive(tmp_path: Path) -> None:
    path = builders.archive(tmp_path / "a.zip", {"zeros": b"\x00" * 10_000_000})
    assert extract(path, "a.zip").metadata == {"format": "zip", "file_size": path.stat().st_size}


def test_older_documents_give_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.rtf"
    path.write_bytes(b"{\\rtf1 hello}")
    found = extract(path, "a.rtf")
    assert (found.type, found.metadata["format"]) == ("document", "rtf")
    assert found.warnings


def test_a_cut_archive_is_refused(tmp_path: Path) -> None:
    members = {"[Content_Types].xml": b"", "word/document.xml": b"", "docProps/core.xml": CORE}
    whole = builders.archive(tmp_path / "a.docx", members)
    content = bytearray(whole.read_bytes())
    at = content.find(b"docProps/core.xml") + 40
    content[at : at + 60] = b"\xff" * 60
    whole.write_bytes(bytes(content))
    with pytest.raises(IngestError) as caught:
        extract(whole, "a.docx")
    assert caught.value.reason == "malformed"
