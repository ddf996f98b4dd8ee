"""Bad input: the seed's envelope with its code, the field and how to fix it; never a 500."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.client import PREFIX, Api, error_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEARCH: list[tuple[str, dict[str, Any], str]] = [
    ("", {"limit": 101}, "limit"),
    ("", {"limit": -1}, "limit"),
    ("", {"limit": "ten"}, "limit"),
    ("", {"offset": 10_001}, "offset"),
    ("", {"offset": -1}, "offset"),
    ("", {"sort_by": "nonsense"}, "sort_by"),
    ("", {"sort_order": "up"}, "sort_order"),
    ("", {"type": "hologram"}, "type"),
    ("", {"query": "wrong name for q"}, "query"),
    ("/advanced", {"q": "wrong name for query"}, "q"),
    ("/advanced", {"query": "tile:mountain"}, "query"),
    ("/advanced", {"query": "(mountain"}, "query"),
    ("/advanced", {"query": "width:wide"}, "query"),
    ("/advanced", {"query": "created_at:[2024-02-01 TO 2024-01-01]"}, "query"),
    ("/advanced", {"query": "a" * 5000}, "query"),
    ("/advanced", {"query": "(" * 30 + "a" + ")" * 30}, "query"),
    ("/advanced", {"query": "org_id:acme"}, "query"),
    ("/advanced", {"query": "x", "filters": "{"}, "filters"),
    ("/advanced", {"query": "x", "filters": "[]"}, "filters"),
    ("/advanced", {"query": "x", "filters": '{"nonsense": 1}'}, "filters"),
    ("/advanced", {"query": "x", "filters": '{"width": "wide"}'}, "filters"),
    ("/advanced", {"query": "x", "filters": '{"width": {"$ne": 1}}'}, "filters"),
    ("/advanced", {"query": "x", "filters": '{"org_id": "other"}'}, "filters"),
    ("/advanced", {"query": "x", "facets": "nonsense"}, "facets"),
    ("/advanced", {"query": "x", "sort": "nonsense"}, "sort"),
    ("/advanced", {"query": "x", "zone": "Mars/Olympus"}, "zone"),
    ("/facets", {"facets": "org_id"}, "facets"),
]


@pytest.mark.parametrize(("path", "params", "field"), SEARCH)
async def test_searches(api: Api, path: str, params: dict[str, Any], field: str) -> None:
    details = error_of(await api.call("GET", f"/assets/search{path}", params=params), 400, "VALIDATION_ERROR")
    assert details["field"] == field


async def test_a_query_error_has_its_span_and_a_suggestion(api: Api) -> None:
    query = "type:image AND tile:mountain"
    response = await api.call("GET", "/assets/search/advanced", params={"query": query})
    details = error_of(response, 400, "VALIDATION_ERROR")
    assert details["reason"] == "unknown_field"
    assert query[details["offset"] : details["offset"] + details["length"]].startswith("tile")
    assert "title" in details["suggestion"]
    assert "tile" in response.json()["error"]["message"]


async def test_a_parameter_given_twice(api: Api) -> None:
    response = await api.http.get(f"{PREFIX}/assets/search?q=a&q=b", headers={"Authorization": f"Bearer {api.key}"})
    assert error_of(response, 400, "VALIDATION_ERROR")["field"] == "q"


@pytest.mark.parametrize("query", ["q=%ff", "q=caf%E9", "q=ok&sort=%C0%80", "q=%ED%A0%80"])
async def test_a_parameter_that_is_not_utf_8(api: Api, query: str) -> None:
    response = await api.http.get(f"{PREFIX}/assets/search?{query}", headers={"Authorization": f"Bearer {api.key}"})
    details = error_of(response, 400, "VALIDATION_ERROR")
    assert details["field"] == query.rpartition("&")[2].partition("=")[0]
    assert "UTF-8" in response.json()["error"]["message"]


BODIES: list[tuple[Any, str]] = [
    ({"title": "no type"}, "type"),
    ({"type": "image", "title": "x" * 501}, "title"),
    ({"type": "image", "title": ""}, "title"),
    ({"type": "image", "title": 5}, "title"),
    ({"type": "hologram", "title": "x"}, "type"),
    ({"type": "image", "nonsense": 1}, "nonsense"),
    ({"type": "image", "id": "asset_1"}, "id"),
    ({"type": "image", "org_id": "other"}, "org_id"),
    ({"type": "image", "rev": 7}, "rev"),
    ({"type": "image", "metadata": {"width": "wide"}}, "metadata.width"),
    ({"type": "image", "metadata": {"width": -1}}, "metadata.width"),
    ({"type": "image", "metadata": {"width": 2**60}}, "metadata.width"),
    ({"type": "image", "metadata": []}, "metadata"),
    ({"type": "image", "tags": "one"}, "tags"),
    ({"type": "image", "tags": [1]}, "tags.0"),
    ({"type": "image", "tags": ["x" * 300]}, "tags.0"),
    ({"type": "image", "title": "nul\u0000"}, "title"),
    ({"type": "image", "captured_at": "yesterday"}, "captured_at"),
    ({"type": "image", "captured_at": 5}, "captured_at"),
    ({"type": "image", "gps": {"lat": 91, "lon": 0}}, "gps.lat"),
    ({"type": "image", "rating": 6}, "rating"),
    ({"type": "image", "external_url": "javascript:alert(1)"}, "external_url"),
    ({"type": "link", "title": "x"}, "external_url"),
    ({"type": "image", "custom": {"Bad Key": 1}}, "custom.Bad Key"),
    ({"type": "image", "cost": {"currency": "dollars"}}, "cost.currency"),
    ([], "body"),
    (None, "body"),
    ("text", "body"),
]


@pytest.mark.parametrize(("body", "field"), BODIES)
async def test_bodies(api: Api, body: Any, field: str) -> None:
    details = error_of(await api.call("POST", "/assets", json=body), 400, "VALIDATION_ERROR")
    assert details["field"].startswith(field)
    assert details.get("expected_format")


async def test_several_problems_are_all_named(api: Api) -> None:
    response = await api.call("POST", "/assets", json={"type": "image", "title": 5, "rating": 9})
    details = error_of(response, 400, "VALIDATION_ERROR")
    assert {problem["field"] for problem in details["problems"]} == {"title", "rating"}


@pytest.mark.parametrize(
    "content", [b"{", b'{"type": image}', b"\xff\xfe", b"", b'{"title": "\\ud800", "type": "image"}']
)
async def test_bad_json(api: Api, content: bytes) -> None:
    response = await api.call("POST", "/assets", content=content, headers={"Content-Type": "application/json"})
    assert error_of(response, 400, "VALIDATION_ERROR")["field"] in ("body", "title")


async def test_deep_json(api: Api) -> None:
    content = b'{"type": "image", "metadata": {"x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}}"
    response = await api.call("POST", "/assets", content=content, headers={"Content-Type": "application/json"})
    error_of(response, 400, "VALIDATION_ERROR")


async def test_wrong_media_type(api: Api) -> None:
    response = await api.call("POST", "/assets", content=b"<x/>", headers={"Content-Type": "text/xml"})
    error_of(response, 415, "UNSUPPORTED_MEDIA_TYPE")


async def test_a_body_over_the_limit(api: Api) -> None:
    content = b'{"type": "image", "title": "' + b"x" * (1024 * 1024) + b'"}'
    response = await api.call("POST", "/assets", content=content, headers={"Content-Type": "application/json"})
    details = error_of(response, 413, "PAYLOAD_TOO_LARGE")
    assert details["expected_format"] == "at most 1048576 bytes"


FORMS: list[tuple[dict[str, Any], str]] = [
    ({"asset": (None, "{", "application/json"), "file": ("x.txt", b"hello world")}, "asset"),
    ({"asset": (None, '{"nonsense": 1}', "application/json"), "file": ("x.txt", b"hello world")}, "nonsense"),
    ({"picture": ("x.txt", b"hello")}, "picture"),
    ({"file": (None, "no file name")}, "file"),
    ({"asset": (None, '{"type": "video"}', "application/json"), "file": ("x.txt", b"hello world")}, "type"),
    ({"file": ("x.jpg", b"\xff\xd8\xff\xe0 this is no picture")}, "file"),
]


@pytest.mark.parametrize(("files", "field"), FORMS)
async def test_forms(api: Api, files: dict[str, Any], field: str) -> None:
    details = error_of(await api.call("POST", "/assets", files=files), 400, "VALIDATION_ERROR")
    assert details["field"] == field


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"not multipart at all", "multipart/form-data; boundary=x"),
        (b"--x\r\n\r\n", "multipart/form-data; boundary=x"),
        (b"--x\r\n", "multipart/form-data"),
        (b"", "multipart/form-data; boundary=x"),
    ],
)
async def test_broken_multipart(api: Api, content: bytes, media_type: str) -> None:
    response = await api.call("POST", "/assets", content=content, headers={"Content-Type": media_type})
    error_of(response, 400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    "asset_id",
    ["invalid_id", "asset_", "asset_0", "asset_01", "asset_-1", "asset_1x", "ASSET_1", "asset_9007199254740992"],
)
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_ids_of_a_wrong_form(api: Api, asset_id: str, method: str) -> None:
    body = {"json": {"title": "x"}} if method == "PATCH" else {}
    response = await api.call(method, f"/assets/{asset_id}", **body)
    details = error_of(response, 400, "VALIDATION_ERROR")
    assert details == {"field": "asset_id", "provided": asset_id, "expected_format": "asset_[0-9]+"}
    assert response.json()["error"]["message"] == "Invalid asset ID format"


async def test_an_id_that_does_not_exist(api: Api) -> None:
    error_of(await api.call("GET", "/assets/asset_999999999"), 404, "ASSET_NOT_FOUND")


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_another_organizations_asset_is_not_found(api: Api, method: str) -> None:
    asset = await api.create()
    other = await api.as_user(org="other")
    body = {"json": {"title": "mine"}} if method == "PATCH" else {}
    params = {"permanent": "true"} if method == "DELETE" else {}
    error_of(await other.call(method, f"/assets/{asset['id']}", params=params, **body), 404, "ASSET_NOT_FOUND")
    assert (await api.ok("GET", f"/assets/{asset['id']}")) == asset


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer ak_wrong", "Basic dXNlcjpwYXNz", "ak_wrong", "Bearer \x80\xff"]
)
async def test_missing_and_bad_keys(api: Api, header: str | None) -> None:
    headers: dict[bytes, bytes] = {} if header is None else {b"Authorization": header.encode("latin-1")}
    response = await api.http.get(f"{PREFIX}/assets/search", headers=headers)
    error_of(response, 401, "AUTHENTICATION_REQUIRED")
    assert response.headers["www-authenticate"].startswith("Bearer")


async def test_missing_scopes(api: Api) -> None:
    reader = await api.as_user(scopes="assets:read")
    details = error_of(await reader.call("POST", "/assets", json={"type": "image"}), 403, "INSUFFICIENT_SCOPE")
    assert details == {"scope": "assets:write"}
    writer = await api.as_user(scopes="assets:write")
    error_of(await writer.call("GET", "/assets/search"), 403, "INSUFFICIENT_SCOPE")


async def test_admin_tags(api: Api) -> None:
    body = {"type": "image", "title": "x", "tags": ["*secret", "open"]}
    error_of(await api.call("POST", "/assets", json=body), 403, "INSUFFICIENT_SCOPE")
    admin = await api.as_user(user="boss", scopes="admin")
    asset = await admin.ok("POST", "/assets", json=body)
    assert asset["tags"] == ["open", "*secret"]
    assert (await api.ok("GET", f"/assets/{asset['id']}"))["tags"] == ["open"]
    await api.ok("PATCH", f"/assets/{asset['id']}", json={"tags": ["other"]})
    assert (await admin.ok("GET", f"/assets/{asset['id']}"))["tags"] == ["other", "*secret"]


async def test_unknown_paths_and_methods(api: Api) -> None:
    error_of(await api.call("GET", "/nonsense"), 404, "NOT_FOUND")
    response = await api.call("PUT", "/assets/asset_1")
    error_of(response, 405, "METHOD_NOT_ALLOWED")
    assert set(response.headers["allow"].replace(" ", "").split(",")) >= {"GET", "PATCH", "DELETE"}


async def test_problem_details_for_those_who_ask(api: Api) -> None:
    response = await api.call("GET", "/assets/invalid_id", headers={"Accept": "application/problem+json"})
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert (body["status"], body["code"], body["field"]) == (400, "VALIDATION_ERROR", "asset_id")


@pytest.mark.parametrize(
    "path", ["/files/../../etc/passwd", "/files/asset_1/original/%2e%2e%2fx", "/files/x/original/a"]
)
async def test_file_paths(api: Api, path: str) -> None:
    assert (await api.call("GET", path)).status_code in (400, 404)


async def test_request_ids(api: Api) -> None:
    response = await api.http.get("/healthz", headers={"X-Request-ID": "my-id.7"})
    assert response.headers["x-request-id"] == "my-id.7"
    response = await api.http.get("/healthz", headers={"X-Request-ID": "bad id\twith spaces"})
    assert response.headers["x-request-id"].startswith("req_")
