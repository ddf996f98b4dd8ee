"""The writer of server-sent events: what goes over the wire, and every way in which a stream ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.types import Message

from service.api.kernel.event_stream import NO_DATA, EventStream, ServerEvent, SlowClient, StreamSlots, StreamTimes
from service.errors import TooManyRequests
from tests.support.waiting import until

EVENTS: tuple[tuple[ServerEvent, bytes], ...] = (
    (ServerEvent({"a": 1}), b'data: {"a":1}\n\n'),
    (ServerEvent({"a": 1}, "asset.created", "7"), b'id: 7\nevent: asset.created\ndata: {"a":1}\n\n'),
    (ServerEvent("one\ntwo"), b'data: "one\\ntwo"\n\n'),
    (ServerEvent("é", id="1"), 'id: 1\ndata: "é"\n\n'.encode()),
    (ServerEvent(NO_DATA, id="7"), b"id: 7\n\n"),
)


@pytest.mark.parametrize(("event", "wire"), EVENTS)
def test_the_wire_format(event: ServerEvent, wire: bytes) -> None:
    assert event.encoded() == wire


class Source:
    """Events that a test gives one by one."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[ServerEvent | None] = asyncio.Queue()
        self.asked = 0
        self.closed = False

    async def events(self) -> AsyncGenerator[ServerEvent, None]:
        try:
            while True:
                self.asked += 1
                event = await self.queue.get()
                if event is None:
                    return
                yield event
        finally:
            self.closed = True


class Client:
    """The other end of a connection: what it got, and whether it takes more."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.gone = asyncio.Event()
        self.takes = asyncio.Event()
        self.takes.set()

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)

    @property
    def ended(self) -> bool:
        return bool(self.messages) and self.messages[-1].get("more_body") is False

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        await self.takes.wait()
        self.messages.append(message)


class Beats:
    """A clock that stands still until the test lets a heartbeat be due."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self._due = asyncio.Event()

    async def pause(self, seconds: float) -> None:
        self.asked.append(seconds)
        self._due = asyncio.Event()
        await self._due.wait()

    def beat(self) -> None:
        self._due.set()


@asynccontextmanager
async def streaming(
    source: Source, client: Client, slots: StreamSlots | None = None, *, method: str = "GET", **options: Any
) -> AsyncIterator[asyncio.Task[None]]:
    """Serve a stream in a task until the block ends."""
    options = {"stopping": asyncio.Event(), "slots": slots or StreamSlots(per_key=2, per_process=3), **options}
    stream = EventStream(source.events(), key="key", **options)
    task = asyncio.create_task(stream({"type": "http", "method": method}, client.receive, client.send))
    try:
        yield task
    finally:
        client.gone.set()
        client.takes.set()
        await asyncio.wait([task])


async def test_events_come_one_by_one_and_an_end_is_an_end() -> None:
    source, client = Source(), Client()
    async with streaming(source, client) as task:
        await source.queue.put(ServerEvent(1, id="1"))
        await until(lambda: client.body.endswith(b"id: 1\ndata: 1\n\n"), "the event has come")
        await source.queue.put(None)
        await task
    assert client.ended
    assert source.closed
    assert client.body == b"retry: 3000\n\nid: 1\ndata: 1\n\n"
    headers = dict(client.messages[0]["headers"])
    assert headers[b"content-type"].startswith(b"text/event-stream")
    assert b"no-transform" in headers[b"cache-control"]
    assert b"content-length" not in headers


async def test_a_heartbeat_is_sent_when_it_is_due() -> None:
    source, client, beats = Source(), Client(), Beats()
    async with streaming(source, client, times=StreamTimes(pause=beats.pause, heartbeat=15.0)):
        for count in (1, 2):
            await until(lambda count=count: len(beats.asked) == count, "it waits")  # type: ignore[misc]
            assert client.body.count(b": keep-alive\n\n") == count - 1
            beats.beat()
            await until(lambda count=count: client.body.count(b": keep-alive\n\n") == count, "a beat")  # type: ignore[misc]
    assert set(beats.asked) == {15.0}


async def test_a_stream_ends_at_the_heartbeat_after_its_key_was_revoked() -> None:
    source, client, beats = Source(), Client(), Beats()
    valid = True

    async def still_valid() -> bool:
        return valid

    async with streaming(source, client, times=StreamTimes(pause=beats.pause), still_valid=still_valid) as task:
        await until(lambda: len(beats.asked) == 1, "it waits")
        beats.beat()
        await until(lambda: len(beats.asked) == 2, "it goes on")
        valid = False
        beats.beat()
        await task
    assert client.ended
    assert source.closed


async def test_a_client_that_leaves_ends_the_stream() -> None:
    source, client, slots = Source(), Client(), StreamSlots(per_key=1, per_process=1)
    async with streaming(source, client, slots) as task:
        await until(lambda: source.asked == 1, "it waits for an event")
        assert slots.open == 1
        client.gone.set()
        await task
    assert source.closed
    assert slots.open == 0


async def test_all_streams_end_in_order_when_the_process_stops() -> None:
    slots = StreamSlots(per_key=2, per_process=2)
    stopping = asyncio.Event()
    sources, clients = (Source(), Source()), (Client(), Client())
    async with (
        streaming(sources[0], clients[0], slots, stopping=stopping) as first,
        streaming(sources[1], clients[1], slots, stopping=stopping) as second,
    ):
        await until(lambda: slots.open == 2, "both are open")
        stopping.set()
        await asyncio.gather(first, second)
        assert all(client.ended for client in clients)
        assert all(source.closed for source in sources)


async def test_a_client_that_takes_nothing_is_cut_off_and_one_event_is_held() -> None:
    source, client = Source(), Client()
    async with streaming(source, client, times=StreamTimes(take=0.05)) as task:
        await until(lambda: source.asked == 1, "it began")
        client.takes.clear()
        for number in range(100):
            await source.queue.put(ServerEvent(number))
        with pytest.raises(SlowClient):
            await task
    assert source.asked <= 2
    assert source.closed


async def test_a_fault_of_the_source_is_raised() -> None:
    async def broken() -> AsyncGenerator[ServerEvent, None]:
        yield ServerEvent(1)
        raise LookupError("broken")

    client = Client()
    stream = EventStream(broken(), stopping=asyncio.Event(), slots=StreamSlots(per_key=1, per_process=1))
    with pytest.raises(LookupError):
        await stream({"type": "http", "method": "GET"}, client.receive, client.send)
    assert not client.ended


async def test_head_sends_the_headers_alone() -> None:
    source, client = Source(), Client()
    async with streaming(source, client, method="HEAD") as task:
        await task
    assert client.ended
    assert client.body == b""


@pytest.mark.parametrize(
    ("keys", "next_key", "words"),
    [(["a", "a"], "a", "2 event streams open"), (["a", "b", "c"], "d", "as many event streams")],
)
def test_streams_are_bounded_by_key_and_process(keys: list[str], next_key: str, words: str) -> None:
    slots = StreamSlots(per_key=2, per_process=3)
    held = [slots.taken(key) for key in keys]
    for place in held:
        place.__enter__()
    with pytest.raises(TooManyRequests, match=words) as raised, slots.taken(next_key):
        raise AssertionError("it was taken")
    assert raised.value.retry_after > 0
    held[0].__exit__(None, None, None)
    with slots.taken("a"):
        assert slots.open == len(keys)
