"""Server-sent events: a stream of the HTML standard's ``text/event-stream`` (WHATWG HTML §9.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from pydantic import Field
from starlette.requests import Request
from starlette.responses import StreamingResponse

from service.api.kernel.inputs import Params
from service.errors import InvalidInput

MEDIA_TYPE = "text/event-stream"
HEARTBEAT_SECONDS = 15.0
"""How long a stream is silent at most: proxies close connections that are (nginx after 60 s)."""

MAX_EVENT_ID = 1024
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_HEARTBEAT = b": keep-alive\n\n"


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event: its data (JSON), its type, and the id from which a client that lost the connection goes on."""

    data: Any
    event: str = "message"
    id: str | None = None

    def encoded(self) -> bytes:
        """Return the event as it is sent. Type and id are one line each: they are ours, not a client's."""
        head = f"event: {self.event}\n" if self.event != "message" else ""
        if self.id is not None:
            head = f"id: {self.id}\n{head}"
        return head.encode() + b"data: " + orjson.dumps(self.data) + b"\n\n"


class EventStream(StreamingResponse):
    """A response of events as they come.

    It sends a comment when nothing has come for ``heartbeat`` seconds, and ends when ``stopping`` is set or the events
    end. Whatever way it ends, also by the client's leaving, the iterator is closed.
    """

    def __init__(
        self,
        events: AsyncIterator[ServerEvent],
        *,
        stopping: asyncio.Event,
        heartbeat: float = HEARTBEAT_SECONDS,
    ) -> None:
        super().__init__(_frames(events, stopping, heartbeat), 200, _HEADERS, MEDIA_TYPE)


async def _frames(
    events: AsyncIterator[ServerEvent], stopping: asyncio.Event, heartbeat: float
) -> AsyncIterator[bytes]:
    stopped = asyncio.create_task(stopping.wait())
    following = asyncio.create_task(_next(events))
    try:
        yield _HEARTBEAT  # the headers go out now, not with the first event
        while not stopped.done():
            done, _ = await asyncio.wait({following, stopped}, timeout=heartbeat, return_when=asyncio.FIRST_COMPLETED)
            if following in done:
                if (event := following.result()) is None:
                    return
                yield event.encoded()
                following = asyncio.create_task(_next(events))
            elif not done:
                yield _HEARTBEAT
    finally:
        for task in (stopped, following):
            task.cancel()
        await asyncio.gather(stopped, following, return_exceptions=True)
        if isinstance(events, AsyncGenerator):
            await events.aclose()


async def _next(events: AsyncIterator[ServerEvent]) -> ServerEvent | None:
    return await anext(events, None)


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
