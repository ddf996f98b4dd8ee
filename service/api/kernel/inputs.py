"""What comes in: query parameters and JSON. Every mistake becomes an InvalidInput that names the field."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, Literal, TypeVar
from urllib.parse import unquote_to_bytes

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request

from service.api.kernel.errors import quotable
from service.errors import InvalidInput, TooLarge

Model = TypeVar("Model", bound=BaseModel)

Unknown = Literal["forbid", "ignore"]
"""What a dialect does with a parameter or a field that a model does not have.

``ignore`` holds at every depth: what is open by design is a field of type ``dict``, no extra of a model.
"""

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


class Params(BaseModel):
    """Query parameters: text turned into types."""

    model_config = ConfigDict(extra="forbid")


class NoParams(Params):
    """A route without query parameters."""


def read_query(model: type[Model], request: Request, unknown: Unknown = "forbid") -> Model:
    """Read the query parameters; repeated and wrong ones are errors, empty ones are as if they were not given."""
    _check_encoding(request)
    given: dict[str, str] = {}
    fields = {field.alias or name for name, field in model.model_fields.items() if not field.is_required()}
    known = {field.alias or name for name, field in model.model_fields.items()} if unknown == "ignore" else None
    for name, value in request.query_params.multi_items():
        if known is not None and name not in known:
            continue
        if name in given:
            raise InvalidInput(f"The parameter {name} is given twice.", field=name, expected="one value")
        given[name] = value
    given = {name: value for name, value in given.items() if value or name not in fields}
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise invalid(error, model, what="parameter") from None


def _check_encoding(request: Request) -> None:
    """Raise InvalidInput for a parameter that is not UTF-8: Starlette would search for other characters instead."""
    raw: bytes = request.scope.get("query_string", b"")
    if b"%" not in raw and raw.isascii():
        return
    for part in raw.split(b"&"):
        name, _, value = part.partition(b"=")
        try:
            unquote_to_bytes(value.replace(b"+", b" ")).decode()
            unquote_to_bytes(name).decode()
        except UnicodeDecodeError:
            shown = unquote_to_bytes(name).decode(errors="replace")
            message = f"The parameter {quotable(shown)} is not valid UTF-8."
            raise InvalidInput(message, field=shown, expected="UTF-8, percent-encoded") from None


def parse_json(model: type[Model], text: bytes | str, field: str, unknown: Unknown = "forbid") -> Model:
    """Validate JSON text against a model; an error says where the JSON breaks."""
    try:
        return model.model_validate_json(text or b"null", extra=_extra(unknown))
    except ValidationError as error:
        raise invalid(error, model, what=field) from None


def _extra(unknown: Unknown) -> Literal["ignore"] | None:
    # The models forbid of themselves, except where they are open.
    return "ignore" if unknown == "ignore" else None


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
    problem = {"field": field, "message": message, "provided": quotable(found.get("input"))}
    return problem | {"expected_format": fix(ctx) if fix else words}


def _is_union_branch(part: Any) -> bool:
    """Whether a part of a location is pydantic's name of a union's branch, which the caller never wrote."""
    return isinstance(part, str) and (
        part in ("str", "int", "float", "bool") or part.startswith(("function-", "list["))
    )
