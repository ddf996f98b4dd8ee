"""Create, read, change and delete through HTTP."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import pytest
from PIL import Image

from tests.api.client import PATIENCE, Api, error_of
from tests.support.places import on_real_engines

pytestmark = pytest.mark.asyncio(loop_scope="module")


def picture(width: int = 640, height: int = 480, colour: str = "#336699") -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(content, "JPEG")
    return content.getvalue()


async def test_create_answers_the_whole_object(api: Api) -> None:
    response = await api.call("POST", "/assets", json={"type": "text", "title": "  Notes ", "tags": ["a", "b", "a"]})
    assert response.status_code == 201
    asset = response.json()
    assert asset["title"] == "Notes"
    assert asset["tags"] == ["a", "b"]
    assert asset["status"] == "completed"
    assert asset["usage_stats"] == {"downloads": 0, "views": 0, "shares": 0, "favorites": 0}
    assert asset["cost"] == {"credits_used": 0, "currency": "USD", "amount": 0.0}
    assert asset["user_id"] == "user_789"
    assert response.headers["location"].endswith(f"/assets/{asset['id']}")
    assert (await api.ok("GET", f"/assets/{asset['id']}")) == asset


async def test_ids_rise_and_are_public(api: Api) -> None:
    first, second = (await api.create())["id"], (await api.create())["id"]
    assert int(second.removeprefix("asset_")) > int(first.removeprefix("asset_"))


async def test_equal_titles_get_slugs_of_their_own(api: Api) -> None:
    slugs = [(await api.create(title="The same title"))["slug"] for _ in range(3)]
    assert slugs[0] == "the-same-title"
    assert len(set(slugs)) == 3


async def test_multipart_with_both_parts(api: Api) -> None:
    content = picture()
    files = {
        "asset": (None, json.dumps({"title": "Blue", "tags": ["sky"]}), "application/json"),
        "file": ("b.jpg", content),
    }
    asset = await api.ok("POST", "/assets", files=files)
    assert asset["title"] == "Blue"
    assert asset["tags"] == ["sky"]
    assert asset["type"] == "image"
    assert asset["filename"] == "b.jpg"
    assert asset["mime_type"] == "image/jpeg"
    metadata = asset["metadata"]
    assert (metadata["width"], metadata["height"], metadata["format"]) == (640, 480, "jpg")
    assert metadata["file_size"] == len(content)


async def test_the_asset_part_may_come_as_a_file(api: Api) -> None:
    files = {"asset": ("a.json", b'{"title": "From a file"}', "application/json"), "file": ("b.jpg", picture())}
    assert (await api.ok("POST", "/assets", files=files))["title"] == "From a file"


async def test_a_file_alone_names_itself(api: Api) -> None:
    asset = await api.ok("POST", "/assets", files={"file": ("../../my_holiday picture.jpg", picture())})
    assert asset["filename"] == "my_holiday picture.jpg"
    assert asset["title"] == "my holiday picture"


async def test_original_and_thumbnail(api: Api) -> None:
    content = picture(2000, 1000)
    asset = await api.ok("POST", "/assets", files={"file": ("wide ünï.jpg", content)})
    urls = asset["urls"]
    original = await api.http.get(urls["original"])
    assert original.status_code == 200
    assert original.content == content
    assert original.headers["content-type"] == "image/jpeg"
    assert "filename*=UTF-8''wide%20%C3%BCn%C3%AF.jpg" in original.headers["content-disposition"]
    thumbnail = await api.http.get(urls["thumbnail"])
    assert Image.open(io.BytesIO(thumbnail.content)).size == (512, 256)
    assert Image.open(io.BytesIO((await api.http.get(urls["preview"])).content)).size == (1600, 800)
    again = await api.http.get(urls["thumbnail"], headers={"If-None-Match": thumbnail.headers["etag"]})
    assert again.status_code == 304


async def test_many_ask_for_a_thumbnail_at_once(api: Api) -> None:
    asset = await api.ok("POST", "/assets", files={"file": ("x.jpg", picture(colour="#113355"))})
    answers = await asyncio.gather(*(api.http.get(asset["urls"]["thumbnail"]) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1


@pytest.mark.parametrize(
    ("header", "status", "part"),
    [
        ("bytes=0-9", 206, slice(0, 10)),
        ("bytes=-5", 206, slice(-5, None)),
        ("bytes=100-", 206, slice(100, None)),
        ("bytes=5-2", 200, slice(None)),
        ("bytes=0-1,5-6", 200, slice(None)),
        ("lines=1-2", 200, slice(None)),
        ("bytes=99999999-", 416, None),
        ("bytes=-0", 416, None),
        ("bytes=" + ",".join("0-1" for _ in range(10_000)), 416, None),
    ],
)
async def test_ranges(api: Api, header: str, status: int, part: slice | None) -> None:
    content = picture(colour="#ff0000")
    asset = await api.ok("POST", "/assets", files={"file": ("r.jpg", content)})
    answer = await api.http.get(asset["urls"]["original"], headers={"Range": header})
    assert answer.status_code == status
    if part is not None:
        assert answer.content == content[part]
    else:
        assert answer.headers["content-range"] == f"bytes */{len(content)}"


async def test_if_range_and_head(api: Api) -> None:
    content = picture(colour="#00ff00")
    url = (await api.ok("POST", "/assets", files={"file": ("r.jpg", content)}))["urls"]["original"]
    head = await api.http.head(url)
    assert head.headers["content-length"] == str(len(content))
    assert head.headers["accept-ranges"] == "bytes"
    same = {"Range": "bytes=0-0", "If-Range": head.headers["etag"]}
    assert (await api.http.get(url, headers=same)).status_code == 206
    assert (await api.http.get(url, headers=same | {"If-Range": '"other"'})).status_code == 200


async def test_conditions_are_those_of_the_standard(api: Api) -> None:
    """Proxies make tags weak, and the Range of a HEAD means nothing (RFC 9110 §13.1.2, §14.2)."""
    content = picture(colour="#0000ff")
    url = (await api.ok("POST", "/assets", files={"file": ("r.jpg", content)}))["urls"]["original"]
    etag = (await api.http.head(url)).headers["etag"]
    for method in ("GET", "HEAD"):
        for tag in (etag, f"W/{etag}", "*", f'"other", {etag}'):
            answer = await api.http.request(method, url, headers={"If-None-Match": tag, "Range": "bytes=0-1"})
            assert (answer.status_code, answer.content) == (304, b"")
        assert (await api.http.request(method, url, headers={"If-Match": etag})).status_code == 200
        assert (await api.http.request(method, url, headers={"If-Match": '"other"'})).status_code == 412
    whole = await api.http.head(url, headers={"Range": "bytes=0-9"})
    assert (whole.status_code, whole.headers["content-length"]) == (200, str(len(content)))
    assert "content-range" not in whole.headers


async def test_clients_that_reach_the_engine_are_sent_there(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ASSETRY_S3_PUBLIC_URL no byte of a file goes through the API."""
    asked: list[dict[str, Any]] = []

    async def signed(key: str, **asked_for: Any) -> str:
        asked.append({"key": key, **asked_for})
        return f"https://s3.example.org/assetry/{key}?X-Amz-Signature=x"

    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10"/>'
    image = await api.ok("POST", "/assets", files={"file": ("r.jpg", picture(colour="#00ffff"))})
    drawing = await api.ok("POST", "/assets", files={"file": ("d.svg", svg)})
    monkeypatch.setattr(api.service.base.files, "signed_get", signed)
    url = image["urls"]["original"]
    for link in (url, f"{url}&download", drawing["urls"]["original"], image["urls"]["thumbnail"]):
        answer = await api.http.get(link, headers={"Range": "bytes=0-1"})
        assert (answer.status_code, answer.content) == (307, b"")
        assert answer.headers["location"].startswith(f"https://s3.example.org/assetry/{asked[-1]['key']}?")
        assert answer.headers["cache-control"] == "private, max-age=300"
    assert [one["attachment"] for one in asked] == [False, True, True, False]
    assert [one["filename"] for one in asked] == ["r.jpg", "r.jpg", "d.svg", "r-thumbnail.jpg"]
    head = await api.http.head(url)
    assert head.status_code == 200
    assert (await api.http.get(url, headers={"If-None-Match": head.headers["etag"]})).status_code == 304
    assert (await api.http.get(url.replace("signature=", "signature=0"))).status_code == 401
    by_key = await api.call("GET", url.partition("?")[0])  # the key is nobody else's business
    assert (by_key.status_code, by_key.headers["etag"]) == (200, head.headers["etag"])
    assert len(asked) == 4


async def test_active_content_is_only_a_download(api: Api) -> None:
    head = b'<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10">'
    svg = head + b'<script>alert(1)</script><rect width="9" height="9"/></svg>'
    asset = await api.ok("POST", "/assets", files={"file": ("evil.svg", svg)})
    answer = await api.http.get(asset["urls"]["original"])
    assert answer.content == svg
    assert answer.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert (await api.http.get(asset["urls"]["thumbnail"])).headers["content-type"] in ("image/webp", "image/jpeg")


async def test_a_link_opens_one_rendition_only(api: Api) -> None:
    asset = await api.ok("POST", "/assets", files={"file": ("x.jpg", picture())})
    url = asset["urls"]["original"]
    error_of(await api.http.get(url.replace("/original/", "/preview/")), 401, "AUTHENTICATION_REQUIRED")
    error_of(await api.http.get(url[:-1] + ("0" if url[-1] != "0" else "1")), 401, "AUTHENTICATION_REQUIRED")
    error_of(await api.http.get(url.split("?")[0]), 401, "AUTHENTICATION_REQUIRED")
    path = url.split("?")[0]
    assert (await api.call("GET", path)).status_code == 200, "a key opens it too"
    other = await api.as_user(org="other")
    error_of(await other.call("GET", path), 404, "ASSET_NOT_FOUND")


async def test_includes(api: Api) -> None:
    asset = await api.create(metadata={"width": 3})
    for name, field in (("include_metadata", "metadata"), ("include_stats", "usage_stats"), ("include_urls", "urls")):
        assert field not in await api.ok("GET", f"/assets/{asset['id']}", params={name: "false"})
        assert field in await api.ok("GET", f"/assets/{asset['id']}", params={name: "true"})


async def test_patch_of_the_seed(api: Api) -> None:
    asset = await api.create()
    change = {
        "title": "Updated Mountain Landscape",
        "description": "A stunning mountain landscape perfect for marketing campaigns",
        "tags": ["mountain", "landscape", "marketing", "brand"],
        "collections": ["marketing_assets", "landscapes"],
        "is_favorite": True,
    }
    changed = await api.ok("PATCH", f"/assets/{asset['id']}", json=change)
    assert {name: changed[name] for name in change} == change
    assert changed["usage_stats"]["favorites"] == 1
    assert changed["rev"] == asset["rev"] + 1
    await api.settled()
    found = await api.ok("GET", "/assets/search/advanced", params={"query": "is:favorite tags:brand"})
    assert asset["id"] in [hit["id"] for hit in found["results"]]
    other = await api.as_user(user="somebody_else")
    assert (await other.ok("GET", f"/assets/{asset['id']}"))["is_favorite"] is False
    back = await api.ok("PATCH", f"/assets/{asset['id']}", json={"is_favorite": False})
    assert (back["is_favorite"], back["usage_stats"]["favorites"]) == (False, 0)


async def test_patch_merges_metadata_and_custom(api: Api) -> None:
    asset = await api.create(
        metadata={"width": 10, "model": "m", "own_leaf": {"a": 1}}, custom={"colour": "red", "weight": 5}
    )
    changed = await api.ok(
        "PATCH",
        f"/assets/{asset['id']}",
        json={"metadata": {"model": None, "height": 4}, "custom": {"colour": None, "size": "XL"}},
    )
    assert changed["metadata"] == {"width": 10, "own_leaf": {"a": 1}, "height": 4}
    assert changed["custom"] == {"weight": 5, "size": "XL"}


async def test_null_clears(api: Api) -> None:
    asset = await api.create(description="d", rating=4, tags=["x"])
    changed = await api.ok("PATCH", f"/assets/{asset['id']}", json={"description": None, "rating": None, "tags": None})
    assert (changed["description"], changed["rating"], changed["tags"]) == (None, None, [])


async def test_a_patch_that_changes_nothing_writes_nothing(api: Api) -> None:
    asset = await api.create(tags=["x"])
    assert (await api.ok("PATCH", f"/assets/{asset['id']}", json={"tags": ["x"]}))["rev"] == asset["rev"]


async def test_trash_and_back(api: Api) -> None:
    asset = await api.create(title="Trashed thing", tags=["trash-test"])
    url = f"/assets/{asset['id']}"
    deleted = await api.ok("DELETE", url)
    assert deleted == {"id": asset["id"], "is_deleted": True, "permanent": False, "backup_id": None}
    assert (await api.ok("GET", url))["is_deleted"] is True
    assert (await api.ok("DELETE", url)) == deleted, "twice is once"
    await api.settled()

    async def found(query: str) -> int:
        return int((await api.ok("GET", "/assets/search/advanced", params={"query": query}))["total_count"])

    assert await found("tags:trash-test") == 0
    assert await found("tags:trash-test is:deleted") == 1
    assert (await api.ok("PATCH", url, json={"is_deleted": False}))["is_deleted"] is False
    await api.settled()
    assert await found("tags:trash-test") == 1


async def test_permanent_delete_with_backup(api: Api) -> None:
    asset = await api.ok("POST", "/assets", files={"file": ("x.jpg", picture(colour="#010203"))})
    url = f"/assets/{asset['id']}"
    deleted = await api.ok("DELETE", url, params={"permanent": "true"})
    assert deleted["backup_id"].startswith("backup_")
    error_of(await api.call("GET", url), 404, "ASSET_NOT_FOUND")
    error_of(await api.call("PATCH", url, json={"title": "x"}), 404, "ASSET_NOT_FOUND")
    error_of(await api.call("DELETE", url), 404, "ASSET_NOT_FOUND")
    await api.settled()
    found = await api.ok("GET", "/assets/search/advanced", params={"query": f"id:{asset['id']} OR is:deleted"})
    assert asset["id"] not in [hit["id"] for hit in found["results"]]
    backup = await api.service.base.store.get("backup", deleted["backup_id"])
    assert backup.body["asset"]["title"] == asset["title"]


async def test_permanent_delete_without_backup(api: Api) -> None:
    asset = await api.create()
    params = {"permanent": "true", "backup": "false"}
    assert (await api.ok("DELETE", f"/assets/{asset['id']}", params=params))["backup_id"] is None


async def test_etag_and_if_match(api: Api) -> None:
    asset = await api.create()
    url = f"/assets/{asset['id']}"
    etag = (await api.call("GET", url)).headers["etag"]
    changed = await api.call("PATCH", url, json={"title": "Second"}, headers={"If-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag
    details = error_of(
        await api.call("PATCH", url, json={"title": "Third"}, headers={"If-Match": etag}), 412, "PRECONDITION_FAILED"
    )
    assert details == {"expected_rev": 1, "rev": 2}
    error_of(await api.call("DELETE", url, headers={"If-Match": etag}), 412, "PRECONDITION_FAILED")
    error_of(await api.call("DELETE", url, headers={"If-Match": 'W/"2"'}), 412, "PRECONDITION_FAILED")
    error_of(await api.call("DELETE", url, headers={"If-Match": '"nonsense"'}), 412, "PRECONDITION_FAILED")
    malformed = error_of(await api.call("DELETE", url, headers={"If-Match": "nonsense"}), 400, "VALIDATION_ERROR")
    assert (malformed["field"], malformed["provided"]) == ("If-Match", "nonsense")
    params = {"permanent": "true"}
    error_of(await api.call("DELETE", url, params=params, headers={"If-Match": etag}), 412, "PRECONDITION_FAILED")
    assert (await api.call("PATCH", url, json={"title": "Any"}, headers={"If-Match": "*"})).status_code == 200


async def test_a_list_of_entity_tags_is_read_whole(api: Api) -> None:
    asset = await api.create()
    url = f"/assets/{asset['id']}"
    for tags in ('"3", "1"', '"1", "3"', 'W/"7", , "1-99", "0"'):
        etag = (await api.call("GET", url)).headers["etag"]
        given = {"If-Match": tags.replace('"1', etag.partition("-")[0])}
        assert (await api.call("PATCH", url, json={"title": tags}, headers=given)).status_code == 200, tags
    stale = await api.call("PATCH", url, json={"title": "x"}, headers={"If-Match": '"1", "2", W/"4"'})
    error_of(stale, 412, "PRECONDITION_FAILED")
    gone = await api.call("PATCH", "/assets/asset_999999", json={}, headers={"If-Match": '"1", "2"'})
    error_of(gone, 404, "ASSET_NOT_FOUND")


@pytest.mark.parametrize("tags", ['"1" "2"', '"1", *', "1", '"1', 'w/"1"'])
async def test_what_is_no_list_of_entity_tags_is_refused(api: Api, tags: str) -> None:
    asset = await api.create()
    url = f"/assets/{asset['id']}"
    for method, header in (("PATCH", "If-Match"), ("DELETE", "If-Match"), ("GET", "If-None-Match")):
        body: dict[str, Any] = {"json": {}} if method == "PATCH" else {}
        details = error_of(await api.call(method, url, headers={header: tags}, **body), 400, "VALIDATION_ERROR")
        assert (details["field"], details["provided"]) == (header, tags)


async def test_a_record_that_the_client_has_is_not_sent_again(api: Api) -> None:
    asset = await api.create()
    search = await api.ok("POST", "/searches", json={"name": "x"})
    for url in (f"/assets/{asset['id']}", f"/searches/{search['id']}"):
        etag = (await api.call("GET", url)).headers["etag"]
        for given in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            answer = await api.call("GET", url, headers={"If-None-Match": given})
            assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
            assert answer.headers["cache-control"] == "private, no-cache"
        assert (await api.call("GET", url, headers={"If-None-Match": '"other"'})).status_code == 200


async def test_many_writers_lose_nothing(api: Api) -> None:
    asset = await api.create(metadata={})
    url = f"/assets/{asset['id']}"
    answers = await asyncio.gather(*(api.call("PATCH", url, json={"custom": {f"field_{n}": n}}) for n in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert (await api.ok("GET", url))["custom"] == {f"field_{n}": n for n in range(8)}


async def test_import_fields_need_their_scope(api: Api) -> None:
    plain = await api.as_user()
    for field, value in (
        ("created_at", "2020-01-01"),
        ("usage_stats", {"downloads": 3}),
        ("cost", {"amount": 1.5}),
    ):
        body: dict[str, Any] = {"type": "image", "title": "x", field: value}
        details = error_of(await plain.call("POST", "/assets", json=body), 403, "INSUFFICIENT_SCOPE")
        assert details == {"scope": "assets:import"}
        assert (await api.call("POST", "/assets", json=body)).status_code == 201


async def test_a_write_is_searchable_within_a_second_and_a_half(api: Api) -> None:
    # Real engines share the machine with the tests and with each other: there a benchmark shows what is promised.
    patience = PATIENCE if on_real_engines() else 1.5
    asset = await api.create(title="Quicksilver")
    async with asyncio.timeout(patience):
        while True:
            found = await api.ok("GET", "/assets/search", params={"q": "quicksilver"})
            if [hit["id"] for hit in found["results"]] == [asset["id"]]:
                break
            await asyncio.sleep(0.01)
