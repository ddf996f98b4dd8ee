"""Operations, and what starts them: ``/operations`` and ``/assets/reprocess``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from starlette.responses import Response

from service.api.dialects.native.answers import ReprocessCount
from service.api.dialects.native.assets import view_context_of
from service.api.dialects.native.params import ListOperationItems, ListOperations
from service.api.dialects.native.views import operation, operation_item
from service.api.kernel.call import Call, Reply
from service.api.kernel.event_stream import ServerEvent, StreamParams, last_event_id
from service.api.kernel.inputs import NoParams
from service.api.kernel.pagination import Page
from service.core.assets.reprocess import ReprocessRequest
from service.core.exports.exports import operation_of
from service.core.operations.operations import FINISHED
from service.errors import InvalidInput


async def reprocess(call: Call[NoParams, ReprocessRequest]) -> Reply:
    """Read the files of assets again; what a person gave is never overwritten."""
    reprocessing = call.context.reprocessing
    if call.body.dry_run:
        body: ReprocessCount = {"dry_run": True, "total": await reprocessing.count(call.who, call.body)}
        return Reply(body)
    record = await reprocessing.start(call.who, call.body, call.attempt)
    return call.accepted(operation(record, view_context_of(call)), f"/operations/{record.key}")


async def listing(call: Call[ListOperations, None]) -> Reply:
    """List the organization's operations, the newest first."""
    params = call.params
    listed = await call.context.operations.list(
        call.who, status=params.status, type_=params.type, limit=params.limit, after=params.cursor
    )
    found = [operation(record, view_context_of(call)) for record in listed.records]
    return call.page("operations", Page(found, params.limit, listed.total, listed.after))


def _id(call: Call[Any, Any]) -> str:
    """Return the operation's id, which may be given as that of what it makes."""
    return operation_of(call.path["operation_id"])


async def read(call: Call[NoParams, None]) -> Reply:
    """Say how far an operation is, and give its result when it is completed."""
    return Reply(operation(await call.context.operations.get(call.who, operation_of(_id(call))), view_context_of(call)))


async def cancel(call: Call[NoParams, None]) -> Reply:
    """Ask for the end of an operation: at once while it is queued, else soon; what it has done stays done."""
    return Reply(
        operation(
            await call.context.operations.cancel(call.who, operation_of(_id(call))),
            view_context_of(call),
        )
    )


async def items(call: Call[ListOperationItems, None]) -> Reply:
    """List what became of an operation's items: those that failed or were skipped, and those that it changed."""
    params = call.params
    listed = await call.context.operations.items(
        call.who, _id(call), status=params.status, limit=params.limit, after=params.cursor
    )
    found = [operation_item(item) for item in listed.items]
    return call.page("items", Page(found, params.limit, next_cursor=listed.after))


async def events(call: Call[StreamParams, None]) -> Response:
    """Follow an operation: `progress` whenever it changes, `end` with its end, where the stream ends, too."""
    after = last_event_id(call.request, call.params)
    await call.context.operations.get(call.who, _id(call))  # what is wrong is an answer, not an event
    return call.events(_events(call, _rev(after)))


async def _events(call: Call[StreamParams, None], after: int) -> AsyncIterator[ServerEvent]:
    async for record in call.context.operations.follow(call.who, _id(call), after):
        kind = "end" if record.body["status"] in FINISHED else "progress"
        yield ServerEvent(operation(record, view_context_of(call)), kind, str(record.rev))


def _rev(event_id: str | None) -> int:
    if event_id is None:
        return 0
    if not (event_id.isascii() and event_id.isdigit() and len(event_id) < 20):
        raise InvalidInput(
            "Last-Event-ID is not of this stream.",
            field="Last-Event-ID",
            provided=event_id,
            expected="the id of an event of this operation",
        )
    return int(event_id)
