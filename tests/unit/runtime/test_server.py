from __future__ import annotations

import asyncio

import pytest
from starlette.types import Receive, Scope, Send

from service.errors import SettingsError
from service.runtime.server import Server, bind


async def test_a_request_that_is_cut_gives_back_what_it_holds_before_the_end() -> None:
    begun, held = asyncio.Event(), True

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal held
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(100):  # as a write to an engine, which takes a while
                await asyncio.sleep(0)
            held = False

    stop = asyncio.Event()
    with bind("127.0.0.1", 0) as listener:
        host, port = listener.getsockname()
        serving = asyncio.create_task(Server(app, lambda: None, grace=0.1).run_on(listener, stop))
        async with asyncio.timeout(20):
            _, writer = await asyncio.open_connection(host, port)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await begun.wait()
            stop.set()
            await serving
        writer.close()
    assert not held


def test_what_is_wrong_with_an_address_is_named_as_it_was_given() -> None:
    names = ("ASSETRY_HOST", "--port")
    with bind("127.0.0.1", 0) as taken:
        for host, port, named in (
            ("127.0.0.1", taken.getsockname()[1], "--port"),
            ("203.0.113.7", 0, "ASSETRY_HOST"),
            ("no.such.host.invalid", 0, "ASSETRY_HOST"),
        ):
            with pytest.raises(SettingsError, match=f"^{named}: cannot listen on {host}:") as seen:
                bind(host, port, names).close()
            assert "while attempting" not in seen.value.message
