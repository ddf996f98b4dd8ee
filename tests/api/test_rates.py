from __future__ import annotations

import pytest

from tests.api.client import Api, error_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_tier_is_enforced(api: Api) -> None:
    key, _ = await api.service.base.keys.create("acme", "kim", ["assets:read"], "free")
    free = Api(api.service, api.http, key)
    for left in range(999, -1, -1):
        response = await free.call("GET", "/assets/asset_1")
        assert response.status_code == 404
        if left == 999:
            assert "ratelimit" not in response.headers, "errors do not tell the quota, but count"
    response = await free.call("GET", "/assets/search")
    details = error_of(response, 429, "RATE_LIMIT_EXCEEDED")
    assert details["retry_after"] == int(response.headers["retry-after"]) <= 3600
    assert response.headers["ratelimit"].startswith('"hourly";r=0;')


async def test_answers_tell_the_quota(api: Api) -> None:
    response = await api.call("GET", "/assets/search")
    assert response.headers["ratelimit-policy"] == '"hourly";q=100000;w=3600'
