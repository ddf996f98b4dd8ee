"""Folding: the same for documents and queries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.folding import KEYWORD_LENGTH, SORT_LENGTH, fold_key, fold_keyword, fold_path, fold_sort, fold_text


@pytest.mark.parametrize(
    ("value", "keyword", "text"),
    [
        ("Nature", "nature", "nature"),
        ("Café", "café", "cafe"),
        ("Cafe\u0301", "café", "cafe"),
        ("STRASSE", "strasse", "strasse"),
        ("Straße", "strasse", "strasse"),
        ("ＡＢＣ", "ａｂｃ", "abc"),
        ("Ægir Øst Łódź", "ægir øst łódź", "aegir ost lodz"),
        ("O’Neil", "o’neil", "o'neil"),
        ("ΣΑΣ", "σασ", "σασ"),
        ("İstanbul ısı", "i̇stanbul ısı", "istanbul isi"),
        ("ΑΘΉΝΑ ᾳ", "αθήνα αι", "αθηνα αι"),
        ("Ёлка й", "ёлка й", "елка и"),
        ("שָׁלוֹם", "שָׁלוֹם", "שלום"),
        ("كِتَابٌ آلة ی", "كِتَابٌ آلة ی", "كتاب اله ي"),
        ("१२ ٣٤ １２", "१२ ٣٤ １２", "12 34 12"),
        ("soft\u00adware\u200b", "soft\u00adware\u200b", "software"),
        ("हिन्दी ที่ ガ", "हिन्दी ที่ ガ", "हिन्दी ที่ ガ"),
        ("ﬁ ㎏ ½", "fi ㎏ ½", "fi kg 1⁄2"),
    ],
)
def test_folds(value: str, keyword: str, text: str) -> None:
    assert fold_keyword(value) == keyword
    assert fold_text(value) == text


@given(st.text())
def test_folding_twice_changes_nothing(value: str) -> None:
    assert fold_keyword(fold_keyword(value)) == fold_keyword(value)
    assert fold_key(fold_key(value)) == fold_key(value)
    assert fold_text(fold_text(value)) == fold_text(value)


@given(st.text())
def test_case_does_not_matter_to_keywords(value: str) -> None:
    assert fold_keyword(value.casefold()) == fold_keyword(value)


def test_lengths() -> None:
    assert len(fold_keyword("a" * 5000)) == KEYWORD_LENGTH
    assert len(fold_keyword("é" * 5000)) == KEYWORD_LENGTH
    assert len(fold_sort("ß" * 5000)) == SORT_LENGTH


@pytest.mark.parametrize(
    ("key", "folded"),
    [
        ("FNumber", "fnumber"),
        ("Image Make", "image_make"),
        ("a..b", "a.b"),
        (".a.", "a"),
        ("dc:title", "dc_title"),
        ("...", ""),
        ("größe", "grösse"),
        ("a-b", "a-b"),
    ],
)
def test_keys(key: str, folded: str) -> None:
    assert fold_key(key) == folded


@pytest.mark.parametrize(("value", "path"), [("/A//b/", "a/b"), ("a", "a"), ("//", ""), ("É/Ä b", "é/ä b")])
def test_paths_fold_without_empty_parts(value: str, path: str) -> None:
    assert fold_path(value) == fold_path(path) == path
