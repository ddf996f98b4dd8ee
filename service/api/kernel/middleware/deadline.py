"""The time that a request may take: a net under every time-out below it, and an end for clients that send nothing."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.kernel.middleware.edge import REFUSED
from service.errors import BodyTimeout, DeadlineExceeded

IDLE_SECONDS = 30.0
"""How long the next piece of a body may be awaited."""

MIN_RATE = 1024.0
"""Bytes a second at which a body must arrive on the whole, after :data:`IDLE_SECONDS` of waiting."""


class Deadline:
    """An ASGI middleware: a request that is not being answered after ``seconds`` ends with DeadlineExceeded.

    The time begins when the whole request has arrived, and ends with the first byte of the answer: uploads and
    downloads take as long as they take. Forms are left out, since they hold files that are stored after they arrived;
    every call of an engine has a time-out of its own. A body whose next piece does not come, or that comes a few bytes
    at a time, ends with BodyTimeout. Only the waiting counts: that a service is slow to take it is not its sender's
    fault.
    """

    def __init__(self, app: ASGIApp, seconds: float, *, idle: float = IDLE_SECONDS) -> None:
        self._app = app
        self._seconds = seconds
        self._idle = idle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. Raises DeadlineExceeded, BodyTimeout."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        if scope["type"] != "http" or headers.get("content-type", "").startswith("multipart/"):
            await self._app(scope, self._hurried(scope, receive), send)
            return
        try:
            async with asyncio.timeout(None) as limit:
                if not _has_body(headers):
                    self._begin(limit)
                await self._app(scope, self._timed(scope, receive, limit), self._ended(send, limit))
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise DeadlineExceeded(self._seconds) from error

    def _begin(self, limit: asyncio.Timeout) -> None:
        limit.reschedule(asyncio.get_running_loop().time() + self._seconds)

    def _hurried(self, scope: Scope, receive: Receive) -> Receive:
        """Return ``receive`` with an end to its patience, and with the error of a body that the server cannot read."""
        clock = asyncio.get_running_loop().time
        arrived, left = False, self._idle

        async def hurried() -> Message:
            nonlocal arrived, left
            if arrived:  # what comes now is the client's leaving
                return await receive()
            begun, patience = clock(), min(self._idle, left)
            try:
                async with asyncio.timeout(patience):
                    message = await receive()
            except TimeoutError as error:
                raise BodyTimeout(patience) from error
            if (refused := scope.get(REFUSED)) is not None:
                raise refused
            left += len(message.get("body", b"")) / MIN_RATE - (clock() - begun)
            arrived = not message.get("more_body", False)
            return message

        return hurried

    def _timed(self, scope: Scope, receive: Receive, limit: asyncio.Timeout) -> Receive:
        hurried = self._hurried(scope, receive)

        async def timed() -> Message:
            message = await hurried()
            if limit.when() is None and not message.get("more_body", False) and not limit.expired():
                self._begin(limit)
            return message

        return timed

    def _ended(self, send: Send, limit: asyncio.Timeout) -> Send:
        async def ended(message: Message) -> None:
            if message["type"] == "http.response.start" and not limit.expired():
                limit.reschedule(None)
            await send(message)

        return ended


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
