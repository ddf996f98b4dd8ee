from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from service.adapters.opensearch import Connection, OpenSearchEngine
from service.adapters.opensearch_wire import bulk_body, describe
from service.errors import Unavailable
from service.ports.search import BulkItem, Rejected

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

ANSWER = "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[str]:
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

    server = await asyncio.start_server(connection, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await asyncio.gather(*under_way, return_exceptions=True)
        await server.wait_closed()


@asynccontextmanager
async def scripted(
    *answers: tuple[int, str] | None, kind: str = "application/json"
) -> AsyncIterator[tuple[str, list[str]]]:
    """A server that answers its requests in turn, the last one for ever; None closes the connection instead."""
    script = list(answers)
    seen: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                seen.append(line.decode().split()[1])
                length = 0
                while (header := await reader.readline()).strip():
                    name, _, value = header.decode().partition(":")
                    length = int(value) if name.lower() == "content-length" else length
                await reader.readexactly(length)
                answer = script.pop(0) if len(script) > 1 else script[0]
                if answer is None:
                    break
                status, body = answer
                writer.write(ANSWER.format(status=status, kind=kind, length=len(body), body=body).encode())
                await writer.drain()
        except ConnectionError:
            return

    async with listening(serve) as url:
        yield url, seen


@asynccontextmanager
async def connected(*hosts: str, timeout: float = 10.0) -> AsyncIterator[OpenSearchEngine]:
    engine = OpenSearchEngine(Connection(hosts=hosts, timeout=timeout))
    try:
        yield engine
    finally:
        await engine.close()


REFUSAL = (
    '{"error":{"type":"parsing_exception","reason":"outer","caused_by":{"type":"x","reason":"inner"}},"status":400}'
)
HITS = '{"timed_out":%s,"_shards":{"failed":%d},"hits":{"hits":[]}}'


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_not_now_is_unavailable_and_is_not_retried(status: int) -> None:
    async with scripted((status, '{"error":{"type":"busy","reason":"r"}}')) as (url, seen), connected(url) as engine:
        with pytest.raises(Unavailable):
            await engine.search("i", {})
        assert len(seen) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 409])
async def test_a_refusal_is_rejected_with_all_of_its_reasons(status: int) -> None:
    async with scripted((status, REFUSAL)) as (url, _), connected(url) as engine:
        with pytest.raises(Rejected) as caught:
            await engine.search("i", {})
    assert caught.value.status == status
    assert caught.value.error_type == "parsing_exception"
    assert caught.value.reason == "outer: inner"


@pytest.mark.parametrize(("timed_out", "failed"), [("true", 0), ("false", 1)])
async def test_a_partial_answer_is_no_answer(timed_out: str, failed: int) -> None:
    async with scripted((200, HITS % (timed_out, failed))) as (url, _), connected(url) as engine:
        with pytest.raises(Unavailable, match="partial"):
            await engine.search("i", {})


async def test_an_answer_that_is_no_json_is_unavailable() -> None:
    async with scripted((200, "<html>"), kind="text/html") as (url, _), connected(url) as engine:
        with pytest.raises(Unavailable, match="no JSON"):
            await engine.ping()


@pytest.mark.parametrize("body", ["{}", "[]", '{"version": 3}'])
async def test_a_server_of_another_kind_is_unavailable(body: str) -> None:
    async with scripted((200, body)) as (url, _), connected(url) as engine:
        with pytest.raises(Unavailable, match="no OpenSearch"):
            await engine.ping()


async def test_a_connection_lost_once_is_made_again() -> None:
    async with scripted(None, (200, HITS % ("false", 0))) as (url, seen), connected(url) as engine:
        assert (await engine.search("i", {}))["hits"]["hits"] == []
        assert len(seen) == 2


async def test_a_refused_connection_is_unavailable() -> None:
    async with scripted(None) as (url, _):
        pass
    async with connected(url) as engine:
        with pytest.raises(Unavailable, match="no connection"):
            await engine.ping()


async def test_silence_is_unavailable_in_time() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(mute) as url, connected(url) as engine:
        with pytest.raises(Unavailable, match="in time"):
            await engine.search("i", {}, timeout=0.05)


async def test_a_second_host_answers_for_a_dead_one() -> None:
    async with scripted(None) as (dead, _):
        pass
    async with scripted((200, HITS % ("false", 0))) as (live, seen), connected(dead, live) as engine:
        for _ in range(4):
            await engine.search("i", {})
        assert len(seen) == 4


@pytest.mark.parametrize(
    "options",
    [
        lambda: Connection(hosts=("https://127.0.0.1:9",), user="u", password="p", verify_certs=False),
        lambda: Connection(hosts=("https://127.0.0.1:9",)),
        lambda: Connection(hosts=("http://user:secret@127.0.0.1:9/prefix",)),
    ],
    ids=["unverified", "verified", "plain"],
)
async def test_every_kind_of_connection_can_be_made(options: Callable[[], Connection]) -> None:
    engine = OpenSearchEngine(options())
    with pytest.raises(Unavailable):
        await engine.ping()
    await engine.close()


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ({"error": {"type": "a", "reason": "b"}}, ("a", "b")),
        ({"type": "a", "reason": "b", "caused_by": {"type": "c", "reason": "b"}}, ("a", "b")),
        ({"error": "alias [foo] missing", "status": 404}, ("unknown", "alias [foo] missing")),
        ("plain", ("unknown", "plain")),
        ({"error": {}}, ("unknown", "")),
    ],
)
def test_an_error_is_described_by_its_type_and_reasons(info: object, expected: tuple[str, str]) -> None:
    assert describe(info) == expected


def test_a_bulk_body_is_pairs_of_lines_and_leaves_out_what_is_no_json() -> None:
    items = [BulkItem("a", 2**41, {"x": 1}), BulkItem("b", 1, {"x": object()}), BulkItem("c", 1, b'{"x":3}')]
    body, failed = bulk_body(items)
    assert body == (
        b'{"index":{"_id":"a","version":2199023255552,"version_type":"external_gte"}}\n{"x":1}\n'
        b'{"index":{"_id":"c","version":1,"version_type":"external_gte"}}\n{"x":3}\n'
    )
    assert list(failed) == [1]
    assert (failed[1].id, failed[1].status, failed[1].error_type) == ("b", 400, "unencodable_document")
