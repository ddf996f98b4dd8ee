"""Every example of seed 000's search part, through HTTP, with result sets worked out by hand from the corpus."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from tests.api.client import Api, error_of
from tests.api.corpus import CORPUS

pytestmark = pytest.mark.asyncio(loop_scope="module")

IMAGES = {"peak", "hill", "small", "late", "dalle", "brand", "blurry"}


@dataclass(frozen=True)
class Library:
    api: Api
    ids: dict[str, str]

    def names(self, results: Iterable[Any]) -> list[str]:
        by_id = {value: name for name, value in self.ids.items()}
        return [by_id[result["id"]] for result in results]

    async def search(self, path: str, **params: Any) -> Any:
        return await self.api.ok("GET", f"/assets/search{path}", params={"limit": 100, **params})

    async def found(self, query: str, **params: Any) -> set[str]:
        body = await self.search("/advanced", query=query, **params)
        names = self.names(body["results"])
        assert body["total_count"] == len(names) == len(set(names))
        return set(names)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def library(api: Api) -> AsyncIterator[Library]:
    ids = {name: (await api.create(**body))["id"] for name, body in CORPUS.items()}
    other = await api.as_user(org="other", scopes="assets:read,assets:write,assets:import")
    await other.create(**CORPUS["peak"])  # another organization's assets must never show
    await api.settled()
    yield Library(api, ids)


SYNTAX: dict[str, set[str]] = {
    "mountain landscape": {"peak"},
    '"mountain landscape"': {"peak"},
    '"exact phrase search"': set(),
    "title:mountain": {"peak", "small", "late", "dalle"},
    'title:"mountain"': {"peak", "small", "late"},
    "description:landscape": {"peak", "text"},
    "tags:nature": {"peak", "hill"},
    "module:image_studio": IMAGES,
    "mountain AND landscape": {"peak"},
    "mountain OR forest": {"peak", "small", "late", "dalle"},
    "(mountain OR hill) AND (lake OR river)": {"peak", "hill", "dalle"},
    "NOT blurry": set(CORPUS) - {"blurry"},
    "mount*": {"peak", "small", "late", "dalle", "song"},
    "land*ape": {"peak", "hill", "text"},
    "created_at:[2024-01-01 TO 2024-01-31]": {"peak", "hill", "small", "dalle", "brand", "advert", "text"},
    "file_size:[100000 TO 500000]": {"peak", "hill", "small"},
    "width:[800 TO 2048]": {"peak", "hill", "small", "late", "dalle"},
    "mountain^2 landscape": {"peak"},
    # 1 - 0.8 of five letters is one edit: "mount" reaches nothing but itself and its near spellings.
    "mount~0.8": {"song"},
    (
        "type:image AND (tags:mountain OR tags:landscape) AND width:[1024 TO 2048]"
        " AND created_at:[2024-01-01 TO 2024-01-31] AND model:stable-diffusion*"
    ): {"peak", "hill"},
    "type:video AND module:video_studio AND duration:[30 TO 120] AND tags:(educational OR tutorial)": {
        "lesson",
        "knots",
    },
    (
        "(module:image_studio OR module:video_studio) AND (tags:marketing OR tags:brand)"
        " AND created_at:[2024-01-15 TO 2024-01-31]"
    ): {"brand", "advert"},
    "cost.amount:[0.01 TO 0.10] AND usage_stats.downloads:>5": {"peak", "hill"},
    "type:image AND module:image_studio AND tags:marketing AND created_at:[2024-01-01 TO 2024-03-31]": set(),
    "type:image AND tags:marketing AND created_at:[2024-01-01 TO 2024-01-31]": set(),
    "": set(CORPUS),
    "   ": set(CORPUS),
}


@pytest.mark.parametrize("query", SYNTAX)
async def test_syntax(library: Library, query: str) -> None:
    assert await library.found(query) == SYNTAX[query]


async def test_basic_search_by_words_and_filters(library: Library) -> None:
    body = await library.search("", q="mountain landscape", type="image", limit=10, sort_by="relevance")
    assert library.names(body["results"]) == ["peak"]
    assert body["total_count"] == 1
    assert library.names((await library.search("", q="landscape", module="story_writer"))["results"]) == ["text"]


async def test_basic_search_without_words_is_everything(library: Library) -> None:
    body = await library.search("")
    assert body["total_count"] == len(CORPUS)
    assert set(library.names(body["results"])) == set(CORPUS)


async def test_basic_search_never_fails_on_syntax(library: Library) -> None:
    body = await library.search("", q="mountain AND (((")
    assert body["warnings"]


@pytest.mark.parametrize(
    ("sort_by", "sort_order", "first"),
    [
        ("downloads", "desc", ["late", "peak", "hill", "small"]),
        ("created_at", "asc", ["blurry", "small", "advert", "peak"]),
        ("created_at", "desc", ["song"]),
        ("width", "desc", ["hill", "dalle", "late", "peak", "small", "brand", "blurry"]),
    ],
)
async def test_sorting(library: Library, sort_by: str, sort_order: str, first: list[str]) -> None:
    body = await library.search("", sort_by=sort_by, sort_order=sort_order)
    assert library.names(body["results"])[: len(first)] == first
    # Records without the value come last, in both directions.
    reverse = await library.search("", sort_by="width", sort_order="asc")
    assert library.names(reverse["results"])[:7] == ["blurry", "brand", "small", "peak", "late", "dalle", "hill"]


async def test_pages_join_up(library: Library) -> None:
    whole = library.names((await library.search("/advanced", sort="title"))["results"])
    parts: list[str] = []
    for offset in range(0, len(CORPUS), 5):
        body = await library.search("/advanced", sort="title", limit=5, offset=offset)
        assert body["total_count"] == len(CORPUS)
        parts += library.names(body["results"])
    assert parts == whole


async def test_facets_of_the_seed(library: Library) -> None:
    body = await library.search("/facets", query="", facets="type,module,tags,model")
    assert body["total_count"] == len(CORPUS)
    assert body["facets"]["type"] == {"image": 7, "video": 5, "audio": 1, "text": 1}
    assert body["facets"]["module"] == {"image_studio": 7, "video_studio": 4, "story_writer": 2, "audio_studio": 1}
    assert body["facets"]["model"] == {
        "stable-diffusion-xl": 3,
        "midjourney": 2,
        "dalle-3": 1,
        "stable-diffusion-1.5": 1,
    }
    assert body["facets"]["tags"]["mountain"] == 4
    assert next(iter(body["facets"]["tags"])) == "mountain", "the most frequent comes first"


async def test_facets_as_a_list_keep_their_order_and_say_what_they_leave_out(library: Library) -> None:
    facets = '[{"field": "width", "order": "-value", "size": 2}, "type"]'
    body = await library.search("/facets", query="", facets=facets, facet_form="list")
    width, kinds = body["facets"]
    widths = [int(entry["value"]) for entry in width["values"]]
    assert (width["name"], width["field"], len(widths)) == ("width", "metadata.width", 2)
    assert widths == sorted(widths, reverse=True)
    assert width["left_out"]["values"] > 0
    assert width["left_out"]["records"] >= width["left_out"]["values"]
    assert kinds["values"][0] == {"value": "image", "count": 7}
    assert kinds["left_out"] == {"values": 0, "records": 0}


@pytest.mark.parametrize(
    ("path", "params", "field"),
    [
        ("", {"type": "imag"}, "type"),
        ("/advanced", {"query": "type:imag"}, "query"),
        ("/advanced", {"filters": '{"type": "imag"}'}, "filters"),
        ("/advanced", {"filters": '{"type": ["image", "imag"]}'}, "filters"),
        ("/advanced", {"query": "status:complete"}, "query"),
    ],
)
async def test_a_value_that_no_asset_can_have_is_refused(
    library: Library, path: str, params: dict[str, str], field: str
) -> None:
    response = await library.api.call("GET", f"/assets/search{path}", params=params)
    details = error_of(response, 400, "VALIDATION_ERROR")
    assert details["field"].partition(".")[0] == field
    assert "image" in response.text or "completed" in response.text


async def test_an_empty_parameter_is_as_none(library: Library) -> None:
    empty = dict.fromkeys(("query", "filters", "facets", "sort", "sort_by", "offset", "cursor", "wait_for", "zone"), "")
    assert await library.search("/advanced", **empty) == await library.search("/advanced")
    assert await library.search("", q="", type="", module="") == await library.search("")


async def test_facets_count_what_the_query_finds(library: Library) -> None:
    query = "type:image AND module:image_studio"
    body = await library.search("/facets", query=query, facets="tags,model,created_at")
    assert body["total_count"] == 7
    assert body["facets"]["created_at"] == {"2024-01": 5, "2023-12": 1, "2024-02": 1}


async def test_filters_of_the_sdk(library: Library) -> None:
    filters = json.dumps({"sort_by": "downloads", "sort_order": "desc"})
    body = await library.search("/advanced", query="type:image AND tags:mountain", filters=filters, limit=50)
    assert library.names(body["results"]) == ["late", "peak", "small", "dalle"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"type": "audio"}, {"song"}),
        ({"type": ["audio", "text"]}, {"song", "text"}),
        ({"width": {"gte": 1500}}, {"hill", "dalle"}),
        ({"type": "image", "tags": {"not": "mountain"}}, {"hill", "brand", "blurry"}),
        ({"model": {"exists": False}, "type": {"not": "video"}}, {"text", "song"}),
        ({}, set(CORPUS)),
    ],
)
async def test_filters(library: Library, filters: dict[str, Any], expected: set[str]) -> None:
    assert await library.found("", filters=json.dumps(filters)) == expected


async def test_a_facet_ignores_its_own_selection(library: Library) -> None:
    body = await library.search("/facets", query="", filters=json.dumps({"type": "audio"}), facets="type,module")
    assert library.names(body["results"]) == ["song"]
    assert body["facets"]["type"] == {"image": 7, "video": 5, "audio": 1, "text": 1}
    assert body["facets"]["module"] == {"audio_studio": 1}


async def test_the_asset_object_field_by_field(library: Library) -> None:
    body = await library.search("/advanced", query="title:stunning")
    asset = body["results"][0]
    given = CORPUS["peak"]
    expected = {
        "id": library.ids["peak"],
        **{name: given[name] for name in ("type", "module", "submodule", "filename", "title", "description", "tags")},
        "metadata": {**given["metadata"]},
        "urls": {"original": None, "thumbnail": None, "preview": None},
        "status": "completed",
        "created_at": "2024-01-15T10:30:00Z",
        "user_id": "user_789",
        "cost": given["cost"],
        "usage_stats": given["usage_stats"],
        "collections": [],
        "is_favorite": False,
        "is_deleted": False,
    }
    assert {name: asset[name] for name in expected} == expected
    read = await library.api.ok("GET", f"/assets/{library.ids['peak']}")
    assert read == asset, "a search and a read by id show the same object"
