"""The ASGI application: routes, with the nets around them that answer every error in the right shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from query.errors import QueryError
from service.api.kernel.dialect import ErrorResponder
from service.api.kernel.errors import http_failure
from service.api.kernel.middleware.compression import Compression
from service.api.kernel.middleware.cross_origin import cross_origin
from service.api.kernel.middleware.deadline import Deadline
from service.api.kernel.middleware.edge import CLIENT_GONE, Edge, Observe
from service.errors import AssetryError
from service.ports.search import Rejected


def application(
    routes: Sequence[Route], errors: ErrorResponder, observe: Observe, seconds: float, *, origins: str = ""
) -> ASGIApp:
    """Return the application of these routes.

    ``seconds`` is the time that a request may take, ``origins`` are those whose pages may call it in a browser.
    """

    async def refused(request: Request, error: Exception) -> Response:
        """Answer what the router itself refuses: a path or a method that does not exist."""
        assert isinstance(error, HTTPException)
        path, method = request.url.path, request.method
        return errors.refuse(request, http_failure(error.status_code, path, method, error.detail, error.headers))

    async def failed(request: Request, error: Exception) -> Response:
        """Answer an error that says what it is."""
        request.scope["assetry.error"] = error
        return errors.respond(request, error)

    async def fault(request: Request, error: Exception) -> Response:
        """Answer a fault of ours: without this, Starlette would answer it in plain text before the edge could."""
        return errors.respond(request, error)

    async def gone(_request: Request, _error: Exception) -> Response:
        """Answer nobody: the client went away while it sent its request."""
        return Response(status_code=CLIENT_GONE)

    handlers: Mapping[Any, Any] = {
        HTTPException: refused,
        AssetryError: failed,
        QueryError: failed,
        Rejected: failed,
        ClientDisconnect: gone,
        Exception: fault,
    }
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False
    net = Edge(Compression(Deadline(_without_trailing_slash(app), seconds)), observe, errors.respond)
    return cross_origin(net, origins)


def _without_trailing_slash(app: ASGIApp) -> ASGIApp:
    """Return the application whose paths may end in a slash: a redirect would lose the body of a POST."""

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and len(scope["path"]) > 1 and scope["path"].endswith("/"):
            scope["path"] = scope["path"].rstrip("/") or "/"
            scope["raw_path"] = scope.get("raw_path", b"").rstrip(b"/") or b"/"
        await app(scope, receive, send)

    return served
