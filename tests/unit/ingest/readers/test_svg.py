from __future__ import annotations

from pathlib import Path

import pytest

from service.errors import IngestError
from service.ingest.extract import extract
from service.ingest.facts import Extracted
from service.ingest.limits import DEFAULT, IngestLimits
from service.ingest.readers import svg
from tests.support.media_files import RDF
from tests.support.media_files import svg as drawing


def read(tmp_path: Path, content: str | bytes, limits: IngestLimits = DEFAULT) -> Extracted:
    path = tmp_path / "upload"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return extract(path, "drawing.svg", limits)


FULL = RDF.format(
    "<dc:title>A lamp</dc:title><dc:description>On a desk</dc:description><dc:date>2005-09-01</dc:date>"
    "<dc:creator><cc:Agent><dc:title>Sergio</dc:title></cc:Agent></dc:creator>"
    "<dc:rights><cc:Agent><dc:title>Public Domain</dc:title></cc:Agent></dc:rights>"
    "<dc:subject><rdf:Bag><rdf:li>office</rdf:li><rdf:li></rdf:li><rdf:li> lamp </rdf:li>"
    "<rdf:li>office</rdf:li></rdf:Bag></dc:subject>"
    '<cc:license rdf:resource="http://web.resource.org/cc/PublicDomain"/>'
)


def test_the_rdf_of_a_drawing(tmp_path: Path) -> None:
    found = read(tmp_path, drawing(FULL))
    assert (found.title, found.description, found.creator) == ("A lamp", "On a desk", ("Sergio",))
    assert (found.tags, found.credit) == (("office", "lamp"), "Public Domain")
    assert found.license == "http://web.resource.org/cc/PublicDomain"
    assert found.captured_at == "2005-09-01T00:00:00Z"
    assert (found.metadata["width"], found.metadata["height"]) == (10, 20)
    assert found.metadata["xmp"]["subject"] == ["office", "lamp", "office"]


def test_keywords_of_every_block_count(tmp_path: Path) -> None:
    other = RDF.format("<dc:title>Other</dc:title><dc:subject><rdf:Bag><rdf:li>desk</rdf:li></rdf:Bag></dc:subject>")
    found = read(tmp_path, drawing(FULL + "<g>" + other + "</g>"))
    assert (found.title, found.tags) == ("A lamp", ("office", "lamp", "desk"))


def test_a_drawing_without_rdf_has_its_own_title(tmp_path: Path) -> None:
    found = read(
        tmp_path, drawing("<title>Own <tspan>title</tspan></title><desc>Words</desc><g><title>inner</title></g>")
    )
    assert (found.title, found.description, found.tags) == ("Own title", "Words", ())


@pytest.mark.parametrize(
    "text",
    ["25/8/2005", "September 2004", "set 2005", "Fco. Andrade", ""],
    ids=["day first", "word", "other word", "name", "none"],
)
def test_a_date_that_may_be_two_dates_is_none(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, drawing(RDF.format(f"<dc:date>{text}</dc:date>"))).captured_at is None


@pytest.mark.parametrize(
    ("root", "size"),
    [
        ('width="60.0000" height="40"', (60, 40)),
        ('width="60px" height="40px"', (60, 40)),
        ('width="72pt" height="36pt"', (96, 48)),
        ('width="297mm" height="210mm"', (1123, 794)),
        ('width="2.54cm" height="1in"', (96, 96)),
        ('width="1pc" height="40Q"', (16, 38)),
        ('viewBox="0 0 300 150"', (300, 150)),
        ('viewBox="0,0,300,150" width="100%" height="100%"', (300, 150)),
        ('viewBox="0 0 300 150" width="600"', (600, 300)),
        ('viewBox="0 0 300 150" height="600"', (1200, 600)),
        ('width="1e2" height=".5"', (100, 1)),
        ('width="10em" height="5em"', None),
        ("", None),
        ('width="-4" height="5"', None),
        ('width="0" height="5"', None),
        ('width="1e99" height="5"', None),
        ('width="nan" height="inf"', None),
        ('viewBox="0 0 nan 5"', None),
        ('width="99999999999999999999999" height="1"', None),
    ],
)
def test_size(tmp_path: Path, root: str, size: tuple[int, int] | None) -> None:
    found = read(tmp_path, drawing(root=root)).metadata
    assert (found.get("width"), found.get("height")) == (size or (None, None))


def test_a_length_is_matched_in_linear_time() -> None:
    """In quadratic time, a million characters are more than any time-out waits for."""
    assert svg.length("1" * 1_000_000 + "!") is None


ENTITY = '<!DOCTYPE svg [<!ENTITY ns_svg "http://www.w3.org/2000/svg">]>'
LAUGHS = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))


def test_illustrators_entities_are_harmless(tmp_path: Path) -> None:
    found = read(tmp_path, f'{ENTITY}<svg xmlns="&ns_svg;" width="3" height="4"/>')
    assert (found.metadata["width"], found.metadata["height"]) == (3, 4)


@pytest.mark.parametrize("coding", ["utf-8", "utf-16", "iso-8859-1"])
def test_encodings(tmp_path: Path, coding: str) -> None:
    text = drawing("<title>Café</title>", prolog=f'<?xml version="1.0" encoding="{coding}"?>')
    assert read(tmp_path, text.encode(coding)).title == "Café"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (drawing("<g>"), "malformed"),
        (drawing()[:40], "malformed"),
        (drawing("<title>&undefined;</title>"), "malformed"),
        (drawing("<a xlink:href='#x'/>"), "malformed"),
        (drawing(prolog='<?xml version="1.0" encoding="no-such"?>'), "malformed"),
        (drawing("&e9;", prolog=f'<!DOCTYPE svg [<!ENTITY e0 "ha">{LAUGHS}]>'), "bomb"),
        (drawing("&big;", prolog=f'<!DOCTYPE svg [<!ENTITY big "{"A" * 5000}">]>'), "bomb"),
        (drawing("&file;", prolog='<!DOCTYPE svg [<!ENTITY file SYSTEM "file:///etc/passwd">]>'), "bomb"),
        (drawing(prolog='<!DOCTYPE svg [<!ENTITY % dtd SYSTEM "http://127.0.0.1/x.dtd"> %dtd;]>'), "bomb"),
        (drawing("<g>" * 3000 + "</g>" * 3000), "limit"),
        (drawing("<!-- " + "x" * 3000 + " -->"), "limit"),
    ],
    ids=["open", "cut", "entity", "prefix", "encoding", "laughs", "large entity", "file", "parameter", "depth", "size"],
)  # fmt: skip
def test_hostile_and_broken_drawings_are_refused(tmp_path: Path, content: str, reason: str) -> None:
    limits = IngestLimits(xml_bytes=2000) if "x" * 3000 in content else DEFAULT
    with pytest.raises(IngestError) as caught:
        read(tmp_path, content, limits)
    assert caught.value.reason == reason


def test_a_page_that_merely_shows_a_drawing_is_no_drawing(tmp_path: Path) -> None:
    with pytest.raises(IngestError) as caught:
        read(tmp_path, f"<html><body>{drawing()}</body></html>")
    assert caught.value.reason == "mismatch"
