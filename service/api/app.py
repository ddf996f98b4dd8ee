"""The HTTP application over a set of use cases: here, and nowhere else, it is said which dialects there are."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.types import ASGIApp

from service.api.dialects.native.routes import FILES, NATIVE
from service.api.kernel.application import application
from service.api.kernel.context import Context, Probe
from service.api.kernel.dialect import Dialect, ErrorResponder
from service.api.kernel.dispatch import dialect_routes
from service.api.kernel.openapi import OPENAPI, Document, document_route
from service.api.ops.health import HEALTH, health_routes
from service.api.ops.metrics import Gauges, Metrics
from service.api.viewer import VIEWER, viewer_routes

DIALECTS: tuple[Dialect, ...] = (NATIVE, FILES)

DOCUMENTS: Mapping[str, Document] = {
    OPENAPI.path: Document((NATIVE, FILES), (*HEALTH, OPENAPI, *VIEWER)),
}
"""The descriptions by path: one a dialect, with what belongs to it."""

ERRORS = ErrorResponder(DIALECTS, default=NATIVE.errors)
"""Where no dialect's prefix fits, errors look as the native API's."""

_OPS_SECONDS = 30.0
"""How long a probe may take to be answered."""


def create_app(context: Context, gauges: Gauges) -> ASGIApp:
    """Return the application: every dialect, its description, and what operators watch."""
    metrics = Metrics(gauges)
    server = context.settings.public_url or "/"
    routes = [
        *(route for dialect in DIALECTS for route in dialect_routes(dialect, context)),
        *(document_route(path, document, server) for path, document in DOCUMENTS.items()),
        *viewer_routes(DOCUMENTS),
        *health_routes(context.probes, metrics),
    ]
    settings = context.settings
    return application(routes, ERRORS, metrics.request, settings.request_seconds, origins=settings.cors_origins)


def create_ops_app(probes: Mapping[str, Probe], gauges: Gauges) -> ASGIApp:
    """Return the application of a process without the API: what operators watch, and nothing else."""
    metrics = Metrics(gauges)
    return application(health_routes(probes, metrics), ERRORS, metrics.request, _OPS_SECONDS)
