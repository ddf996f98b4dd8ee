"""The outermost layer: request ids, one log line a request, metrics, and a last net under every error."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from typing import Any

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_CLIENT_ID = re.compile(r"^[\w.-]{1,64}$", re.ASCII)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
REFUSED = "assetry.refused"
"""The key of a scope under which the server leaves the error of a request that it could not read."""

CLIENT_GONE = 499
"""Nginx's word for a client that went away."""

_NOSNIFF = (b"x-content-type-options", b"nosniff")

_log = structlog.get_logger("assetry.http")


Observe = Callable[[str, str, int, float], None]
"""Counts a finished request: method, route, status, seconds."""


class Edge:
    """An ASGI middleware around the whole application. ``respond`` answers what nothing inside could."""

    def __init__(self, app: ASGIApp, observe: Observe, respond: Callable[[Request, Exception], Response]) -> None:
        self._app = app
        self._observe = observe
        self._respond = respond

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope["assetry.request_id"] = request_id
        status, answered = 0, False

        async def tagged(message: Message) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message.setdefault("headers", [])
                headers.append((b"x-request-id", request_id.encode()))
                if all(name.lower() != _NOSNIFF[0] for name, _ in headers):
                    headers.append(_NOSNIFF)
            await send(message)
            answered = message["type"] == "http.response.body" and not message.get("more_body", False)

        started = time.perf_counter()
        try:
            if (refused := scope.get(REFUSED)) is not None:
                scope["assetry.error"] = refused
                await self._respond(Request(scope), refused)(scope, receive, tagged)
            else:
                await self._app(scope, receive, tagged)
        except ClientDisconnect:
            status = status or CLIENT_GONE
        except Exception as error:  # the last net: whatever it is, the client gets an envelope
            _log.exception("request failed", request_id=request_id, path=scope["path"])
            if status and not answered:
                raise  # the answer is half sent: the server must cut the connection
            if not answered:
                await self._respond(Request(scope), error)(scope, receive, tagged)
        finally:
            self._finish(scope, status, time.perf_counter() - started)

    def _finish(self, scope: Scope, status: int, seconds: float) -> None:
        # Only routes and methods that exist become labels: a scan of random paths must not fill the memory.
        route = scope.get("assetry.route", "(none)")
        method = scope["method"] if scope["method"] in _METHODS else "(other)"
        self._observe(method, route, status, seconds)
        facts: dict[str, Any] = {
            "method": method,
            "path": scope["path"],
            "status": status,
            "ms": round(seconds * 1000, 2),
            "request_id": scope["assetry.request_id"],
        }
        if (who := scope.get("assetry.who")) and who.org_id:
            facts |= {"org_id": who.org_id, "user_id": who.user_id}
        if error := scope.get("assetry.error"):
            facts["error"] = str(error)[:500]
        # "Not ready yet" is an answer to a probe, not a failure.
        (_log.warning if status >= 500 and route != "/readyz" else _log.info)("request", **facts)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            text = value.decode("latin-1")
            return text if _CLIENT_ID.match(text) else f"req_{secrets.token_hex(8)}"
    return f"req_{secrets.token_hex(8)}"
