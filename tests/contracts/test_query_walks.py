"""Walks by cursor, highlights and did-you-mean on the engines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from query.cursors import decode, encode, next_cursor
from query.dsl.highlights import Highlighter
from query.spelling import read_spelling
from query.types import Cursor, SearchRequest
from tests.contracts.querying import LIVE, ME, Json, engine, numbers, put, search, send

__all__ = ["engine"]  # the fixture

KEY = b"a key of the tests"


@pytest.fixture
def pit(engine: str) -> Iterator[str]:
    """A point in time of the index."""
    found = send(engine, "POST", "/_search/point_in_time?keep_alive=1m")["pit_id"]
    yield found
    send(engine.rpartition("/")[0], "DELETE", "/_search/point_in_time", {"pit_id": [found]})


def _walk(
    engine: str, request: SearchRequest, pit: str, between: Callable[[int], None] = lambda page: None
) -> list[list[int]]:
    pages: list[list[int]] = []
    cursor: Cursor | None = Cursor(pit)
    while cursor is not None:
        compiled, answer = search(engine, replace(request, cursor=cursor))
        pages.append(numbers(answer))
        between(len(pages))
        following = next_cursor(compiled, answer)
        cursor = None if following is None else decode(encode(following, KEY), KEY)
    return pages


# Every kind of sort value, records without one among them.
SORTS = [
    "",
    "created_at",
    "-downloads",
    "amount",
    "-amount",
    "title",
    "-captured_at",
    "is_public",
    "-model",
    "type,-width",
]


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("limit", [1, 3, 8])
def test_a_walk_meets_every_record_once_in_order(engine: str, pit: str, sort: str, limit: int) -> None:
    pages = _walk(engine, SearchRequest(sort=sort, limit=limit), pit)
    _, whole = search(engine, SearchRequest(sort=sort, limit=100))
    assert [number for page in pages for number in page] == numbers(whole)
    assert all(len(page) == limit for page in pages[:-1])


def test_a_walk_by_relevance(engine: str, pit: str) -> None:
    request = SearchRequest(text="mountain OR coffee OR river", limit=1)
    _, whole = search(engine, replace(request, limit=100))
    assert [number for page in _walk(engine, request, pit) for number in page] == numbers(whole)


def test_a_walk_does_not_see_what_is_written_meanwhile(engine: str, pit: str) -> None:
    def write(page: int) -> None:
        put(engine, {"number": 200 + page, "id": f"asset_{200 + page}", "type": "image", "created_at": "2024-06-01"})

    pages = _walk(engine, SearchRequest(limit=3), pit, write)
    assert sorted(number for page in pages for number in page) == sorted(LIVE)
    for page in range(1, len(pages) + 1):
        send(engine, "DELETE", f"/_doc/{200 + page}?refresh=true")


def test_filters_and_facets_go_along(engine: str, pit: str) -> None:
    request = SearchRequest(filters={"type": "image"}, facets=["type", "tags"], limit=2)
    assert [number for page in _walk(engine, request, pit) for number in page] == [9, 3, 2, 1, 8]


HIGHLIGHTS: list[tuple[str, int, dict[str, list[str]]]] = [
    (
        "mountain",
        1,
        {
            "title": ["Stunning <em>mountain</em> landscape"],
            "description": ["A beautiful <em>mountain</em> landscape generated with Stable Diffusion"],
            "tags": ["<em>mountain</em>"],
            "metadata.prompt": ["majestic <em>mountain</em> landscape with lake and forest"],
        },
    ),
    ("title:mountain", 1, {"title": ["Stunning <em>mountain</em> landscape"]}),
    ("title:mount*", 1, {"title": ["Stunning <em>mountain</em> landscape"]}),
    ("title:mountian~", 1, {"title": ["Stunning <em>mountain</em> landscape"]}),
    ('title:"mountain landscape"', 1, {"title": ["Stunning <em>mountain</em> <em>landscape</em>"]}),
    ("title:CAFE", 3, {"title": ["<em>Café</em> crème in the landscape"]}),
    ("camera:5d", 3, {"metadata.camera": ["Canon EOS <em>5D</em>"]}),
    ("source:zurich", 6, {"source_info": ["Archive of <em>Zürich</em>"]}),
    ("type:image width:1024", 1, {}),
    ("dawn -title:river", 2, {"title": ["Forest at <em>dawn</em>"], "filename": ["forest-<em>dawn</em>.png"]}),
]


@pytest.mark.parametrize(("text", "number", "expected"), HIGHLIGHTS)
def test_highlights(engine: str, text: str, number: int, expected: dict[str, list[str]]) -> None:
    compiled, answer = search(engine, SearchRequest(text=text))
    mark = Highlighter(compiled.clause).mark
    found = {hit["_source"]["number"]: mark(hit["_source"]) for hit in answer["hits"]["hits"]}
    assert {name: [" ".join(t.split()) for t in texts] for name, texts in found[number].items()} == expected


def test_highlights_are_safe_in_a_page(engine: str) -> None:
    title = "<script>alert('zebra')</script> & \"zebra\" <em>x</em>"
    put(engine, {"number": 300, "id": "asset_300", "type": "image", "title": title})
    compiled, answer = search(engine, SearchRequest(text="zebra"))
    (fragment,) = Highlighter(compiled.clause).mark(answer["hits"]["hits"][0]["_source"])["title"]
    send(engine, "DELETE", "/_doc/300?refresh=true")
    assert fragment.count("<em>zebra</em>") == 2
    rest = fragment.replace("<em>", "").replace("</em>", "")
    assert not set(rest) & set("<>\"'")
    assert rest.startswith("&lt;script&gt;")


def test_long_texts_come_in_fragments(engine: str) -> None:
    words = "filler " * 60
    description = f"{words}zebra {words}zebra {words}"
    put(engine, {"number": 301, "id": "asset_301", "type": "image", "description": description})
    compiled, answer = search(engine, SearchRequest(text="zebra"))
    fragments = Highlighter(compiled.clause).mark(answer["hits"]["hits"][0]["_source"])["description"]
    send(engine, "DELETE", "/_doc/301?refresh=true")
    assert len(fragments) == 2
    assert all("<em>zebra</em>" in fragment and len(fragment) < 250 for fragment in fragments)


SPELLINGS: list[tuple[str, str | None]] = [
    ("montain", "mountain"),
    ("montain landscpe", "mountain landscape"),
    ("type:image montain~ landscpe", "type:image montain~ landscape"),
    ("(montain OR landscpe) tags:natrue", "(mountain OR landscape) tags:natrue"),
    ("title:mountian", "title:mountain"),
    ("title:beautful", None),  # the word stands in a description only
    ("Beautful^2 mountain", "beautiful^2 mountain"),
    ("mountain", None),
    ("qqqqqqq", None),
    ("ab", None),
    ("-montain", None),
    ('"montain landscape"', None),
    ("cofee riverr", "coffee river"),
    ("secrt", None),  # known to another organization only
    ("", None),
]


@pytest.mark.parametrize(("text", "expected"), SPELLINGS)
def test_did_you_mean(engine: str, text: str, expected: str | None) -> None:
    put(engine, {"number": 102, "id": "asset_102", "type": "image", "title": "secret"}, "org_b")
    compiled, _ = search(engine, SearchRequest(text=text, suggest=True))
    if compiled.spelling is None:
        assert expected is None
        return
    answer: Json = send(engine, "POST", "/_search", compiled.spelling.body)
    assert read_spelling(compiled, answer) == expected


def test_the_longest_spelling_check_passes_the_engine(engine: str) -> None:
    text = " ".join(f"mountan{sign}" for sign in "abcdefghij") + " " + " ".join(f"title:forst{s}" for s in "abc")
    compiled, _ = search(engine, SearchRequest(text=text, suggest=True))
    assert compiled.spelling is not None
    answer: dict[str, Any] = send(engine, "POST", "/_search", compiled.spelling.body)
    read_spelling(compiled, answer)


def test_the_largest_highlights_pass_the_engine(engine: str) -> None:
    words = " OR ".join(f"w{n}" for n in range(70))
    fuzzies = " OR ".join(f"mountian{n}~" for n in range(10))
    for text in (words, fuzzies):
        search(engine, SearchRequest(text=text, highlight=True), ME)
