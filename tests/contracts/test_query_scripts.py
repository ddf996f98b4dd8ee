"""Words of every script are found on every engine, however they are written."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from query.types import SearchRequest
from tests.contracts.querying import engine, numbers, put, search, send

__all__ = ["engine"]

TITLES: dict[int, str] = {
    400: "zqa 🌊 ★",
    401: "１２３４ ＡＢＣ",
    402: "İstanbul",
    403: "ΑΘΉΝΑ",
    404: "ёлка",
    405: "สวัสดีชาวโลก ภาษาไทย",
    406: "soft\u00adware",
    407: "שָׁלוֹם",
    408: "Miller’s guide to l'été",
    409: "my_holiday_photo",
    410: "학교에서 배운다",
    411: "東京タワーへ行く",
    412: "ភាសាខ្មែរ ພາສາລາວ မြန်မာဘာသာ",
    413: "كِتَابٌ जंगल में",
    414: "universities running photographs",
    415: "university run photograph",
    416: "👍🏽 ❤️ 🇳🇱",
}
FOUND: list[tuple[str, set[int]]] = [
    ("zqa", {400}),
    ("🌊", {400}),
    ("★", {400}),
    ("👍", {416}),
    ("👍🏿", {416}),
    ("❤", {416}),
    ("🇳🇱", {416}),
    ("1234", {401}),
    ("１２３４", {401}),
    ("İstanbul", {402}),
    ("istanbul", {402}),
    ("ISTANBUL", {402}),
    ("αθήνα", {403}),
    ("αθηνα", {403}),
    ("ёлка", {404}),
    ("елка", {404}),
    ("สวัสดีชาวโลก", {405}),
    ("สวัสดี", {405}),
    ("ชาวโลก", {405}),
    ("software", {406}),
    ("soft\u00adware", {406}),
    ("שָׁלוֹם", {407}),
    ("שלום", {407}),
    ("Miller's", {408}),
    ("Miller", {408}),
    ('"Miller’s guide"', {408}),
    ('"Miller guide"', set()),
    ("l'été", {408}),
    ("été", {408}),
    ("my_holiday_photo", {409}),
    ("holiday", {409}),
    ("학교", {410}),
    ("배운다", {410}),
    ("서배", set()),
    ("東京タワーへ", {411}),
    ("ワーへ行", {411}),
    ("京東", set()),
    ("ខ្មែរ", {412}),
    ("ພາສາ", {412}),
    ("မြန်မာ", {412}),
    ("كتاب", {413}),
    ("जंगल", {413}),
    ("photographs", {414, 415}),
    ("photograph", {414, 415}),
    ("title:runs", {414, 415}),
    ('"photograph"', {415}),
    ('title:"running"', {414}),
    ("asset_409", {409}),
    ("ASSET_409", {409}),
    ("& -", set()),
    ("…", set()),
]


@pytest.fixture(scope="module")
def written(engine: str) -> Iterator[str]:
    """The address of an index with the titles."""
    for number, title in TITLES.items():
        put(engine, {"number": number, "id": f"asset_{number}", "type": "image", "title": title})
    yield engine
    for number in TITLES:
        send(engine, "DELETE", f"/_doc/{number}?refresh=true")


@pytest.mark.parametrize(("text", "expected"), FOUND)
def test_a_word_is_found_however_it_is_written(written: str, text: str, expected: set[int]) -> None:
    _, answer = search(written, SearchRequest(text=text))
    assert set(numbers(answer)) == expected


@pytest.mark.parametrize(("text", "first"), [("photographs", 414), ("photograph", 415), ("title:run", 415)])
def test_exact_forms_come_first(written: str, text: str, first: int) -> None:
    _, answer = search(written, SearchRequest(text=text))
    assert numbers(answer)[0] == first


@pytest.mark.parametrize(
    ("text", "number"), [("stable-diffusion-xl", 1), ("Stable-Diffusion-1.5", 2), ("diffusion", 2), ("asset_2", 2)]
)
def test_models_and_ids_are_found_by_bare_words(written: str, text: str, number: int) -> None:
    _, answer = search(written, SearchRequest(text=text))
    assert number in numbers(answer)
