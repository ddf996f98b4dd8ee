from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.types import Message

from service.api.kernel.event_stream import EventStream, ServerEvent
from tests.support.waiting import until


class Feed:
    """Events by hand; it knows whether it was closed."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[ServerEvent | Exception | None] = asyncio.Queue()
        self.closed = False

    async def events(self) -> AsyncIterator[ServerEvent]:
        try:
            while (event := await self.queue.get()) is not None:
                if isinstance(event, Exception):
                    raise event
                yield event
        finally:
            self.closed = True


class Client:
    """Reads a stream until it leaves."""

    def __init__(self) -> None:
        self.text = ""
        self.ended = False
        self.leaves = asyncio.Event()

    async def receive(self) -> Message:
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.text += message.get("body", b"").decode()
        self.ended = message["type"] == "http.response.body" and not message.get("more_body", False)

    async def read(self, stream: EventStream) -> None:
        await stream({"type": "http", "asgi": {"spec_version": "2.3"}}, self.receive, self.send)


def begun(feed: Feed, **options: Any) -> tuple[Client, asyncio.Event, asyncio.Task[None]]:
    client, stopping = Client(), asyncio.Event()
    stream = EventStream(feed.events(), stopping=stopping, **options)
    return client, stopping, asyncio.create_task(client.read(stream))


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (ServerEvent({"a": 1}), 'data: {"a":1}\n\n'),
        (ServerEvent("two\nlines", "note", "7"), 'id: 7\nevent: note\ndata: "two\\nlines"\n\n'),
        (ServerEvent(None, id=""), "id: \ndata: null\n\n"),
    ],
)
def test_events_on_the_wire(event: ServerEvent, expected: str) -> None:
    assert event.encoded().decode() == expected


async def test_events_come_as_they_happen_until_they_end() -> None:
    feed = Feed()
    client, _, reading = begun(feed)
    await until(lambda: client.text == ": keep-alive\n\n", "the answer has begun before any event")
    feed.queue.put_nowait(ServerEvent(1))
    await until(lambda: client.text.endswith("data: 1\n\n"), "the event came")
    feed.queue.put_nowait(None)
    await reading
    assert client.ended
    assert feed.closed


async def test_a_silent_stream_shows_that_it_lives() -> None:
    feed = Feed()
    client, _, reading = begun(feed, heartbeat=0.001)
    await until(lambda: client.text.count(": keep-alive\n\n") > 3, "signs of life")
    feed.queue.put_nowait(ServerEvent(1))
    await until(lambda: "data: 1\n\n" in client.text, "the event that was waited for all along")
    feed.queue.put_nowait(None)
    await reading


async def test_it_ends_when_the_service_stops() -> None:
    feed = Feed()
    client, stopping, reading = begun(feed)
    await until(lambda: bool(client.text), "it has begun")
    stopping.set()
    await reading
    assert client.ended
    assert feed.closed


async def test_a_client_that_leaves_costs_nothing_more() -> None:
    feed = Feed()
    client, _, reading = begun(feed)
    await until(lambda: bool(client.text), "it has begun")
    client.leaves.set()
    await reading
    await until(lambda: feed.closed, "the events are let go")


async def test_what_fails_on_the_way_cuts_the_connection() -> None:
    feed = Feed()
    client, _, reading = begun(feed)
    feed.queue.put_nowait(RuntimeError("broken"))
    with pytest.raises(RuntimeError, match="broken"):
        await reading
    assert not client.ended
    assert feed.closed
