"""A client of a whole service in the test's process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from service.api.app import DOCUMENTS, create_app
from service.api.kernel.openapi import OPENAPI
from service.runtime.bootstrap import Service, open_service
from service.settings import load
from tests.support.openapi import Contract
from tests.support.places import place

PREFIX = "/v1/asset-library"
PATIENCE = 20.0
CONTRACTS = {
    dialect.prefix: contract
    for document in DOCUMENTS.values()
    for contract in [Contract(document.describe())]
    for dialect in document.dialects
}
"""What each dialect's answers are checked against, by its prefix; what has none is in the native document."""


@dataclass(frozen=True)
class Api:
    """A client of a whole service in this process, with the key of one user."""

    service: Service
    http: httpx.AsyncClient
    key: str

    async def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key}"} | dict(options.pop("headers", {}))
        headers = {name: value for name, value in headers.items() if value is not None}
        url = path if path.startswith(("/files", "/healthz", "/readyz", "/metrics", "http")) else PREFIX + path
        return await self.http.request(method, url, headers=headers, **options)

    async def ok(self, method: str, path: str, **options: Any) -> Any:
        response = await self.call(method, path, **options)
        assert response.status_code < 300, response.text
        return response.json()

    async def create(self, **fields: Any) -> Any:
        return await self.ok("POST", "/assets", json={"type": "image", "title": "An asset", **fields})

    async def settled(self) -> None:
        """Wait until searches see everything that was written so far."""
        assert await self.service.follower.wait_for(await self.service.base.store.barrier(), PATIENCE)

    async def as_user(self, org: str = "acme", user: str = "user_1", scopes: str = "assets:read,assets:write") -> Api:
        key, _ = await self.service.base.keys.create(org, user, scopes.split(","))
        return Api(self.service, self.http, key)


def error_of(response: httpx.Response, status: int, code: str) -> Any:
    """Check the envelope of seed 000 and return its details."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    error = response.json()["error"]
    assert set(error) == {"code", "message", "details", "request_id", "timestamp"}
    assert error["code"] == code, error
    assert error["message"]
    assert error["request_id"] == response.headers["x-request-id"]
    return error["details"]


async def as_described(response: httpx.Response) -> None:
    """Check an answer, and a request that was understood, against the OpenAPI document of its dialect."""
    await response.aread()
    path = response.request.url.path
    if path in DOCUMENTS and path != OPENAPI.path:
        return  # a description itself, which no document describes
    prefix = next((prefix for prefix in CONTRACTS if path.startswith(f"{prefix}/")), PREFIX)
    CONTRACTS[prefix].check(response.request, response)


@asynccontextmanager
async def running(data: Path, **settings: Any) -> AsyncIterator[Api]:
    """Run the API, the indexer and the worker in this process, on the run's engines."""
    async with (
        place(**settings) as chosen,
        open_service(load(data=data, log_level="error", **chosen), everything=True) as service,
    ):
        app = create_app(service.context, service.gauges)
        transport = httpx.ASGITransport(app=app)
        hooks = {"response": [as_described]}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://assetry.test", timeout=30, event_hooks=hooks
        ) as http:
            key, _ = await service.base.keys.create(
                "acme", "user_789", ["assets:read", "assets:write", "assets:import"]
            )
            yield Api(service, http, key)


async def until_ready(api: Api) -> None:
    async with asyncio.timeout(PATIENCE):
        while (await api.http.get("/readyz")).status_code != 200:
            await asyncio.sleep(0.02)
