"""What a browser, a proxy or an attacker sees of every answer: hosts, origins, links, headers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import pytest_asyncio

from service.api.app import create_app
from service.core.access.guesses import ALLOWED
from tests.api.client import PREFIX, Api, error_of, running, until_ready
from tests.support.media_files import picture

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORIGIN = "https://app.example.org"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def crossing(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    """A service that pages of one origin may call."""
    async with running(tmp_path_factory.mktemp("data"), cors_origins=f"{ORIGIN}, http://localhost:3000") as api:
        await until_ready(api)
        yield api


async def preflight(api: Api, path: str, origin: str, method: str, headers: str = "") -> httpx.Response:
    """Ask as a browser does, of what no description of the API has."""
    asked = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    transport = httpx.ASGITransport(app=create_app(api.service.context, api.service.gauges))
    async with httpx.AsyncClient(transport=transport, base_url="http://assetry.test") as http:
        return await http.options(PREFIX + path, headers={name: value for name, value in asked.items() if value})


async def uploaded(api: Api, folder: Path) -> Any:
    content = picture(folder / "a.jpg", (64, 64)).read_bytes()
    return await api.ok("POST", "/assets", files={"file": ("a.jpg", content, "image/jpeg")})


EVIL = ("evil.example", "evil.example:80", "localhost.evil.example", "assetry.test.evil.example", "a@b", "x/y")


@pytest.mark.parametrize("host", EVIL)
async def test_no_link_leads_to_a_host_that_a_client_made_up(api: Api, tmp_path: Path, host: str) -> None:
    content = picture(tmp_path / "a.jpg", (64, 64)).read_bytes()
    response = await api.call(
        "POST", "/assets", files={"file": ("a.jpg", content, "image/jpeg")}, headers={"Host": host}
    )
    assert response.status_code == 201
    assert host not in response.text
    assert response.headers["location"] == f"{PREFIX}/assets/{response.json()['id']}"
    link = response.json()["urls"]["original"]
    assert link.startswith("/files/")
    assert (await api.http.get(link)).content == content
    found = await api.call("GET", "/assets/search", headers={"Host": host})
    assert host not in found.text


async def test_the_host_where_the_service_is_reached_shows_in_links(api: Api, tmp_path: Path) -> None:
    asset = await uploaded(api, tmp_path)
    assert asset["urls"]["original"].startswith("http://assetry.test/files/")


async def test_links_of_an_asset_in_the_trash_end(api: Api, tmp_path: Path) -> None:
    asset = await uploaded(api, tmp_path)
    links = asset["urls"]
    for name, link in links.items():
        assert (await api.http.get(link)).status_code == 200, name
    await api.ok("DELETE", f"/assets/{asset['id']}")
    for name, link in links.items():
        assert (await api.http.get(link)).status_code == 404, name
        assert (await api.http.get(link, headers={"If-None-Match": "*"})).status_code == 404, name
    await api.ok("PATCH", f"/assets/{asset['id']}", json={"is_deleted": False})
    assert (await api.http.get(links["original"])).status_code == 200


async def test_only_what_never_changes_is_immutable(api: Api, tmp_path: Path) -> None:
    asset = await uploaded(api, tmp_path)
    link = asset["urls"]["original"]
    assert "immutable" in (await api.http.get(link)).headers["cache-control"]
    path = urlsplit(link).path
    unpinned = await api.call("GET", path)
    assert unpinned.headers["cache-control"] == "private, no-cache"
    version = parse_qs(urlsplit(link).query)["v"][0]
    assert "immutable" in (await api.call("GET", path, params={"v": version})).headers["cache-control"]
    assert (await api.call("GET", path, params={"v": "0" * len(version)})).status_code == 404


async def test_a_link_is_counted_though_nobody_sends_a_key(api: Api, tmp_path: Path) -> None:
    link = (await uploaded(api, tmp_path))["urls"]["original"]
    left = [int((await api.http.get(link)).headers["ratelimit"].split("r=")[1].split(";")[0]) for _ in range(2)]
    assert left[1] == left[0] - 1


@pytest.mark.parametrize("path", ["/assets/search", "/nothing", "http://assetry.test/healthz", "/files/x/y/z"])
async def test_no_answer_is_sniffed(api: Api, path: str) -> None:
    assert (await api.call("GET", path)).headers.get_list("x-content-type-options") == ["nosniff"]


@pytest.mark.parametrize("slashes", ["/", "//"])
async def test_a_slash_at_the_end_of_a_path_is_the_same_path(api: Api, slashes: str) -> None:
    await until_ready(api)
    transport = httpx.ASGITransport(app=create_app(api.service.context, api.service.gauges))
    headers = {"Authorization": f"Bearer {api.key}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://assetry.test", headers=headers) as http:
        created = await http.post(f"{PREFIX}/assets{slashes}", json={"type": "image", "title": "x"})
        assert created.status_code == 201
        asset = await http.get(f"{PREFIX}/assets/{created.json()['id']}{slashes}")
        assert asset.json()["id"] == created.json()["id"]
        assert (await http.get(f"{PREFIX}/assets/search{slashes}", params={"q": "x"})).status_code == 200
        assert (await http.get("/healthz" + slashes)).status_code == 200


async def test_wrong_keys_are_throttled_by_address_and_the_good_key_goes_on(api: Api) -> None:
    app = create_app(api.service.context, api.service.gauges)
    transport = httpx.ASGITransport(app=app, client=("192.0.2.9", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://assetry.test") as http:
        url = f"{PREFIX}/assets/search"
        good = {"Authorization": f"Bearer {api.key}"}
        assert (await http.get(url, headers=good)).status_code == 200
        statuses = [
            (await http.get(url, headers={"Authorization": f"Bearer ak_{number}"})).status_code
            for number in range(ALLOWED + 5)
        ]
        assert statuses == [401] * ALLOWED + [429] * 5
        wrong = await http.get(url, headers={"Authorization": "Bearer ak_x"})
        assert "retry_after" in error_of(wrong, 429, "RATE_LIMIT_EXCEEDED")
        assert (await http.get(url, headers=good)).status_code == 200
    assert (await api.call("GET", "/assets/search")).status_code == 200, "another address"


async def test_cross_origin_requests_are_off_by_default(api: Api) -> None:
    response = await api.call("GET", "/assets/search", headers={"Origin": ORIGIN})
    assert not [name for name in response.headers if name.startswith("access-control")]
    assert (await api.call("OPTIONS", "/assets/search", headers={"Origin": ORIGIN})).status_code == 405


async def test_a_preflight_of_an_allowed_origin(crossing: Api) -> None:
    sent = "authorization, content-type, if-match, idempotency-key"
    response = await preflight(crossing, "/assets/asset_1", ORIGIN, "PATCH", sent)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == ORIGIN
    assert "PATCH" in response.headers["access-control-allow-methods"]
    assert "access-control-allow-credentials" not in response.headers
    assert "Origin" in response.headers["vary"]


@pytest.mark.parametrize(("path", "status"), [("/assets/search", 200), ("/assets/asset_999", 404), ("/nothing", 404)])
async def test_a_page_sees_answers_errors_and_their_headers(crossing: Api, path: str, status: int) -> None:
    response = await crossing.call("GET", path, headers={"Origin": ORIGIN})
    assert response.status_code == status
    assert response.headers["access-control-allow-origin"] == ORIGIN
    assert {"ETag", "X-Request-ID", "RateLimit"} <= set(
        response.headers["access-control-expose-headers"].replace(" ", "").split(",")
    )


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://app.example.org.evil.example"])
async def test_pages_of_other_origins_see_nothing(crossing: Api, origin: str) -> None:
    response = await crossing.call("GET", "/assets/search", headers={"Origin": origin})
    assert "access-control-allow-origin" not in response.headers
    asked = await preflight(crossing, "/assets/search", origin, "GET")
    assert asked.status_code == 400
    assert "access-control-allow-origin" not in asked.headers


async def test_long_answers_are_compressed(api: Api) -> None:
    for number in range(5):
        await api.create(title=f"Compressed {number}", description="word " * 200)
    await api.settled()
    response = await api.call("GET", "/assets/search", params={"q": "compressed"})
    assert response.headers["content-encoding"] == "gzip"
    assert response.json()["total_count"] == 5
    plain = await api.call("GET", "/assets/search", params={"q": "compressed"}, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == response.content
