"""What is compressed, for whom."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from service.api.kernel.middleware.compression import LEAST, Compression, takes_gzip

LONG = b'{"a": "b"}' * LEAST


@pytest.mark.parametrize(
    ("header", "takes"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("*", True),
        ("*;q=0.1", True),
        ("x-gzip", True),
        ("", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("*, gzip;q=0", False),
        ("gzip;q=.", False),
        ("identity", False),
    ],
)
def test_who_takes_it(header: str, takes: bool) -> None:
    assert takes_gzip(header) is takes


async def answered(bodies: list[bytes], *, accepts: str = "gzip", **headers: str) -> tuple[dict[str, str], bytes]:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": raw})
        for at, body in enumerate(bodies):
            await send({"type": "http.response.body", "body": body, "more_body": at + 1 < len(bodies)})

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError("nothing is read")

    scope: dict[str, Any] = {"type": "http", "headers": [(b"accept-encoding", accepts.encode())]}
    await Compression(app)(scope, receive, send)
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return found, b"".join(message["body"] for message in sent[1:])


async def test_json_is_compressed() -> None:
    headers, body = await answered([LONG], content_type="application/json", content_length=str(len(LONG)), etag='"3"')
    assert gzip.decompress(body) == LONG
    assert (headers["content-encoding"], headers["content-length"]) == ("gzip", str(len(body)))
    assert (headers["vary"], headers["etag"]) == ("Accept-Encoding", '"3"')


async def test_caches_know_that_it_depends_on_the_client() -> None:
    headers, body = await answered([LONG], accepts="identity", content_type="text/plain; charset=utf-8", vary="Origin")
    assert body == LONG
    assert headers["vary"] == "Origin, Accept-Encoding"
    assert "content-encoding" not in headers


async def test_a_large_one_is_compressed_alike() -> None:
    large = LONG * 100
    _, body = await answered([large], content_type="application/json")
    assert gzip.decompress(body) == large


@pytest.mark.parametrize(
    ("bodies", "headers"),
    [
        ([b"{}"], {"content_type": "application/json"}),
        ([LONG], {"content_type": "image/png"}),
        ([LONG], {"content_type": "application/octet-stream"}),
        ([LONG], {}),
        ([LONG], {"content_type": "application/json", "content_encoding": "br"}),
        ([LONG, LONG], {"content_type": "application/json"}),
        ([LONG, b""], {"content_type": "text/event-stream"}),
        ([LONG], {"content_type": "text/event-stream"}),
    ],
)
async def test_what_is_left_as_it_is(bodies: list[bytes], headers: dict[str, str]) -> None:
    found, body = await answered(bodies, **headers)
    assert body == b"".join(bodies)
    assert found.get("content-encoding") == headers.get("content_encoding")
