from __future__ import annotations

from pathlib import Path

import pytest

from service.errors import IngestError
from service.ingest.extract import extract
from service.ingest.facts import Extracted
from tests.support import media_files as builders

CONTAINER = b"""<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0"><rootfiles>
<rootfile full-path="OEBPS/content.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"""
OPEN = """<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:opf="http://www.idpf.org/2007/opf">"""


def read(folder: Path, inner: str, **members: bytes) -> Extracted:
    opf = f"{OPEN}{inner}</metadata><spine><title>no</title></spine></package>".encode()
    content = {
        "mimetype": b"application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OEBPS/content.opf": opf,
        **members,
    }
    return extract(
        builders.archive(folder / "a.epub", {name: body for name, body in content.items() if body}), "a.epub"
    )


def test_a_book(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "<dc:title>A\n book</dc:title><dc:creator>Ada Test</dc:creator><dc:language>fr</dc:language>"
        "<dc:subject>Sea</dc:subject><dc:subject>Ships</dc:subject><dc:date>2011-05-06</dc:date>"
        "<dc:description>&lt;p&gt;One &amp;amp; two.&lt;/p&gt;&lt;p&gt;Three&lt;/p&gt;</dc:description>"
        "<dc:publisher>Acme</dc:publisher><dc:identifier>urn:isbn:9780000000000</dc:identifier>"
        "<dc:rights>Copyright Ada</dc:rights>",
    )
    assert (found.type, found.title, found.creator, found.tags) == (
        "document",
        "A book",
        ("Ada Test",),
        ("Sea", "Ships"),
    )
    assert (found.captured_at, found.credit, found.license) == ("2011-05-06T00:00:00Z", "Copyright Ada", None)
    assert found.description == "One & two.\n Three"
    named = {name: found.metadata[name] for name in ("language", "publisher", "identifier")}
    assert named == {"language": "fr", "publisher": "Acme", "identifier": "urn:isbn:9780000000000"}
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("inner", "title", "creators", "date"),
    [
        ("", None, (), None),
        ("<dc:title> </dc:title><dc:title>Second</dc:title>", "Second", (), None),
        (
            (
                '<dc:title id="s">Sub</dc:title><dc:title id="m">Main</dc:title>'
                '<meta refines="#s" property="title-type">subtitle</meta>'
                '<meta refines="#m" property="title-type">main</meta>'
            ),
            "Main",
            (),
            None,
        ),
        (
            '<dc:creator opf:role="aut">Ada</dc:creator><dc:creator opf:role="trl">Ben</dc:creator>',
            None,
            ("Ada",),
            None,
        ),
        (
            (
                '<dc:creator id="a">Ada</dc:creator><dc:creator id="b">Ben</dc:creator>'
                '<meta refines="#a" property="role">ill</meta>'
            ),
            None,
            ("Ben",),
            None,
        ),
        ('<dc:creator opf:role="edt">Eve</dc:creator>', None, ("Eve",), None),
        (
            (
                '<dc:date opf:event="modification">2020-01-01</dc:date><dc:date opf:event="creation">2009</dc:date>'
                '<dc:date opf:event="publication">2010-03</dc:date>'
            ),
            None,
            (),
            "2010-03-01T00:00:00Z",
        ),
        ('<dc:date opf:event="modification">2020-01-01</dc:date>', None, (), None),
        ("<dc-metadata><dc:title>Old</dc:title></dc-metadata>", "Old", (), None),
    ],
)
def test_metadata(tmp_path: Path, inner: str, title: str | None, creators: tuple[str, ...], date: str | None) -> None:
    found = read(tmp_path, inner)
    assert (found.title, found.creator, found.captured_at) == (title, creators, date)


def test_a_licence_that_is_a_link(tmp_path: Path) -> None:
    found = read(tmp_path, "<dc:rights>https://creativecommons.org/licenses/by/4.0/</dc:rights>")
    assert (found.license, found.credit) == ("https://creativecommons.org/licenses/by/4.0/", None)


def test_a_book_without_a_container_has_its_package(tmp_path: Path) -> None:
    assert read(tmp_path, "<dc:title>Found</dc:title>", **{"META-INF/container.xml": b""}).title == "Found"


def test_a_book_without_a_package_is_kept_with_a_warning(tmp_path: Path) -> None:
    found = read(tmp_path, "", **{"OEBPS/content.opf": b""})
    assert (found.type, found.title) == ("document", None)
    assert "package document" in found.warnings[0]


def test_a_damaged_package_is_a_warning(tmp_path: Path) -> None:
    found = read(tmp_path, "<dc:title>")
    assert (found.type, found.title) == ("document", None)
    assert "not well-formed" in found.warnings[0]


def test_a_package_that_expands_is_refused(tmp_path: Path) -> None:
    package = b"<!DOCTYPE a [<!ENTITY b 'x'><!ENTITY c '&b;&b;'>]><package>&c;</package>"
    with pytest.raises(IngestError) as caught:
        read(tmp_path, "", **{"OEBPS/content.opf": package})
    assert caught.value.reason == "bomb"
