"""Facets on the engines: the counts are worked out by hand from `RECORDS`."""

from __future__ import annotations

from typing import Any

import pytest

from query.compile import read_facets, read_left_out
from query.completion import ValueCompletion, completion
from query.facets.read import LeftOut
from query.facets.request import MISSING, FacetRequest, parse_facets
from query.types import SearchRequest
from tests.contracts.querying import ADMIN, ME, NOW, Json, engine, numbers, put, search, send

__all__ = ["engine"]  # the fixture


def _counts(engine: str, facet: str | FacetRequest, **more: Any) -> dict[str, int]:
    compiled, answer = search(engine, SearchRequest(facets=[facet], **more), ADMIN)
    found = read_facets(compiled, answer["aggregations"])
    return next(iter(found.values()))


TERMS: list[tuple[FacetRequest, list[tuple[str, int]]]] = [
    (FacetRequest("tags", size=2), [("Nature", 4), ("brand", 2)]),
    (FacetRequest("tags", prefix="N"), [("Nature", 4)]),
    (FacetRequest("tags", prefix="m"), [("marketing", 1), ("mountain", 1)]),
    (FacetRequest("tags", size=2, prefix="M", order="-value"), [("mountain", 1), ("marketing", 1)]),
    (FacetRequest("tags", prefix=".*"), []),
    (FacetRequest("colours", prefix="#"), [("#ffffff", 1)]),
    (FacetRequest("tags", size=3, order="value"), [("brand", 2), ("coffee", 1), ("educational", 1)]),
    (FacetRequest("type", order="-count"), [("text", 1), ("video", 2), ("image", 5)]),
    (
        FacetRequest("module", missing=True),
        [("image_studio", 2), ("video_studio", 2), ("blog_writer", 1), (MISSING, 3)],
    ),
    (FacetRequest("rating", missing=True), [("5", 1), (MISSING, 7)]),
    (FacetRequest("width", order="value"), [("800", 1), ("1024", 1), ("1920", 1), ("2048", 1), ("4000", 1)]),
    (FacetRequest("camera", prefix="CANON eos 5d m"), [("Canon EOS 5D Mark II", 1)]),
    (FacetRequest("expires_at", missing=True), [("2024-06", 1), (MISSING, 7)]),
]


@pytest.mark.parametrize(("facet", "expected"), TERMS, ids=[str(at) for at in range(len(TERMS))])
def test_values_are_counted(engine: str, facet: FacetRequest, expected: list[tuple[str, int]]) -> None:
    assert list(_counts(engine, facet).items()) == expected


RANGES: list[tuple[str, list[Json], dict[str, int]]] = [
    (
        "width",
        [{"to": 1024}, {"key": "middle", "from": 1024, "to": 2048}, {"from": 2048}, {"from": 9000}],
        {"*-1024": 1, "middle": 2, "2048-*": 2, "9000-*": 0},
    ),
    ("file_size", [{"from": "1mb"}, {"to": "1mb"}], {"1mb-*": 1, "*-1mb": 1}),
    ("duration", [{"from": "1:30", "to": "2m"}], {"1:30-2m": 1}),
    ("amount", [{"from": 0.05, "to": 0.1}, {"from": 0.1}], {"0.05-0.1": 1, "0.1-*": 1}),
    (
        "created_at",
        [{"to": "2024"}, {"from": "2024-01", "to": "2024-02"}, {"key": "later", "from": "2024-03-31||+1d"}],
        {"*-2024": 1, "2024-01-2024-02": 3, "later": 1},
    ),
    (
        "created_at",
        [{"from": "2024-Q1", "to": "2024-Q2"}, {"from": "now-75d/d"}],
        {"2024-Q1-2024-Q2": 6, "now-75d/d-*": 1},
    ),
]


@pytest.mark.parametrize(("name", "ranges", "expected"), RANGES)
def test_ranges_are_counted(engine: str, name: str, ranges: list[Json], expected: dict[str, int]) -> None:
    counts = _counts(engine, FacetRequest(name, ranges=ranges))
    assert list(counts.items()) == list(expected.items())


INTERVALS: list[tuple[str, str, str, list[tuple[str, int]]]] = [
    ("year", "", "", [("2023", 1), ("2024", 7)]),
    ("year", "Asia/Tokyo", "", [("2024", 8)]),
    ("quarter", "", "", [("2023-Q4", 1), ("2024-Q1", 6), ("2024-Q2", 1)]),
    ("quarter", "", "-value", [("2024-Q2", 1), ("2024-Q1", 6), ("2023-Q4", 1)]),
    ("month", "", "count", [("2024-01", 3), ("2024-03", 2), ("2023-12", 1), ("2024-02", 1), ("2024-04", 1)]),
    (
        "week",
        "",
        "-count",
        [("2023-W52", 1), ("2024-W10", 1), ("2024-W11", 1), ("2024-W14", 1), ("2024-W03", 2), ("2024-W05", 2)],
    ),
    (
        "day",
        "America/New_York",
        "",
        [
            ("2023-12-31", 1),
            ("2024-01-15", 1),
            ("2024-01-19", 1),
            ("2024-01-31", 2),
            ("2024-03-10", 1),
            ("2024-03-11", 1),
            ("2024-03-31", 1),
        ],
    ),
]


@pytest.mark.parametrize(("interval", "zone", "order", "expected"), INTERVALS)
def test_dates_are_counted_by_interval_in_a_zone(
    engine: str, interval: str, zone: str, order: str, expected: list[tuple[str, int]]
) -> None:
    facet = FacetRequest("created_at", interval=interval, zone=zone, order=order or None)
    assert list(_counts(engine, facet).items()) == expected


@pytest.mark.parametrize("interval", ["year", "quarter", "month", "week", "day", "hour"])
@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/St_Johns"])
def test_each_time_counted_can_be_selected(engine: str, interval: str, zone: str) -> None:
    facet = FacetRequest("created_at", interval=interval)
    for value, count in _counts(engine, facet, zone=zone).items():
        _, answer = search(engine, SearchRequest(filters={"created_at": value}, zone=zone))
        assert answer["hits"]["total"]["value"] == count, value
        _, answer = search(engine, SearchRequest(text=f"created_at:{value}", zone=zone))
        assert answer["hits"]["total"]["value"] == count, value


HIERARCHIES: list[tuple[str, str, dict[str, int]]] = [
    ("taxonomy", "", {"Places": 3, "Food": 1}),
    ("taxonomy", "places", {"Places/Europe": 2, "Places/Asia": 1}),
    ("taxonomy", "/Places/", {"Places/Europe": 2, "Places/Asia": 1}),
    ("taxonomy", "Places/Europe", {"Places/Europe/Netherlands": 1}),
    ("taxonomy", "Place", {}),
    ("storage_folder", "", {"Campaigns": 2}),
    ("storage_folder", "campaigns", {"Campaigns/2024": 2}),
    ("storage_folder", "campaigns/2024", {"campaigns/2024/spring": 1}),
]


@pytest.mark.parametrize(("name", "prefix", "expected"), HIERARCHIES)
def test_hierarchies_are_counted_level_by_level(engine: str, name: str, prefix: str, expected: dict[str, int]) -> None:
    counts = _counts(engine, FacetRequest(name, prefix=prefix, hierarchy=True))
    assert {value.casefold(): count for value, count in counts.items()} == {
        value.casefold(): count for value, count in expected.items()
    }
    for value, count in counts.items():
        _, answer = search(engine, SearchRequest(filters={name: value}))
        assert answer["hits"]["total"]["value"] == count


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("taxonomy:places", {3, 4, 8}),
        ("taxonomy:Places/Europe", {3, 4}),
        ("taxonomy:places/eur*", {3, 4}),
        ('folder:"/campaigns/2024"', {3, 4}),
        ("folder:/camp*", {3, 4}),
        ("folder:2024", set()),
    ],
)
def test_a_path_finds_all_below_it(engine: str, text: str, expected: set[int]) -> None:
    assert set(numbers(search(engine, SearchRequest(text=text))[1])) == expected


def test_a_facet_ignores_its_own_negative_selection(engine: str) -> None:
    request = SearchRequest(filters={"type": {"not": "image"}, "tags": {"not": "brand"}}, facets=["type", "tags"])
    compiled, answer = search(engine, request)
    assert set(numbers(answer)) == {4, 5}
    counts = read_facets(compiled, answer["aggregations"])
    assert counts == {
        "type": {"image": 4, "video": 2},
        "tags": {"brand": 1, "educational": 1, "marketing": 1, "tutorial": 1},
    }


def test_two_facets_of_one_field_both_ignore_its_selection(engine: str) -> None:
    facets = parse_facets('["created_at", {"field": "created_at", "interval": "year", "name": "years"}]')
    compiled, answer = search(engine, SearchRequest(filters={"created_at": "2024-04"}, facets=facets))
    assert numbers(answer) == [9]
    counts = read_facets(compiled, answer["aggregations"])
    assert counts["years"] == {"2023": 1, "2024": 7}
    assert sum(counts["created_at"].values()) == 8


COMPLETIONS: list[tuple[str, list[tuple[str, int | None]]]] = [
    ("tags:m", [("marketing", 1), ("mountain", 1)]),
    ("dawn tags:", [("forest", 1), ("nature", 1)]),
    ("river AND -tags:", [("educational", 1), ("tutorial", 1)]),
    ("river OR tags:b", [("brand", 2)]),
    ("foo:x tags:b", [("brand", 2)]),
    ("tags:(nature OR f", [("forest", 1)]),
    ("type:I", [("image", 5)]),
    ("width:20", [("2048", 1)]),
    ("created_at:2024-0", [("2024-04", 1), ("2024-03", 2), ("2024-02", 1), ("2024-01", 3)]),
    ("by:", [("user_1", 4), ("user_2", 4)]),
    ("taxonomy:places/a", [("Places/Asia", 1), ("Places/Asia/Japan", 1)]),
]


@pytest.mark.parametrize(("text", "expected"), COMPLETIONS)
def test_values_complete_with_their_counts(engine: str, text: str, expected: list[tuple[str, int]]) -> None:
    place = completion(text, len(text))
    assert isinstance(place, ValueCompletion)
    compiled = place.search(ME, NOW)
    assert compiled is not None
    answer = send(engine, "POST", "/_search", compiled.body)
    assert [(value.value, value.count) for value in place.read(compiled, answer)] == expected


def test_values_of_another_organization_are_not_proposed(engine: str) -> None:
    put(engine, {"number": 101, "id": "asset_101", "type": "image", "tags": ["mountain secret"]}, "org_b")
    place = completion("tags:mountain", 13)
    assert isinstance(place, ValueCompletion)
    compiled = place.search(ME, NOW)
    assert compiled is not None
    values = place.read(compiled, send(engine, "POST", "/_search", compiled.body))
    assert [(value.value, value.text) for value in values] == [("mountain", "mountain")]


SENT_BACK: list[FacetRequest] = [
    FacetRequest("module", missing=True),
    FacetRequest("tags", missing=True),
    FacetRequest("rating", missing=True),
    FacetRequest("camera", missing=True),
    FacetRequest("is_public", missing=True),
    FacetRequest("expires_at", missing=True),
    FacetRequest("taxonomy", missing=True),
    FacetRequest("width", ranges=[{"to": 1024}, {"from": 1024, "to": 2048}, {"from": 2048}]),
    FacetRequest("file_size", ranges=[{"from": "1mb"}, {"to": "1mb"}]),
    FacetRequest("duration", ranges=[{"from": "1:30", "to": "2m"}]),
    FacetRequest("created_at", ranges=[{"to": "2024"}, {"from": "2024-01", "to": "2024-02"}, {"from": "2024-Q2"}]),
    FacetRequest("width", ranges=[{"key": "small", "to": 1500}, {"key": "large", "from": 1500}]),
    FacetRequest("created_at", interval="day", zone="Asia/Tokyo"),
    FacetRequest("custom.colour", missing=True),
    FacetRequest("custom.weight", missing=True),
    FacetRequest("custom.ok", missing=True),
    FacetRequest("exif.FNumber", missing=True),
    FacetRequest("exif.image_make", missing=True),
    FacetRequest("extra.codec", missing=True),
]


@pytest.mark.parametrize("facet", SENT_BACK, ids=[f"{at}-{facet.field}" for at, facet in enumerate(SENT_BACK)])
def test_a_value_that_a_facet_shows_can_be_sent_back(engine: str, facet: FacetRequest) -> None:
    counts = _counts(engine, facet)
    assert counts
    for value, count in counts.items():
        _, answer = search(engine, SearchRequest(filters={facet.field: value}, facets=[facet]), ADMIN)
        assert answer["hits"]["total"]["value"] == count, value
    several = SearchRequest(filters={facet.field: list(counts)}, facets=[facet])
    assert search(engine, several, ADMIN)[1]["hits"]["total"]["value"] >= max(counts.values())


@pytest.mark.parametrize(
    "text", ['module:"(missing)"', 'rating:"(missing)"', 'custom.colour:"(missing)"', "width:500-1500"]
)
def test_labels_are_values_of_a_query_too(engine: str, text: str) -> None:
    _, answer = search(engine, SearchRequest(text=text))
    assert 0 < answer["hits"]["total"]["value"] < 8


def test_custom_fields_and_open_objects_are_counted(engine: str) -> None:
    assert _counts(engine, FacetRequest("custom.colour", missing=True)) == {"dark red": 1, "red": 1, MISSING: 6}
    assert _counts(engine, FacetRequest("custom.colour", prefix="da")) == {"dark red": 1}
    assert _counts(engine, FacetRequest("exif.fnumber", missing=True)) == {"2.8": 1, MISSING: 7}
    assert _counts(engine, FacetRequest("extra.codec", size=1)) == {"raw": 1}


def test_an_hour_that_occurs_twice_is_one_value(engine: str) -> None:
    times = ("2024-10-26T23:59:00Z", "2024-10-27T00:30:00Z", "2024-10-27T01:30:00Z", "2024-10-27T02:00:00Z")
    for number, at in enumerate(times, 500):
        put(engine, {"number": number, "id": f"asset_{number}", "type": "git", "created_at": at})
    try:
        facet = FacetRequest("created_at", interval="hour", zone="Europe/Amsterdam")
        counts = _counts(engine, facet, filters={"type": "git"})
        assert counts == {"2024-10-27T01": 1, "2024-10-27T02": 2, "2024-10-27T03": 1}
        for value, count in counts.items():
            for more in ({"facets": [facet]}, {"zone": "Europe/Amsterdam"}):
                request = SearchRequest(filters={"type": "git", "created_at": value}, **more)
                assert search(engine, request)[1]["hits"]["total"]["value"] == count, value
    finally:
        for number in range(500, 500 + len(times)):
            send(engine, "DELETE", f"/_doc/{number}?refresh=true")


SIZES: list[tuple[FacetRequest, list[tuple[str, int]], LeftOut]] = [
    (FacetRequest("type", size=1), [("image", 5)], LeftOut(2, 3)),
    (FacetRequest("type", size=3), [("image", 5), ("video", 2), ("text", 1)], LeftOut(0, 0)),
    (FacetRequest("created_at", size=2), [("2024-03", 2), ("2024-04", 1)], LeftOut(3, 5)),
    (FacetRequest("created_at", size=2, order="count"), [("2024-01", 3), ("2024-03", 2)], LeftOut(3, 3)),
    (FacetRequest("created_at", size=1, order="-value"), [("2024-04", 1)], LeftOut(4, 7)),
    (FacetRequest("tags", size=1, prefix="m"), [("marketing", 1)], LeftOut(None, 1)),
]


@pytest.mark.parametrize(("facet", "expected", "left"), SIZES, ids=[str(at) for at in range(len(SIZES))])
def test_what_a_size_leaves_out_is_said(
    engine: str, facet: FacetRequest, expected: list[tuple[str, int]], left: LeftOut
) -> None:
    compiled, answer = search(engine, SearchRequest(facets=[facet], count_left_out=True), ADMIN)
    (counts,) = read_facets(compiled, answer["aggregations"]).values()
    assert list(counts.items()) == expected
    assert list(read_left_out(compiled, answer["aggregations"]).values()) == [left]
