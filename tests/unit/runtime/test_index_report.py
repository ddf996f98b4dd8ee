"""What a status says where the service on this machine answers oddly, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from service.runtime.index_report import _ask_service

INDEX = b'{"engines": {"index": {"state": "following", "ready": true}}}'


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[str]:
    """Answer every request by these bytes, and hang up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def http(status: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (http("200 OK", INDEX), "following"),
        (http("503 Service Unavailable", INDEX), "following"),
        (b"", "the service does not respond"),
        (b"garbage", "the service does not respond"),
        (http("200 OK", INDEX)[:-9], "the service does not respond"),
        (http("404 Not Found", b"<html>"), "is not the service"),
        (http("200 OK", b"{}"), "is not the service"),
        (http("200 OK", b'["engines"]'), "is not the service"),
    ],
)
async def test_each_answer_is_a_state(monkeypatch: pytest.MonkeyPatch, answer: bytes, state: str) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    async with answering(answer) as url:
        said = await asyncio.to_thread(_ask_service, url)
    assert state in said["state"]
