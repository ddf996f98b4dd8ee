from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import pytest

from service.errors import IngestError
from service.ingest.extract import extract
from service.ingest.readers.documents import archive
from tests.support import media_files as builders

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
    path = tmp_path / "a.ps"
    path.write_bytes(b"%!PS-Adobe-3.0\n")
    found = extract(path, "a.ps")
    assert (found.type, found.metadata["format"]) == ("document", "ps")
    assert "not supported" in found.warnings[0]


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


SPACES = (
    'xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/"'
)


def core(inner: str) -> bytes:
    return f"<cp:coreProperties {SPACES}>{inner}</cp:coreProperties>".encode()


@pytest.mark.parametrize(
    ("inner", "creators"),
    [
        ("<dc:creator>Ada Test; Ben Test</dc:creator>", ("Ada Test", "Ben Test")),
        ("<dc:creator>Test, Ada</dc:creator>", ("Test, Ada",)),
        ("<dc:creator> ; </dc:creator><cp:lastModifiedBy>Eve</cp:lastModifiedBy>", ()),
    ],
)
def test_authors(tmp_path: Path, inner: str, creators: tuple[str, ...]) -> None:
    members = {"[Content_Types].xml": b"", "word/document.xml": b"", "docProps/core.xml": core(inner)}
    assert extract(builders.archive(tmp_path / "a.docx", members), "a.docx").creator == creators


PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
RELATIONS = (
    f'<Relationships xmlns="{PACKAGE}"><Relationship Id="r1" Type="{PACKAGE}/metadata/core-properties" '
    'Target="/other/props.xml"/></Relationships>'
).encode()


@pytest.mark.parametrize(
    "members",
    [
        {"docProps\\core.xml": core("<dc:title>Found</dc:title>")},
        {"docprops/Core.xml": core("<dc:title>Found</dc:title>")},
        {"_rels/.rels": RELATIONS, "other/props.xml": core("<dc:title>Found</dc:title>")},
        {"_rels/.rels": b"", "docProps/core.xml": core("<dc:title>Found</dc:title>")},
    ],
)
def test_properties_are_found_wherever_they_are(tmp_path: Path, members: dict[str, bytes]) -> None:
    path = tmp_path / "a.docx"
    with zipfile.ZipFile(path, "w") as out:
        for name, body in {"[Content_Types].xml": b"", "word/document.xml": b"", **members}.items():
            out.writestr(name, body)
    assert extract(path, "a.docx").title == "Found"


def test_the_author_of_an_opendocument_is_who_began_it(tmp_path: Path) -> None:
    meta = META.replace(
        b"<dc:creator>", b"<meta:initial-creator>Ada</meta:initial-creator><dc:language>de</dc:language><dc:creator>"
    )
    members = {"mimetype": b"application/vnd.oasis.opendocument.text", "meta.xml": meta}
    found = extract(builders.archive(tmp_path / "a.odt", members), "a.odt")
    assert (found.creator, found.metadata["language"]) == (("Ada",), "de")


MANIFEST = """<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">
<manifest:file-entry manifest:full-path="{}"><manifest:encryption-data manifest:checksum="x"/></manifest:file-entry>
<manifest:file-entry manifest:full-path="{}"/></manifest:manifest>"""


@pytest.mark.parametrize(
    ("manifest", "protected"),
    [
        (MANIFEST.format("meta.xml", "content.xml"), True),
        (MANIFEST.format("encrypted-package", ""), True),
        (MANIFEST.format("content.xml", "meta.xml"), False),
        ("<manifest/>", False),
    ],
)
def test_an_opendocument_with_a_password_is_kept(tmp_path: Path, manifest: str, protected: bool) -> None:
    members = {
        "mimetype": b"application/vnd.oasis.opendocument.text",
        "META-INF/manifest.xml": manifest.encode(),
        "meta.xml": b"\x8a\x01 not XML" if protected else META,
    }
    found = extract(builders.archive(tmp_path / "a.odt", members), "a.odt")
    assert (found.title, "password" in "".join(found.warnings)) == (None if protected else "Brief", protected)


@pytest.mark.parametrize(("offset", "value", "named"), [(8, 1, "password-protected"), (10, 97, "not supported")])
def test_a_member_that_cannot_be_unpacked_is_a_warning(tmp_path: Path, offset: int, value: int, named: str) -> None:
    members = {"[Content_Types].xml": b"", "word/document.xml": b"", "docProps/core.xml": CORE}
    path = builders.archive(tmp_path / "a.docx", members)
    content = bytearray(path.read_bytes())
    for signature, shift in ((b"PK\x03\x04", -2), (b"PK\x01\x02", 0)):  # both headers of the last member
        at = content.rfind(signature)
        struct.pack_into("<H", content, at + offset + shift, value)
    path.write_bytes(content)
    found = extract(path, "a.docx")
    assert found.title is None
    assert named in found.warnings[0]


def test_an_archive_with_a_huge_directory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_DIRECTORY", 1000)
    members = {"[Content_Types].xml": b"", "word/document.xml": b"", **{f"word/{at}": b"" for at in range(50)}}
    with pytest.raises(IngestError) as caught:
        extract(builders.archive(tmp_path / "a.docx", members), "a.docx")
    assert caught.value.reason == "limit"


def test_a_part_that_is_damaged_is_a_warning(tmp_path: Path) -> None:
    members = {
        "[Content_Types].xml": b"",
        "word/document.xml": b"",
        "docProps/core.xml": CORE,
        "docProps/app.xml": b"<Pa",
    }
    found = extract(builders.archive(tmp_path / "a.docx", members), "a.docx")
    assert found.title == "Letter"
    assert found.warnings[0].startswith("docProps/app.xml was ignored")
