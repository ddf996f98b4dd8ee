"""A way to an engine that loses answers, repeats requests late, and refuses now and then.

Toxiproxy does what a wire can do (:mod:`tests.faults.toxics`). This one knows what passes: it drops the answer to a
write that the engine took, brings an old bulk a second time after newer ones, and refuses some documents of a bulk.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import orjson

LOST, CUT, TWICE, REFUSED, SOME = "answer lost", "request lost", "sent twice", "refused", "some refused"
"""What happens to a request: each is counted by this name."""
_BULK = (LOST, CUT, TWICE, REFUSED, SOME)
_WRITE = (LOST, CUT)
_LATE = 1.0
"""Seconds after which a request comes a second time, at most."""
_HOP = frozenset({"connection", "content-encoding", "content-length", "transfer-encoding", "keep-alive", "host"})


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Unruly:
    """The proxy. ``share`` of the bulks, and half as many of the other writes, meet a fault; 0 is a good way."""

    upstream: str
    seed: int
    share: float = 0.12
    met: Counter[str] = field(default_factory=Counter)
    url: str = ""

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._client = httpx.AsyncClient(base_url=self.upstream, timeout=30)
        self._late: set[asyncio.Task[httpx.Response]] = set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Unruly]:
        """Listen until the block ends."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            await asyncio.gather(*self._late, return_exceptions=True)
            await self._client.aclose()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError, httpx.TransportError):
            while answer := await self._answer(await _read(reader)):
                writer.write(answer)
                await writer.drain()
        writer.close()

    async def _answer(self, request: _Request) -> bytes | None:
        """Return what the client gets; None ends its connection."""
        fault = self._drawn(request)
        if fault is not None:
            self.met[fault] += 1
        if fault == CUT:
            return None
        if fault == REFUSED:
            return _reply(429, b'{"error":{"type":"rejected_execution_exception","reason":"busy"},"status":429}')
        answer = await self._forward(request)
        if fault == LOST:
            return None
        if fault == TWICE:
            task = asyncio.create_task(self._again(request, self._random.uniform(0.0, _LATE)))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
        body = answer.content
        return _reply(answer.status_code, self._some_refused(body) if fault == SOME else body)

    def _drawn(self, request: _Request) -> str | None:
        if request.method in ("GET", "HEAD") or "_search" in request.path or "_mget" in request.path:
            return None
        bulk = "/_bulk" in request.path
        if self._random.random() >= (self.share if bulk else self.share / 2):
            return None
        return self._random.choice(_BULK if bulk else _WRITE)

    async def _forward(self, request: _Request) -> httpx.Response:
        headers = {name: value for name, value in request.headers.items() if name not in _HOP - {"content-encoding"}}
        return await self._client.request(request.method, request.path, headers=headers, content=request.body)

    async def _again(self, request: _Request, seconds: float) -> httpx.Response:
        await asyncio.sleep(seconds)
        return await self._forward(request)

    def _some_refused(self, body: bytes) -> bytes:
        """Say that some documents were refused for now; the engine has taken them all the same."""
        answer = orjson.loads(body)
        for item in answer.get("items", ()):
            (outcome,) = item.values()
            if outcome["status"] < 300 and self._random.random() < 0.3:
                outcome["status"] = 429
                outcome["error"] = {"type": "rejected_execution_exception", "reason": "busy"}
        return orjson.dumps(answer)


async def _read(reader: asyncio.StreamReader) -> _Request:
    """Read a request. Raises IncompleteReadError at the end of the connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ", 2)
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)
    }
    return _Request(method, path, headers, await reader.readexactly(int(headers.get("content-length", 0))))


def _reply(status: int, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status} Answer\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body
