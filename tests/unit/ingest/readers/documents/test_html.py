from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from service.ingest.extract import extract
from service.ingest.facts import Extracted, Facts
from service.ingest.limits import DEFAULT
from service.ingest.readers.documents import html


def read(head: str) -> Facts:
    return html.read(f"<!doctype html><html><head>{head}</head><body><p>text</p></body></html>", DEFAULT)


def of_file(folder: Path, page: bytes) -> Extracted:
    path = folder / "a.html"
    path.write_bytes(page)
    return extract(path, "a.html")


def ld(data: Any) -> str:
    return f'<script type="application/ld+json">{json.dumps(data)}</script>'


FULL = """<title>\n A &amp; B\n  page </title><meta name="author" content="Ada">
<META NAME="Keywords" CONTENT="one, two">
<meta name="description" content="About &lt;it&gt;"><meta name=generator content="Hugo 0.1">
<meta property="article:published_time" content="2024-05-06T07:08:09+02:00">
<link rel="alternate license" href="https://creativecommons.org/licenses/by/4.0/">"""


def test_a_page(tmp_path: Path) -> None:
    found = of_file(tmp_path, f"<!-- c --><html lang='en-GB'><head>{FULL}</head><body>hi</body></html>".encode())
    assert (found.type, found.title, found.description) == ("text", "A & B page", "About <it>")
    assert (found.creator, found.tags) == (("Ada",), ("one", "two"))
    assert found.captured_at == "2024-05-06T07:08:09+02:00"
    assert found.license == "https://creativecommons.org/licenses/by/4.0/"
    assert (found.metadata["language"], found.metadata["software"]) == ("en-GB", "Hugo 0.1")
    assert found.metadata["word_count"] > 0


ARTICLE = {
    "@type": "Article", "headline": "Of things", "datePublished": "2023-01-02", "inLanguage": "de",
    "author": [{"@type": "Person", "name": "Ada"}, "Ben"], "keywords": ["one", "two, three"],
    "publisher": {"name": "Acme"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ('<meta property="og:title" content="Shared">', {"title": "Shared"}),
        ('<title>Own</title><meta property="og:title" content="Shared">', {"title": "Own"}),
        ("<svg><title>Drawing</title></svg>", {}),
        ("<title>Page</title><svg><title>Drawing</title></svg>", {"title": "Page"}),
        ("<title>Cut by the end", {"title": "Cut by the end"}),
        ("<title></title>", {}),
        (
            (
                '<meta name="DC.title" content="Core"><meta name="DC.creator" content="Ada">'
                '<meta name="DC.Date" content="2020-02">'
            ),
            {"title": "Core", "creator": ("Ada",), "captured_at": "2020-02-01T00:00:00Z"},
        ),
        (
            '<meta name="citation_author" content="Ada"><meta name="citation_author" content="Ben">',
            {"creator": ("Ada", "Ben")},
        ),
        ('<meta property="article:author" content="https://example.org/ada">', {}),
        ('<meta name="author" content="Ada L."><meta name="DC.creator" content="L., Ada">', {"creator": ("Ada L.",)}),
        (
            '<meta property="article:tag" content="one"><meta property="article:tag" content="two">',
            {"tags": ("one", "two")},
        ),
        (
            '<meta name="date" content="soon"><meta name="created" content="2021-02-03">',
            {"captured_at": "2021-02-03T00:00:00Z"},
        ),
        ('<meta property="og:locale" content="pt_BR">', {"metadata": {"language": "pt-BR"}}),
        ('<meta name="dcterms.rights" content="Copyright Ada">', {"credit": "Copyright Ada"}),
        (
            ld(ARTICLE),
            {
                "title": "Of things",
                "creator": ("Ada", "Ben"),
                "tags": ("one", "two", "three"),
                "captured_at": "2023-01-02T00:00:00Z",
                "metadata": {"language": "de", "publisher": "Acme"},
            },
        ),
        (
            ld({"@graph": [{"@type": "WebSite", "name": "Site"}, ARTICLE]}),
            {
                "title": "Of things",
                "creator": ("Ada", "Ben"),
                "tags": ("one", "two", "three"),
                "captured_at": "2023-01-02T00:00:00Z",
                "metadata": {"language": "de", "publisher": "Acme"},
            },
        ),
        (ld({"@type": "WebSite", "name": "Site"}), {}),
        ('<script type="application/ld+json">{"headline": </script>', {}),
        ('<script>document.title = "<title>no</title>"</script>', {}),
    ],
)
def test_vocabularies(head: str, expected: dict[str, Any]) -> None:
    names = ("title", "description", "creator", "tags", "license", "credit", "captured_at", "metadata")
    found = read(head)
    assert {name: value for name in names if (value := getattr(found, name))} == expected


@pytest.mark.parametrize(
    ("page", "title"),
    [
        (b'<html><meta charset="shift_jis"><title>' + "名前".encode("shift_jis") + b"</title>", "名前"),
        (b'<html><meta http-equiv="Content-Type" content="text/html; charset=windows-1251"><title>'
         + "Аренда".encode("cp1251") + b"</title>", "Аренда"),
        (b'<?xml encoding="iso-8859-2"?><html><title>' + "Łódź".encode("iso-8859-2") + b"</title>", "Łódź"),
        ('<html><meta charset="iso-8859-1"><title>“Größe”</title>'.encode("cp1252"), "“Größe”"),
        ('<html><meta charset="iso-8859-1"><title>Größe</title>'.encode(), "Größe"),
        ('<html><meta charset="utf-16"><title>Größe</title>'.encode(), "Größe"),
        ('<html><meta charset="hex"><title>Größe</title>'.encode(), "Größe"),
        ('<html><meta charset="nonsense"><title>Größe</title>'.encode(), "Größe"),
    ],
)  # fmt: skip
def test_character_sets(tmp_path: Path, page: bytes, title: str) -> None:
    assert of_file(tmp_path, page).title == title


@pytest.mark.parametrize(
    "page",
    [
        "<title>" * 40_000,
        "<" * 200_000,
        "<a " * 80_000,
        "<!" * 100_000,
        "<!--" * 60_000,
        '<meta content="' * 15_000,
        "<title>x</title" * 15_000,
        "<script>" + "</scrip" * 30_000,
        "<![CDATA[" * 20_000,
        '<script type="application/ld+json">' + "[" * 100_000 + "</script>",
        "&" * 200_000,
    ],
)
def test_a_hostile_page_ends(page: str) -> None:
    assert isinstance(html.read(page, DEFAULT), Facts)


def test_what_follows_the_head_of_a_large_page_is_not_searched() -> None:
    assert html.read(" " * html.HEAD + "<title>late</title>", DEFAULT).title is None
