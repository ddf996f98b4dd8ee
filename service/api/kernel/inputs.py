"""What comes in: query parameters, JSON bodies, If-Match. Every mistake becomes an InvalidInput."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from service.api.kernel.errors import UnsupportedMediaType, shown
from service.errors import InvalidInput, TooLarge

Model = TypeVar("Model", bound=BaseModel)

_ETAG = re.compile(r'^"([0-9]{1,15})(?:-[0-9]+)?"$')
_EXPECTED: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "string_too_long": lambda ctx: f"at most {ctx['max_length']} characters",
    "string_too_short": lambda ctx: f"at least {ctx['min_length']} characters",
    "greater_than_equal": lambda ctx: f"{ctx['ge']} or more",
    "less_than_equal": lambda ctx: f"{ctx['le']} or less",
    "literal_error": lambda ctx: ctx["expected"],
    "string_pattern_mismatch": lambda ctx: ctx["pattern"],
    "too_long": lambda ctx: f"at most {ctx['max_length']} items",
    "string_type": lambda ctx: "a string",
    "int_type": lambda ctx: "an integer",
    "int_parsing": lambda ctx: "an integer",
    "float_type": lambda ctx: "a number",
    "bool_type": lambda ctx: "true or false",
    "bool_parsing": lambda ctx: "true or false",
    "list_type": lambda ctx: "a list",
    "dict_type": lambda ctx: "an object",
    "model_type": lambda ctx: "an object",
}
"""How to fix each kind of mistake; pydantic's own words serve for the rest."""


def read_query(model: type[Model], request: Request) -> Model:
    """Read the query parameters; unknown, repeated and wrong ones are errors."""
    given: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in given:
            raise InvalidInput(f"The parameter {name} is given twice.", field=name, expected="one value")
        given[name] = value
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise invalid(error, model, what="parameter") from None


async def read_json(model: type[Model], request: Request, limit: int) -> Model:
    """Read a JSON body. Raises TooLarge, UnsupportedMediaType and InvalidInput that says where the JSON breaks."""
    media_type = request.headers.get("content-type", "application/json").split(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise UnsupportedMediaType(f"The body is {media_type[:80]}.", field="Content-Type", expected="application/json")
    return parse_json(model, await read_body(request, limit), "body")


def parse_json(model: type[Model], text: bytes | str, field: str) -> Model:
    """Validate JSON text against a model."""
    try:
        return model.model_validate_json(text or b"null")
    except ValidationError as error:
        raise invalid(error, model, what=field) from None


async def read_body(request: Request, limit: int) -> bytes:
    """Read the whole body, at most ``limit`` bytes."""
    body = bytearray()
    async for chunk in limited(request, limit):
        body += chunk
    return bytes(body)


async def limited(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    """Stream the body; raise TooLarge as soon as it is known to be over ``limit`` bytes."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise too_large(limit)
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise too_large(limit)
        yield chunk


def too_large(limit: int) -> TooLarge:
    """Return the error of a body over its limit."""
    return TooLarge(f"The body is over the limit of {limit:,} bytes.", field="body", expected=f"at most {limit} bytes")


def expected_rev(request: Request) -> int | None:
    """Return the rev that ``If-Match`` names; None when any will do, 0 (no record has it) for a tag not of ours."""
    header = request.headers.get("if-match")
    if header is None or header.strip() == "*":
        return None
    tags = [tag.strip() for tag in header.split(",")]
    revs = [int(match[1]) for tag in tags if (match := _ETAG.match(tag))]
    # A strong comparison (RFC 9110 §13.1.1): weak tags never match. Several tags: the newest that we gave out.
    return max(revs, default=0)


def invalid(error: ValidationError, model: type[BaseModel], *, what: str) -> InvalidInput:
    """Turn pydantic's findings into one InvalidInput that names every field."""
    problems = [_problem(dict(found), model, what) for found in error.errors(include_url=False)]
    first = problems[0]
    return InvalidInput(
        first["message"],
        field=first["field"],
        provided=first.get("provided"),
        expected=first.get("expected_format"),
        problems=tuple(problems),
    )


def _problem(found: dict[str, Any], model: type[BaseModel], what: str) -> dict[str, Any]:
    kind, ctx = found["type"], found.get("ctx") or {}
    field = ".".join(str(part) for part in found["loc"] if not _is_union_branch(part)) or what
    if kind == "extra_forbidden":
        known = ", ".join(sorted(model.model_fields))
        top = len(found["loc"]) == 1
        message = f"{field} is not a {what if what == 'parameter' else 'field'} of this request."
        return {"field": field, "message": message, **({"expected_format": f"one of {known}"} if top else {})}
    if kind == "json_invalid":
        return {"field": what, "message": f"The {what} is not JSON: {ctx.get('error', '')}.", "expected_format": "JSON"}
    fix = _EXPECTED.get(kind)
    words = found["msg"].removeprefix("Value error, ")
    message = f"{field}: {words}." if not words.endswith(".") else f"{field}: {words}"
    problem = {"field": field, "message": message, "provided": shown(found.get("input"))}
    return problem | {"expected_format": fix(ctx) if fix else words}


def _is_union_branch(part: Any) -> bool:
    """Whether a part of a location is pydantic's name of a union's branch, which the caller never wrote."""
    return isinstance(part, str) and (
        part in ("str", "int", "float", "bool") or part.startswith(("function-", "list["))
    )
