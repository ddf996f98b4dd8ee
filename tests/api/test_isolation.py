"""Every route of the table × everybody who may not: made from the table, so that no new route can be left out."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from service.api.dialects.native.routes import NATIVE
from service.api.kernel.route import Route
from service.core.access import guesses
from tests.api.client import Api, error_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCOPES = ("assets:read", "assets:write")
SECRET = "Zebrafish"
"""A word that stands in everything that the first organization has."""

ROUTES = [pytest.param(route, id=f"{route.method} {route.path}") for route in NATIVE.routes]
WITH_ID = [param for param in ROUTES if "{" in param.values[0].path]  # type: ignore[union-attr]
STREAMS = {"/events", "/operations/{operation_id}/events"}
"""They go on for ever: tests/api/test_events.py reads them."""


@pytest.fixture(scope="module", autouse=True)
def _many_guesses() -> Iterator[None]:
    """All calls come from one address, which is allowed as many wrong keys as there are routes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guesses, "ALLOWED", 10_000)
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ids(api: Api) -> AsyncIterator[dict[str, str]]:
    """An asset, a saved search, an operation and a download, by what they are called in paths."""
    asset = await api.create(title=SECRET, tags=[SECRET], collections=[SECRET])
    search = await api.ok("POST", "/searches", json={"name": SECRET, "query": SECRET})
    body = {"asset_ids": [asset["id"]], "updates": {"description": SECRET}}
    operation = await api.ok("PATCH", "/assets/bulk/metadata", json=body)
    download = await api.ok("POST", "/assets/bulk/download", json={"asset_ids": [asset["id"]]})
    await api.settled()
    yield {
        "asset_id": asset["id"],
        "search_id": search["id"],
        "operation_id": operation["operation_id"],
        "download_id": download["download_id"],
    }


def path_of(route: Route, ids: dict[str, str]) -> str:
    return re.sub(r"{(\w+)}", lambda match: ids[match[1]], route.path)


def body_of(route: Route, ids: dict[str, str]) -> dict[str, Any]:
    """Return the options of a request with the body that the table shows, about the first organization's asset."""
    example = next((body.example for body in route.bodies if body.example is not None), None)
    if example is None:
        return {"json": {"query": ""}} if route.bodies else {}
    return {"json": {**example, "asset_ids": [ids["asset_id"]]} if "asset_ids" in example else example}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("key", [None, "Bearer ak_wrong"])
async def test_nobody(api: Api, ids: dict[str, str], route: Route, key: str | None) -> None:
    options = body_of(route, ids)
    answer = await api.call(route.method, path_of(route, ids), headers={"Authorization": key}, **options)
    error_of(answer, 401, "AUTHENTICATION_REQUIRED")


@pytest.mark.parametrize("route", ROUTES)
async def test_a_key_without_the_scope(api: Api, ids: dict[str, str], route: Route) -> None:
    assert route.scope in SCOPES
    other = await api.as_user(user="user_789", scopes=next(scope for scope in SCOPES if scope != route.scope))
    answer = await other.call(route.method, path_of(route, ids), **body_of(route, ids))
    error_of(answer, 403, "INSUFFICIENT_SCOPE")


@pytest.mark.parametrize("route", WITH_ID)
async def test_another_organization_has_no_such_thing(api: Api, ids: dict[str, str], route: Route) -> None:
    other = await api.as_user(org="others", scopes="assets:read,assets:write,admin")
    answer = await other.call(route.method, path_of(route, ids), **body_of(route, ids))
    code = "ASSET_NOT_FOUND" if "asset_id" in route.path else "NOT_FOUND"
    error_of(answer, 404, code)


@pytest.mark.parametrize("route", [param for param in ROUTES if param not in WITH_ID])
async def test_another_organization_sees_nothing(api: Api, ids: dict[str, str], route: Route) -> None:
    if route.path in STREAMS:
        return
    other = await api.as_user(org="others", scopes="assets:read,assets:write,admin")
    params = {name: SECRET for name in ("q", "query") if name in route.params.model_fields}
    answer = await other.call(route.method, path_of(route, ids), params=params, **body_of(route, ids))
    assert answer.status_code < 500
    if not params:
        assert SECRET not in answer.text
    assert ids["asset_id"] not in answer.text or "asset_ids" in str(body_of(route, ids)), answer.text


async def test_nothing_was_changed(api: Api, ids: dict[str, str]) -> None:
    asset = await api.ok("GET", f"/assets/{ids['asset_id']}")
    assert (asset["title"], asset["description"], asset["tags"], asset["is_deleted"]) == (
        SECRET,
        SECRET,
        [SECRET],
        False,
    )
    assert asset["rev"] == 2
