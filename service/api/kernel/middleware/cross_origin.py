"""Cross-origin requests of browsers (the Fetch standard's CORS protocol): off unless the operator names origins."""

from __future__ import annotations

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_SENT = (
    "Authorization", "Content-Type", "If-Match", "If-None-Match", "If-Range", "Range", "Idempotency-Key",
    "Last-Event-ID", "X-Request-ID",
)  # fmt: skip
_SHOWN = (
    "ETag", "Location", "Link", "Retry-After", "RateLimit", "RateLimit-Policy", "Idempotent-Replayed", "X-Index-Token",
    "X-Request-ID", "Content-Disposition", "Content-Range", "Accept-Ranges",
)  # fmt: skip
_MAX_AGE = 600
"""Seconds that a browser keeps the answer to a preflight request."""


def cross_origin(app: ASGIApp, origins: str) -> ASGIApp:
    """Return the application for pages of these origins (by commas, ``*`` for all); itself without any.

    Credentials that a browser adds by itself (cookies) are never allowed: a page sends its key in ``Authorization``.
    """
    allowed = origins.replace(",", " ").split()
    if not allowed:
        return app
    return CORSMiddleware(
        app,
        allow_origins=allowed,
        allow_methods=_METHODS,
        allow_headers=_SENT,
        expose_headers=_SHOWN,
        allow_credentials=False,
        max_age=_MAX_AGE,
    )
