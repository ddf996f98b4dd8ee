"""Server-sent events: a stream of the HTML standard's ``text/event-stream`` (WHATWG HTML §9.2), and their bounds.

A stream holds a connection for as long as its client wants, so it is bounded in every direction: so many streams a key
and a process (:class:`StreamSlots`), one event in memory (the next is asked for when the client has taken the last), a
time in which the client must take it, and an end when the process is told to stop. A client that was cut off connects
again by itself and names the last event that it saw in the header ``Last-Event-ID``.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, aclosing, contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from pydantic import Field
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from service.api.kernel.inputs import Params
from service.errors import InvalidInput, TooManyRequests
from service.tasks import cancelled

MEDIA_TYPE = "text/event-stream"

HEARTBEAT_SECONDS = 15.0
"""How often a comment is sent: proxies close connections that are silent for long (nginx after 60 s)."""

RETRY_MILLISECONDS = 3000
"""How long a client waits before it connects again."""

TAKE_SECONDS = 30.0
"""How long a client may take nothing before it is cut off."""

MAX_EVENT_ID = 1024
NO_DATA = object()
"""The data of an event that moves ``Last-Event-ID`` on and is no event to the client otherwise."""

_HEADERS = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
"""Without them a proxy may gather events until it has enough of them."""

_HEARTBEAT = b": keep-alive\n\n"

Pause = Callable[[float], Awaitable[object]]
"""Waits for so many seconds: ``asyncio.sleep``, but in tests that move the time themselves."""


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event: its data (JSON), its type, and the id from which a client that lost the connection goes on."""

    data: Any
    event: str = "message"
    id: str | None = None

    def encoded(self) -> bytes:
        """Return the event as it is sent. Type and id are one line each: they are ours, not a client's."""
        head = f"event: {self.event}\n" if self.event != "message" and self.data is not NO_DATA else ""
        if self.id is not None:
            head = f"id: {self.id}\n{head}"
        return head.encode() + (b"" if self.data is NO_DATA else b"data: " + orjson.dumps(self.data) + b"\n") + b"\n"


class StreamSlots:
    """Counts the open streams of a process, by key, so that they stay few."""

    def __init__(self, *, per_key: int, per_process: int) -> None:
        self._per_key = per_key
        self._per_process = per_process
        self._open: Counter[str] = Counter()

    @property
    def open(self) -> int:
        """How many streams are open."""
        return self._open.total()

    def check(self, key: str) -> None:
        """Raise TooManyRequests when a stream of this key could not begin now."""
        seconds = RETRY_MILLISECONDS // 1000
        if self._open[key] >= self._per_key:
            message = f"This API key has {self._per_key} event streams open, which is the limit. Close one of them."
            raise TooManyRequests(message, retry_after=seconds, headers={})
        if self.open >= self._per_process:
            message = "The service has as many event streams open as it allows. Try again in a moment."
            raise TooManyRequests(message, retry_after=seconds, headers={})

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


class SlowClient(ClientDisconnect):
    """A client takes its events too slowly: it is cut off, and may connect again where it was."""


@dataclass(frozen=True, slots=True)
class StreamTimes:
    """How long a stream waits: seconds between heartbeats and for a client to take an event, and what sleeps."""

    heartbeat: float = HEARTBEAT_SECONDS
    take: float = TAKE_SECONDS
    pause: Pause = asyncio.sleep


class EventStream(Response):
    """A response of events as they come.

    ``events`` is asked for the next event when the client has taken the last one. The stream ends when the events end,
    ``stopping`` is set, the client leaves, or ``still_valid`` says at a heartbeat that the client may not read on
    (its key was revoked). Whatever way it ends, the iterator is closed. ``key`` is whose place among ``slots`` it
    takes: that there is none is raised here as TooManyRequests, before anything is sent.
    """

    def __init__(
        self,
        events: AsyncIterator[ServerEvent],
        *,
        stopping: asyncio.Event,
        slots: StreamSlots,
        key: str = "",
        still_valid: Callable[[], Awaitable[bool]] | None = None,
        times: StreamTimes | None = None,
    ) -> None:
        slots.check(key)
        super().__init__(None, 200, _HEADERS, MEDIA_TYPE)
        del self.headers["content-length"]
        self._events = events
        self._stopping = stopping
        self._slots = slots
        self._key = key
        self._still_valid = still_valid
        self._times = times or StreamTimes()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the end. Raises SlowClient."""
        async with AsyncExitStack() as stack:
            if isinstance(self._events, AsyncGenerator):
                await stack.enter_async_context(aclosing(self._events))
            stack.enter_context(self._slots.taken(self._key))
            await self._send(send, {"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            if scope["method"] != "HEAD":
                await self._run(receive, send)
            # An end in good order, also for a client that is gone already: there it goes nowhere.
            await self._send(send, {"type": "http.response.body", "body": b"", "more_body": False})

    async def _run(self, receive: Receive, send: Send) -> None:
        writing = asyncio.create_task(self._write(send), name="event-stream")
        ends = [asyncio.create_task(_left(receive)), asyncio.create_task(self._stopping.wait())]
        tasks: set[asyncio.Task[Any]] = {writing, *ends}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancelled(*tasks)
        if not writing.cancelled():
            writing.result()

    async def _write(self, send: Send) -> None:
        # The headers go out now, not with the first event.
        await self._body(send, f"retry: {RETRY_MILLISECONDS}\n\n".encode())
        async with aclosing(_with_heartbeats(self._events, self._times.heartbeat, self._times.pause)) as beating:
            async for event in beating:
                if event is not None:
                    await self._body(send, event.encoded())
                elif self._still_valid is None or await self._still_valid():
                    await self._body(send, _HEARTBEAT)
                else:
                    return

    async def _body(self, send: Send, body: bytes) -> None:
        await self._send(send, {"type": "http.response.body", "body": body, "more_body": True})

    async def _send(self, send: Send, message: Message) -> None:
        try:
            async with asyncio.timeout(self._times.take):
                await send(message)
        except TimeoutError:
            raise SlowClient(f"the client took nothing of its event stream for {self._times.take:g} s") from None


async def _with_heartbeats(
    events: AsyncIterator[ServerEvent], seconds: float, pause: Pause
) -> AsyncGenerator[ServerEvent | None, None]:
    """Yield the events, and None whenever a heartbeat is due: after so many seconds, with or without events.

    With events, too: then None is the time to look whether the stream may go on.
    """
    beat: asyncio.Future[object] = asyncio.ensure_future(pause(seconds))
    step: asyncio.Future[ServerEvent] | None = None
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
        await cancelled(*(task for task in (step, beat) if task is not None))


async def _left(receive: Receive) -> None:
    """Return when the client has left; a body that it sends is passed over."""
    while (await receive())["type"] != "http.disconnect":
        pass


class StreamParams(Params):
    """The query parameters of a stream of events."""

    last_event_id: Annotated[
        str | None,
        Field(
            description="As the header `Last-Event-ID`, for a page that was loaded again: browsers send that only when "
            "they come back by themselves.",
            max_length=MAX_EVENT_ID,
        ),
    ] = None


def last_event_id(request: Request, params: StreamParams) -> str | None:
    """Return the id of the last event that the client has, None if it begins. Raises InvalidInput."""
    given = request.headers.get("last-event-id") or params.last_event_id
    if given and len(given) > MAX_EVENT_ID:
        raise InvalidInput(
            f"Last-Event-ID is longer than {MAX_EVENT_ID} characters.",
            field="Last-Event-ID",
            expected="the id of an event of this stream",
        )
    return given or None
