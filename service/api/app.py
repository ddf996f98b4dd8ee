"""The HTTP application over a set of use cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from service.api.dialects.native.errors import respond
from service.api.dialects.native.files import file_routes
from service.api.dialects.native.routes import native_routes
from service.api.kernel.context import Context, Probe
from service.api.kernel.deadline import Deadline
from service.api.kernel.edge import Edge
from service.api.kernel.errors import Failure, failure
from service.api.kernel.openapi import openapi_routes
from service.api.ops.health import health_routes
from service.api.ops.metrics import Gauges, Metrics

_OPS_SECONDS = 30.0
"""How long a probe may take to be answered."""

_BY_STATUS = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}


def create_app(context: Context, gauges: Gauges) -> ASGIApp:
    """Return the application: the native API, files, and what operators watch."""
    metrics = Metrics(gauges)
    routes = [
        *native_routes(context),
        *file_routes(context),
        *health_routes(context.probes, metrics),
        *openapi_routes(),
    ]
    return _edged(routes, metrics, context.settings.request_seconds)


def create_ops_app(probes: Mapping[str, Probe], gauges: Gauges) -> ASGIApp:
    """Return the application of a process without the API: what operators watch, and nothing else."""
    metrics = Metrics(gauges)
    return _edged(health_routes(probes, metrics), metrics, _OPS_SECONDS)


def _edged(routes: Sequence[Route], metrics: Metrics, seconds: float) -> ASGIApp:
    app = Starlette(routes=routes, exception_handlers={HTTPException: _http_error, Exception: _fault})
    app.router.redirect_slashes = False
    return Edge(Deadline(app, seconds), metrics)


async def _http_error(request: Request, error: Exception) -> Response:
    """Answer what the router itself refuses: a path or a method that does not exist."""
    assert isinstance(error, HTTPException)
    code = _BY_STATUS.get(error.status_code, "VALIDATION_ERROR")
    message = {
        "NOT_FOUND": f"There is nothing at {request.url.path[:200]}.",
        "METHOD_NOT_ALLOWED": f"{request.method[:20]} is not possible here.",
    }.get(code, str(error.detail))
    return respond(
        request, Failure(error.status_code, code, message, {"path": request.url.path[:200]}, error.headers or {})
    )


async def _fault(request: Request, error: Exception) -> Response:
    """Answer a fault of ours: without this, Starlette would answer it in plain text before the edge could."""
    return respond(request, failure(error))
