"""Cursors: signed, bound to their search, and what they put into a body."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query.compile import compile_search
from query.cursors import KEEP_ALIVE, START, decode, encode, fingerprint, next_cursor
from query.dsl.sorting import SortKey
from query.errors import QueryError
from query.types import Caller, Cursor, SearchRequest
from tests.unit.query.compiling import CALLER, NOW

KEY = b"key"
REQUEST = SearchRequest(text="mountain", filters={"type": "image"}, sort="-created_at", limit=2)
VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8"))


def _after_one_page(request: SearchRequest, caller: Caller = CALLER, hits: int = 2) -> Cursor | None:
    compiled = compile_search(replace(request, cursor=Cursor("pit_1")), caller, NOW)
    found = [{"sort": [at, at]} for at in range(hits)]
    return next_cursor(compiled, {"pit_id": "pit_2", "hits": {"hits": found}})


@given(
    st.none() | st.text(st.characters(codec="utf-8")), st.lists(VALUES, max_size=4).map(tuple), st.integers(0, 2**53)
)
def test_a_cursor_survives_its_text(pit: str | None, after: tuple[Any, ...], now: int) -> None:
    cursor = Cursor(pit, after, "f", now, 7)
    text = encode(cursor, KEY)
    assert decode(text, KEY) == cursor
    assert text.isascii()
    assert not set(text) & set("+/=&?#% ")


def test_the_star_starts_a_walk() -> None:
    assert decode(START, KEY) == Cursor()


def _forged() -> list[str]:
    text = encode(Cursor("pit", (1,), "f", 5), KEY)
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    changed = base64.urlsafe_b64encode(raw[:-3] + b"9" + raw[-2:]).decode()
    return [
        "",
        "x",
        "**",
        "é",
        text[:-4],
        text + "AAAA",
        changed,
        encode(Cursor("pit", (1,), "f", 5), b"other"),
        "A" * 20_000,
    ]


@pytest.mark.parametrize("text", _forged(), ids=range(len(_forged())))
def test_a_cursor_that_was_not_made_here_is_refused(text: str) -> None:
    with pytest.raises(QueryError) as raised:
        decode(text, KEY)
    assert (raised.value.field, raised.value.problem.reason) == ("cursor", "cursor")


def test_the_first_page() -> None:
    body = compile_search(replace(REQUEST, cursor=Cursor("pit_1")), CALLER, NOW).body
    assert body["pit"] == {"id": "pit_1", "keep_alive": KEEP_ALIVE}
    assert {"from", "search_after"}.isdisjoint(body)
    assert body["sort"][-1] == {"number": {"order": "desc"}}


def test_the_next_page_begins_behind_the_last_hit() -> None:
    cursor = _after_one_page(REQUEST)
    assert cursor is not None
    body = compile_search(replace(REQUEST, cursor=cursor), CALLER, NOW).body
    assert body["search_after"] == [1, 1]
    assert body["pit"]["id"] == "pit_2"
    assert "from" not in body


def test_a_page_that_is_not_full_is_the_last() -> None:
    assert _after_one_page(REQUEST, hits=1) is None
    assert _after_one_page(REQUEST, hits=0) is None


def test_pages_by_score_begin_at_an_offset_while_they_can() -> None:
    request = replace(REQUEST, sort="")
    cursor = _after_one_page(request)
    assert cursor is not None
    body = compile_search(replace(request, cursor=cursor), CALLER, NOW).body
    assert body["from"] == 2
    assert "search_after" not in body
    deep = compile_search(replace(request, cursor=replace(cursor, seen=10_099)), CALLER, NOW).body
    assert "from" not in deep
    assert deep["search_after"] == [1, 1]


def test_a_walk_without_progress_ends() -> None:
    cursor = _after_one_page(REQUEST)
    assert cursor is not None
    compiled = compile_search(replace(REQUEST, cursor=cursor), CALLER, NOW)
    assert next_cursor(compiled, {"hits": {"hits": [{"sort": [1, 1]}] * 2}}) is None


def test_a_walk_keeps_its_time() -> None:
    request = replace(REQUEST, text="created_at:>now-7d")
    cursor = _after_one_page(request)
    assert cursor is not None
    bodies = [
        compile_search(replace(request, cursor=c), CALLER, NOW + timedelta(days=d)).body for c, d in ((cursor, 3),)
    ]
    first = compile_search(replace(request, cursor=Cursor("pit_1")), CALLER, NOW).body
    assert bodies[0]["query"] == first["query"]


OTHERS: list[tuple[SearchRequest, Caller]] = [
    (replace(REQUEST, text="lake"), CALLER),
    (replace(REQUEST, filters={}), CALLER),
    (replace(REQUEST, sort="title"), CALLER),
    (replace(REQUEST, sort=[SortKey("title")]), CALLER),
    (replace(REQUEST, zone="Asia/Tokyo"), CALLER),
    (replace(REQUEST, lenient=True), CALLER),
    (REQUEST, Caller("org_b", CALLER.user_id)),
    (REQUEST, Caller(CALLER.org_id, "user_2")),
]


@pytest.mark.parametrize(("request_", "caller"), OTHERS)
def test_a_cursor_of_another_search_is_refused(request_: SearchRequest, caller: Caller) -> None:
    cursor = _after_one_page(REQUEST)
    with pytest.raises(QueryError, match="another search") as raised:
        compile_search(replace(request_, cursor=cursor), caller, NOW)
    assert raised.value.field == "cursor"


def test_facets_highlights_and_the_size_of_a_page_may_change() -> None:
    cursor = _after_one_page(REQUEST)
    changed = replace(REQUEST, cursor=cursor, facets=["type"], highlight=True, limit=50)
    assert compile_search(changed, CALLER, NOW).body["size"] == 50


@pytest.mark.parametrize("more", [{"offset": 5}, {"limit": 0}])
def test_a_cursor_takes_no_offset_and_an_empty_page(more: dict[str, Any]) -> None:
    with pytest.raises(QueryError) as raised:
        compile_search(replace(REQUEST, cursor=Cursor("pit"), **more), CALLER, NOW)
    assert raised.value.field == "cursor"


def test_half_characters_have_a_fingerprint() -> None:
    assert fingerprint(SearchRequest("\ud800"), CALLER) != fingerprint(SearchRequest("\ud801"), CALLER)
