"""What counts as a use of an asset, and that it shows in its statistics."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from service.core.events.folding import UsageFolder
from tests.api.client import Api

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT = b"one two three four five six seven eight nine ten"


def recorded(api: Api) -> Counter[str]:
    return Counter(api.service.context.usage.status.recorded)


async def uploaded(api: Api) -> Any:
    files = {"file": ("note.txt", TEXT, "text/plain"), "asset": (None, b'{"title": "A note"}', "application/json")}
    return await api.ok("POST", "/assets", files=files)


@pytest.mark.parametrize(
    ("method", "headers", "status", "counts"),
    [
        ("GET", {}, 200, 1),
        ("GET", {"Range": "bytes=0-9"}, 206, 1),
        ("GET", {"Range": "bytes=0-"}, 206, 1),
        ("GET", {"Range": "bytes=10-19"}, 206, 0),
        ("GET", {"Range": "bytes=-5"}, 206, 0),
        ("GET", {"Range": "bytes=900-"}, 416, 0),
        ("GET", {"If-None-Match": "*"}, 304, 0),
        ("GET", {"If-Match": '"other"'}, 412, 0),
        ("HEAD", {}, 200, 0),
    ],
)
async def test_a_download_is_a_fetch_of_the_original_from_its_first_byte(
    api: Api, method: str, headers: dict[str, str], status: int, counts: int
) -> None:
    asset = await uploaded(api)
    path = f"/files/{asset['id']}/original/note.txt"
    before = recorded(api)
    answer = await api.call(method, path, headers=headers)
    if answer.status_code == 307:  # the files' engine gives it to clients itself
        pytest.fail("a caller with a key is never sent on")
    assert answer.status_code == status
    assert recorded(api) - before == Counter({"download": counts} if counts else {})


async def test_a_signed_link_counts_without_a_key(api: Api) -> None:
    asset = await uploaded(api)
    before = recorded(api)
    answer = await api.call("GET", asset["urls"]["original"], headers={"Authorization": None})
    assert answer.status_code in (200, 307)
    assert recorded(api) - before == Counter({"download": 1})


async def test_pictures_of_an_asset_do_not_count(api: Api) -> None:
    asset = await uploaded(api)
    before = recorded(api)
    await api.call("GET", f"/files/{asset['id']}/thumbnail/x")
    assert recorded(api) == before


async def test_views_searches_and_favourites(api: Api) -> None:
    asset = await api.create(title="Used")
    before = recorded(api)
    await api.ok("GET", f"/assets/{asset['id']}")
    await api.call("HEAD", f"/assets/{asset['id']}")
    await api.call("GET", "/assets/asset_999999")
    await api.ok("PATCH", f"/assets/{asset['id']}", json={"is_favorite": True})
    await api.ok("PATCH", f"/assets/{asset['id']}", json={"is_favorite": False})
    await api.ok("GET", "/assets/search?q=used")
    await api.ok("GET", "/assets/search?q=used&offset=20")
    await api.ok("GET", "/assets/search/advanced?cursor=*")
    assert recorded(api) - before == Counter(view=1, favorite=1, search=2)


async def test_what_was_used_shows_in_the_statistics(api: Api) -> None:
    asset = await uploaded(api)
    for _ in range(3):
        await api.ok("GET", f"/assets/{asset['id']}")
    await api.call("GET", f"/files/{asset['id']}/original/note.txt")
    base = api.service.base
    await api.service.context.usage.flush()
    folder = UsageFolder(base.store, base.clock, interval=timedelta(0))
    while not (shown := await api.ok("GET", f"/assets/{asset['id']}"))["usage_stats"]["downloads"]:
        await api.service.context.usage.flush()
        await folder.run()
    assert shown["usage_stats"]["views"] >= 3
    assert shown["usage_stats"]["downloads"] == 1
    assert "usage_window" not in shown
