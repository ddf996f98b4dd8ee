"""Connections that send too much, too slowly, or nothing: each ends, with an answer where one can still be given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from service.api.dialects.native.errors import ERRORS
from service.api.kernel.application import application
from service.api.kernel.dialect import ErrorResponder
from service.runtime.connections import ConnectionLimits, Connections, LimitedProtocol
from service.runtime.server import Server, bind

LIMITS = ConnectionLimits(target_bytes=2000, header_count=20, header_bytes=4000, linger_seconds=5, head_seconds=600)
PATIENCE = 60


@dataclass(frozen=True)
class Served:
    """A server of the kernel's nets around two routes: ``/`` answers at once, ``/body`` says how long the body was."""

    port: int
    server: Server
    reached: list[str]
    opened: list[asyncio.StreamWriter]

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.opened.append(writer)
        return reader, writer

    async def send(self, *pieces: bytes) -> bytes:
        """Send pieces, and return everything that comes back until the server closes."""
        reader, writer = await self.connect()
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await reader.read()

    @property
    def connections(self) -> Connections:
        state = self.server.server_state
        assert isinstance(state, Connections)
        return state


@asynccontextmanager
async def served(**limits: Any) -> AsyncIterator[Served]:
    reached: list[str] = []
    opened: list[asyncio.StreamWriter] = []

    async def hello(request: Request) -> Response:
        reached.append(request.url.path)
        return PlainTextResponse("hello")

    async def body(request: Request) -> Response:
        return PlainTextResponse(str(len(await request.body())))

    routes = [Route("/", hello, methods=["GET", "POST"]), Route("/body", body, methods=["POST"])]
    errors = ErrorResponder((), default=ERRORS)
    app = application(routes, errors, lambda *_: None, 60)
    stop = asyncio.Event()
    chosen = ConnectionLimits(**{name: getattr(LIMITS, name) for name in LIMITS.__slots__} | limits)
    with bind("127.0.0.1", 0) as listener:
        server = Server(app, lambda: None, 0.1, limits=chosen)
        serving = asyncio.create_task(server.run_on(listener, stop))
        try:
            async with asyncio.timeout(PATIENCE):
                yield Served(listener.getsockname()[1], server, reached, opened)
        finally:
            for writer in opened:
                writer.close()
            stop.set()
            await serving


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n"

REFUSED = {
    "a request line that never ends": ([b"GET /" + b"a" * 5000] * 8, 414, "URI_TOO_LONG"),
    "a long target": ([b"GET /" + b"a" * 2001 + b" HTTP/1.1\r\nHost: x\r\n\r\n"], 414, "URI_TOO_LONG"),
    "many fields": ([HEAD + b"a: b\r\n" * 40 + b"\r\n"], 431, "HEADERS_TOO_LARGE"),
    "fields that never end": ([HEAD, *[b"a: b\r\n" * 500] * 30], 431, "HEADERS_TOO_LARGE"),
    "a large field": ([HEAD + b"a: " + b"b" * 4000 + b"\r\n\r\n"], 431, "HEADERS_TOO_LARGE"),
    "a field that never ends": ([HEAD + b"a: ", *[b"b" * 1000] * 100], 431, "HEADERS_TOO_LARGE"),
    "a field name that never ends": ([HEAD, *[b"b" * 1000] * 100], 431, "HEADERS_TOO_LARGE"),
    "no HTTP": ([b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"], 400, "VALIDATION_ERROR"),
    "an oversized chunk": (
        [b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"f" * 17 + b"\r\n"],
        400,
        "VALIDATION_ERROR",
    ),
    "a chunk size that is no number": (
        [b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"xyz\r\n"],
        400,
        "VALIDATION_ERROR",
    ),
}


@pytest.mark.parametrize(("pieces", "status", "code"), REFUSED.values(), ids=REFUSED)
async def test_what_is_too_much_or_no_http_is_refused_in_the_shape_of_every_error(
    pieces: list[bytes], status: int, code: str
) -> None:
    async with served() as there:
        answer = await there.send(*pieces)
        assert status_of(answer) == status
        assert orjson.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == code
        assert not there.reached


async def test_nothing_of_a_head_is_kept_past_the_limit() -> None:
    async with served(linger_seconds=PATIENCE) as there:
        reader, writer = await there.connect()
        writer.write(HEAD + b"a: ")
        for _ in range(200):
            writer.write(b"b" * 10_000)
            await writer.drain()
        assert status_of(await reader.readuntil(b"\r\n")) == 431
        (connection,) = there.connections.connections
        assert isinstance(connection, LimitedProtocol)
        assert sum(len(name) + len(value) for name, value in connection.headers) < LIMITS.header_bytes


async def test_trailers_are_not_kept() -> None:
    async with served() as there:
        trailers = b"a: b\r\n" * 10_000
        answer = await there.send(
            b"POST /body HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
            trailers + b"\r\n",
        )
        assert status_of(answer) == 200
        answer = await there.send(
            b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\na: ", *[b"b" * 10_000] * 20
        )
        assert status_of(answer) == 431


SLOW = {
    "nothing": [],
    "half a request line": [b"GET "],
    "half a head": [HEAD],
    "blank lines": [b"\r\n"],
    "half of a second head": [HEAD + b"\r\n" + b"GET / HT"],
}


@pytest.mark.parametrize("pieces", SLOW.values(), ids=SLOW)
async def test_a_connection_whose_head_does_not_come_ends(pieces: list[bytes]) -> None:
    async with served(head_seconds=0.05) as there:
        answer = await there.send(*pieces)
        assert not answer or b" 408 " in answer
    assert not there.connections.connections


async def test_a_head_that_comes_byte_by_byte_ends() -> None:
    async with served(head_seconds=0.2) as there:
        reader, writer = await there.connect()

        async def drip() -> None:
            for byte in HEAD * 1000:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.01)

        dripping = asyncio.create_task(drip())
        assert status_of(await reader.readuntil(b"\r\n")) == 408
        dripping.cancel()


async def test_a_body_that_nobody_needs_cannot_hold_the_connection() -> None:
    """The answer comes before the body; what drips in afterwards is not waited for."""
    async with served(drain_seconds=0.05) as there:
        answer = await there.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n", b"x")
        assert status_of(answer) == 200


async def test_one_connection_too_many_takes_the_place_of_the_one_that_waits_longest() -> None:
    async with served(connections=3, head_seconds=PATIENCE) as there:
        idle = []
        for count in range(1, 4):
            idle.append(await there.connect())
            while len(there.connections.connections) < count:
                await asyncio.sleep(0)
        assert status_of(await there.send(HEAD + b"Connection: close\r\n\r\n")) == 200
        assert await idle[0][0].read() == b""  # the oldest was closed


async def test_a_connection_too_many_is_told_so_when_all_others_are_busy() -> None:
    async with served(connections=1) as there:
        reader, writer = await there.connect()
        writer.write(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n1")
        while not there.server.server_state.tasks:
            await asyncio.sleep(0)
        assert status_of(await there.send(b"")) == 503
        writer.write(b"2")
        assert status_of(await reader.readuntil(b"\r\n")) == 200


async def test_only_so_many_requests_wait_on_one_connection() -> None:
    async with served(pipelined=4) as there:
        answer = await there.send((HEAD + b"\r\n") * 500)
        assert answer.count(b"HTTP/1.1 200") <= 6
        assert len(there.reached) <= 6


async def test_requests_one_after_the_other_and_pipelined_are_answered_in_order() -> None:
    async with served() as there:
        last = b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc"
        answer = await there.send(HEAD + b"\r\n", HEAD + b"\r\n" + last)
        assert answer.count(b"HTTP/1.1 200") == 3
        assert answer.endswith(b"\r\n\r\n3")


async def test_a_client_that_does_not_read_ends() -> None:
    async def endless(request: Request) -> Response:
        return Response(b"x" * 64 * 1024 * 1024)

    app = application([Route("/", endless)], ErrorResponder((), default=ERRORS), lambda *_: None, 60)
    stop = asyncio.Event()
    with bind("127.0.0.1", 0) as listener:
        server = Server(app, lambda: None, 0.1, limits=ConnectionLimits(write_seconds=0.1))
        serving = asyncio.create_task(server.run_on(listener, stop))
        _, writer = await asyncio.open_connection(*listener.getsockname(), limit=1)
        writer.write(HEAD + b"\r\n")
        async with asyncio.timeout(PATIENCE):
            while not server.server_state.connections:
                await asyncio.sleep(0)
            while server.server_state.connections:
                await asyncio.sleep(0.01)
        stop.set()
        await serving
        writer.close()
