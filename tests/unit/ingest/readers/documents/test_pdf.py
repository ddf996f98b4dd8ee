from __future__ import annotations

import re
import zlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pypdf import PdfReader, PdfWriter

from service.demo.files import save_pdf
from service.errors import IngestError
from service.ingest.extract import extract
from service.ingest.limits import IngestLimits
from service.ingest.readers.documents import pdf_xmp

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


def plain_pdf(path: Path, info: str, packet: str | None = None, *, packed: bool = False) -> Path:
    """A PDF of one page, written by hand: any information dictionary, and the packet as its metadata stream."""
    body = (packet or "").encode()
    stream = zlib.compress(body) if packed else body
    kind = f"/Type /Metadata /Subtype /XML /Length {len(stream)}{' /Filter /FlateDecode' if packed else ''}"
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R{' /Metadata 4 0 R' if packet else ''} >>".encode(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>",
        f"<< {kind} >>\nstream\n".encode() + stream + b"\nendstream" if packet else b"null",
        f"<< {info} >>".encode("latin-1"),
    ]
    out, offsets = b"%PDF-1.7\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n" % number + content + b"\nendobj\n"
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    trailer = b"trailer\n<< /Size 6 /Root 1 0 R /Info 5 0 R >>\nstartxref\n%d\n%%%%EOF\n" % len(out)
    path.write_bytes(out + b"xref\n0 6\n0000000000 65535 f \n" + table + trailer)
    return path


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("D:20230517120000+01'00'", "2023-05-17T12:00:00+01:00"),
        ("20230517120000", "2023-05-17T12:00:00Z"),
        ("D:2023", "2023-01-01T00:00:00Z"),
        ("2023-05-17T12:00:00+01:00", "2023-05-17T12:00:00+01:00"),
        ("2023-05-17", "2023-05-17T00:00:00Z"),
        ("never", None),
    ],
)
def test_dates(tmp_path: Path, date: str, expected: str | None) -> None:
    assert extract(plain_pdf(tmp_path / "a.pdf", f"/CreationDate ({date})"), "a.pdf").captured_at == expected


PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmp:CreateDate="2020-02-03T04:05:06+01:00" xmp:ModifyDate="{}"><dc:title><rdf:Alt><rdf:li
 xml:lang="x-default">Of the packet</rdf:li></rdf:Alt></dc:title><dc:creator><rdf:Seq><rdf:li>Ada</rdf:li>
 <rdf:li>Ben</rdf:li></rdf:Seq></dc:creator>
 <dc:subject><rdf:Bag><rdf:li>word</rdf:li></rdf:Bag></dc:subject></rdf:Description></rdf:RDF>
 </x:xmpmeta><?xpacket end="w"?>"""


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("info", "changed", "title"),
    [
        ("", "2020-05-05T00:00:00Z", "Of the packet"),
        ("/Title (Of the dictionary)", "2020-05-05T00:00:00Z", "Of the packet"),
        ("/Title (Of the dictionary) /ModDate (D:20200505000000Z)", "2020-05-05T00:00:00Z", "Of the packet"),
        ("/Title (Of the dictionary) /ModDate (D:20210505000000Z)", "2020-05-05T00:00:00Z", "Of the dictionary"),
        ("/ModDate (D:20210505000000Z)", "2020-05-05T00:00:00Z", "Of the packet"),
    ],
)
def test_xmp_is_preferred_unless_older(tmp_path: Path, info: str, changed: str, title: str, packed: bool) -> None:
    found = extract(plain_pdf(tmp_path / "a.pdf", info, PACKET.format(changed), packed=packed), "a.pdf")
    assert (found.title, found.creator, found.tags) == (title, ("Ada", "Ben"), ("word",))
    assert found.captured_at == "2020-02-03T04:05:06+01:00"
    assert found.metadata["xmp"]["title"] == "Of the packet"
    assert found.metadata["page_count"] == 1


@pytest.mark.parametrize(
    ("packet", "packed"),
    [
        ("<x:xmpmeta><rdf:RDF", False),
        ("<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>", False),
        (" " * 5_000_000, True),
    ],
)
def test_a_packet_that_cannot_be_read_is_a_warning(tmp_path: Path, packet: str, packed: bool) -> None:
    found = extract(plain_pdf(tmp_path / "a.pdf", "/Title (Kept)", packet, packed=packed), "a.pdf")
    assert found.title == "Kept"
    assert "XMP metadata was ignored" in found.warnings[0]


def test_a_damaged_table_of_a_large_file_is_not_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files get their packet all the same; for large ones it would take longer than the packet is worth."""
    path = plain_pdf(tmp_path / "a.pdf", "/Title (Kept)", PACKET.format("2020-05-05"))
    path.write_bytes(re.sub(rb"startxref\n\d+", b"startxref\n77", path.read_bytes()))
    assert extract(path, "a.pdf").title == "Of the packet"
    monkeypatch.setattr(pdf_xmp, "MAX_DAMAGED", 100)
    found = extract(path, "a.pdf")
    assert found.title == "Kept"
    assert "XMP metadata was ignored" in found.warnings[0]


def test_xmp_of_a_pdf_that_anybody_may_open(tmp_path: Path) -> None:
    writer = PdfWriter(clone_from=plain_pdf(tmp_path / "open.pdf", "", PACKET.format("2020-05-05")))
    writer.encrypt("", "owner", algorithm="RC4-128")
    path = tmp_path / "a.pdf"
    writer.write(path)
    assert extract(path, "a.pdf").title == "Of the packet"


def test_an_encryption_that_nobody_knows_is_called_unsupported(tmp_path: Path) -> None:
    content = plain_pdf(tmp_path / "a.pdf", "").read_bytes()
    path = tmp_path / "b.pdf"
    path.write_bytes(content.replace(b"/Root 1 0 R", b"/Root 1 0 R /Encrypt << /Filter /Nobody /V 1 >> /ID [<00><00>]"))
    assert "not supported" in extract(path, "b.pdf").warnings[0]


def test_the_language_of_the_catalogue(tmp_path: Path) -> None:
    content = plain_pdf(tmp_path / "a.pdf", "").read_bytes()
    path = tmp_path / "b.pdf"
    path.write_bytes(content.replace(b"/Pages 2 0 R >>", b"/Pages 2 0 R /Lang (en-GB) >>", 1))
    assert extract(path, "b.pdf").metadata["language"] == "en-GB"
