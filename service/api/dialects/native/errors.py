"""The error envelope of seed 000, or RFC 9457 problem details for those who ask for them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from pydantic import ConfigDict, Field, with_config
from pydantic.config import JsonDict
from starlette.requests import Request
from starlette.responses import Response
from typing_extensions import TypedDict

from service.api.kernel.dialect import ErrorFormat
from service.api.kernel.errors import CODES, Failure

_JSON = "application/json"
_PROBLEM = "application/problem+json"

Code = Annotated[str, Field(json_schema_extra={"enum": list(CODES)}, description="See docs/ref-errors.md.")]
RequestId = Annotated[str, Field(description="Also in the log and in `X-Request-ID`.")]

_SEED_ERROR: JsonDict = {
    "error": {
        "code": "VALIDATION_ERROR",
        "message": "Invalid asset ID format",
        "details": {"field": "asset_ids", "provided": "invalid_id", "expected_format": "asset_[0-9]+"},
        "request_id": "req_1234567890",
        "timestamp": "2024-01-15T10:00:00Z",
    }
}


class ErrorContent(TypedDict):
    """What went wrong: a stable code, words for people, and details for programs."""

    code: Code
    message: str
    details: Annotated[
        dict[str, Any],
        Field(description="`field`, `provided`, `expected_format`, `problems` …: what there is to say."),
    ]
    request_id: RequestId
    timestamp: Annotated[str, Field(json_schema_extra={"format": "date-time"})]


@with_config(ConfigDict(json_schema_extra={"examples": [_SEED_ERROR]}))
class Error(TypedDict):
    """An error."""

    error: ErrorContent


@with_config(ConfigDict(extra="allow"))
class ProblemDetails(TypedDict):
    """An error as problem details (RFC 9457), for requests that accept them; the details stand beside these."""

    type: Annotated[str, Field(pattern="^urn:assetry:error:")]
    title: str
    status: int
    detail: str
    code: Code
    request_id: RequestId


def respond(request: Request, failure: Failure) -> Response:
    """Return the response for a failure."""
    request_id = request.scope.get("assetry.request_id", "")
    problem = _PROBLEM in request.headers.get("accept", "")
    body = _problem(failure, request_id) if problem else _envelope(failure, request_id)
    # A broken surrogate in what the client sent must not break the answer too.
    return Response(orjson.dumps(body), failure.status, dict(failure.headers), _PROBLEM if problem else _JSON)


ERRORS = ErrorFormat(respond, {_JSON: Error, _PROBLEM: ProblemDetails})


def _envelope(failure: Failure, request_id: str) -> Error:
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
