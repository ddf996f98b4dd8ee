"""Compiled queries against the engines: the result sets are worked out by hand from `RECORDS`."""

from __future__ import annotations

import json

import pytest

from query.compile import read_facets
from query.types import SearchRequest
from tests.contracts.querying import ADMIN, LIVE, Json, engine, numbers, put, search, send

__all__ = ["engine"]  # the fixture

COMPLEX_IMAGE = (
    "type:image AND (tags:mountain OR tags:landscape) AND width:[1024 TO 2048] "
    "AND created_at:[2024-01-01 TO 2024-01-31] AND model:stable-diffusion*"
)
COMPLEX_MODULES = (
    "(module:image_studio OR module:blog_writer) AND (tags:marketing OR tags:nature) "
    "AND created_at:[2024-01-15 TO 2024-01-31]"
)

QUERIES: list[tuple[str, set[int]]] = [
    ("", LIVE),
    ("*:*", LIVE),
    # words, across fields, folded
    ("mountain landscape", {1}),
    ("landscape", {1, 3}),
    ("dawn nature", {2}),
    ("CAFE creme", {3}),
    ("café", {3, 8}),
    ("abc", {8}),
    ("東京", {8}),
    ("zurich", {6}),
    ("ann", {4, 5}),
    ('"dark red"', {5}),
    ("canon", {3, 8}),
    ("generated", {1}),
    ("img", {3}),
    ("&", set()),
    ("mountain & landscape", {1}),
    # phrases and proximity
    ('"mountain landscape"', {1}),
    ('"landscape mountain"', set()),
    ('"stunning landscape"~1', {1}),
    ("“mountain landscape”", {1}),
    # literal signs
    ("fair-trade", {6}),
    ("12:30", {6}),
    ("10.5281/zenodo.1", {6}),
    ("https://example.com/coffee?x=1", {6}),
    # fields
    ("title:mountain", {1}),
    ("description:landscape", {1}),
    ("tags:nature", {1, 2, 3, 8}),
    ("tags:natur", set()),
    ("module:image_studio", {1, 2}),
    ("TYPE:Image", {1, 2, 3, 8, 9}),
    ('creator:"jane doe"', {3}),
    ("creator:jane", set()),
    ("filename:generated", {1}),
    ("filename:*.jpg", {1, 3}),
    ("filename:*.JP?", {1, 3}),
    ("filename:forest*", {2}),
    ("id:asset_4", {4}),
    ("number:4", {4}),
    ('camera:"canon eos"', {3, 8}),
    ('camera_model:"eos 5d"', {3}),
    ("seed:18446744073709551615", {1}),
    # operators
    ("mountain AND landscape", {1}),
    ("mountain OR forest", {1, 2}),
    ("(mountain OR dawn) AND (lake OR river)", {1}),
    ("NOT blurry", LIVE - {5}),
    ("-blurry river", {4}),
    ("river !blurry", {4}),
    ("river && tutorial", {4, 5}),
    ("dawn || coffee", {2, 3, 6}),
    ("river dawn OR paint", {4}),
    ("dawn OR river AND paint", {2, 4}),
    ("NOT NOT dawn", {2}),
    ("NOT (type:image OR type:video)", {6}),
    ("-tags:(nature OR brand)", {4, 5}),
    ("tags:(nature -mountain)", {2, 3, 8}),
    ("+river +tutorial", {4, 5}),
    # wildcards
    ("mount*", {1}),
    ("land*ape", {1, 3}),
    ("for?st", {1, 2}),
    ("tags:natu*", {1, 2, 3, 8}),
    ("model:stable-diffusion*", {1, 2}),
    ("model:stable?diffusion-1*", {2}),
    ("title:fair-tra*", {6}),
    ("title:caf*", {3}),
    ("fair-tra*", {6}),
    ("example.c*", {6}),
    ("example.com/cof*", {6}),
    ("module:im\\*", set()),
    # fuzzy
    ("montain~", {1}),
    ("mountian~1", {1}),
    ("mountain~0", {1}),
    ("mauntein~", {1}),
    ("mauntein~1", set()),
    ("tags:natre~1", {1, 2, 3, 8}),
    ("title:dwan~1", {2}),
    # numbers, units, ranges
    ("width:[1024 TO 2048]", {1, 2, 4}),
    ("width:{1024 TO 2048}", {4}),
    ("width:[1024 TO 2048}", {1, 4}),
    ("width:>2048", {3}),
    ("width:>=2048", {2, 3}),
    ("width:<1024", {8}),
    ("width:[* TO 1024]", {1, 8}),
    ('width:["800" TO 900]', {8}),
    ("width:>-5 iso:400", {3}),
    ("file_size:[100000 TO 500000]", {1}),
    ("file_size:>5mb", {2}),
    ("duration:[30 TO 120]", {4}),
    ("duration:>2m", {5}),
    ("duration:<=1:30", {4}),
    ("f_number:2.8", {3}),
    ("cost.amount:[0.01 TO 0.10]", {1, 6}),
    ("usage_stats.downloads:>5", {1, 4, 6}),
    ("downloads:5", {2}),
    ("rating:(4 OR 5)", {1}),
    ("model:[stable-diffusion-1 TO stable-diffusion-2]", {2}),
    # dates
    ("created_at:[2024-01-01 TO 2024-01-31]", {1, 2, 6}),
    ("created_at:[2024-01-01 TO 2024-01-31}", {1, 6}),
    ("created_at:2024-01", {1, 2, 6}),
    ("created_at:2024-01-31", {2}),
    ("created_at:>2024-01", {3, 4, 5, 9}),
    ("created_at:<2024", {8}),
    ("created_at:2024-01-15T10:30:00Z", {1}),
    ("created:[now-75d/d TO now]", {9}),
    # booleans, flags, scopes
    ("is_public:true", {1}),
    ("is:public", {1}),
    ("is:favorite", {1}),
    ("is_favorite:false", LIVE - {1}),
    ("is:deleted", {7}),
    ("is_deleted:true", {7}),
    ("is:expired", {4}),
    ("by:me", {1, 3, 5, 8}),
    ("by:user_2", {2, 4, 6, 9}),
    ("in:landscapes", {1}),
    ("deleted_at:2024", {7}),
    # exists
    ("gps:*", {3, 8}),
    ("_exists_:captured_at", {3}),
    ("has:people", {4, 5}),
    ("missing:filename", {6}),
    ("has:custom.due", {5}),
    ("width:[* TO *]", {1, 2, 3, 4, 8}),
    # nested
    ("people:(name:ann AND role:editor)", {5}),
    ("people.name:ann AND people.role:editor", {4, 5}),
    ("people:(name:ann AND NOT role:editor)", {4}),
    ("people:bob", {4}),
    ("suggested_tags:(tag:water AND confidence:>80)", {9}),
    ("suggested_tags:(tag:river AND confidence:>80)", set()),
    # places
    ('near:"52.37,4.89 10km"', {3}),
    ('near:"35.7,139.7 20km"', {8}),
    ('bounds:"53.6,7.2,50.7,3.3"', {3}),
    # open objects and custom fields
    ("exif.FNumber:2.8", {3}),
    ("exif.image_make:can*", {3}),
    ("exif:canon", {3}),
    ("extra.codec:RAW", {3}),
    ("custom.colour:red", {5, 6}),
    ('custom.colour:"dark red"', {5}),
    ("custom.weight:>5", {5}),
    ("custom.weight:4", {6}),
    ("custom.due:[2024-04-01 TO 2024-05-31]", {5}),
    ("custom.ok:true", {5}),
    ("custom.colour:dar*", {5}),
    # the complex examples
    (COMPLEX_IMAGE, {1}),
    ("type:video AND module:video_studio AND duration:[30 TO 120] AND tags:(educational OR tutorial)", {4}),
    (COMPLEX_MODULES, {1, 2, 6}),
    ("cost.amount:[0.01 TO 0.10] AND usage_stats.downloads:>5", {1, 6}),
]


@pytest.mark.parametrize(("text", "expected"), QUERIES, ids=[text or "empty" for text, _ in QUERIES])
def test_query_selects(engine: str, text: str, expected: set[int]) -> None:
    _, answer = search(engine, SearchRequest(text=text, limit=100))
    assert set(numbers(answer)) == expected
    assert answer["hits"]["total"] == {"value": len(expected), "relation": "eq"}


FILTERS: list[tuple[Json, set[int]]] = [
    ({"type": "video"}, {4, 5}),
    ({"type": ["video", "text"]}, {4, 5, 6}),
    ({"width": {"gte": 1024, "lt": 2048}}, {1, 4}),
    ({"tags": {"all": ["nature", "forest"]}}, {2}),
    ({"tags": {"not": "nature"}}, LIVE - {1, 2, 3, 8}),
    ({"gps": {"exists": True}}, {3, 8}),
    ({"gps": {"exists": False}, "type": "image"}, {1, 2, 9}),
    ({"created_at": {"gte": "2024-02-01", "lte": "2024-03-10"}}, {3, 4}),
    ({"created_at": "2024-01"}, {1, 2, 6}),
    ({"is_favorite": True}, {1}),
    ({"is_deleted": True}, {7}),
    ({"camera": "canon eos 5d"}, {3}),
    ({"people.role": {"not": "editor"}}, LIVE - {4, 5}),
    ({"title": "landscape"}, {1, 3}),
    ({"rating": 5, "is_public": True}, {1}),
]


@pytest.mark.parametrize(("filters", "expected"), FILTERS, ids=[json.dumps(filters) for filters, _ in FILTERS])
@pytest.mark.parametrize("facets", [(), ("type", "tags", "width", "camera", "created_at", "rating", "is_public")])
def test_filters_select(engine: str, filters: Json, expected: set[int], facets: tuple[str, ...]) -> None:
    _, answer = search(engine, SearchRequest(filters=filters, facets=facets))
    assert set(numbers(answer)) == expected
    assert answer["hits"]["total"]["value"] == len(expected)


def test_facets_show_values_as_written_and_ignore_their_own_selection(engine: str) -> None:
    request = SearchRequest(
        text="type:(image OR video)",
        filters={"tags": "NATURE", "type": "image"},
        facets=["type", "tags", "model", "created_at", "rating", "is_public", "camera", "amount"],
    )
    compiled, answer = search(engine, request)
    assert set(numbers(answer)) == {1, 2, 3, 8}
    facets = read_facets(compiled, answer["aggregations"])
    assert facets["type"] == {"image": 4}
    assert facets["tags"] == {
        "Nature": 4,
        "brand": 1,
        "coffee": 1,
        "forest": 1,
        "Landscape": 1,
        "mountain": 1,
        "outdoor": 1,
    }
    assert facets["model"] == {"Stable-Diffusion-1.5": 1, "stable-diffusion-xl": 1}
    assert list(facets["created_at"].items()) == [("2023-12", 1), ("2024-01", 2), ("2024-02", 1)]
    assert facets["rating"] == {"5": 1}
    assert facets["is_public"] == {"true": 1}
    assert facets["camera"] == {"Canon EOS 5D": 1, "Canon EOS 5D Mark II": 1}
    assert facets["amount"] == {"0.05": 1}


def test_a_selected_facet_still_counts_the_other_values(engine: str) -> None:
    compiled, answer = search(engine, SearchRequest(filters={"type": "video"}, facets=["type", "module"]))
    facets = read_facets(compiled, answer["aggregations"])
    assert set(numbers(answer)) == {4, 5}
    assert facets == {"type": {"image": 5, "video": 2, "text": 1}, "module": {"video_studio": 2}}


def test_months_follow_the_zone(engine: str) -> None:
    request = SearchRequest(text="created_at:2024-01-01", facets=["created_at"], zone="Asia/Tokyo")
    compiled, answer = search(engine, request)
    assert set(numbers(answer)) == {8}
    assert read_facets(compiled, answer["aggregations"]) == {"created_at": {"2024-01": 1}}


SORTS: list[tuple[str, str, list[int]]] = [
    ("", "", [9, 5, 4, 3, 2, 6, 1, 8]),
    ("", "created_at", [8, 1, 6, 2, 3, 4, 5, 9]),
    ("", "-downloads", [4, 1, 6, 2, 9, 8, 5, 3]),
    ("", "downloads:asc", [2, 6, 1, 4, 3, 5, 8, 9]),
    ("type:image", "title", [9, 3, 2, 1, 8]),
    ("", "type,-number", [9, 8, 3, 2, 1, 6, 5, 4]),
    ("mountain OR coffee", "relevance", [1, 6, 3]),
    ("type:video", "relevance", [5, 4]),
]


@pytest.mark.parametrize(("text", "sort", "expected"), SORTS)
def test_sorts(engine: str, text: str, sort: str, expected: list[int]) -> None:
    _, answer = search(engine, SearchRequest(text=text, sort=sort))
    assert numbers(answer) == expected


def test_pages_do_not_overlap(engine: str) -> None:
    pages = [numbers(search(engine, SearchRequest(limit=3, offset=at))[1]) for at in (0, 3, 6)]
    assert [number for page in pages for number in page] == [9, 5, 4, 3, 2, 6, 1, 8]


def test_exact_clauses_leave_the_order_to_the_words(engine: str) -> None:
    _, plain = search(engine, SearchRequest(text="landscape"))
    _, tagged = search(engine, SearchRequest(text="landscape tags:nature"))
    _, lifted = search(engine, SearchRequest(text="landscape (tags:coffee^50 OR type:image)"))
    scores = [[hit["_score"] for hit in answer["hits"]["hits"]] for answer in (plain, tagged)]
    assert scores[0] == scores[1]
    assert numbers(plain) == [1, 3]
    assert numbers(lifted) == [3, 1]


def test_words_in_order_come_first(engine: str) -> None:
    _, answer = search(engine, SearchRequest(text="river tutorial"))
    assert numbers(answer) == [5, 4]


def test_results_never_hold_derived_fields(engine: str) -> None:
    _, answer = search(engine, SearchRequest(source=["org_id", "metadata.exif"]))
    for hit in answer["hits"]["hits"]:
        assert "fold" not in hit["_source"]
        assert "org_id" not in hit["_source"]
        assert "exif" not in hit["_source"].get("metadata", {})


def test_admin_tags_are_for_administrators(engine: str) -> None:
    compiled, answer = search(engine, SearchRequest(text="admin_tags:review", facets=["admin_tags"]), ADMIN)
    assert numbers(answer) == [8]
    assert read_facets(compiled, answer["aggregations"]) == {"admin_tags": {"review": 1}}


def test_lenient_takes_unknown_fields_as_text(engine: str) -> None:
    compiled, answer = search(engine, SearchRequest(text="river foo:tutorial", lenient=True))
    assert [warning.reason for warning in compiled.warnings] == ["unknown_field"]
    assert numbers(answer) == []
    _, answer = search(engine, SearchRequest(text="(river OR", lenient=True))
    assert set(numbers(answer)) == {4, 5}


def test_the_longest_queries_pass_the_engine(engine: str) -> None:
    words = " OR ".join(f"w{n}" for n in range(70))
    values = " OR ".join(f"t{n}" for n in range(500))
    deep = "(" * 20 + "river" + ")" * 20
    for text, expected in ((words, 0), (f"tags:({values})", 0), (deep, 2)):
        _, answer = search(engine, SearchRequest(text=text))
        assert answer["hits"]["total"]["value"] == expected


@pytest.mark.parametrize(
    ("score_boosts", "expected"),
    [((), [402, 401, 400]), (("recency",), [401, 402, 400]), (("popularity",), [400, 402, 401])],
)
def test_score_boosts(engine: str, score_boosts: tuple[str, ...], expected: list[int]) -> None:
    for number, age, downloads in ((400, "2022", 500), (401, "2024-06-14", 0), (402, "2024-03-01", 3)):
        stats = {"usage_stats": {"downloads": downloads}, "created_at": age}
        put(engine, {"number": number, "id": f"asset_{number}", "type": "image", "title": "zebra", **stats})
    _, answer = search(engine, SearchRequest(text="zebra", score_boosts=score_boosts))
    for number in (400, 401, 402):
        send(engine, "DELETE", f"/_doc/{number}?refresh=true")
    assert numbers(answer) == expected


def test_partial_codes_are_found(engine: str) -> None:
    for text in ("filename:*0240201*", "filename:IMG2024*", "stable-diff*", "model:stable*xl"):
        assert numbers(search(engine, SearchRequest(text=text))[1])


def test_words_may_stand_in_different_fields(engine: str) -> None:
    assert numbers(search(engine, SearchRequest(text="dawn nature"))[1]) == [2]
    assert numbers(search(engine, SearchRequest(text="title:(dawn nature)"))[1]) == []
