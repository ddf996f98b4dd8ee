from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from service.api.kernel.middleware.deadline import Deadline
from service.errors import BodyTimeout, DeadlineExceeded

LONG = 60.0
SHORT = 0.02


def scope(**headers: str) -> Scope:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": "POST", "path": "/", "headers": raw}


def messages(*bodies: bytes | None) -> Receive:
    """Give these pieces of a body; None never comes."""
    left = list(bodies)

    async def receive() -> Message:
        body = left.pop(0) if left else None
        if body is None:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": body, "more_body": bool(left)}

    return receive


async def discard(message: Message) -> None:
    """Take a message of the answer."""


async def hanging(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive())["more_body"]:
        continue
    await asyncio.Event().wait()


async def deaf(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("app", "receive", "headers"),
    [
        (deaf, messages(), {}),
        (deaf, messages(), {"content_length": "0"}),
        (hanging, messages(b"{", b"}"), {"content_length": "2"}),
        (hanging, messages(b"{", b"}"), {"transfer_encoding": "chunked"}),
    ],
    ids=["no body", "an empty body", "a body", "chunks"],
)
async def test_a_request_that_is_not_answered_ends(app: Any, receive: Receive, headers: dict[str, str]) -> None:
    with pytest.raises(DeadlineExceeded):
        await Deadline(app, SHORT)(scope(**headers), receive, discard)


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x"])
async def test_a_body_that_stops_arriving_ends(kind: str) -> None:
    with pytest.raises(BodyTimeout):
        await Deadline(hanging, LONG, idle=SHORT)(
            scope(content_length="9", content_type=kind), messages(b"a", None), discard
        )


async def test_a_body_that_drips_ends_though_something_always_comes() -> None:
    loop = asyncio.get_running_loop()
    pieces = 0

    async def receive() -> Message:
        nonlocal pieces
        pieces += 1
        arrived = loop.create_future()
        loop.call_later(SHORT / 4, arrived.set_result, None)
        await arrived
        return {"type": "http.request", "body": b"x", "more_body": True}

    with pytest.raises(BodyTimeout):
        await Deadline(hanging, LONG, idle=SHORT)(scope(content_length="9"), receive, discard)
    assert 1 < pieces < 100


async def finishes(app: Callable[[Scope, Receive, Send], Awaitable[None]], headers: dict[str, str]) -> None:
    await Deadline(app, SHORT)(scope(**headers), messages(b"a", b"b"), discard)


async def test_a_slow_body_and_a_long_answer_have_all_the_time() -> None:
    """The limit counts neither: only the time between them."""
    loop = asyncio.get_running_loop()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await pause()
        while (await receive())["more_body"]:
            continue
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await pause()

    async def pause() -> None:
        passed = loop.create_future()
        loop.call_later(3 * SHORT, passed.set_result, None)
        await passed

    await finishes(app, {"content_length": "2"})


async def test_a_form_has_the_time_that_storing_its_files_takes() -> None:
    loop = asyncio.get_running_loop()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["more_body"]:
            continue
        stored = loop.create_future()
        loop.call_later(3 * SHORT, stored.set_result, None)
        await stored

    await finishes(app, {"content_length": "2", "content_type": "multipart/form-data; boundary=x"})


async def test_a_time_out_of_the_application_is_its_own() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        await finishes(app, {})
