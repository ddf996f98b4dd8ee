"""A client of event streams, straight on an ASGI application: httpx's transport waits for the end of an answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message

PATIENCE = 20.0


@dataclass(frozen=True)
class Received:
    """An event as a browser would have it: type, data and the id that it would send as Last-Event-ID."""

    type: str
    data: Any
    id: str


@dataclass
class StreamClient:
    """One connection."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    last_id: str = ""
    events: list[Received] = field(default_factory=list)
    text: str = ""
    ended: bool = False
    _raw: bytes = b""
    _parsed: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _left: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self) -> Message:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self._raw += message.get("body", b"")
            self.ended = not message.get("more_body", False)
            self._parse()
        self._news.set()

    def leave(self) -> None:
        self._left.set()

    async def until(self, count: int) -> list[Received]:
        """Wait for so many events, and return all that came."""
        await self._wait(lambda: len(self.events) >= count)
        return self.events

    async def begun(self) -> str:
        """Wait until the stream has told where it begins, and return that id."""
        await self._wait(lambda: bool(self.last_id))
        return self.last_id

    async def end(self) -> None:
        await self._wait(lambda: self.ended)

    async def _wait(self, condition: Any) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._news.clear()
                await self._news.wait()

    def _parse(self) -> None:
        """Read whole events by the rules of the HTML standard."""
        self.text = self._raw.decode()
        *blocks, _ = self.text.split("\n\n")
        for block in blocks[self._parsed :]:
            fields: dict[str, list[str]] = {}
            for line in block.split("\n"):
                if not line.startswith(":"):
                    name, _, value = line.partition(":")
                    fields.setdefault(name, []).append(value.removeprefix(" "))
            if "id" in fields:
                self.last_id = fields["id"][-1]
            if "data" in fields:
                data = json.loads("\n".join(fields["data"]))
                self.events.append(Received(fields.get("event", ["message"])[-1], data, self.last_id))
        self._parsed = len(blocks)


@asynccontextmanager
async def connected(
    app: ASGIApp, url: str, key: str | None, headers: Mapping[str, str] | None = None
) -> AsyncIterator[StreamClient]:
    """Connect, and be gone when the block ends."""
    client = StreamClient()
    parts = urlsplit(url)
    sent = {"host": "assetry.test", **(headers or {})} | ({"authorization": f"Bearer {key}"} if key else {})
    scope = {
        "type": "http",
        "method": "GET",
        "path": parts.path,
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
        "scheme": "http",
        "server": ("assetry.test", 80),
        "client": ("127.0.0.1", 1),
        "http_version": "1.1",
        "root_path": "",
    }

    async def serve() -> None:
        await app(scope, client.receive, client.send)

    serving = asyncio.create_task(serve())
    try:
        yield client
    finally:
        client.leave()
        await serving
