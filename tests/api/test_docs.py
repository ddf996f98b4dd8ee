"""``/docs``: a viewer of the description that comes with the service and asks nobody else for anything."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path

import pytest

from service.api.app import DOCUMENTS
from service.api.viewer import FILES
from tests.api.client import Api, error_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

STATIC = Path(__file__).parents[2] / "service" / "ui" / "static"
VENDOR = STATIC / "vendor" / "swagger-ui"


async def test_the_page_names_the_description_and_its_own_files(api: Api) -> None:
    page = await api.http.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert 'data-document="openapi.json"' in page.text
    links = re.findall(r'(?:src|href)="([^"]*)"', page.text)
    assert [link for link in links if "://" in link or link.startswith("/")] == []
    scripts = [link.removeprefix("docs/") for link in links if link.startswith("docs/")]
    assert sorted(scripts) == sorted(FILES)
    assert "<script>" not in page.text
    assert " style=" not in page.text


async def test_a_browser_may_ask_nobody_else(api: Api) -> None:
    for path in ("/docs", "/docs/docs.js"):
        response = await api.http.get(path)
        policy = dict(part.split(" ", 1) for part in response.headers["content-security-policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert {source for sources in policy.values() for source in sources.split()} == {"'none'", "'self'", "data:"}
        assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", FILES)
async def test_its_files_are_served(api: Api, name: str) -> None:
    path, media_type = FILES[name]
    response = await api.http.get(f"/docs/{name}")
    assert response.status_code == 200
    assert response.headers["content-type"] == f"{media_type}; charset=utf-8"
    assert response.content == (STATIC / path).read_bytes()
    again = await api.http.get(f"/docs/{name}", headers={"If-None-Match": response.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_what_is_not_there(api: Api) -> None:
    for path in ("/docs/nothing.js", "/docs/..%2f..%2fapp.py", "/docs?document=/etc/passwd"):
        error_of(await api.http.get(path), 404, "NOT_FOUND")


async def test_each_description_can_be_chosen(api: Api) -> None:
    for path, document in DOCUMENTS.items():
        page = await api.http.get("/docs", params={"document": path})
        assert f"<title>{document.title}</title>" in page.text


async def test_its_files_are_in_the_package() -> None:
    project = tomllib.loads((STATIC.parents[2] / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["service"]
    packed = {path for pattern in patterns for path in (STATIC.parents[1]).glob(pattern)}
    assert {path for path in STATIC.rglob("*") if path.is_file()} <= packed


async def test_the_viewer_is_the_pinned_one() -> None:
    lines = (VENDOR / "SHA256SUMS").read_text().splitlines()
    sums = {name: checksum for checksum, name in map(str.split, lines)}
    assert {path.name for path in VENDOR.iterdir()} == {*sums, "SHA256SUMS", "README.md"}
    assert sums == {name: hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() for name in sums}
    assert "Apache License" in (VENDOR / "LICENSE").read_text()
