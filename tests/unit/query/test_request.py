"""Requests to bodies: organization, trash, filters, facets, sort, pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from query.compile import read_facets
from query.dsl.sorting import SortKey, parse_sort
from query.errors import QueryError
from query.language.parse import clear_cache
from query.types import CompiledSearch
from tests.unit.query.compiling import ADMIN, search

ORG = {"term": {"org_id": "org_a"}}
NO_TRASH = {"exists": {"field": "deleted_at"}}


def test_the_whole_body() -> None:
    assert search("tags:nature width:>5").body == {
        "query": {
            "bool": {
                "filter": [ORG, {"term": {"fold.tags": "nature"}}, {"range": {"metadata.width": {"gt": 5}}}],
                "must_not": [NO_TRASH],
            }
        },
        "from": 0,
        "size": 20,
        "sort": [{"created_at": {"order": "desc", "missing": "_last"}}, {"number": {"order": "desc"}}],
        "timeout": "5s",
        "track_total_hits": True,
        "_source": {"excludes": ["fold"]},
    }


def test_words_score_and_their_order_counts() -> None:
    query = search("mountain lake type:image").body["query"]["bool"]
    first, second = (part["bool"] for part in query["must"])
    assert first["must"] == [{"term": {"fold.stems": {"value": "mountain", "boost": 0.05}}}]
    assert second["should"][0]["multi_match"]["query"] == "lake"
    assert first["should"][0]["multi_match"]["fields"] == [
        "fold.text.title^4",
        "fold.text.tags^3",
        "fold.text.filename^2",
        "fold.text.description",
        "fold.text.alt_text",
        "fold.text.metadata.prompt",
        "fold.words",
    ]
    assert query["should"][0]["multi_match"]["query"] == "mountain lake"
    assert query["should"][0]["multi_match"]["type"] == "phrase"
    assert query["filter"] == [ORG, {"term": {"fold.type": "image"}}]


def test_negated_words_do_not_ask_for_an_order() -> None:
    query = search("NOT (mountain lake)").body["query"]["bool"]
    assert "should" not in query
    assert "should" not in query["must_not"][0]["bool"]


def test_alternatives_do_not_score_unless_they_are_words() -> None:
    alternatives = search("mountain OR tags:nature").body["query"]["bool"]["must"][0]["bool"]["should"]
    assert alternatives[1] == {"bool": {"filter": [{"term": {"fold.tags": "nature"}}]}}


def test_an_explicit_boost_scores() -> None:
    must = search("tags:nature^5").body["query"]["bool"]["must"]
    assert must == [{"constant_score": {"filter": {"term": {"fold.tags": "nature"}}, "boost": 5.0}}]


@pytest.mark.parametrize("text", ["", "a", "NOT a", "a OR b", "is:deleted", "*:*", "-tags:a"])
def test_every_search_is_of_one_organization(text: str) -> None:
    assert search(text).body["query"]["bool"]["filter"][0] == ORG


@pytest.mark.parametrize("text", ["is:deleted", "is_deleted:true", "NOT deleted_at:*", "a OR deleted_at:>2024"])
def test_queries_that_speak_of_the_trash_see_it(text: str) -> None:
    query = search(text).body["query"]["bool"]
    assert query.get("must_not", []) == ([NO_TRASH] if text.startswith("NOT") else [])


def test_the_trash_is_left_out() -> None:
    assert search("a").body["query"]["bool"]["must_not"] == [NO_TRASH]
    assert "must_not" not in search(filters={"is_deleted": True}).body["query"]["bool"]


def test_keywords_are_folded_like_their_documents() -> None:
    assert {"term": {"fold.tags": "straße".casefold()}} in search("tags:STRASSE").body["query"]["bool"]["filter"]
    assert {"terms": {"fold.tags": ["a", "b"]}} in search("tags:(A OR b OR a)").body["query"]["bool"]["filter"]


def test_fuzzy_words_share_what_the_engine_can_bear() -> None:
    one = search("mountian~").body["query"]["bool"]["must"][0]["multi_match"]
    assert (one["fuzziness"], one["max_expansions"]) == ("AUTO", 50)
    ten = search(" ".join(f"mountian{n}~1" for n in range(10))).body["query"]["bool"]["must"][0]["dis_max"]["queries"][
        0
    ]["multi_match"]
    assert ten["fuzziness"] == 1
    assert 8 <= ten["max_expansions"] < 14


def test_patterns_become_prefixes_where_they_can() -> None:
    filters = search('model:SD* type:im*e tags:"50*" tags:a\\*b* tags:a\\*b*c').body["query"]["bool"]["filter"]
    assert filters[1:] == [
        {"prefix": {"fold.metadata.model": {"value": "sd"}}},
        {"wildcard": {"fold.type": {"value": "im*e"}}},
        {"term": {"fold.tags": "50*"}},
        {"prefix": {"fold.tags": {"value": "a*b"}}},
        {"wildcard": {"fold.tags": {"value": "a\\*b*c"}}},
    ]


# Filters


def _stem(term: str) -> dict[str, Any]:
    return {"term": {"fold.stems": {"value": term, "boost": 0.05}}}


FILTERS: list[tuple[dict[str, Any], list[dict[str, Any]]]] = [
    ({"type": "image"}, [{"term": {"fold.type": "image"}}]),
    ({"type": ["image", "Video"]}, [{"terms": {"fold.type": ["image", "video"]}}]),
    ({"width": 800}, [{"term": {"metadata.width": 800}}]),
    ({"seed": 5}, [{"term": {"fold.metadata.seed": 5}}]),
    ({"orientation": 1}, [{"term": {"fold.metadata.orientation": "1"}}]),
    ({"is_public": True}, [{"term": {"is_public": True}}]),
    ({"is_public": "false"}, [{"term": {"is_public": False}}]),
    ({"width": {"gte": 1, "lt": "5"}}, [{"range": {"metadata.width": {"gte": 1, "lt": 5}}}]),
    ({"file_size": {"gt": "5mb"}}, [{"range": {"metadata.file_size": {"gt": 5_000_000}}}]),
    (
        {"created_at": "2024-01"},
        [{"range": {"created_at": {"gte": "2024-01-01T00:00:00.000Z", "lt": "2024-02-01T00:00:00.000Z"}}}],
    ),
    ({"created_at": {"lte": "2024-01-31"}}, [{"range": {"created_at": {"lt": "2024-02-01T00:00:00.000Z"}}}]),
    (
        {"tags": {"all": ["a", "b"]}},
        [{"bool": {"filter": [{"term": {"fold.tags": "a"}}, {"term": {"fold.tags": "b"}}]}}],
    ),
    ({"gps": {"exists": True}}, [{"exists": {"field": "gps"}}]),
    ({"camera": "Canon EOS 5D"}, [{"term": {"fold.metadata.camera": "canon eos 5d"}}]),
    ({"title": "a b"}, [{"bool": {"must": [_stem("title|a"), _stem("title|b")]}}]),
    ({"tags": "50*"}, [{"term": {"fold.tags": "50*"}}]),
    ({"sort_by": "downloads", "sort_order": "desc"}, []),
]


@pytest.mark.parametrize(("filters", "expected"), FILTERS)
def test_filters(filters: dict[str, Any], expected: list[dict[str, Any]]) -> None:
    found = search(filters=filters).body["query"]["bool"]["filter"][1:]
    if len(expected) == 1 and "filter" in expected[0].get("bool", {}):
        expected = expected[0]["bool"]["filter"]
    assert found == expected


def test_negative_filters() -> None:
    must_not = search(filters={"tags": {"not": ["a", "b"]}, "gps": {"exists": False}}).body["query"]["bool"]["must_not"]
    assert must_not == [{"terms": {"fold.tags": ["a", "b"]}}, {"exists": {"field": "gps"}}, NO_TRASH]


BAD_FILTERS: list[tuple[Any, str, str, str]] = [
    ({"widht": 5}, "widht", "unknown_field", "Did you mean width"),
    ({"org_id": "x"}, "org_id", "unknown_field", "Unknown filter field"),
    ({"admin_tags": "x"}, "admin_tags", "unknown_field", "Unknown filter field"),
    ({"width": "abc"}, "width", "wrong_type", "whole number"),
    ({"width": None}, "width", "wrong_type", "exists"),
    ({"width": [[1]]}, "width", "wrong_type", "string"),
    ({"tags": []}, "tags", "wrong_type", "at least one"),
    ({"tags": {}}, "tags", "wrong_type", "empty"),
    ({"tags": {"nto": "a"}}, "tags", "unsupported", "nto"),
    ({"width": {"gt": 1, "gte": 2}}, "width", "wrong_range", "same side"),
    ({"width": {"gt": 5, "lt": 1}}, "width", "wrong_range", "reversed"),
    ({"width": {"gt": None}}, "width", "wrong_type", "bound"),
    ({"gps": {"exists": "yes"}}, "gps", "wrong_type", "true or false"),
    ({"is_favorite": {"gt": 1}}, "is_favorite", "unsupported", "ranges"),
    ({"is_favorite": "maybe"}, "is_favorite", "wrong_type", "true or false"),
    ({"tags": ["a"] * 1025}, "tags", "limit", "list_values"),
    ({"tags": "x" * 5000}, "tags", "limit", "characters"),
    ({"title": " ".join(["w"] * 60)}, "title", "limit", "filter_terms"),
    ({"created_at": "soon"}, "created_at", "wrong_type", "not a date"),
    ({"sort_by": 5}, "sort_by", "wrong_type", "string"),
    ({"sort_by": "titel"}, "sort_by", "unknown_field", "title"),
    ({"sort_by": "title", "sort_order": "up"}, "sort_by", "wrong_type", "asc or desc"),
]


@pytest.mark.parametrize(("filters", "key", "reason", "words"), BAD_FILTERS)
def test_bad_filters(filters: Any, key: str, reason: str, words: str) -> None:
    with pytest.raises(QueryError, match=words) as raised:
        search(filters=filters)
    assert (raised.value.field, raised.value.key, raised.value.problem.reason) == ("filters", key, reason)


def test_filters_are_an_object() -> None:
    with pytest.raises(QueryError, match="JSON object"):
        search(filters=[1])


# Facets


def test_a_facet_ignores_its_own_selection_only() -> None:
    body = search("a", filters={"type": "image", "tags": "x", "rating": 5}, facets=["type", "tag"]).body
    image, tag = {"term": {"fold.type": "image"}}, {"term": {"fold.tags": "x"}}
    assert {"term": {"rating": 5}} in body["query"]["bool"]["filter"]
    assert body["post_filter"] == {"bool": {"filter": [image, tag]}}
    assert body["aggs"]["facet0"]["filter"] == {"bool": {"filter": [tag]}}
    assert body["aggs"]["facet1"]["filter"] == {"bool": {"filter": [image]}}
    assert body["aggs"]["facet0"]["aggs"] == {"values": {"terms": {"field": "fold.type", "size": 50}}}
    assert body["aggs"]["facet1"]["aggs"] == {
        "values": {"terms": {"field": "fold.tags", "size": 50}},
        "spellings": {"terms": {"field": "tags", "size": 100}},
    }


def test_dates_are_counted_by_month_in_the_zone() -> None:
    histogram = search(facets=["created_at"], zone="Asia/Tokyo").body["aggs"]["facet0"]["aggs"]["values"]
    assert histogram["date_histogram"]["time_zone"] == "Asia/Tokyo"
    assert histogram["date_histogram"]["calendar_interval"] == "month"


def _answer(
    compiled: CompiledSearch, *buckets: list[dict[str, Any]], spellings: tuple[str, ...] = ()
) -> dict[str, dict[str, int]]:
    written = {"spellings": {"buckets": [{"key": spelling} for spelling in spellings]}}
    return read_facets(
        compiled, {f"facet{at}": {"values": {"buckets": found}, **written} for at, found in enumerate(buckets)}
    )


def test_counts_are_read_back() -> None:
    compiled = search(facets=["Tags", "rating", "amount", "is_public", "created_at", "model"])
    assert _answer(
        compiled,
        [
            {"key": "red", "doc_count": 3},
            {"key": "teal", "doc_count": 1},
            {"key": "none", "doc_count": 0},
        ],
        [{"key": 5, "doc_count": 2}],
        [{"key": 0.05, "doc_count": 2}, {"key": 2.0, "doc_count": 1}],
        [{"key": 1, "key_as_string": "true", "doc_count": 4}],
        [{"key": 1704067200000, "key_as_string": "2024-01", "doc_count": 7}],
        spellings=("Blue", "RED", "red"),
    ) == {
        "Tags": {"RED": 3, "teal": 1},
        "rating": {"5": 2},
        "amount": {"0.05": 2, "2": 1},
        "is_public": {"true": 4},
        "created_at": {"2024-01": 7},
        "model": {},
    }


@pytest.mark.parametrize(
    ("names", "key", "reason"),
    [
        (["typ"], "typ", "unknown_field"),
        (["title"], "title", "unsupported"),
        (["org_id"], "org_id", "unknown_field"),
        (["admin_tags"], "admin_tags", "unknown_field"),
        (["type"] + [f"x{n}" for n in range(32)], "", "limit"),
    ],
)
def test_bad_facets(names: list[str], key: str, reason: str) -> None:
    with pytest.raises(QueryError) as raised:
        search(facets=names)
    assert (raised.value.field, raised.value.key, raised.value.problem.reason) == ("facets", key, reason)


def test_administrators_count_their_tags() -> None:
    assert search(caller=ADMIN, facets=["admin_tags"]).facets[0].field.name == "admin_tags"


def test_repeated_facets_are_one() -> None:
    assert [plan.name for plan in search(facets=["type", " type", ""]).facets] == ["type"]


# Sort and pages


SORTS: list[tuple[str, list[dict[str, Any]]]] = [
    (
        "-created_at,title",
        [
            {"created_at": {"order": "desc", "missing": "_last"}},
            {"fold.title": {"order": "asc", "missing": "_last"}},
            {"number": {"order": "desc"}},
        ],
    ),
    ("title:desc", [{"fold.title": {"order": "desc", "missing": "_last"}}, {"number": {"order": "desc"}}]),
    ("downloads", [{"usage_stats.downloads": {"order": "asc", "missing": "_last"}}, {"number": {"order": "asc"}}]),
    ("relevance", [{"_score": {"order": "desc"}}, {"number": {"order": "desc"}}]),
    (
        "-number,title",
        [{"number": {"order": "desc", "missing": "_last"}}, {"fold.title": {"order": "asc", "missing": "_last"}}],
    ),
    ("created,created_at:desc", [{"created_at": {"order": "asc", "missing": "_last"}}, {"number": {"order": "asc"}}]),
]


@pytest.mark.parametrize(("sort", "expected"), SORTS)
def test_sorts(sort: str, expected: list[dict[str, Any]]) -> None:
    assert search("a", sort=sort).body["sort"] == expected
    assert search("a", sort=parse_sort(sort)).body["sort"] == expected


def test_default_orders() -> None:
    assert search("a").body["sort"][0] == {"_score": {"order": "desc"}}
    for text in ("", "tags:a", "-a"):
        assert list(search(text).body["sort"][0]) == ["created_at"]
        assert list(search(text, sort="relevance").body["sort"][0]) == ["created_at"]


def test_sort_in_filters_and_its_precedence() -> None:
    filters = {"sort_by": "downloads", "sort_order": "desc"}
    assert list(search("a", filters=filters).body["sort"][0]) == ["usage_stats.downloads"]
    assert list(search("a", filters=filters, sort=[SortKey("title")]).body["sort"][0]) == ["fold.title"]
    assert search("a", filters={"sort_order": "asc"}).body["sort"][0] == {"_score": {"order": "asc"}}


@pytest.mark.parametrize(
    ("sort", "reason"),
    [
        ("titel", "unknown_field"),
        ("description", "unsupported"),
        ("org_id", "unknown_field"),
        ("title:up", "wrong_type"),
        ("a,b,c,d,e,f", "limit"),
        ("-", "unknown_field"),
    ],
)
def test_bad_sorts(sort: str, reason: str) -> None:
    with pytest.raises(QueryError) as raised:
        search(sort=sort)
    assert (raised.value.field, raised.value.problem.reason) == ("sort", reason)


@pytest.mark.parametrize(
    ("field", "more"),
    [
        ("limit", {"limit": 101}),
        ("limit", {"limit": -1}),
        ("offset", {"offset": -1}),
        ("offset", {"offset": 10_001}),
        ("facet_size", {"facet_size": 0}),
        ("facet_size", {"facet_size": 1001}),
        ("zone", {"zone": "Mars/Base"}),
    ],
)
def test_bad_pages(field: str, more: dict[str, Any]) -> None:
    with pytest.raises(QueryError) as raised:
        search(**more)
    assert raised.value.field == field


def test_pages_and_totals() -> None:
    body = search(limit=0, offset=10_000, total_exact=False, source=["metadata.exif"]).body
    assert (body["size"], body["from"], body["track_total_hits"]) == (0, 10_000, 10_000)
    assert body["_source"]["excludes"] == ["fold", "metadata.exif"]


@pytest.mark.parametrize("make", [lambda: search("(a"), lambda: search(filters={"x": 1})])
def test_problems_are_data(make: Callable[[], object]) -> None:
    with pytest.raises(QueryError) as raised:
        make()
    assert set(raised.value.problem.as_dict()) == {"reason", "message", "offset", "length", "suggestion"}


def test_score_boosts_multiply_the_score_of_words_only() -> None:
    plain = search("a").body["query"]
    boosted = search("a", score_boosts=["recency", "popularity", "recency"]).body["query"]["function_score"]
    assert boosted["query"] == plain
    assert [next(iter(function)) for function in boosted["functions"]] == ["weight", "gauss", "field_value_factor"]
    assert search("tags:a", score_boosts=["recency"]).body == search("tags:a").body
    with pytest.raises(QueryError, match="recency and popularity") as raised:
        search("a", score_boosts=["luck"])
    assert (raised.value.field, raised.value.key) == ("score_boosts", "luck")


# What is kept between compilations


def test_a_text_is_compiled_alike_every_time() -> None:
    clear_cache()
    first, again = search("title:lake width:>800"), search("title:lake width:>800")
    assert (first.body, first.clause, first.warnings) == (again.body, again.clause, again.warnings)


def test_problems_are_reported_every_time() -> None:
    for _ in range(2):
        with pytest.raises(QueryError):
            search("(lake")
        assert search("(lake", lenient=True).warnings
