"""Compiled queries against the embedded engine: the result sets are worked out by hand from `RECORDS`."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from osmem_server import resolve_binary

from mappings.index import index_body
from mappings.projection import fold_object
from query.request import Caller, CompiledSearch, SearchRequest, compile_search, read_facets

NOW = datetime(2024, 6, 15, 12, 0, tzinfo=UTC)
ME = Caller("org_a", "user_1")
ADMIN = Caller("org_a", "user_1", frozenset({"admin"}))

Json = dict[str, Any]


def _image(number: int, title: str, **more: Any) -> Json:
    return {"number": number, "id": f"asset_{number}", "type": "image", "title": title, **more}


RECORDS: list[Json] = [
    _image(
        1,
        "Stunning mountain landscape",
        module="image_studio",
        filename="ai_generated_image_123456.jpg",
        description="A beautiful mountain landscape generated with Stable Diffusion",
        tags=["mountain", "Landscape", "Nature", "outdoor"],
        created_at="2024-01-15T10:30:00Z",
        user_id="user_1",
        collections=["favorites", "landscapes"],
        favorited_by=["user_1"],
        is_public=True,
        rating=5,
        usage_stats={"downloads": 12, "views": 45},
        cost={"credits_used": 5, "currency": "USD", "amount": 0.05},
        metadata={
            "width": 1024,
            "height": 1024,
            "file_size": 245760,
            "model": "stable-diffusion-xl",
            "prompt": "majestic mountain landscape with lake and forest",
            "seed": 18446744073709551615,
            "aspect": "square",
        },
    ),
    _image(
        2,
        "Forest at dawn",
        module="image_studio",
        filename="forest-dawn.png",
        tags=["forest", "nature"],
        created_at="2024-01-31T23:59:59Z",
        user_id="user_2",
        usage_stats={"downloads": 5},
        metadata={"width": 2048, "height": 1000, "file_size": 6_000_000, "model": "Stable-Diffusion-1.5"},
    ),
    _image(
        3,
        "Café crème in the landscape",
        filename="IMG20240201.JPG",
        tags=["coffee", "nature"],
        created_at="2024-02-01T00:00:00Z",
        user_id="user_1",
        gps={"lat": 52.37, "lon": 4.89},
        captured_at="2023-05-31T22:30:00Z",
        creator=["Jane Doe"],
        metadata={
            "width": 4000,
            "camera": "Canon EOS 5D",
            "camera_make": "Canon",
            "camera_model": "EOS 5D",
            "iso": 400,
            "f_number": 2.8,
            "exif": {"FNumber": "2.8", "Image Make": "Canon"},
            "codec": "raw",
        },
    ),
    {
        "number": 4,
        "id": "asset_4",
        "type": "video",
        "module": "video_studio",
        "title": "How to paint a river",
        "filename": "tutorial.mp4",
        "tags": ["educational"],
        "created_at": "2024-03-10T08:00:00Z",
        "user_id": "user_2",
        "usage_stats": {"downloads": 40},
        "metadata": {"duration": 90.0, "width": 1920},
        "expires_at": "2024-06-01T00:00:00Z",
        "people": [{"name": "Ann Lee", "role": "speaker"}, {"name": "Bob Ray", "role": "editor"}],
    },
    {
        "number": 5,
        "id": "asset_5",
        "type": "video",
        "module": "video_studio",
        "title": "River tutorial, blurry",
        "filename": "river_v2.mp4",
        "tags": ["tutorial"],
        "created_at": "2024-03-11T08:00:00Z",
        "user_id": "user_1",
        "metadata": {"duration": 121.5},
        "people": [{"name": "Ann Ray", "role": "editor"}],
        "custom": {"Colour": "Dark Red", "weight": 7, "due": "2024-05-01", "ok": True},
    },
    {
        "number": 6,
        "id": "asset_6",
        "type": "text",
        "module": "blog_writer",
        "title": "Fair-trade coffee at 12:30",
        "description": "See https://example.com/coffee?x=1, doi 10.5281/zenodo.1 and C++",
        "tags": ["marketing", "brand"],
        "created_at": "2024-01-20T00:00:00Z",
        "user_id": "user_2",
        "source_info": "Archive of Zürich",
        "cost": {"amount": 0.1},
        "usage_stats": {"downloads": 6},
        "custom": {"colour": "red", "weight": 4},
    },
    _image(
        7,
        "Deleted hill",
        tags=["hill"],
        created_at="2024-01-02T00:00:00Z",
        deleted_at="2024-02-02T00:00:00Z",
        user_id="user_1",
    ),
    _image(
        8,
        "東京タワー ＡＢＣ",
        tags=["Nature"],
        filename="caf\u0065\u0301_photo.png",
        user_id="user_1",
        created_at="2023-12-31T23:30:00Z",
        gps={"lat": 35.66, "lon": 139.75},
        admin_tags=["review"],
        colours=["teal", "#ffffff"],
        metadata={"width": 800, "camera": "Canon EOS 5D Mark II"},
    ),
    _image(
        9,
        "Brand*new logo",
        tags=["brand"],
        filename="logo.svg",
        user_id="user_2",
        created_at="2024-04-01T00:00:00Z",
        suggested_tags=[{"tag": "water", "confidence": 83.7}, {"tag": "river", "confidence": 12.0}],
    ),
]
FOREIGN = {"number": 100, "id": "asset_100", "type": "image", "title": "Foreign mountain landscape", "tags": ["nature"]}


@pytest.fixture(scope="module")
def engine() -> Iterator[str]:
    """The address of an engine with `RECORDS` of org_a and one record of org_b."""
    command = [resolve_binary(), "-no-ja", "-parent-pid", str(os.getpid())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        try:
            _send(url, "PUT", "/assets", index_body())
            for record in RECORDS:
                _send(url, "PUT", f"/assets/_doc/{record['number']}?refresh=true", _document(record, "org_a"))
            _send(url, "PUT", "/assets/_doc/100?refresh=true", _document(FOREIGN, "org_b"))
            yield url
        finally:
            process.kill()


def _document(record: Mapping[str, Any], org_id: str) -> Json:
    return {
        **record,
        "fold": fold_object(record),
        "org_id": org_id,
        "asset_id": record["id"],
        "rev": 1,
        "deleted": False,
    }


def _send(url: str, method: str, path: str, body: Any) -> Json:
    request = urllib.request.Request(url + path, json.dumps(body).encode(), method=method)
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request) as answer:
        found: Json = json.loads(answer.read())
    return found


def _search(engine: str, request: SearchRequest, caller: Caller = ME) -> tuple[CompiledSearch, Json]:
    compiled = compile_search(request, caller, NOW)
    return compiled, _send(engine, "POST", "/assets/_search", compiled.body)


def _numbers(answer: Json) -> list[int]:
    return [hit["_source"]["number"] for hit in answer["hits"]["hits"]]


LIVE = {1, 2, 3, 4, 5, 6, 8, 9}

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
    ("&", LIVE),
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
    ("type:im\\*", set()),
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
    _, answer = _search(engine, SearchRequest(text=text, limit=100))
    assert set(_numbers(answer)) == expected
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
    _, answer = _search(engine, SearchRequest(filters=filters, facets=facets))
    assert set(_numbers(answer)) == expected
    assert answer["hits"]["total"]["value"] == len(expected)


def test_facets_show_values_as_written_and_ignore_their_own_selection(engine: str) -> None:
    request = SearchRequest(
        text="type:(image OR video)",
        filters={"tags": "NATURE", "type": "image"},
        facets=["type", "tags", "model", "created_at", "rating", "is_public", "camera", "amount"],
    )
    compiled, answer = _search(engine, request)
    assert set(_numbers(answer)) == {1, 2, 3, 8}
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
    compiled, answer = _search(engine, SearchRequest(filters={"type": "video"}, facets=["type", "module"]))
    facets = read_facets(compiled, answer["aggregations"])
    assert set(_numbers(answer)) == {4, 5}
    assert facets == {"type": {"image": 5, "video": 2, "text": 1}, "module": {"video_studio": 2}}


def test_months_follow_the_zone(engine: str) -> None:
    request = SearchRequest(text="created_at:2024-01-01", facets=["created_at"], zone="Asia/Tokyo")
    compiled, answer = _search(engine, request)
    assert set(_numbers(answer)) == {8}
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
    _, answer = _search(engine, SearchRequest(text=text, sort=sort))
    assert _numbers(answer) == expected


def test_pages_do_not_overlap(engine: str) -> None:
    pages = [_numbers(_search(engine, SearchRequest(limit=3, offset=at))[1]) for at in (0, 3, 6)]
    assert [number for page in pages for number in page] == [9, 5, 4, 3, 2, 6, 1, 8]


def test_exact_clauses_leave_the_order_to_the_words(engine: str) -> None:
    _, plain = _search(engine, SearchRequest(text="landscape"))
    _, tagged = _search(engine, SearchRequest(text="landscape tags:nature"))
    _, lifted = _search(engine, SearchRequest(text="landscape (tags:coffee^50 OR type:image)"))
    scores = [[hit["_score"] for hit in answer["hits"]["hits"]] for answer in (plain, tagged)]
    assert scores[0] == scores[1]
    assert _numbers(plain) == [1, 3]
    assert _numbers(lifted) == [3, 1]


def test_words_in_order_come_first(engine: str) -> None:
    _, answer = _search(engine, SearchRequest(text="river tutorial"))
    assert _numbers(answer) == [5, 4]


def test_results_never_hold_derived_fields(engine: str) -> None:
    _, answer = _search(engine, SearchRequest(source=["org_id", "metadata.exif"]))
    for hit in answer["hits"]["hits"]:
        assert "fold" not in hit["_source"]
        assert "org_id" not in hit["_source"]
        assert "exif" not in hit["_source"].get("metadata", {})


def test_admin_tags_are_for_administrators(engine: str) -> None:
    compiled, answer = _search(engine, SearchRequest(text="admin_tags:review", facets=["admin_tags"]), ADMIN)
    assert _numbers(answer) == [8]
    assert read_facets(compiled, answer["aggregations"]) == {"admin_tags": {"review": 1}}


def test_lenient_takes_unknown_fields_as_text(engine: str) -> None:
    compiled, answer = _search(engine, SearchRequest(text="river foo:tutorial", lenient=True))
    assert [warning.reason for warning in compiled.warnings] == ["unknown_field"]
    assert _numbers(answer) == []
    _, answer = _search(engine, SearchRequest(text="(river OR", lenient=True))
    assert set(_numbers(answer)) == {4, 5}


def test_the_longest_queries_pass_the_engine(engine: str) -> None:
    words = " OR ".join(f"w{n}" for n in range(70))
    values = " OR ".join(f"t{n}" for n in range(500))
    deep = "(" * 20 + "river" + ")" * 20
    for text, expected in ((words, 0), (f"tags:({values})", 0), (deep, 2)):
        _, answer = _search(engine, SearchRequest(text=text))
        assert answer["hits"]["total"]["value"] == expected
