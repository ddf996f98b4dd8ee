"""What helps to write a query: completions, explanations, highlights, other spellings."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.api.client import Api, error_of
from tests.api.corpus import CORPUS

pytestmark = pytest.mark.asyncio(loop_scope="module")

ADVANCED = "/assets/search/advanced"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def library(api: Api) -> AsyncIterator[Api]:
    user = await api.as_user(org="library", scopes="assets:read,assets:write,assets:import")
    for body in CORPUS.values():
        await user.create(**body)
    other = await api.as_user(org="another")
    await other.create(title="Zeppelin mountaineering", tags=["zeppelin", "mountaineers"])
    await api.settled()
    yield user


async def suggest(api: Api, q: str, **params: Any) -> Any:
    body = await api.ok("GET", "/suggest", params={"q": q, **params})
    position = params.get("position", len(q))
    assert 0 <= body["offset"] <= position <= body["offset"] + body["length"] <= len(q)
    return body


async def test_names_of_fields(library: Api) -> None:
    body = await suggest(library, "mountain cap")
    assert (body["kind"], body["prefix"], body["offset"], body["length"]) == ("field", "cap", 9, 3)
    names = {entry["name"]: entry for entry in body["suggestions"]}
    assert names["captured_at"]["type"] == "date"
    assert names["captured_at"]["description"]
    assert all(name.startswith("cap") for name in names)


async def test_words_while_they_are_typed(library: Api) -> None:
    body = await suggest(library, "tags:nature moun")
    assert (body["kind"], body["offset"], body["length"]) == ("field", 12, 4)
    assert {"value": "mountain", "text": "mountain", "count": None} in body["suggestions"]
    assert all("mountaineer" not in entry["value"] for entry in body["suggestions"] if "value" in entry)
    assert (await suggest(library, "zepp"))["suggestions"] == []


async def test_words_of_a_text_field(library: Api) -> None:
    body = await suggest(library, "title:moun")
    assert (body["kind"], body["field"]) == ("value", "title")
    assert [entry["value"] for entry in body["suggestions"]][:1] == ["mountain"]
    assert (await suggest(library, "title:zepp"))["suggestions"] == []


async def test_ordinary_fields_come_before_technical_ones(library: Api) -> None:
    names = [entry["name"] for entry in (await suggest(library, "s", limit=50))["suggestions"]]
    assert names.index("storage_folder") < names.index("sha256")
    assert names.index("status") < names.index("seed")


async def test_nothing_typed_yet_shows_fields(library: Api) -> None:
    body = await suggest(library, "", limit=50)
    assert len(body["suggestions"]) == 50
    assert len((await suggest(library, ""))["suggestions"]) == 10


async def test_values_with_their_counts(library: Api) -> None:
    body = await suggest(library, "tags:la")
    assert (body["kind"], body["field"], body["prefix"]) == ("value", "tags", "la")
    assert body["suggestions"] == [{"value": "landscape", "text": "landscape", "count": 2}]
    values = {entry["value"]: entry["count"] for entry in (await suggest(library, "type:"))["suggestions"]}
    assert values == {"image": 7, "video": 5, "audio": 1, "text": 1}


async def test_the_rest_of_the_text_narrows_the_counts(library: Api) -> None:
    body = await suggest(library, "type:video tags:edu")
    assert [(entry["value"], entry["count"]) for entry in body["suggestions"]] == [("educational", 3)]
    body = await suggest(library, "tags: type:video", position=5)
    assert {entry["value"] for entry in body["suggestions"]} == {"educational", "tutorial", "marketing"}
    broken = await suggest(library, "((( nonsense:1 tags:edu")
    assert [entry["value"] for entry in broken["suggestions"]] == ["educational"], (
        "what does not compile narrows nothing"
    )


async def test_flags(library: Api) -> None:
    body = await suggest(library, "is:fav")
    assert [entry["value"] for entry in body["suggestions"]] == ["favorite"]


@pytest.mark.parametrize("q", ["tags:zep", "tags:mountaine", "title:zep"])
async def test_another_organizations_values_are_not_shown(library: Api, q: str) -> None:
    assert (await suggest(library, q))["suggestions"] == []


async def test_fields_for_admins_are_not_shown(library: Api) -> None:
    assert (await suggest(library, "admin_t"))["suggestions"] == []
    assert (await suggest(library, "admin_tags:"))["suggestions"] == []
    assert (await suggest(library, "org_i"))["suggestions"] == []
    admin = await library.as_user(org="library", user="boss", scopes="admin")
    assert [entry["name"] for entry in (await suggest(admin, "admin_t"))["suggestions"]] == ["admin_tags"]


@pytest.mark.parametrize(
    "q", ["\x00", "ta\ud800".encode("utf-8", "replace").decode(), "😀 tags:😀", "a" * 5000, "(" * 500, '"' * 99]
)
async def test_any_text_is_taken(library: Api, q: str) -> None:
    await suggest(library, q)
    await suggest(library, q, position=0)


@pytest.mark.parametrize(
    ("params", "field"),
    [({"limit": 0}, "limit"), ({"limit": 51}, "limit"), ({"position": -1}, "position"), ({"query": "x"}, "query")],
)
async def test_wrong_parameters_of_suggest(library: Api, params: dict[str, Any], field: str) -> None:
    details = error_of(await library.call("GET", "/suggest", params=params), 400, "VALIDATION_ERROR")
    assert details["field"] == field


async def explain(api: Api, query: str, **more: Any) -> Any:
    return await api.ok("POST", "/query/explain", json={"query": query, **more})


QUERIES = [
    "",
    "mountain landscape",
    "mountain AND (lake OR river) NOT blurry",
    'title:"green hill"~2^3 tags:(a OR b) -type:video',
    "width:[800 TO 2048} created_at:2024-01 model:stable-diffusion* moutain~1",
    "is:favorite has:gps file_size:>5mb",
]


@pytest.mark.parametrize("query", QUERIES)
async def test_an_explanation_explains_itself_alike(library: Api, query: str) -> None:
    body = await explain(library, query)
    assert set(body) == {"normalized", "clauses", "dsl", "warnings"}
    again = await explain(library, body["normalized"])
    assert again["normalized"] == body["normalized"]
    assert without_spans(again["clauses"]) == without_spans(body["clauses"])
    assert '"term":{"org_id":"library"}' in json.dumps(body["dsl"], separators=(",", ":"))


def without_spans(clause: Any) -> Any:
    kept = {name: value for name, value in clause.items() if name not in ("offset", "length", "children")}
    return kept | {"children": [without_spans(child) for child in clause.get("children", ())]}


async def test_clauses_have_their_places(library: Api) -> None:
    query = "lake width:>800"
    body = await explain(library, query)
    word, width = body["clauses"]["children"]
    assert query[word["offset"] : word["offset"] + word["length"]] == "lake"
    assert (width["type"], width["field"], width["low"], width["include_low"]) == (
        "range",
        "metadata.width",
        800,
        False,
    )
    assert query[width["offset"] : width["offset"] + width["length"]].startswith("width")


async def test_an_explanation_of_a_mistake(library: Api) -> None:
    response = await library.call("POST", "/query/explain", json={"query": "tile:x"})
    assert error_of(response, 400, "VALIDATION_ERROR")["suggestion"] == "title"
    body = await explain(library, "tile:x", lenient=True)
    assert [warning["reason"] for warning in body["warnings"]] == ["unknown_field"]


async def test_explain_knows_the_zone(library: Api) -> None:
    body = await explain(library, "created_at:2024-06-01", zone="Europe/Amsterdam")
    assert body["clauses"]["low"].startswith("2024-05-31T22:00")


@pytest.mark.parametrize(
    "body", [{}, {"query": None}, {"query": 5}, {"query": "x", "nonsense": 1}, [], {"query": "x", "zone": "Mars/X"}]
)
async def test_wrong_bodies_of_explain(library: Api, body: Any) -> None:
    error_of(await library.call("POST", "/query/explain", json=body), 400, "VALIDATION_ERROR")


async def test_a_reader_may_explain_but_none_without_a_key(api: Api) -> None:
    reader = await api.as_user(scopes="assets:read")
    await explain(reader, "x")
    error_of(
        await api.call("POST", "/query/explain", json={"query": "x"}, headers={"Authorization": None}),
        401,
        "AUTHENTICATION_REQUIRED",
    )


async def test_highlights(library: Api) -> None:
    params = {"query": "stunning mountain", "highlight": "true"}
    (asset,) = (await library.ok("GET", ADVANCED, params=params))["results"]
    assert asset["highlights"]["title"] == ["<em>Stunning</em> <em>mountain</em> landscape"]
    assert all("<em>" in fragment for fragments in asset["highlights"].values() for fragment in fragments)
    plain = (await library.ok("GET", ADVANCED, params={"query": "stunning"}))["results"][0]
    assert "highlights" not in plain
    nothing = await library.ok("GET", "/assets/search", params={"highlight": "true", "limit": 1})
    assert nothing["results"][0]["highlights"] == {}


async def test_highlights_are_safe_html(api: Api) -> None:
    user = await api.as_user(org="html")
    await user.create(
        title='<script>alert("x")</script> danger & <em>fun</em>', description="danger <img src=x onerror=y>"
    )
    await api.settled()
    params = {"q": "danger", "highlight": "true"}
    (asset,) = (await user.ok("GET", "/assets/search", params=params))["results"]
    for fragment in (text for texts in asset["highlights"].values() for text in texts):
        assert "<em>danger</em>" in fragment
        assert "<" not in fragment.replace("<em>danger</em>", "")


async def test_another_spelling_is_proposed(library: Api) -> None:
    body = await library.ok("GET", "/assets/search", params={"q": "stuning mountain"})
    assert (body["total_count"], body["suggestion"]) == (0, "stunning mountain")
    again = await library.ok("GET", "/assets/search", params={"q": body["suggestion"]})
    assert again["total_count"] == 1
    assert "suggestion" not in again


async def test_a_spelling_keeps_the_rest_of_the_text(library: Api) -> None:
    body = await library.ok("GET", ADVANCED, params={"query": "type:image AND (stuning OR nothingatall)"})
    assert body["suggestion"] == "type:image AND (stunning OR nothingatall)"


@pytest.mark.parametrize(
    "params",
    [
        {"q": "stuning", "suggest": "false"},
        {"q": "mountain"},
        {"q": "xyzzyq"},
        {"q": ""},
        {"q": "zepelin"},
        {"q": "stuning", "type": "audio"},
    ],
    ids=["switched off", "found", "nothing near", "no text", "another organization's word", "nothing in the filter"],
)
async def test_no_other_spelling(library: Api, params: dict[str, str]) -> None:
    assert "suggestion" not in await library.ok("GET", "/assets/search", params=params)


async def test_facets_as_json(library: Api) -> None:
    facets = [
        "type",
        {"field": "width", "ranges": [{"to": 1000}, {"from": 1000, "to": 2000, "key": "middle"}, {"from": 2000}]},
        {"field": "tags", "size": 2, "prefix": "m", "name": "m-tags"},
        {"field": "created_at", "interval": "year"},
    ]
    params = {"query": "", "facets": json.dumps(facets), "limit": 0}
    counts = (await library.ok("GET", "/assets/search/facets", params=params))["facets"]
    assert counts["type"] == {"image": 7, "video": 5, "audio": 1, "text": 1}
    assert counts["width"] == {"*-1000": 3, "middle": 3, "2000-*": 1}
    assert counts["m-tags"] == {"mountain": 4, "marketing": 1}
    assert counts["created_at"] == {"2023": 1, "2024": 13}


@pytest.mark.parametrize("facets", ["[", '["nonsense"]', '[{"size": 5}]', '[{"field": "tags", "nonsense": 1}]', "[5]"])
async def test_facets_that_are_wrong(library: Api, facets: str) -> None:
    response = await library.call("GET", "/assets/search/facets", params={"facets": facets})
    assert error_of(response, 400, "VALIDATION_ERROR")["field"] == "facets"
