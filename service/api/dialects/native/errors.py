"""The error envelope of seed 000, or RFC 9457 problem details for those who ask for them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from service.api.kernel.errors import Failure

_PROBLEM = "application/problem+json"


def respond(request: Request, failure: Failure) -> Response:
    """Return the response for a failure."""
    request_id = request.scope.get("assetry.request_id", "")
    problem = _PROBLEM in request.headers.get("accept", "")
    body = _problem(failure, request_id) if problem else _envelope(failure, request_id)
    media_type = _PROBLEM if problem else "application/json"
    # A broken surrogate in what the client sent must not break the answer too.
    return Response(orjson.dumps(body), failure.status, dict(failure.headers), media_type)


def _envelope(failure: Failure, request_id: str) -> dict[str, Any]:
    return {
        "error": {
            "code": failure.code,
            "message": failure.message,
            "details": dict(failure.details),
            "request_id": request_id,
            "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    }


def _problem(failure: Failure, request_id: str) -> dict[str, Any]:
    return {
        **failure.details,
        "type": f"urn:assetry:error:{failure.code.lower().replace('_', '-')}",
        "title": failure.code.replace("_", " ").capitalize(),
        "status": failure.status,
        "detail": failure.message,
        "code": failure.code,
        "request_id": request_id,
    }
