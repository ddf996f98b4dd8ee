from __future__ import annotations

from typing import Any

import pytest

from tests.api.client import Api, until_ready
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_ready_names_each_engine(api: Api) -> None:
    await until_ready(api)
    body = (await api.http.get("/readyz")).json()
    assert body["status"] == "ready"
    chosen = api.service.base.settings
    queue = {"jobs"} if chosen.redis_url else set()
    assert set(body["engines"]) == {"store", "files", "search", "index"} | queue
    assert all(engine["ready"] for engine in body["engines"].values())
    assert body["engines"]["store"]["engine"] == ("mongodb" if chosen.mongodb_url else "sqlite")
    assert body["engines"]["search"]["engine"] == ("opensearch" if chosen.opensearch_url else "osmem")


async def test_alive(api: Api) -> None:
    assert (await api.http.get("/healthz")).json() == {"status": "alive"}


async def test_metrics_count_requests_by_route(api: Api) -> None:
    await api.create()
    await api.call("GET", "/assets/asset_123456")
    await api.http.get("/random-path-of-a-scanner")
    text = (await api.http.get("/metrics")).text
    assert 'route="/v1/asset-library/assets/{asset_id}",status="404"' in text
    assert "random-path" not in text
    assert "assetry_index_lag_seconds" in text
    assert "assetry_index_caught_up" in text


async def test_readiness_counts_the_assets_of_now(api: Api) -> None:
    async def index() -> dict[str, Any]:
        return dict((await api.http.get("/readyz")).json()["engines"]["index"])

    await until_ready(api)
    before = await api.service.base.store.size("asset")
    asset = await api.create(title="One more")
    await api.settled()

    async def counted(more: int) -> bool:
        now = await index()
        return (now["indexed"], now["total"]) == (before + more, before + more)

    await eventually(lambda: counted(1), "one more asset")
    await api.ok("DELETE", f"/assets/{asset['id']}", params={"permanent": "true", "backup": "false"})
    await api.settled()
    await eventually(lambda: counted(0), "one less")
