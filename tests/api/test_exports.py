"""Exports and bulk downloads by the API: what is in them, who may fetch them, and when they are gone."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from service.api.dialects.native import exports
from service.api.dialects.native.answers import Asset
from service.core.assets.objects import MEMBERS
from service.ports.store import Change
from service.times import timestamp
from tests.api.client import Api, error_of
from tests.support.picture_files import saved
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


HARDEST = {"asset_ids": ["asset_1"], "options": {"compression_level": "hardest"}}


async def upload(api: Api, name: str, content: bytes) -> str:
    made = await api.ok("POST", "/assets", files={"file": (name, content)})
    return str(made["id"])


async def fetched(api: Api, url: str, key: str | None = None) -> bytes:
    """Fetch a download by its link, without a key."""
    parts = urlsplit(url)
    answer = await api.http.get(f"{parts.path}?{parts.query}", headers={"Authorization": key} if key else {})
    assert answer.status_code == 200, answer.text
    return answer.content


async def made(api: Api, operation_id: str) -> Any:
    async def done() -> bool:
        return (await api.ok("GET", f"/operations/{operation_id}"))["status"] in {"completed", "failed", "cancelled"}

    await eventually(done, f"{operation_id} ends")
    return await api.ok("GET", f"/operations/{operation_id}")


async def test_the_download_of_the_seed(api: Api) -> None:
    texts = [await upload(api, "note.txt", f"text {number}".encode()) for number in range(2)]
    picture = await upload(api, "red.png", saved("PNG", (20, 10)))
    without = (await api.create(title="No file"))["id"]
    ids = [*texts, picture, without, "asset_999999"]
    body = {
        "asset_ids": ids,
        "format": "zip",
        "options": {
            "include_originals": True,
            "include_thumbnails": False,
            "include_metadata": True,
            "metadata_format": "json",
            "organize_by_type": True,
            "compression_level": "normal",
        },
    }
    started = await api.ok("POST", "/assets/bulk/download", json=body)
    assert started["download_id"].startswith("download_")
    assert started["status"] in {"preparing", "ready"}
    content = await fetched(api, started["download_url"])
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert sorted(archive.namelist()) == ["image/red.png", "metadata.json", "text/note (2).txt", "text/note.txt"]
        assert archive.read("text/note.txt") == b"text 0"
        listed = json.loads(archive.read("metadata.json"))
    assert [asset["id"] for asset in listed] == ids[:4]
    end = await made(api, started["download_id"])
    assert (end["type"], end["status"], end["result"]["file_count"]) == ("bulk_download", "completed", 3)
    assert end["result"]["expires_at"] == end["expires_at"] > end["completed_at"]
    assert await fetched(api, end["result"]["download_url"]) == content
    again = await api.call("GET", f"/downloads/{started['download_id']}")
    assert again.content == content
    assert again.headers["content-disposition"].startswith("attachment")
    part = await api.call("GET", f"/downloads/{started['download_id']}", headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"PK\x03\x04")


async def test_thumbnails_and_a_table(api: Api) -> None:
    picture = await upload(api, "blue.png", saved("PNG", (1000, 10)))
    body = {
        "asset_ids": [picture],
        "options": {
            "include_originals": True,
            "include_thumbnails": True,
            "organize_by_type": False,
            "metadata_format": "csv",
            "compression_level": "none",
        },
    }
    started = await api.ok("POST", "/assets/bulk/download", json=body)
    with zipfile.ZipFile(io.BytesIO(await fetched(api, started["download_url"]))) as archive:
        assert sorted(archive.namelist()) == ["blue.png", "metadata.csv", "thumbnails/blue-thumbnail.jpg"]


@pytest.mark.parametrize("format_", ["csv", "json", "xlsx", "zip"])
async def test_a_search_is_exported(api: Api, format_: str) -> None:
    org = await api.as_user(org=f"exports_{format_}")
    for number in range(5):
        await org.create(title=f"Yellow {number}", tags=["yellow"], metadata={"width": number})
    await org.create(title="Green")
    await org.settled()
    body = {"query": "yellow", "format": format_, "include_stats": False, "max_results": 4}
    started = await org.ok("POST", "/exports/search", json=body)
    assert (started["format"], started["export_id"]) == (format_, started["operation_id"])
    content = await fetched(org, started["download_url"])
    rows: list[Any]
    match format_:
        case "csv":
            rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
            assert {row["tags"] for row in rows} == {"yellow"}
            assert {"metadata.width", "urls.original"} <= set(rows[0])
            assert "usage_stats.views" not in rows[0]
        case "json":
            rows = json.loads(content)
            assert all("usage_stats" not in row and row["metadata"]["width"] < 5 for row in rows)
        case "xlsx":
            with zipfile.ZipFile(io.BytesIO(content)) as book:
                rows = [{}] * (book.read("xl/worksheets/sheet1.xml").decode().count("<row ") - 1)
        case _:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                rows = json.loads(archive.read("metadata.json"))
    assert len(rows) == 4, "at most max_results"


async def test_json_has_the_objects_that_the_api_shows(api: Api) -> None:
    assert tuple(Asset.__annotations__) == MEMBERS
    org = await api.as_user(org="exports_objects")
    made = await org.create(title="One", custom={"client": "Acme"}, is_favorite=True)
    await org.settled()
    started = await org.ok("POST", "/exports/search", json={"query": "", "format": "json", "include_stats": True})
    assert json.loads(await fetched(org, started["download_url"])) == [await org.ok("GET", f"/assets/{made['id']}")]


async def test_chosen_columns(api: Api) -> None:
    org = await api.as_user(org="exports_columns")
    await org.create(title="One", custom={"client": "Acme"})
    await org.settled()
    body = {"query": "", "format": "csv", "columns": ["title", "custom.client"]}
    started = await org.ok("POST", "/exports/search", json=body)
    content = await fetched(org, started["download_url"])
    assert content.decode("utf-8-sig") == "title,custom.client\r\nOne,Acme\r\n"


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/exports/search", {"format": "csv"}, "query"),
        ("/exports/search", {"query": "", "format": "pdf"}, "format"),
        ("/exports/search", {"query": "", "max_results": 1_000_001}, "max_results"),
        ("/exports/search", {"query": "", "columns": ["nosuch"]}, "columns"),
        ("/exports/search", {"query": "", "format": "zip", "columns": ["title"]}, None),
        ("/exports/search", {"query": "nosuchfield:x"}, "query"),
        ("/assets/bulk/download", {"asset_ids": ["asset_1"], "format": "rar"}, "format"),
        ("/assets/bulk/download", HARDEST, "options.compression_level"),
        ("/assets/bulk/download", {"asset_ids": []}, "asset_ids"),
    ],
    ids=str,
)  # fmt: skip
async def test_a_request_that_is_wrong_starts_nothing(
    api: Api, path: str, body: dict[str, Any], field: str | None
) -> None:
    details = error_of(await api.call("POST", path, json=body), 400, "VALIDATION_ERROR")
    assert field is None or details["field"] == field


async def test_who_may_fetch(api: Api) -> None:
    asset = await upload(api, "mine.txt", b"mine")
    started = await api.ok("POST", "/assets/bulk/download", json={"asset_ids": [asset]})
    other = await api.as_user(org="others")
    path = f"/downloads/{started['download_id']}"
    error_of(await other.call("GET", path), 404, "NOT_FOUND")
    error_of(await api.http.get(f"/v1/asset-library{path}"), 401, "AUTHENTICATION_REQUIRED")
    query = {name: value[0] for name, value in parse_qs(urlsplit(started["download_url"]).query).items()}
    wrong: tuple[dict[str, str], ...] = ({**query, "signature": "0" * 40}, {**query, "expires": "9999999999"})
    for params in wrong:
        answer = await api.http.get(f"/v1/asset-library{path}", params=params)
        error_of(answer, 401, "AUTHENTICATION_REQUIRED")
    elsewhere = await api.http.get("/v1/asset-library/downloads/download_another", params=query)
    error_of(elsewhere, 401, "AUTHENTICATION_REQUIRED")
    error_of(await api.call("GET", "/downloads/bulk_update_1"), 404, "NOT_FOUND")


async def test_what_is_not_made_yet_or_never(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "WAIT", 0.1)
    asset = await upload(api, "later.txt", b"later")
    started = await api.ok("POST", "/assets/bulk/download", json={"asset_ids": [asset]})
    key = f"bulk_{started['download_id']}"
    await made(api, started["download_id"])
    store = api.service.base.store
    later = timestamp(api.service.base.clock.now() + timedelta(hours=1))
    await store.update("operation", key, Change(set={"status": "queued", "result": None, "run_after": later}))
    waiting = await api.call("GET", f"/downloads/{started['download_id']}", timeout=30)
    assert (waiting.status_code, waiting.headers["retry-after"]) == (202, "1")
    assert waiting.json()["status"] == "queued"
    await api.ok("POST", f"/operations/{started['download_id']}/cancel")
    error_of(await api.call("GET", f"/downloads/{started['download_id']}"), 500, "BULK_OPERATION_FAILED")


async def test_what_expires_takes_its_file_along(api: Api) -> None:
    asset = await upload(api, "short.txt", b"short")
    started = await api.ok("POST", "/assets/bulk/download", json={"asset_ids": [asset]})
    end = await made(api, started["download_id"])
    key = f"bulk_{started['download_id']}"
    files = api.service.base.files
    location = f"made.{key}/{end['result']['sha256'][:2]}/{end['result']['sha256']}"
    assert (await files.stat(location)).size == end["result"]["size"]
    past = timestamp(api.service.base.clock.now() - timedelta(hours=1))
    await api.service.base.store.update("operation", key, Change(set={"expires_at": past}))
    assert await api.service.context.operations.expire() >= 1
    error_of(await api.call("GET", f"/downloads/{started['download_id']}"), 404, "NOT_FOUND")
    assert not await files.delete(location), "it is gone already"
