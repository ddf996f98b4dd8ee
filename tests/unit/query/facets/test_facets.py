"""Facets as they are asked for, and the aggregations that they become."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query.compile import read_facets
from query.errors import QueryError
from query.facets.body import any_case, literal
from query.facets.request import MAX_RANGES, FacetRequest, parse_facets
from tests.support.examples import examples
from tests.unit.query.compiling import search

PARSED: list[tuple[str, list[FacetRequest]]] = [
    ("", []),
    ("type, tags ,", [FacetRequest("type"), FacetRequest("tags")]),
    ('["type", {"field": "tags", "size": 5}]', [FacetRequest("type"), FacetRequest("tags", 5)]),
    ('{"field": " tags ", "prefix": "N", "missing": true}', [FacetRequest("tags", prefix="N", missing=True)]),
    ('[{"field": "width", "ranges": [{"from": 1}]}]', [FacetRequest("width", ranges=[{"from": 1}])]),
    ('[{"field": "created_at", "interval": null, "name": "d"}]', [FacetRequest("created_at", name="d")]),
]


@pytest.mark.parametrize(("text", "expected"), PARSED)
def test_texts_to_facets(text: str, expected: list[FacetRequest]) -> None:
    assert parse_facets(text) == expected


BAD: list[tuple[str, str, str, str]] = [
    # text, key, reason, words of the message
    ("[", "", "syntax", "JSON"),
    ("[" * 100_000, "", "syntax", "JSON"),
    ("[5]", "", "wrong_type", "object"),
    ('[{"size": 5}]', "", "wrong_type", "object"),
    ('[{"field": "tags", "limit": 5}]', "tags", "unsupported", "size"),
    ('[{"field": "tags", "size": "5"}]', "tags", "wrong_type", "whole number"),
    ('[{"field": "tags", "size": true}]', "tags", "wrong_type", "whole number"),
    ('[{"field": "tags", "missing": 1}]', "tags", "wrong_type", "true or false"),
    ('[{"field": "width", "ranges": [5]}]', "width", "wrong_type", "objects"),
    ('[{"field": "tags", "size": 0}]', "tags", "limit", "1 to 1000"),
    ('[{"field": "tags", "order": "up"}]', "tags", "unsupported", "-count"),
    ('[{"field": "created_at", "interval": "decade"}]', "created_at", "unsupported", "quarter"),
    ('[{"field": "tags", "interval": "day"}]', "tags", "unsupported", "dates"),
    (
        '[{"field": "created_at", "interval": "day", "ranges": [{"from": "2024"}]}]',
        "created_at",
        "unsupported",
        "together",
    ),
    ('[{"field": "created_at", "zone": "Mars"}]', "created_at", "wrong_type", "time zone"),
    ('[{"field": "created_at", "prefix": "2"}]', "created_at", "unsupported", "prefixes"),
    (f'[{{"field": "tags", "prefix": "{"x" * 201}"}}]', "tags", "limit", "200"),
    ('[{"field": "tags", "hierarchy": true}]', "tags", "unsupported", "taxonomy"),
    ('[{"field": "tags", "ranges": [{"from": "a"}]}]', "tags", "unsupported", "numbers and dates"),
    ('[{"field": "width", "ranges": [{}]}]', "width", "wrong_type", "needs from"),
    ('[{"field": "width", "ranges": [{"from": "x"}]}]', "width", "wrong_type", "number"),
    ('[{"field": "width", "ranges": [{"from": true}]}]', "width", "wrong_type", "string"),
    ('[{"field": "width", "ranges": [{"from": 9, "to": 1}]}]', "width", "wrong_range", "reversed"),
    ('[{"field": "width", "ranges": [{"from": 1, "upto": 5}]}]', "width", "unsupported", "upto"),
    ('[{"field": "width", "ranges": [{"key": 5, "from": 1}]}]', "width", "wrong_type", "key"),
    ('[{"field": "width", "ranges": [{"from": 1}, {"from": 1}]}]', "width", "wrong_range", "same key"),
    (json.dumps([{"field": "width", "ranges": [{"from": 1}] * (MAX_RANGES + 1)}]), "width", "limit", "64"),
    ('["tags", {"field": "tags", "size": 5}]', "tags", "unsupported", "Set name"),
    ('[{"field": "created_at", "ranges": [{"from": "soon"}]}]', "created_at", "wrong_type", "not a date"),
    ("widht", "widht", "unknown_field", "width"),
]


@pytest.mark.parametrize(("text", "key", "reason", "words"), BAD, ids=[str(at) for at in range(len(BAD))])
def test_bad_facets(text: str, key: str, reason: str, words: str) -> None:
    with pytest.raises(QueryError, match=words) as raised:
        search(facets=parse_facets(text))
    assert (raised.value.field, raised.value.key, raised.value.problem.reason) == ("facets", key, reason)


def test_a_facet_by_name_takes_the_size_of_the_request() -> None:
    aggs = search(facets=["type", FacetRequest("status", 7)], facet_size=3).body["aggs"]
    assert [aggs[f"facet{at}"]["aggs"]["values"]["terms"]["size"] for at in (0, 1)] == [3, 7]


def test_facets_of_a_request_have_its_zone_unless_they_name_one() -> None:
    facets = [FacetRequest("created_at"), FacetRequest("updated_at", zone="Europe/Amsterdam")]
    aggs = search(facets=facets, zone="Asia/Tokyo").body["aggs"]
    zones = [agg["aggs"]["values"]["date_histogram"]["time_zone"] for agg in aggs.values()]
    assert zones == ["Asia/Tokyo", "Europe/Amsterdam"]


def test_a_negative_selection_is_left_out_of_its_own_facet() -> None:
    body = search(filters={"type": {"not": "image"}, "rating": 5}, facets=["type", "rating"]).body
    not_image = {"bool": {"must_not": [{"term": {"fold.type": "image"}}]}}
    assert body["aggs"]["facet0"]["filter"] == {"bool": {"filter": [{"term": {"rating": 5}}]}}
    assert body["aggs"]["facet1"]["filter"] == {"bool": {"filter": [not_image]}}
    assert not_image["bool"]["must_not"][0] in body["post_filter"]["bool"]["must_not"]


def test_a_level_of_a_hierarchy_is_a_pattern_of_its_own_letters() -> None:
    aggs = search(facets=[FacetRequest("taxonomy", prefix="A.b/C*", hierarchy=True)]).body["aggs"]["facet0"]["aggs"]
    assert aggs["values"]["terms"]["include"] == r"a\.b\/c\*/[^/]+"


def test_an_hour_that_a_clock_shows_twice_is_one() -> None:
    facet = FacetRequest("created_at", interval="hour", zone="Europe/Amsterdam")
    compiled = search(facets=[facet])
    keys = (1_729_987_200_000, 1_729_990_800_000)  # 02:00 in summer time, and again in winter time
    buckets = [{"key": key, "doc_count": 2} for key in keys]
    found = read_facets(compiled, {"facet0": {"values": {"buckets": buckets}}})
    assert found == {"created_at": {"2024-10-27T02": 4}}


def test_an_answer_without_an_aggregation_has_no_counts() -> None:
    compiled = search(facets=["type", FacetRequest("created_at"), FacetRequest("width", ranges=[{"from": 1}])])
    assert read_facets(compiled, {}) == {"type": {}, "created_at": {}, "width": {"1-*": 0}}


@settings(max_examples=examples(300), deadline=None)
@given(st.text(max_size=30))
def test_a_prefix_is_never_a_pattern(text: str) -> None:
    assert re.fullmatch(literal(text), text)
    assert re.fullmatch(any_case(text), text)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["field", "size", "order", "ranges", "from", "to", "key", "prefix", "zone", "interval"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=examples(500), deadline=None)
@given(
    st.lists(st.dictionaries(st.just("field"), st.sampled_from(["tags", "width", "created_at"])) | _JSON, max_size=3)
)
def test_any_json_is_a_facet_or_a_fault(items: list[Any]) -> None:
    found = "facets"
    try:
        json.dumps(search(facets=parse_facets(json.dumps(items))).body)
    except QueryError as error:
        found = error.field
    assert found == "facets"
