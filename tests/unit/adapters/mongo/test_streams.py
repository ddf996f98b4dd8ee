"""Change streams on a server that does not answer."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any, cast

import pytest
from pymongo.errors import AutoReconnect

from service.adapters.mongo.client import Database
from service.adapters.mongo.driver import Driver, Handle
from service.adapters.mongo.options import MongoOptions
from service.adapters.mongo.streams import Streams
from service.ports.store import KINDS


class Stream:
    """A stream whose server is asked in vain to close it: it hangs, or its connection has ended."""

    resume_token = None
    alive = True

    def __init__(self, hangs: bool) -> None:
        self._hangs = hangs

    async def close(self) -> None:
        if self._hangs:
            await asyncio.Event().wait()
        raise AutoReconnect("the connection was closed")


class StreamDriver:
    """Opens streams, some of which hang."""

    def __init__(self) -> None:
        self.opened: list[Stream] = []

    async def watch(self, target: object, pipeline: object, **options: Any) -> Stream:
        self.opened.append(Stream(hangs=len(self.opened) % 2 == 0))
        return self.opened[-1]


class ServerWithoutTime(Database):
    """A server on which each kind needs a stream of its own."""

    @property
    def handle(self) -> Handle:
        return cast("Handle", defaultdict(dict))


async def test_streams_that_hang_are_closed_in_the_time_of_one_operation(caplog: pytest.LogCaptureFixture) -> None:
    """Closed one after the other, they once kept the answer to a create for 49 seconds."""
    driver = StreamDriver()
    options = MongoOptions("mongodb://127.0.0.1:1", timeout=-1.9)  # an operation has 0.1 s
    streams = Streams(ServerWithoutTime(options, driver=cast("Driver", driver)), tuple(KINDS), 1)
    await streams.open(None)
    assert len(driver.opened) == len(KINDS)
    async with asyncio.timeout(10):  # one that waits for the server never ends
        await streams.close()
    assert "does not answer" in caplog.text
    await streams.close()
