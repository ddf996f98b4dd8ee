"""How texts become words: the same for documents and queries, in every script."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.analysis import BOUNDARY, FILENAME, MAX_TOKEN, WORDS, index_text, query_groups, tokens
from mappings.stemming import DEFAULT_LANGUAGES, LANGUAGES, stems, use_languages

WRITTEN = [
    ("zqa 🌊", "zqa 🌊"),
    ("１２３４ ＡＢＣ", "1234 abc"),
    ("İstanbul ısı", "istanbul isi"),
    ("ΑΘΉΝΑ Άθηνα ς", "αθηνα αθηνα σ"),
    ("ёлка Йод", "елка иод"),
    ("soft\u00adware", "software"),
    ("שָׁלוֹם", "שלום"),
    ("كِتَاب كتـــاب", "كتاب كتاب"),
    ("کتاب\u200cها", "كتاب ها"),
    ("हिन्दी में", "हिन्दी में"),
    ("Miller’s guide to l'été", "miller s guide to l ete"),
    ("my_holiday_photo", "my holiday photo"),
    ("fair-trade C++ example.com", "fair trade c example com"),
    ("v2.1 3.5 12:30", "v2 1 3 5 12 30"),
    ("สวัสดีชาวโลก", "ส วั ส ดี ช า ว โ ล ก"),
    ("東京・タワー 2024年", "東 京 | タ ワ ー 2024 年"),
    ("ﾊﾟﾘ パリ", "パ リ | パ リ"),
    ("도시 장소", "도 시 | 장 소"),
    (unicodedata.normalize("NFD", "한글 café"), "한 글 cafe"),
    ("👨\u200d👩\u200d👧 👍🏽 ❤️ 🇳🇱 1️⃣ ★ € →", "👨 👩 👧 👍 ❤ 🇳🇱 1 ★ € →"),
    ("Brand™ m²", "brand tm m2"),
    ("!!! … - ¿", BOUNDARY),
    ("", BOUNDARY),
]


@pytest.mark.parametrize(("text", "words"), WRITTEN)
def test_a_text_becomes_words(text: str, words: str) -> None:
    assert index_text(text) == words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("riverWalk12.JPG", "river walk 12 jpg"),
        ("IMG20240201.JPG", "img 20240201 jpg"),
        ("ai_generated_image.tar.gz", "ai generated image tar gz"),
        ("éVa12Ü.png", "e va 12 u png"),
        ("日本2.png", "日 本 2 png"),
    ],
)
def test_a_file_name_becomes_more_words(name: str, words: str) -> None:
    assert index_text(name, FILENAME) == words


ASKED = [
    ("stable-diffusion-xl", (("stable",), ("diffusion",), ("xl",))),
    ("Miller's", (("miller",),)),
    ("Miller’s", (("miller",),)),
    ("l'été", (("ete",),)),
    ("dell’arte", (("arte",),)),
    ("O'Brien", (("o",), ("brien",))),
    ("rock'n'roll", (("rock",), ("roll",))),
    ("'s", (("s",),)),
    ("3.5", (("3", "5"),)),
    ("12:30", (("12", "30"),)),
    ("東京タワー", (("東", "京", "タ", "ワ", "ー"),)),
    ("東京・大阪", (("東", "京"), ("大", "阪"))),
    ("iPhone写真", (("iphone",), ("写", "真"))),
    ("&", ()),
]


@pytest.mark.parametrize(("word", "groups"), ASKED)
def test_a_word_of_a_query_asks_for_groups(word: str, groups: tuple[tuple[str, ...], ...]) -> None:
    assert query_groups(word) == groups


@given(st.text(max_size=60), st.sampled_from([WORDS, FILENAME]))
def test_words_are_of_bounded_length_and_their_places_in_the_text(text: str, analysis: str) -> None:
    normal = unicodedata.normalize("NFC", text)
    end = 0
    for token in tokens(text, analysis):
        assert end <= token.start < token.end <= len(normal)
        assert token.text
        assert BOUNDARY not in token.text
        assert not any(sign.isspace() for sign in token.text)
        assert len(normal[token.start : token.end]) <= 4 * MAX_TOKEN + 60
        end = token.end


@given(st.text(st.characters(max_codepoint=127), max_size=60), st.sampled_from([WORDS, FILENAME]))
def test_ascii_takes_a_shorter_way_to_the_same_words(text: str, analysis: str) -> None:
    assert index_text(text, analysis) == (" ".join(token.text for token in tokens(text, analysis)) or BOUNDARY)


@pytest.mark.parametrize(
    ("languages", "word", "found"),
    [
        (("english",), "mountains", ("mountain",)),
        (("english",), "running", ("run",)),
        (("english",), "sd15", ("sd15",)),
        (("english",), "東", ("東",)),
        (("german", "english"), "hauser", ("hauser", "haus")),
        (("russian",), "елки", ("елк",)),
        ((), "mountains", ("mountains",)),
    ],
)
def test_stems_by_language(languages: tuple[str, ...], word: str, found: tuple[str, ...]) -> None:
    use_languages(languages)
    try:
        assert stems(word) == found
    finally:
        use_languages(DEFAULT_LANGUAGES)


def test_a_language_without_a_stemmer_is_refused() -> None:
    assert "english" in LANGUAGES
    with pytest.raises(ValueError, match="klingon"):
        use_languages(("english", "klingon"))
