"""The check of answers against the description fails where it should."""

from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest

from service.api.app import DOCUMENTS
from service.api.kernel.openapi import OPENAPI
from tests.support.openapi import Contract, ContractError

PREFIX = "http://test/v1/asset-library"
DOCUMENT = DOCUMENTS[OPENAPI.path].describe()
CONTRACT = Contract(DOCUMENT)
ASSET = DOCUMENT["components"]["schemas"]["Asset"]["examples"][0]
ERROR = DOCUMENT["components"]["schemas"]["Error"]["examples"][0]
JSON = {"content-type": "application/json"}


def answer(
    method: str,
    path: str,
    body: Any = None,
    status: int = 200,
    *,
    sent: Any = None,
    headers: dict[str, str] | None = None,
) -> None:
    url = path if path.startswith("http") else PREFIX + path
    request = httpx.Request(method, url, json=sent)
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    CONTRACT.check(request, httpx.Response(status, content=content, headers=JSON | (headers or {}), request=request))


def test_right_answers_pass() -> None:
    answer("GET", "/assets/asset_1", ASSET, headers={"etag": '"1"', "ratelimit": '"hourly";r=1;t=1'})
    answer("HEAD", "/assets/asset_1", b"")
    answer("GET", "/assets/asset_1", b"", 304)
    answer("GET", "/assets/search?q=x&limit=3", {"results": [ASSET], "total_count": 1, "limit": 3})
    answer("GET", "/assets/asset_1", ERROR, 404)
    answer("GET", "/nowhere", ERROR, 404)
    answer("PUT", "/assets/asset_1", ERROR, 405)
    answer("PATCH", "/assets/asset_1", ASSET, sent={"title": "x"})
    answer("PATCH", "/assets/asset_1", ERROR, 400, sent={"tilte": "x"})


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in ASSET.items() if key != name}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "options", "problem"),
    [
        ("GET", "/assets/asset_1", without("rev"), 200, {}, r"\$: \"rev\" is a required property"),
        ("GET", "/assets/asset_1", ASSET | {"secret": 1}, 200, {}, "Additional properties are not allowed.*secret"),
        ("GET", "/assets/asset_1", ASSET | {"title": None}, 200, {}, r"\$\.title"),
        ("GET", "/assets/asset_1", ASSET | {"created_at": "yesterday"}, 200, {}, r"\$\.created_at"),
        ("GET", "/assets/asset_1", ASSET | {"rating": 6}, 200, {}, r"\$\.rating"),
        ("GET", "/assets/asset_1", ASSET | {"type": "hologram"}, 200, {}, r"\$\.type"),
        ("GET", "/assets/asset_1", ASSET, 201, {}, "this status is not described"),
        ("GET", "/assets/asset_1", ASSET, 200, {"headers": {"x-index-token": "t"}}, "x-index-token is not described"),
        ("GET", "/assets/asset_1", ASSET, 200, {"headers": {"content-type": "text/html"}}, "media type 'text/html'"),
        ("GET", "/assets/asset_1", ASSET, 304, {}, "no body is described"),
        ("GET", "/assets/asset_1", {"error": {"code": "ODD"}}, 404, {}, r"\$\.error"),
        ("GET", "/assets/search", {"results": [ASSET, {}], "total_count": 1, "limit": 3}, 200, {}, r"\$\.results\[1\]"),
        ("GET", "/assets/search?tpye=image", {"results": [], "total_count": 0, "limit": 3}, 200, {}, "tpye"),
        ("PATCH", "/assets/asset_1", ASSET, 200, {"sent": {"tilte": "x"}}, "request: .*tilte"),
        ("GET", "/nowhere", {}, 200, {}, "neither the path nor the error is described"),
        ("GET", "http://test/readyz", {"status": "sleepy", "engines": {}}, 200, {}, r"\$\.status"),
        ("GET", "/assets/asset_1", ERROR, 429, {"headers": {"retry-after": "soon"}}, "header retry-after"),
    ],
)
def test_wrong_answers_fail(
    method: str, path: str, body: Any, status: int, options: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ContractError, match=problem):
        answer(method, path, body, status, **options)
