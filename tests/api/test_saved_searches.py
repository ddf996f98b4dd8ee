"""Saved searches: seed 000's example, their life, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.api.client import Api, error_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEED: dict[str, Any] = {
    "name": "Marketing Images Q1 2024",
    "query": ("type:image AND module:image_studio AND tags:marketing AND created_at:[2024-01-01 TO 2024-03-31]"),
    "filters": {"sort_by": "downloads", "sort_order": "desc"},
    "description": "High-performing marketing images from Q1",
}


async def save(api: Api, **fields: Any) -> Any:
    return await api.ok("POST", "/searches", json={"name": "A search", **fields})


async def test_the_seeds_example_is_saved_and_run(api: Api) -> None:
    user = await api.as_user(org="marketing", user="kim", scopes="assets:read,assets:write,assets:import")
    for downloads, created in (
        (5, "2024-02-01"),
        (50, "2024-03-31T22:00:00Z"),
        (500, "2024-04-01"),
        (20, "2024-01-01"),
    ):
        await user.create(
            title=f"Campaign {downloads}",
            module="image_studio",
            tags=["marketing"],
            created_at=created,
            usage_stats={"downloads": downloads},
        )
    await api.settled()
    response = await user.call("POST", "/searches", json=SEED)
    assert response.status_code == 201
    saved = response.json()
    assert re.fullmatch(r"search_[A-Za-z0-9]{12}", saved["id"])
    assert {name: saved[name] for name in SEED} == SEED
    assert saved["user_id"] == "kim"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", saved["created_at"])
    assert saved["updated_at"] == saved["created_at"] or saved["updated_at"] > saved["created_at"]
    assert response.headers["location"].endswith(f"/searches/{saved['id']}")
    body = await user.ok("GET", f"/searches/{saved['id']}/execute")
    assert [asset["title"] for asset in body["results"]] == ["Campaign 50", "Campaign 20", "Campaign 5"]
    assert (body["total_count"], body["limit"], body["offset"]) == (3, 20, 0)
    page = await user.ok("GET", f"/searches/{saved['id']}/execute", params={"limit": 1, "offset": 1})
    assert [asset["title"] for asset in page["results"]] == ["Campaign 20"]
    seen, cursor = [], "*"
    while cursor:
        page = await user.ok("GET", f"/searches/{saved['id']}/execute", params={"limit": 2, "cursor": cursor})
        seen += [asset["title"] for asset in page["results"]]
        cursor = page.get("next_cursor", "")
    assert seen == ["Campaign 50", "Campaign 20", "Campaign 5"]


async def test_facets_and_sort_are_kept(api: Api) -> None:
    user = await api.as_user(org="facetted", user="kim", scopes="assets:read,assets:write,assets:import")
    for at, tag in enumerate(("b", "a", "a")):
        await user.create(title=f"Title {at}", tags=[tag], metadata={"width": 100 * at + 1})
    await api.settled()
    facets = ["type", {"field": "tags", "size": 1}]
    saved = await save(user, query="title", facets=facets, sort="-width")
    assert (saved["facets"], saved["sort"]) == (facets, "-width")
    found = await user.ok("GET", f"/searches/{saved['id']}/execute")
    assert [result["title"] for result in found["results"]] == ["Title 2", "Title 1", "Title 0"]
    assert found["facets"] == {"type": {"image": 3}, "tags": {"a": 2}}
    assert found["facets_left_out"] == {"tags": {"values": None, "records": 1}}
    changed = await user.ok("PATCH", f"/searches/{saved['id']}", json={"facets": None, "sort": "width"})
    assert (changed["facets"], changed["sort"]) == ([], "width")
    for body in ({"facets": ["nonsense"]}, {"sort": "nonsense"}, {"facets": [{"field": "tags", "size": 0}]}):
        refused = await user.call("POST", "/searches", json={"name": "A search", **body})
        assert error_of(refused, 400, "VALIDATION_ERROR")["field"] == next(iter(body))


async def test_read_change_and_delete(api: Api) -> None:
    saved = await save(api, query="tags:mountain", filters={"type": "image"})
    path = f"/searches/{saved['id']}"
    response = await api.call("GET", path)
    assert response.json() == saved
    changed = await api.ok("PATCH", path, json={"name": "Mountains", "description": "All of them"})
    assert (changed["name"], changed["query"], changed["filters"]) == ("Mountains", "tags:mountain", {"type": "image"})
    assert changed["rev"] == saved["rev"] + 1
    assert await api.ok("PATCH", path, json={"name": "Mountains"}) == changed, "no change, no new rev"
    cleared = await api.ok("PATCH", path, json={"filters": None, "description": None, "query": ""})
    assert (cleared["filters"], cleared["description"], cleared["query"]) == ({}, None, "")
    assert await api.ok("DELETE", path) == {"id": saved["id"], "is_deleted": True}
    for method, suffix in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/execute")):
        error_of(await api.call(method, path + suffix, **({"json": {}} if method == "PATCH" else {})), 404, "NOT_FOUND")


async def test_if_match(api: Api) -> None:
    response = await api.call("POST", "/searches", json={"name": "Guarded", "query": "a"})
    path, etag = f"/searches/{response.json()['id']}", response.headers["etag"]
    await api.ok("PATCH", path, json={"query": "b"}, headers={"If-Match": etag})
    for method in ("PATCH", "DELETE"):
        body = {"json": {"query": "c"}} if method == "PATCH" else {}
        stale = await api.call(method, path, headers={"If-Match": etag}, **body)
        assert error_of(stale, 412, "PRECONDITION_FAILED")["rev"] == 2
    fresh = (await api.call("GET", path)).headers["etag"]
    await api.ok("DELETE", path, headers={"If-Match": fresh})


async def test_the_list_has_pages(api: Api) -> None:
    user = await api.as_user(org="listers")
    assert await user.ok("GET", "/searches") == {"searches": [], "total_count": 0, "limit": 20}
    ids = [(await save(user, name=f"Number {number}"))["id"] for number in range(7)]
    seen: list[str] = []
    params: dict[str, Any] = {"limit": 3}
    sizes = []
    while True:
        page = await user.ok("GET", "/searches", params=params)
        sizes.append(len(page["searches"]))
        seen += [search["id"] for search in page["searches"]]
        assert page["total_count"] == 7
        if "next_cursor" not in page:
            break
        params["cursor"] = page["next_cursor"]
    assert sizes == [3, 3, 1]
    assert sorted(seen) == sorted(ids)
    created = [search["created_at"] for search in (await user.ok("GET", "/searches"))["searches"]]
    assert created == sorted(created, reverse=True)
    assert await user.ok("GET", "/searches", params={"cursor": "*"}) == await user.ok("GET", "/searches")
    for cursor in ("nonsense", "**"):
        response = await user.call("GET", "/searches", params={"cursor": cursor})
        assert error_of(response, 400, "VALIDATION_ERROR")["field"] == "cursor"


async def test_another_organizations_are_not_found(api: Api) -> None:
    saved = await save(api, name="Ours")
    other = await api.as_user(org="other")
    path = f"/searches/{saved['id']}"
    for method, suffix in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/execute")):
        body = {"json": {"name": "Mine"}} if method == "PATCH" else {}
        error_of(await other.call(method, path + suffix, **body), 404, "NOT_FOUND")
    assert saved["id"] not in [search["id"] for search in (await other.ok("GET", "/searches"))["searches"]]
    assert (await api.ok("GET", path))["name"] == "Ours"


async def test_all_of_an_organization_share_them(api: Api) -> None:
    saved = await save(api, name="Shared")
    colleague = await api.as_user(user="colleague")
    assert await colleague.ok("GET", f"/searches/{saved['id']}") == saved
    reader = await api.as_user(user="reader", scopes="assets:read")
    await reader.ok("GET", f"/searches/{saved['id']}/execute")
    error_of(await reader.call("POST", "/searches", json={"name": "x"}), 403, "INSUFFICIENT_SCOPE")
    error_of(await reader.call("DELETE", f"/searches/{saved['id']}"), 403, "INSUFFICIENT_SCOPE")


@pytest.mark.parametrize(
    "search_id",
    ["search_", "search_unknown12345", "asset_1", "search_ä", "search_%00", "x" * 3000, "search_" + "x" * 65],
)
async def test_ids_that_do_not_exist(api: Api, search_id: str) -> None:
    error_of(await api.call("GET", f"/searches/{search_id}"), 404, "NOT_FOUND")


BODIES: list[tuple[Any, str]] = [
    ({}, "name"),
    ({"name": ""}, "name"),
    ({"name": None}, "name"),
    ({"name": "x" * 257}, "name"),
    ({"name": "x", "nonsense": 1}, "nonsense"),
    ({"name": "x", "id": "search_1"}, "id"),
    ({"name": "x", "query": 5}, "query"),
    ({"name": "x", "query": "tile:a"}, "query"),
    ({"name": "x", "query": "(a"}, "query"),
    ({"name": "x", "query": "a" * 5000}, "query"),
    ({"name": "x", "query": "nul\u0000"}, "query"),
    ({"name": "x", "filters": "type"}, "filters"),
    ({"name": "x", "filters": {"nonsense": 1}}, "filters"),
    ({"name": "x", "filters": {"width": "wide"}}, "filters"),
    ({"name": "x", "filters": {"org_id": "other"}}, "filters"),
    ({"name": "x", "filters": {"sort_by": "nonsense"}}, "filters"),
    ({"name": "x", "filters": {"sort_order": "up", "sort_by": "width"}}, "filters"),
    ([], "body"),
]


@pytest.mark.parametrize(("body", "field"), BODIES)
async def test_bodies_that_are_refused(api: Api, body: Any, field: str) -> None:
    details = error_of(await api.call("POST", "/searches", json=body), 400, "VALIDATION_ERROR")
    assert details["field"] == field
    saved = await save(api)
    if not isinstance(body, dict) or body == {}:
        return
    response = await api.call("PATCH", f"/searches/{saved['id']}", json=body)
    assert error_of(response, 400, "VALIDATION_ERROR")["field"] == field
    assert await api.ok("GET", f"/searches/{saved['id']}") == saved


async def test_a_mistake_has_its_span(api: Api) -> None:
    query = "type:image AND tile:mountain"
    response = await api.call("POST", "/searches", json={"name": "x", "query": query})
    details = error_of(response, 400, "VALIDATION_ERROR")
    assert (details["reason"], details["suggestion"]) == ("unknown_field", "title")
    assert query[details["offset"] : details["offset"] + details["length"]].startswith("tile")


async def test_one_that_no_longer_compiles_says_why(api: Api) -> None:
    store = api.service.base.store
    body = {"org_id": "acme", "user_id": "u", "name": "Old", "created_at": "2020-01-01T00:00:00.000Z"}
    await store.insert("saved_search", "search_old1", {**body, "query": "type:image AND retired_field:5"})
    details = error_of(await api.call("GET", "/searches/search_old1/execute"), 400, "VALIDATION_ERROR")
    assert (details["field"], details["reason"], details["offset"]) == ("query", "unknown_field", 15)
    await store.insert("saved_search", "search_old2", {**body, "query": "", "filters": {"retired_field": 5}})
    details = error_of(await api.call("GET", "/searches/search_old2/execute"), 400, "VALIDATION_ERROR")
    assert (details["field"], details["key"], details["reason"]) == ("filters", "retired_field", "unknown_field")
    assert (await api.ok("PATCH", "/searches/search_old1", json={"query": "type:image"}))["query"] == "type:image"
    assert (await api.ok("PATCH", "/searches/search_old2", json={"name": "Still old"}))["name"] == "Still old"


async def test_an_admins_field_stays_the_admins(api: Api) -> None:
    admin = await api.as_user(user="boss", scopes="admin")
    saved = await save(admin, query="admin_tags:secret")
    await admin.ok("GET", f"/searches/{saved['id']}/execute")
    response = await api.call("GET", f"/searches/{saved['id']}/execute")
    assert error_of(response, 400, "VALIDATION_ERROR")["reason"] == "unknown_field"
