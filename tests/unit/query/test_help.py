"""Explanations, completions, highlights and spelling, without an engine."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query.completion import FieldCompletion, ValueCompletion, completion, query_literal
from query.dsl.highlights import Highlighter
from query.errors import QueryError
from query.examples import SECTIONS
from query.explain import as_json, explain
from query.language.fuzziness import distance
from query.language.limits import LIMITS
from query.spelling import read_spelling
from tests.support.examples import examples
from tests.unit.query.compiling import ADMIN, CALLER, NOW, clause, names_in, search

EXAMPLES = [example.query for section in SECTIONS for example in section.examples]


def _bare(shown: Any) -> Any:
    """The JSON of clauses without places."""
    if isinstance(shown, dict):
        return {name: _bare(value) for name, value in shown.items() if name not in {"offset", "length"}}
    return [_bare(item) for item in shown] if isinstance(shown, list) else shown


EXPLAINED: list[tuple[str, dict[str, Any]]] = [
    ("", {"type": "all", "offset": 0, "length": 0}),
    ("mountain", {"type": "match", "offset": 0, "length": 8, "text": "mountain"}),
    (
        "a width:>5 OR NOT tags:(x OR y)",
        {
            "type": "and",
            "offset": 0,
            "length": 31,
            "children": [
                {"type": "match", "offset": 0, "length": 1, "text": "a"},
                {
                    "type": "or",
                    "offset": 2,
                    "length": 29,
                    "children": [
                        {
                            "type": "range",
                            "offset": 2,
                            "length": 8,
                            "field": "metadata.width",
                            "include_low": False,
                            "include_high": True,
                            "low": 5,
                            "high": None,
                        },
                        {
                            "type": "not",
                            "offset": 14,
                            "length": 17,
                            "children": [
                                {"type": "in", "offset": 24, "length": 6, "field": "tags", "values": ["x", "y"]}
                            ],
                        },
                    ],
                },
            ],
        },
    ),
]


@pytest.mark.parametrize(("text", "expected"), EXPLAINED)
def test_clauses_are_json_with_their_places(text: str, expected: dict[str, Any]) -> None:
    shown = explain(text, CALLER, NOW).clauses
    assert shown == expected


@pytest.mark.parametrize("text", EXAMPLES)
def test_explaining_the_normalised_text_gives_the_same_clauses(text: str) -> None:
    first = explain(text, CALLER, NOW)
    second = explain(first.normalized, CALLER, NOW)
    assert second.normalized == first.normalized
    assert _bare(second.clauses) == _bare(first.clauses)
    assert second.dsl == first.dsl
    json.dumps(first.as_dict())


@settings(max_examples=examples(300), deadline=None)
@given(st.sampled_from(EXAMPLES), st.integers(0, 60), st.sampled_from(["(", '"', "~", "^x", "foo:", "\x00", "😀", ")"]))
def test_lenient_explanations_go_round_and_point_into_the_text(text: str, at: int, sign: str) -> None:
    text = text[:at] + sign + text[at:]
    first = explain(text, ADMIN, NOW, lenient=True)
    stack = [first.clauses]
    while stack:
        shown = stack.pop()
        assert 0 <= shown["offset"] <= shown["offset"] + shown["length"] <= len(text)
        stack += shown.get("children", [])
    if len(first.normalized) <= LIMITS.characters:
        assert _bare(explain(first.normalized, ADMIN, NOW).clauses) == _bare(first.clauses)


def test_the_explained_dsl_holds_the_organization() -> None:
    assert explain("a", CALLER, NOW).dsl["bool"]["filter"][0] == {"term": {"org_id": CALLER.org_id}}


def test_a_fault_is_raised_or_a_warning() -> None:
    with pytest.raises(QueryError):
        explain("foo:x", CALLER, NOW)
    assert explain("foo:x", CALLER, NOW, lenient=True).as_dict()["warnings"][0]["reason"] == "unknown_field"


def test_every_member_of_a_place_is_shown() -> None:
    near, box = as_json(clause('near:"1,2 3km"')), as_json(clause('bounds:"4,3,2,1"'))
    assert (near["lat"], near["lon"], near["metres"]) == (1, 2, 3000)
    assert (box["north"], box["east"], box["south"], box["west"]) == (4, 3, 2, 1)


NAMES: list[tuple[str, int | None, list[str], tuple[int, int]]] = [
    ("wid", None, ["width"], (0, 3)),
    ("WID", None, ["width"], (0, 3)),
    ("a +tit", None, ["title"], (3, 3)),
    ("(capt", None, ["caption", "captured_at"], (1, 4)),
    ("title:x (exi", None, ["exif"], (9, 3)),
    ("wid lake", 3, ["width"], (0, 3)),
    ("has:wid", None, ["width"], (4, 3)),
    ("favorited_b", None, [], (0, 11)),
    ("admin_t", None, [], (0, 7)),
    ("12:3", None, [], (3, 1)),
]


@pytest.mark.parametrize(("text", "position", "expected", "place"), NAMES)
def test_names_complete(text: str, position: int | None, expected: list[str], place: tuple[int, int]) -> None:
    found = completion(text, len(text) if position is None else position)
    assert isinstance(found, FieldCompletion)
    assert [name.name for name in found.names] == expected
    assert (found.offset, found.length) == place


def test_names_say_what_they_are() -> None:
    found = completion("wid", 3)
    assert isinstance(found, FieldCompletion)
    assert (found.names[0].doc, found.names[0].type) == ("Width.", "integer")
    everything = completion("", 0)
    assert isinstance(everything, FieldCompletion)
    assert {"title", "is", "near", "width"} <= {name.name for name in everything.names}
    hidden = completion("admin_t", 7, ADMIN.roles)
    assert isinstance(hidden, FieldCompletion)
    assert [name.name for name in hidden.names] == ["admin_tags"]


VALUES: list[tuple[str, str, str, str, tuple[int, int]]] = [
    # text, field, prefix, rest, place
    ("tags:na", "tags", "na", "", (5, 2)),
    ("lake TAG: na", "tags", "na", "lake", (10, 2)),
    ("lake AND -tags:na", "tags", "na", "lake", (15, 2)),
    ("lake OR tags:na", "tags", "na", "", (13, 2)),
    ("tags:(lake OR na", "tags", "na", "", (14, 2)),
    ('lake tags:"dark r', "tags", "dark r", "lake", (10, 7)),
    ("width:>=20", "metadata.width", "20", "", (8, 2)),
    ("title:mou", "title", "mou", "", (6, 3)),
    ("foo:x", "foo", "x", "", (4, 1)),
    ("is:fav", "is", "fav", "", (3, 3)),
]


@pytest.mark.parametrize(("text", "field", "prefix", "rest", "place"), VALUES)
def test_values_complete(text: str, field: str, prefix: str, rest: str, place: tuple[int, int]) -> None:
    found = completion(text, len(text))
    assert isinstance(found, ValueCompletion)
    assert (found.field, found.prefix, found.rest) == (field, prefix, rest)
    assert (found.offset, found.length) == place


def test_flags_are_values_without_counts() -> None:
    found = completion("is:p", 4)
    assert isinstance(found, ValueCompletion)
    assert [(value.value, value.count) for value in found.fixed] == [("public", None), ("private", None)]
    assert found.search(CALLER, NOW) is None


@pytest.mark.parametrize(
    "text", ["tags:", "by:", "width:1", "created_at:2024", "lake (tags:n", "foo:x OR tags:n", "a ( tags:"]
)
def test_values_are_counted_for_the_organization_alone(text: str) -> None:
    found = completion(text, len(text))
    assert isinstance(found, ValueCompletion)
    compiled = found.search(CALLER, NOW)
    assert compiled is not None
    assert compiled.body["query"]["bool"]["filter"][0] == {"term": {"org_id": CALLER.org_id}}
    assert compiled.body["size"] == 0


def test_proposed_values_are_written_so_that_they_are_found() -> None:
    assert [query_literal(v) for v in ("nature", "dark red", "a:b", "AND", "")] == [
        "nature",
        '"dark red"',
        "a\\:b",
        "\\AND",
        '""',
    ]


@settings(max_examples=examples(1000), deadline=None)
@given(
    st.text(max_size=60) | st.lists(st.sampled_from([*'a:"(\\ -', "tags:", "OR "]), max_size=30).map("".join),
    st.integers(-5, 80),
)
def test_any_place_of_any_text_completes(text: str, position: int) -> None:
    found = completion(text, position)
    assert 0 <= found.offset <= found.offset + found.length <= len(text)
    if isinstance(found, ValueCompletion) and found.target is not None:
        assert found.search(CALLER, NOW) is not None


def test_long_texts_complete_in_no_time() -> None:
    for text in ("(" * 4096, 'a:"' * 1365, "a:( " * 1024, "\\" * 4096, "a" * 4096, " " * 4096):
        completion(text, len(text))


DOCUMENT = {
    "title": "Lakes & mounts: the lake’s <mist>",
    "description": "Fog over a lake; running water",
    "filename": "lakeView_12.jpg",
    "tags": ["Lake", "two words"],
    "metadata": {"prompt": "東京タワー at night", "camera": "Canon"},
    "credit": "Lake Agency",
    "custom": {"note": "lake"},
}
MARKS: list[tuple[str, dict[str, list[str]]]] = [
    (
        "lake",
        {
            "title": ["<em>Lakes</em> &amp; mounts: the <em>lake</em>’s &lt;mist&gt;"],
            "description": ["Fog over a <em>lake</em>; running water"],
            "filename": ["<em>lake</em>View_12.jpg"],
            "tags": ["<em>Lake</em>"],
            "credit": ["<em>Lake</em> Agency"],
        },
    ),
    ("description:runs -description:fog", {"description": ["Fog over a lake; <em>running</em> water"]}),
    ('description:"runs"', {}),
    ('"running water"', {"description": ["Fog over a lake; <em>running</em> <em>water</em>"]}),
    ('tags:"two words"', {}),
    ("京タ", {"metadata.prompt": ["東<em>京タ</em>ワー at night"]}),
    ("title:mount*", {"title": ["Lakes &amp; <em>mounts</em>: the lake’s &lt;mist&gt;"]}),
    ("title:moutns~", {"title": ["Lakes &amp; <em>mounts</em>: the lake’s &lt;mist&gt;"]}),
    ('title:"mist lakes"~9', {"title": ["<em>Lakes</em> &amp; mounts: the lake’s &lt;<em>mist</em>&gt;"]}),
    ("type:image", {}),
]


@pytest.mark.parametrize(("text", "marked"), MARKS)
def test_only_the_words_of_a_field_are_marked_in_it(text: str, marked: dict[str, list[str]]) -> None:
    assert Highlighter(search(text).clause).mark(DOCUMENT) == marked


def test_a_long_text_is_shown_in_parts() -> None:
    filler = "filler " * 60
    document = {"description": f"{filler}zebra {filler}zebra zebra {filler}" * 3}
    (parts,) = Highlighter(search("zebra").clause).mark(document).values()
    assert [part.count("<em>zebra</em>") for part in parts] == [2, 2, 2]
    assert all(len(part) < 200 and part.startswith("filler") for part in parts)


@pytest.mark.parametrize(
    ("first", "second", "edits"),
    [
        ("a", "a", 0),
        ("mountian", "mountain", 1),
        ("montain", "mountain", 1),
        ("abc", "", 3),
        ("ca", "abc", 3),
        ("kitten", "sitting", 3),
    ],
)
def test_distances(first: str, second: str, edits: int) -> None:
    assert distance(first, second) == distance(second, first) == edits


def test_spelling_is_checked_under_the_filter_of_every_search() -> None:
    compiled = search("mountian tags:natrue ab x1y", suggest=True)
    assert compiled.spelling is not None
    assert [word.text for word in compiled.spelling.words] == ["mountian"]
    base = compiled.spelling.body["query"]["bool"]["filter"][0]["bool"]
    assert base["filter"] == [{"term": {"org_id": CALLER.org_id}}]
    assert "suggest" not in set(names_in(compiled.spelling.body))
    assert search("mountian").spelling is None


def test_the_nearest_and_then_the_commonest_correction_is_taken() -> None:
    compiled = search("title:foo  mountian", suggest=True)
    hits = [
        {"highlight": {"title": [text]}}
        for text in ("\ue000Mountains\ue001", "\ue000fountain\ue001", "\ue000Mountain\ue001")
    ]
    answer = {"aggregations": {"exact0": {"doc_count": 1}, "near1": {"hits": {"hits": {"hits": hits}}}}}
    assert read_spelling(compiled, answer) == "title:foo  mountain"
    assert read_spelling(compiled, {}) is None
