"""What is compressed, for whom."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from service.api.kernel.middleware.compression import CODINGS, LEAST, Compression, chosen

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LONG = b'{"a": "b"}' * LEAST


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        ("gzip", "gzip"),
        ("br, GZIP;q=0.5", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, zstd;q=0.5", "gzip"),
        ("zstd;q=0, gzip", "gzip"),
        ("*", "zstd"),
        ("*;q=0.1", "zstd"),
        ("*, zstd;q=0", "gzip"),
        ("x-gzip", "gzip"),
        ("identity;q=0.5, gzip", "gzip"),
        ("gzip;q=0.5, identity", None),
        ("", None),
        ("br", None),
        ("gzip;q=0", None),
        ("gzip;q=0.000", None),
        ("zstd;q=0, *, gzip;q=0", None),
        ("gzip;q=.", None),
        ("gzip;q=2", None),
        ("gzip;q=1e0", None),
        ("gzıp", None),
        ("identity", None),
    ],
)
def test_which_coding_a_client_takes(header: str, coding: str | None) -> None:
    assert chosen(header) == coding


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


READ: Mapping[str, Callable[[bytes], bytes]] = {"zstd": zstd.decompress, "gzip": gzip.decompress}


@pytest.mark.parametrize("coding", CODINGS)
async def test_json_is_compressed(coding: str) -> None:
    headers, body = await answered(
        [LONG], accepts=coding, content_type="application/json", content_length=str(len(LONG)), etag='"3"'
    )
    assert READ[coding](body) == LONG
    assert (headers["content-encoding"], headers["content-length"]) == (coding, str(len(body)))
    assert (headers["vary"], headers["etag"]) == ("Accept-Encoding", '"3"')


async def test_caches_know_that_it_depends_on_the_client() -> None:
    headers, body = await answered([LONG], accepts="identity", content_type="text/plain; charset=utf-8", vary="Origin")
    assert body == LONG
    assert headers["vary"] == "Origin, Accept-Encoding"
    assert "content-encoding" not in headers


@pytest.mark.parametrize("coding", CODINGS)
async def test_a_large_one_is_compressed_alike(coding: str) -> None:
    large = LONG * 100
    _, body = await answered([large], accepts=coding, content_type="application/json")
    assert READ[coding](body) == large


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
