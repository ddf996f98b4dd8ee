"""Changes of assets: sent back whole, of another type or name, with another file."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from PIL import Image

from tests.api.client import Api, error_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


def picture(size: tuple[int, int] = (64, 48), colour: str = "#123456", kind: str = "JPEG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, kind)
    return out.getvalue()


async def upload(api: Api, content: bytes | None = None, name: str = "a.jpg", **asset: Any) -> Any:
    data = {"asset": json.dumps(asset)} if asset else {}
    return await api.ok("POST", "/assets", files={"file": (name, content or picture())}, data=data)


async def test_an_asset_that_was_read_can_be_sent_back_as_a_whole(api: Api) -> None:
    asset = await upload(api)
    same = await api.ok("PATCH", f"/assets/{asset['id']}", json=asset)
    assert same == asset, "nothing changed, so nothing was written"
    changed = await api.ok("PATCH", f"/assets/{asset['id']}", json={**asset, "title": "Another title"})
    assert (changed["title"], changed["rev"]) == ("Another title", asset["rev"] + 1)
    # What was read before the change is still what the asset had.
    again = await api.ok("PATCH", f"/assets/{asset['id']}", json={**asset, "slug": changed["slug"]})
    assert again["title"] == asset["title"]


async def test_what_was_only_sent_back_is_not_taken_for_given(api: Api) -> None:
    asset = await upload(api)
    await api.ok("PATCH", f"/assets/{asset['id']}", json={**asset, "description": "Mine"})
    record = await api.service.base.store.get("asset", asset["id"])
    assert record.body["given"] == ["description"]


CHANGED = {
    "id": "asset_9",
    "created_at": "2001-01-01T00:00:00Z",
    "updated_at": "2999-01-01T00:00:00Z",
    "user_id": "somebody",
    "cost": {"credits_used": 1, "currency": "EUR", "amount": 1},
    "usage_stats": {"downloads": 10**6, "views": 0, "shares": 0, "favorites": 0},
    "deleted_at": "2024-01-01T00:00:00Z",
    "mime_type": "text/html",
    "sha256": "0" * 64,
    "guid": "0b0f7a5e-4f4c-5c6e-8b1d-3f6b6e7f9a01",
    "slug": "mine",
    "rev": 99,
    "urls": {"original": "https://evil.example/x", "thumbnail": None, "preview": None},
}


@pytest.mark.parametrize("name", CHANGED)
async def test_a_read_only_member_with_another_value_is_refused(api: Api, name: str) -> None:
    asset = await upload(api)
    response = await api.call("PATCH", f"/assets/{asset['id']}", json={**asset, name: CHANGED[name], "title": "New"})
    details = error_of(response, 400, "VALIDATION_ERROR")
    assert details["field"] == name
    assert (await api.ok("GET", f"/assets/{asset['id']}"))["title"] == asset["title"]


async def test_a_name_and_a_type_can_be_changed(api: Api) -> None:
    asset = await api.create(type="link", external_url="https://example.org/x")
    changed = await api.ok("PATCH", f"/assets/{asset['id']}", json={"type": "image", "filename": "photo.PNG"})
    assert (changed["type"], changed["filename"]) == ("image", "photo.PNG")
    picture_asset = await upload(api)
    other = await api.ok("PATCH", f"/assets/{picture_asset['id']}", json={"type": "other", "filename": "b.bin"})
    assert (other["type"], other["filename"]) == ("other", "b.bin")
    assert (await api.ok("PATCH", f"/assets/{asset['id']}", json={"filename": None}))["filename"] is None


@pytest.mark.parametrize(("wanted", "status"), [("video", 400), ("pdf", 400), (None, 400), ("image", 200)])
async def test_a_type_that_the_file_is_not_is_refused(api: Api, wanted: str | None, status: int) -> None:
    asset = await upload(api)
    response = await api.call("PATCH", f"/assets/{asset['id']}", json={"type": wanted})
    assert response.status_code == status, response.text


async def test_a_link_needs_a_url_also_later(api: Api) -> None:
    asset = await api.create(type="image")
    response = await api.call("PATCH", f"/assets/{asset['id']}", json={"type": "link"})
    assert error_of(response, 400, "VALIDATION_ERROR")["field"] == "external_url"
    both = {"type": "link", "external_url": "https://example.org"}
    assert (await api.ok("PATCH", f"/assets/{asset['id']}", json=both))["type"] == "link"


async def test_a_file_is_replaced_and_the_old_links_end(api: Api) -> None:
    first, second = picture(), picture((30, 20), "#ff0000", "PNG")
    asset = await upload(api, first, tags=["kept"], title="Kept")
    response = await api.call(
        "PATCH",
        f"/assets/{asset['id']}",
        files={"file": ("b.png", second)},
        data={"asset": '{"description": "With the new file"}'},
        headers={"If-Match": f'"{asset["rev"]}"'},
    )
    assert response.status_code == 200, response.text
    changed = response.json()
    assert changed["id"] == asset["id"]
    assert (changed["title"], changed["tags"], changed["description"]) == ("Kept", ["kept"], "With the new file")
    assert (changed["filename"], changed["mime_type"]) == ("b.png", "image/png")
    metadata = changed["metadata"]
    assert (metadata["width"], metadata["height"], metadata["file_size"]) == (30, 20, len(second))
    assert changed["rev"] == asset["rev"] + 1
    assert (await api.http.get(changed["urls"]["original"])).content == second
    assert (await api.http.get(asset["urls"]["original"])).status_code == 404
    assert (await api.http.get(changed["urls"]["thumbnail"])).status_code == 200


async def test_an_asset_without_a_file_gets_one(api: Api) -> None:
    asset = await api.create(title="Mine", metadata={"model": "m", "width": 1})
    changed = await api.ok("PATCH", f"/assets/{asset['id']}", files={"file": ("b.jpg", picture())})
    assert (changed["title"], changed["metadata"]["model"], changed["metadata"]["width"]) == ("Mine", "m", 64)
    assert changed["urls"]["original"]


REFUSED = {
    "another type": ({"file": ("a.txt", b"plain text")}, {}, 400),
    "a damaged file": ({"file": ("a.jpg", picture()[:20])}, {}, 400),
    "another rev": ({"file": ("a.jpg", picture())}, {"If-Match": '"77"'}, 412),
}


@pytest.mark.parametrize(("files", "headers", "status"), REFUSED.values(), ids=REFUSED)
async def test_a_file_that_does_not_fit_changes_nothing(
    api: Api, files: Any, headers: dict[str, str], status: int
) -> None:
    asset = await upload(api, type="image")
    response = await api.call("PATCH", f"/assets/{asset['id']}", files=files, headers=headers)
    assert response.status_code == status, response.text
    now = await api.ok("GET", f"/assets/{asset['id']}")
    assert (now["sha256"], now["rev"]) == (asset["sha256"], asset["rev"])
    assert (await api.http.get(now["urls"]["original"])).status_code == 200


NAMES = {
    "x" * 400 + ".jpg": "x" * 252 + ".jpg",
    "é" * 300 + ".jpeg": "é" * 251 + ".jpeg",
    "x" * 256: "x" * 256,
    "x" * 300: "x" * 256,
    "a." + "b" * 300: ("a." + "b" * 300)[:256],
    "folder/" + "x" * 300 + ".jpg": "x" * 252 + ".jpg",
}


@pytest.mark.parametrize(("name", "kept"), NAMES.items(), ids=range(len(NAMES)))
async def test_a_long_file_name_keeps_its_extension_by_every_way_in(api: Api, name: str, kept: str) -> None:
    uploaded = await upload(api, None, name)
    given = await upload(api, None, "a.jpg", filename=name)
    plain = await api.create(filename=name)
    changed = await api.ok("PATCH", f"/assets/{plain['id']}", json={"filename": name})
    replaced = await api.ok("PATCH", f"/assets/{plain['id']}", files={"file": (name, picture())})
    assert {asset["filename"] for asset in (uploaded, given, plain, changed, replaced)} == {kept}
