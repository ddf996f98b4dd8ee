"""A client that creates assets for all it is worth and never gives up: each under a key of its own."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.processes import Served, until

TIMEOUT = 10.0
CLIENTS = 10
_AGAIN = frozenset({409, 429, 500, 503})


@dataclass
class Creates:
    """``count`` creates at once, and what was answered to each: the ledger.

    ``service`` is where requests go; put another there and those that fail are sent to it.
    """

    service: Served
    key: str
    count: int
    run: str = field(default_factory=lambda: uuid.uuid4().hex)
    ids: dict[int, str] = field(default_factory=dict)
    replayed: int = 0
    lost: int = 0
    """Tries that had no answer."""
    refused: int = 0
    """Tries that were answered "not now"."""

    def perform(self, meanwhile: Callable[[], None]) -> None:
        """Create all; ``meanwhile`` runs in a thread beside it."""
        asyncio.run(self._perform(meanwhile))

    def title(self, number: int) -> str:
        return f"Create {number:04} of {self.run}"

    async def _perform(self, meanwhile: Callable[[], None]) -> None:
        # Several clients: the pool of one goes through all that wait at every step.
        limits, timeout = httpx.Limits(max_connections=50), httpx.Timeout(TIMEOUT, pool=None)
        async with AsyncExitStack() as stack:
            clients = [httpx.AsyncClient(limits=limits, timeout=timeout) for _ in range(CLIENTS)]
            for client in clients:
                await stack.enter_async_context(client)
            beside = asyncio.create_task(asyncio.to_thread(meanwhile))
            await asyncio.gather(*(self._create(clients[number % CLIENTS], number) for number in range(self.count)))
            await beside

    async def _create(self, http: httpx.AsyncClient, number: int) -> None:
        headers = {"Authorization": f"Bearer {self.key}", "Idempotency-Key": f"{self.run}-{number}"}
        body = {"type": "text", "title": self.title(number), "tags": [self.run]}
        while number not in self.ids:
            try:
                url = f"{self.service.url}/v1/asset-library/assets"
                answer = await http.post(url, json=body, headers=headers)
            except httpx.TransportError:
                self.lost += 1
                await asyncio.sleep(0.2)
                continue
            if answer.status_code in _AGAIN:
                self.refused += 1
                await asyncio.sleep(min(1.0, float(answer.headers.get("retry-after", 0.2))))
                continue
            assert answer.status_code == 201, answer.text
            self.replayed += "idempotent-replayed" in answer.headers
            self.ids[number] = answer.json()["id"]

    def check(self) -> None:
        """None is lost, none is doubled: in the store by its ids, and in the index by its titles."""
        assert sorted(self.ids) == list(range(self.count))
        assert len(set(self.ids.values())) == self.count
        headers = {"Authorization": f"Bearer {self.key}"}
        with httpx.Client(base_url=f"{self.service.url}/v1/asset-library", headers=headers, timeout=TIMEOUT) as client:
            for number, asset_id in self.ids.items():
                assert client.get(f"/assets/{asset_id}").json()["title"] == self.title(number)
            until(lambda: self._found(client)["total_count"] >= self.count, "the index holds every asset", 60)
            found = self._found(client)
            assert found["total_count"] == self.count
            again = asyncio.run(self._again())
            assert again == self.ids, "the same keys still give the same assets"
            assert self._found(client)["total_count"] == self.count

    async def _again(self) -> dict[int, str]:
        """Send everything once more."""
        repeated = Creates(self.service, self.key, self.count, self.run)
        await repeated._perform(lambda: None)
        assert repeated.replayed == self.count
        return repeated.ids

    def _found(self, client: httpx.Client) -> Any:
        params: dict[str, str | int] = {"query": f"tags:{self.run}", "limit": 0}
        return client.get("/assets/search/advanced", params=params).json()
