"""Which HTTP status and code each error is: the one table. Dialects choose the shape, not the meaning."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from query.errors import QueryError
from service import errors as e
from service.ports.search import Rejected

PROVIDED_LIMIT = 200
"""Characters of a wrong value that an answer repeats."""

PROBLEMS_LIMIT = 20
"""Problems that an answer lists; ``problem_count`` says how many there are."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as every dialect sees it: status, stable code, words, details and extra headers."""

    status: int
    code: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


CODES: dict[str, tuple[int, str]] = {
    "VALIDATION_ERROR": (400, "A parameter or the body is not valid. `details` says which field, and how to fix it."),
    "AUTHENTICATION_REQUIRED": (401, "Missing, unknown or revoked API key."),
    "STORAGE_LIMIT_EXCEEDED": (402, "The organization's storage is full."),
    "INSUFFICIENT_SCOPE": (403, "The API key lacks the scope that `details` names."),
    "ASSET_NOT_FOUND": (404, "No such asset in the organization."),
    "NOT_FOUND": (404, "No such record, rendition or path."),
    "METHOD_NOT_ALLOWED": (405, "The path does not take this method. The header Allow lists those that it takes."),
    "CONFLICT": (409, "A record with this name or key already exists, or another writer was faster."),
    "REQUEST_IN_PROGRESS": (
        409,
        "The request with this Idempotency-Key is in progress. Retry-After says when to retry.",
    ),
    "PRECONDITION_FAILED": (412, "The record or file has changed: it has none of the entity tags in If-Match."),
    "PAYLOAD_TOO_LARGE": (413, "The body or the file is too large."),
    "UNSUPPORTED_MEDIA_TYPE": (415, "The route does not take a body of this Content-Type."),
    "RANGE_NOT_SATISFIABLE": (416, "The Range lies outside the file."),
    "IDEMPOTENCY_KEY_REUSED": (422, "The Idempotency-Key was used for a different request. Make a new key."),
    "RATE_LIMIT_EXCEEDED": (429, "API rate limit exceeded. Retry-After says for how long."),
    "BULK_OPERATION_FAILED": (500, "Bulk operation failed."),
    "INTERNAL_ERROR": (500, "The service failed. The log has the details under the request id."),
    "REQUEST_TIMEOUT": (408, "The request stopped arriving, or arrives too slowly."),
    "URI_TOO_LONG": (414, "The path and query are too long."),
    "HEADERS_TOO_LARGE": (431, "There are too many header fields, or they are too long."),
    "INSUFFICIENT_STORAGE": (507, "Storage is full. Contact the operator."),
    "SERVICE_UNAVAILABLE": (
        503,
        "An engine is not responding, or the index is being built. Retry-After says when to retry.",
    ),
}
"""Every code of the native API with its status and meaning; ``docs/ref-errors.md`` shows this table."""


class UnsupportedMediaType(e.InvalidInput):
    """The body's Content-Type is not one that the route takes."""


class MalformedRequest(e.InvalidInput):
    """The connection does not carry HTTP/1.1."""


class TargetTooLong(e.AssetryError):
    """The request target (path and query) has more than ``limit`` bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The path and query of the request are longer than {limit:,} bytes.")
        self.limit = limit


class HeadersTooLarge(e.AssetryError):
    """The header fields have more than ``limit`` bytes, or there are more than ``count`` of them."""

    def __init__(self, limit: int, count: int) -> None:
        super().__init__(f"The request has more than {count} header fields, or more than {limit:,} bytes of them.")
        self.limit = limit


class HeadTimeout(e.AssetryError):
    """The request line and the header fields did not arrive in time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The request line and headers did not arrive within {seconds:g} s.")
        self.seconds = seconds


class PreconditionFailed(e.AssetryError):
    """What is there has none of the tags that the header ``field`` lists."""

    def __init__(self, message: str, *, field: str, provided: str) -> None:
        super().__init__(message)
        self.field = field
        self.provided = provided


class RangeNotSatisfiable(e.AssetryError):
    """The range lies outside of the file's ``size`` bytes."""

    def __init__(self, size: int) -> None:
        super().__init__(f"The range lies outside the file, which has {size:,} bytes.")
        self.size = size


_BY_TYPE: tuple[tuple[type[Exception], str], ...] = (
    (e.TooLarge, "PAYLOAD_TOO_LARGE"),
    (UnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE"),
    (e.InvalidInput, "VALIDATION_ERROR"),
    (e.NotAuthenticated, "AUTHENTICATION_REQUIRED"),
    (e.NotAllowed, "INSUFFICIENT_SCOPE"),
    (e.TooManyRequests, "RATE_LIMIT_EXCEEDED"),
    (e.NotFound, "NOT_FOUND"),
    (e.AlreadyExists, "CONFLICT"),
    (e.Conflict, "PRECONDITION_FAILED"),
    (PreconditionFailed, "PRECONDITION_FAILED"),
    (RangeNotSatisfiable, "RANGE_NOT_SATISFIABLE"),
    (e.RequestInProgress, "REQUEST_IN_PROGRESS"),
    (e.OperationFailed, "BULK_OPERATION_FAILED"),
    (e.IdempotencyKeyReused, "IDEMPOTENCY_KEY_REUSED"),
    (e.BodyTimeout, "REQUEST_TIMEOUT"),
    (HeadTimeout, "REQUEST_TIMEOUT"),
    (TargetTooLong, "URI_TOO_LONG"),
    (HeadersTooLarge, "HEADERS_TOO_LARGE"),
    (e.StorageFull, "INSUFFICIENT_STORAGE"),
    (e.Unavailable, "SERVICE_UNAVAILABLE"),
    (Rejected, "INTERNAL_ERROR"),
)
"""The code of each kind of error; the first that fits."""


def failure(error: Exception) -> Failure:
    """Return what an error is over HTTP. One that is not of ours is INTERNAL_ERROR, and says nothing of itself."""
    if isinstance(error, QueryError):
        return _query(error)
    code = next((code for kind, code in _BY_TYPE if isinstance(error, kind)), "INTERNAL_ERROR")
    if code == "INTERNAL_ERROR":
        return _make(code, "The service failed on this request. The log has the details under the request id.", {})
    if isinstance(error, e.NotFound) and error.kind == "asset":
        code = "ASSET_NOT_FOUND"
    return _make(code, _words(error), _details(error), _headers(error))


def http_failure(status: int, path: str, method: str, detail: str, headers: Mapping[str, str] | None) -> Failure:
    """Return what the router itself refuses: a path or a method that does not exist."""
    details = {"path": path[:PROVIDED_LIMIT]}
    match status:
        case 404:
            return _make("NOT_FOUND", f"There is nothing at {path[:PROVIDED_LIMIT]}.", details, headers)
        case 405:
            return _make("METHOD_NOT_ALLOWED", f"{method[:20]} is not allowed here.", details, headers)
    return Failure(status, "VALIDATION_ERROR", detail, details, headers or {})


def _make(code: str, message: str, details: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Failure:
    return Failure(CODES[code][0], code, message, details, headers or {})


def _words(error: Exception) -> str:
    if isinstance(error, e.DeadlineExceeded):
        return (
            f"The request was not answered within {error.seconds:g} s, and may have changed something. "
            "Send it again with the same Idempotency-Key, or read the record first."
        )
    if isinstance(error, e.StorageFull):
        return "Storage is full. Contact the operator."
    if isinstance(error, e.IndexBuilding):
        return "The index is being built: searches are answered when it is complete. See /readyz for its progress."
    if isinstance(error, e.Unavailable):
        # The engine's own words stay in the log.
        return f"The {error.engine} engine is not responding. Try again in {error.retry_after} s."
    return str(error)


def _invalid_input(error: e.InvalidInput) -> dict[str, Any]:
    details = {"field": error.field, "provided": quotable(error.provided), "expected_format": error.expected}
    if isinstance(error, e.IngestError):
        details["reason"] = error.reason
    found = {name: value for name, value in details.items() if value is not None}
    return found | _problems(list(error.problems), error.problem_count)


def _problems(problems: list[Any], count: int) -> dict[str, Any]:
    """Return what is said of several problems; nothing of a single one, which the error itself is."""
    if len(problems) <= 1:
        return {}
    more = {"problem_count": count} if count > PROBLEMS_LIMIT else {}
    return {"problems": problems[:PROBLEMS_LIMIT], **more}


_DETAILS: tuple[tuple[type[Exception], Callable[[Any], dict[str, Any]]], ...] = (
    (e.InvalidInput, _invalid_input),
    (e.NotAllowed, lambda error: {"scope": error.scope}),
    (e.TooManyRequests, lambda error: {"retry_after": error.retry_after}),
    (e.NotFound, lambda error: {"kind": error.kind, "id": error.key[:PROVIDED_LIMIT]}),
    (e.AlreadyExists, lambda error: {"field": error.index, "provided": quotable(error.value)}),
    (e.Conflict, lambda error: {"expected_rev": error.expected, "rev": error.rev}),
    (PreconditionFailed, lambda error: {"field": error.field, "provided": quotable(error.provided)}),
    (RangeNotSatisfiable, lambda error: {"field": "Range"}),
    (e.RequestInProgress, lambda error: {"field": "Idempotency-Key", "retry_after": error.retry_after}),
    (e.IdempotencyKeyReused, lambda error: {"field": "Idempotency-Key"}),
    (e.IndexBuilding, lambda error: {"engine": error.engine, "reason": "index_building"}),
    (e.Unavailable, lambda error: {"engine": error.engine}),
)
"""What programs are told of each kind of error."""


def _details(error: Exception) -> dict[str, Any]:
    return next((details(error) for kind, details in _DETAILS if isinstance(error, kind)), {})


def _headers(error: Exception) -> dict[str, str]:
    match error:
        case e.Unavailable() | e.RequestInProgress():
            return {"Retry-After": str(error.retry_after)}
        case e.TooManyRequests():
            return {"Retry-After": str(error.retry_after), **error.headers}
        case e.BodyTimeout():
            return {"Connection": "close"}  # the rest of the body must not be taken for the next request
        case RangeNotSatisfiable():
            return {"Content-Range": f"bytes */{error.size}"}
    return {}


def _query(error: QueryError) -> Failure:
    first = error.problem
    details: dict[str, Any] = {"field": error.field, **({"key": error.key} if error.key else {}), **first.as_dict()}
    del details["message"]
    details |= _problems([problem.as_dict() for problem in error.problems[:PROBLEMS_LIMIT]], len(error.problems))
    return _make("VALIDATION_ERROR", first.message, {name: v for name, v in details.items() if v is not None})


def _as_json(value: object) -> str:
    """Return a value as JSON writes it: a client never sees how Python does."""
    if isinstance(value, float) and not math.isfinite(value):
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    if isinstance(value, int):
        # The digits of a very long one take quadratic time, and Python refuses.
        return str(value) if value.bit_length() < 4 * PROVIDED_LIMIT else "an integer of very many digits"
    if isinstance(value, list | tuple | dict):
        return _SHORTENED.encode(value)
    return str(value)


class _Shortened(json.JSONEncoder):
    """Writes JSON up to the characters that are shown: a value of a megabyte must not be written whole for that."""

    def encode(self, value: Any) -> str:
        text = ""
        try:
            for piece in self.iterencode(value):
                text += piece[: PROVIDED_LIMIT + 1]
                if len(text) > PROVIDED_LIMIT:
                    break
        except (ValueError, RecursionError):
            return text or "…"
        return text


_SHORTENED = _Shortened(ensure_ascii=False, default=str)


def quotable(value: object) -> object:
    """Return a wrong value as an answer may repeat it: JSON, and not long.

    What JSON has no number for (an integer beyond 64 bits, NaN) and whatever is not a single value becomes text.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and -(2**63) <= value < 2**64:
        return value
    text = value if isinstance(value, str) else _as_json(value)
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= PROVIDED_LIMIT else text[: PROVIDED_LIMIT - 1] + "…"
