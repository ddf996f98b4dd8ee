"""Small HTTP servers that answer as a script says, in the place of an OpenSearch."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import orjson

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    """An HTTP answer; None in its place closes the connection."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, content: object, status: int = 200, **headers: str) -> Answer:
        return cls(status, orjson.dumps(content), {"Content-Type": "application/json", **headers})

    def encoded(self) -> bytes:
        lines = [f"{name}: {value}" for name, value in (self.headers | {"Content-Length": str(len(self.body))}).items()]
        return "\r\n".join([f"HTTP/1.1 {self.status} X", *lines, "", ""]).encode() + self.body


@asynccontextmanager
async def listening(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve on a free loopback port; every connection is closed in the end."""
    under_way: set[asyncio.Task[None]] = set()

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        under_way.add(task)
        try:
            await serve(reader, writer)
        finally:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    server = await asyncio.start_server(connection, "127.0.0.1", 0, ssl=tls)
    scheme = "http" if tls is None else "https"
    try:
        yield f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await asyncio.gather(*under_way, return_exceptions=True)
        await server.wait_closed()


async def requests(reader: asyncio.StreamReader) -> AsyncIterator[Request]:
    """Yield the requests of a connection until the client closes it or sends something else."""
    while (line := await reader.readline()).isascii() and line:
        method, path, _ = line.decode().split(" ", 2)
        headers: dict[str, str] = {}
        while (header := await reader.readline()).strip():
            name, _, value = header.decode().partition(":")
            headers[name.lower()] = value.strip()
        if headers.get("transfer-encoding") == "chunked":
            body = await _chunks(reader)
        else:
            body = await reader.readexactly(int(headers.get("content-length", 0)))
        yield Request(method, path, headers, body)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while length := int(await reader.readline(), 16):
        body += await reader.readexactly(length)
        await reader.readline()
    await reader.readline()
    return body


@asynccontextmanager
async def answering(
    answer: Callable[[Request], Answer | Awaitable[Answer | None] | None], tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """Answer each request by a function."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async for request in requests(reader):
                found = answer(request)
                said = await found if isinstance(found, Awaitable) else found
                if said is None:
                    return
                writer.write(said.encoded())
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # the client hung up

    async with listening(serve, tls) as url:
        yield url


@asynccontextmanager
async def scripted(
    *answers: tuple[int, str] | None, kind: str = "application/json"
) -> AsyncIterator[tuple[str, list[str]]]:
    """Answer requests in turn, by the last one for ever; None closes the connection instead. Gives (URL, paths)."""
    script = list(answers)
    seen: list[str] = []

    def answer(request: Request) -> Answer | None:
        seen.append(request.path)
        said = script.pop(0) if len(script) > 1 else script[0]
        return None if said is None else Answer(said[0], said[1].encode(), {"Content-Type": kind})

    async with answering(answer) as url:
        yield url, seen


@asynccontextmanager
async def routed(
    routes: Mapping[str, Answer], tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[str, list[Request]]]:
    """Answer by the longest beginning of a path (``/`` is that path alone); 404 else. Gives (URL, requests)."""
    seen: list[Request] = []

    def answer(request: Request) -> Answer:
        seen.append(request)
        fitting = [path for path in routes if request.path.startswith(path) and (path != "/" or request.path == path)]
        if not fitting:
            return Answer.json({"error": {"type": "index_not_found_exception", "reason": "no such index"}}, 404)
        return routes[max(fitting, key=len)]

    async with answering(answer, tls) as url:
        yield url, seen


@asynccontextmanager
async def mute() -> AsyncIterator[str]:
    """Take connections and never answer."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.gather(reader.read(), return_exceptions=True)

    async with listening(serve) as url:
        yield url
