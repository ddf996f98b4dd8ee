"""Server-sent events: the WHATWG HTML standard, section 9.2, as a response, and the places that streams take.

A stream holds a connection for as long as its client wants, so it is bounded in every direction: so many streams a key
and a process (:class:`StreamSlots`), one event in memory (the next is asked for when the client has taken the last), a
time in which the client must take it, and an end when the process is told to stop. A client that was cut off connects
again by itself and names the last event that it saw in the header ``Last-Event-ID``.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from service.errors import TooManyRequests

MEDIA_TYPE = "text/event-stream"

HEARTBEAT_SECONDS = 15.0
"""A comment is sent after so many seconds without an event: proxies cut connections that are silent for longer."""

RETRY_MILLISECONDS = 3000
"""How long a client waits before it connects again."""

TAKE_SECONDS = 30.0
"""How long a client may take nothing before it is cut off."""

Pause = Callable[[float], Awaitable[object]]
"""Waits for so many seconds: ``asyncio.sleep``, but in tests that move the time themselves."""


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event.

    Attributes:
        data: JSON, or text as it is; a line feed in a text begins another ``data:`` line.
        type: The event's name, for ``addEventListener``; None is a ``message``.
        id: What the client sends as ``Last-Event-ID`` when it connects again; None leaves the last one as it is.
    """

    data: Any
    type: str | None = None
    id: str | None = None


def encode(event: ServerSentEvent) -> bytes:
    """Write an event as it goes over the wire. Raises ValueError for a name or an id of several lines."""
    lines: list[str] = []
    for field, value in (("event", event.type), ("id", event.id)):
        if value is None:
            continue
        if any(sign in value for sign in "\r\n\0"):
            raise ValueError(f"the {field} of a server-sent event is one line: {value!r}")
        lines.append(f"{field}: {value}")
    text = event.data if isinstance(event.data, str) else orjson.dumps(event.data).decode()
    lines += [f"data: {line}" for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    return ("\n".join(lines) + "\n\n").encode()


class StreamSlots:
    """Counts the open streams of a process, by key, and ends all of them when the process stops."""

    def __init__(self, *, per_key: int, per_process: int) -> None:
        self._per_key = per_key
        self._per_process = per_process
        self._open: Counter[str] = Counter()
        self._closing = asyncio.Event()

    @property
    def open(self) -> int:
        """How many streams are open."""
        return self._open.total()

    @property
    def closing(self) -> asyncio.Event:
        """The event that ends every stream."""
        return self._closing

    def close(self) -> None:
        """End every stream, and begin no other. Safe to call twice."""
        self._closing.set()

    def check(self, key: str) -> None:
        """Raise TooManyRequests when a stream of this key could not begin now."""
        if self._open[key] >= self._per_key:
            message = f"The key has {self._per_key} streams open, which is the limit: close one of them."
            raise TooManyRequests(message, retry_after=RETRY_MILLISECONDS // 1000, headers={})
        if self.open >= self._per_process:
            message = "The service has as many streams open as it takes; try again in a moment."
            raise TooManyRequests(message, retry_after=RETRY_MILLISECONDS // 1000, headers={})

    @contextmanager
    def taken(self, key: str) -> Iterator[None]:
        """Hold a place until the block ends. Raises TooManyRequests."""
        self.check(key)
        self._open[key] += 1
        try:
            yield
        finally:
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]


class EventStream(Response):
    """A response of server-sent events: those that ``events`` gives, until it ends, the client leaves, or all must end.

    ``events`` is asked for the next event when the client has taken the last one, and closed in every case. ``key`` is
    whose place among ``slots`` the stream takes: TooManyRequests is raised here, before anything is sent.
    ``still_valid`` is asked at every heartbeat; a stream whose key was revoked ends when it says False.
    """

    def __init__(
        self,
        events: AsyncGenerator[ServerSentEvent, None],
        slots: StreamSlots,
        key: str,
        *,
        headers: Mapping[str, str] | None = None,
        still_valid: Callable[[], Awaitable[bool]] | None = None,
        heartbeat: float = HEARTBEAT_SECONDS,
        take: float = TAKE_SECONDS,
        pause: Pause = asyncio.sleep,
    ) -> None:
        slots.check(key)
        # Without `no-transform` and `X-Accel-Buffering` a proxy may gather events until it has enough of them.
        own = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
        super().__init__(None, 200, {**(headers or {}), **own}, MEDIA_TYPE)
        del self.headers["content-length"]
        self._events = events
        self._slots = slots
        self._key = key
        self._still_valid = still_valid
        self._heartbeat = heartbeat
        self._take = take
        self._pause = pause

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the end."""
        async with aclosing(self._events) as events:
            with self._slots.taken(self._key):
                await self._send(send, {"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                if scope["method"] != "HEAD":
                    await self._run(events, receive, send)
                # An end in good order, also for a client that is gone already: there it goes nowhere.
                await self._send(send, {"type": "http.response.body", "body": b"", "more_body": False})

    async def _run(self, events: AsyncIterator[ServerSentEvent], receive: Receive, send: Send) -> None:
        writing = asyncio.create_task(self._write(events, send), name="event-stream")
        ends = [asyncio.create_task(_left(receive)), asyncio.create_task(self._slots.closing.wait())]
        try:
            await asyncio.wait({writing, *ends}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (writing, *ends):
                task.cancel()
            await asyncio.wait({writing, *ends})
        if not writing.cancelled():
            writing.result()

    async def _write(self, events: AsyncIterator[ServerSentEvent], send: Send) -> None:
        await self._body(send, f"retry: {RETRY_MILLISECONDS}\n\n".encode())
        async with aclosing(_with_heartbeats(events, self._heartbeat, self._pause)) as beating:
            async for event in beating:
                if event is not None:
                    await self._body(send, encode(event))
                elif self._still_valid is None or await self._still_valid():
                    await self._body(send, b": still here\n\n")
                else:
                    return

    async def _body(self, send: Send, body: bytes) -> None:
        await self._send(send, {"type": "http.response.body", "body": body, "more_body": True})

    async def _send(self, send: Send, message: Message) -> None:
        """Send a message. Raises SlowClient when the client does not take it: the connection is cut."""
        try:
            async with asyncio.timeout(self._take):
                await send(message)
        except TimeoutError:
            raise SlowClient(f"the client took nothing of its event stream for {self._take:g} s") from None


class SlowClient(ClientDisconnect):
    """A client takes its events too slowly: it is cut off, and may connect again where it was."""


async def _with_heartbeats(
    events: AsyncIterator[ServerSentEvent], seconds: float, pause: Pause
) -> AsyncGenerator[ServerSentEvent | None, None]:
    """Yield the events, and None whenever a heartbeat is due: after so many seconds, with or without events.

    With events, too: then None is the time to look whether the stream may go on.
    """
    beat: asyncio.Future[object] = asyncio.ensure_future(pause(seconds))
    step: asyncio.Future[ServerSentEvent] | None = None
    try:
        while True:
            step = step or asyncio.ensure_future(anext(events))
            both: set[asyncio.Future[Any]] = {step, beat}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if step.done():
                try:
                    event = step.result()
                except StopAsyncIteration:
                    return
                step = None
                yield event
            if beat.done():
                beat = asyncio.ensure_future(pause(seconds))
                yield None
    finally:
        pending: set[asyncio.Future[Any]] = {task for task in (step, beat) if task is not None}
        for task in pending:
            task.cancel()
        await asyncio.wait(pending)


async def _left(receive: Receive) -> None:
    """Return when the client has left; a body that it sends is passed over."""
    while (await receive())["type"] != "http.disconnect":
        pass
