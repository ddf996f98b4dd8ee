"""Paging by cursor: every record once, in order, whatever is written meanwhile; and cursors that are not good."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.api.client import Api, error_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

COUNT = 57
SEARCH = "/assets/search/advanced"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def walked(api: Api) -> AsyncIterator[Api]:
    """An organization with assets whose width is their number, many with the same rating."""
    user = await api.as_user(org="walkers", user="walker", scopes="assets:read,assets:write,assets:import")
    for number in range(COUNT):
        metadata = {"width": number}
        await user.create(title=f"Walk {number}", metadata=metadata, rating=number % 3, created_at="2024-01-01")
    await api.settled()
    yield user


async def walk(api: Api, path: str = SEARCH, **params: Any) -> tuple[list[int], list[Any]]:
    widths: list[int] = []
    pages: list[Any] = []
    cursor: str | None = "*"
    while cursor is not None:
        page = await api.ok("GET", path, params={**params, "cursor": cursor})
        pages.append(page)
        widths += [asset["metadata"]["width"] for asset in page["results"]]
        cursor = page.get("next_cursor")
    return widths, pages


@pytest.mark.parametrize("limit", [1, 10, 19, COUNT, 100])
async def test_a_walk_sees_every_record_once(walked: Api, limit: int) -> None:
    widths, pages = await walk(walked, query="walk", sort="rating,-width", limit=limit)
    assert widths == sorted(range(COUNT), key=lambda number: (number % 3, -number))
    assert len(pages) == -(-COUNT // limit), "no empty page at the end"
    assert {page["total_count"] for page in pages} == {COUNT}
    assert all("offset" not in page and page["limit"] == limit for page in pages)


@pytest.mark.parametrize("params", [{}, {"sort_by": "created_at"}, {"query": "walk"}, {"sort": "-rating"}])
async def test_ties_are_broken(walked: Api, params: dict[str, Any]) -> None:
    widths, _ = await walk(walked, **params, limit=7)
    assert sorted(widths) == list(range(COUNT))


async def test_basic_search_and_facets_walk_too(walked: Api) -> None:
    widths, _ = await walk(walked, "/assets/search", q="walk", limit=20, sort_by="width", sort_order="asc")
    assert widths == list(range(COUNT))
    widths, pages = await walk(walked, "/assets/search/facets", query="walk", facets="rating", limit=30, sort="width")
    assert widths == list(range(COUNT))
    assert [page["facets"] for page in pages] == [{"rating": {"0": 19, "1": 19, "2": 19}}] * 2


async def test_writes_do_not_disturb_a_walk(api: Api) -> None:
    user = await api.as_user(org="changing")
    ids = [(await user.create(title="Still here", metadata={"width": number}))["id"] for number in range(9)]
    await api.settled()
    page = await user.ok("GET", SEARCH, params={"cursor": "*", "limit": 3, "sort": "width"})
    await user.ok("DELETE", f"/assets/{ids[5]}")
    await user.ok("PATCH", f"/assets/{ids[8]}", json={"metadata": {"width": 0}})
    await user.create(title="New", metadata={"width": 4})
    await api.settled()
    seen = page["results"]
    while "next_cursor" in page:
        page = await user.ok("GET", SEARCH, params={"cursor": page["next_cursor"], "limit": 3, "sort": "width"})
        seen += page["results"]
    assert [asset["id"] for asset in seen] == ids
    assert len((await walk(user, sort="width"))[0]) == 9, "a new walk sees the new state"


async def test_limit_facets_and_highlights_may_change_on_the_way(walked: Api) -> None:
    page = await walked.ok("GET", SEARCH, params={"cursor": "*", "limit": 2, "query": "walk", "sort": "width"})
    more = {"limit": 5, "facets": "rating", "highlight": "true"}
    params = {"query": "walk", "sort": "width", "cursor": page["next_cursor"], **more}
    page = await walked.ok("GET", SEARCH, params=params)
    assert [asset["metadata"]["width"] for asset in page["results"]] == [2, 3, 4, 5, 6]
    assert page["facets"]["rating"]["0"] == 19


async def cursor_of(api: Api, **params: Any) -> str:
    page = await api.ok("GET", SEARCH, params={"limit": 2, "cursor": "*", **params})
    return str(page["next_cursor"])


CHANGED: dict[str, dict[str, Any]] = {
    "text": {"query": "walk 3"},
    "filters": {"filters": '{"rating": 1}'},
    "sort": {"sort": "-width"},
    "zone": {"zone": "Europe/Amsterdam"},
    "lenient": {"lenient": "true"},
}


@pytest.mark.parametrize("what", CHANGED)
async def test_a_cursor_belongs_to_its_search(walked: Api, what: str) -> None:
    cursor = await cursor_of(walked, query="walk")
    params = {"query": "walk", "limit": 2, "cursor": cursor, **CHANGED[what]}
    details = error_of(await walked.call("GET", SEARCH, params=params), 400, "VALIDATION_ERROR")
    assert (details["field"], details["reason"]) == ("cursor", "cursor")


async def test_a_cursor_belongs_to_its_user_and_organization(walked: Api, api: Api) -> None:
    cursor = await cursor_of(walked)
    for other in (api, await api.as_user(org="walkers", user="another")):
        details = error_of(await other.call("GET", SEARCH, params={"cursor": cursor}), 400, "VALIDATION_ERROR")
        assert details["field"] == "cursor"


async def test_cursors_that_are_not_ours(walked: Api) -> None:
    good = await cursor_of(walked)
    at = len(good) // 2
    forged = good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1 :]
    for cursor in ("x", "**", "nonsense", "ä", "\x00", "A" * 5000, good[:-4], good + "AAAA", forged, good.lower()):
        response = await walked.call("GET", SEARCH, params={"cursor": cursor})
        assert error_of(response, 400, "VALIDATION_ERROR")["field"] == "cursor", cursor
    response = await walked.call("GET", SEARCH, params={"cursor": "A" * 20_000})
    assert error_of(response, 400, "VALIDATION_ERROR")["field"] == "cursor"


@pytest.mark.parametrize("params", [{"offset": 5}, {"limit": 0}])
async def test_what_does_not_go_with_a_cursor(walked: Api, params: dict[str, Any]) -> None:
    error_of(await walked.call("GET", SEARCH, params={"cursor": "*", **params}), 400, "VALIDATION_ERROR")


async def test_a_wrong_query_opens_nothing(walked: Api) -> None:
    details = error_of(
        await walked.call("GET", SEARCH, params={"cursor": "*", "query": "nonsense:1"}), 400, "VALIDATION_ERROR"
    )
    assert details["field"] == "query"


async def test_a_cursor_that_has_expired_says_so(walked: Api) -> None:
    engine = walked.service.context.searches._engine
    opened: list[str] = []
    open_pit = engine.open_pit

    async def noted(index: str, keep_alive: str) -> str:
        opened.append(await open_pit(index, keep_alive))
        return opened[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "open_pit", noted)
        cursor = await cursor_of(walked)
    await engine.close_pit(opened[0])
    response = await walked.call("GET", SEARCH, params={"cursor": cursor})
    details = error_of(response, 400, "VALIDATION_ERROR")
    assert details == {"field": "cursor", "reason": "cursor", "offset": 0, "length": 0, "suggestion": "*"}
    assert "expired" in response.json()["error"]["message"]


async def test_a_walk_to_the_end_leaves_no_pit(walked: Api) -> None:
    engine = walked.service.context.searches._engine
    open_now: set[str] = set()
    open_pit, close_pit = engine.open_pit, engine.close_pit

    async def opened(index: str, keep_alive: str) -> str:
        open_now.add(pit := await open_pit(index, keep_alive))
        return pit

    async def closed(pit: str) -> None:
        open_now.discard(pit)
        await close_pit(pit)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "open_pit", opened)
        patch.setattr(engine, "close_pit", closed)
        await walk(walked, limit=20)
        await walk(walked, query="nothing of the kind")
    assert open_now == set()


async def test_what_was_deleted_for_good_is_on_no_page(api: Api) -> None:
    user = await api.as_user(org="deleters", user="walker")
    made = [await user.create(title=f"Page {number}", metadata={"width": number}) for number in range(9)]
    for asset in made[::3]:
        await user.ok("DELETE", f"/assets/{asset['id']}", params={"permanent": "true"})
    await api.settled()
    for params in ({"sort": "width"}, {"sort": "-number"}, {}):
        widths, pages = await walk(user, **params, limit=4)
        assert sorted(widths) == [1, 2, 4, 5, 7, 8]
        assert {page["total_count"] for page in pages} == {6}
