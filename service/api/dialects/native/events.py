"""``GET /events``: what happens to the organization's records, as it happens."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.responses import Response

from service.api.dialects.native.params import FollowEvents
from service.api.kernel.call import Call
from service.api.kernel.event_stream import NO_DATA, ServerEvent, last_event_id
from service.core.events.record_events import Seen, read_position, read_types


async def follow(call: Call[FollowEvents, None]) -> Response:
    """Follow what happens to assets, as a stream of server-sent events."""
    types = read_types(call.params.types, call.who)
    position = read_position(last_event_id(call.request, call.params))
    return call.events(_sent(call.context.record_events.follow(call.who, types, position)))


async def _sent(seen: AsyncGenerator[Seen, None]) -> AsyncGenerator[ServerEvent, None]:
    async with aclosing(seen) as items:
        async for item in items:
            if item.type is None:
                yield ServerEvent(NO_DATA, id=str(item.position))
            else:
                yield ServerEvent(item.body, item.type, str(item.position))
