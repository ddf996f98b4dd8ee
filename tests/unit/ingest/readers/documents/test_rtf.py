from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from service.ingest.extract import extract
from service.ingest.facts import Extracted


def read(folder: Path, body: bytes) -> Extracted:
    path = folder / "a.rtf"
    path.write_bytes(body)
    return extract(path, "a.rtf")


def test_the_information_group(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        rb"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0 Times;}}{\info{\title A plan}{\subject Short}{\author Ada; Ben}"
        rb"{\keywords brand, plan; spring}{\doccomm About it}"
        rb"{\creatim\yr2010\mo7\dy11\hr13\min53}{\revtim\yr2020\mo1\dy1}"
        rb"{\nofpages3}{\nofwords512}{\*\company Acme}}\pard {\info{\title no} text\par}}",
    )
    assert (found.title, found.description, found.creator) == ("A plan", "About it", ("Ada", "Ben"))
    assert (found.tags, found.captured_at) == (("brand", "plan", "spring"), "2010-07-11T13:53:00Z")
    assert (found.metadata["page_count"], found.metadata["word_count"]) == (3, 512)
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("prolog", "title", "expected"),
    [
        (rb"\ansi\ansicpg1252", rb"Gr\'f6\'dfe", "Größe"),
        (rb"\ansi\ansicpg1251", rb"\'cc\'e5\'f2\'ee\'e4", "Метод"),
        (rb"\ansi\ansicpg932", rb"\'83\'5e\'83\'43", "タイ"),
        (rb"\mac", rb"Gr\'9a\'a7e", "Größe"),
        (rb"\ansi\ansicpg99999", rb"\'e9t\'e9", "été"),
        (rb"\ansi", rb"\u1052?\u1077?", "Ме"),
        (rb"\ansi", rb"\uc2\u-10180\'3f\'3f\u-8438\'3f\'3f star", "🌊 star"),
        (rb"\ansi", rb"\uc0\u1052\u1077 x", "Меx"),
        (rb"\ansi", rb"{\upr{Methode}{\*\ud{\u1052?\u1077?}}}", "Ме"),
        (rb"\ansi", rb"a\{b\}c\\d\~e", "a{b}c\\d e"),
        (rb"\ansi", b"two\r\nlines", "twolines"),
        (rb"\ansi", rb"{\b bold} plain", "bold plain"),
    ],
)
def test_characters(tmp_path: Path, prolog: bytes, title: bytes, expected: str) -> None:
    assert read(tmp_path, rb"{\rtf1" + prolog + rb"{\info{\title " + title + rb"}}}").title == expected


@pytest.mark.parametrize(
    "body",
    [
        rb"{\rtf1 hello}",
        rb"{\rtf1{\info}}",
        rb"{\rtf1{\info",
        rb"{\rtf1{\info{\creatim\yr0\mo0\dy0}{\nofpages-5}{\title }}}",
        rb"{\rtf1{\info{\creatim\yr2147483647\mo99}}}",
        rb"{\rtf1{\information{\title no}}}",
        rb"{\rtf1{\info" + b"{" * 200_000,
        rb"{\rtf1{\info{\title \u99999999999999999?",
    ],
)
def test_nothing_is_made_up(tmp_path: Path, body: bytes) -> None:
    found = read(tmp_path, body)
    expected: dict[str, Any] = {"format": "rtf", "file_size": len(body)}
    assert (found.title, found.captured_at, found.metadata) == (None, None, expected)
