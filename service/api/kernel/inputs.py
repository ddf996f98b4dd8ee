"""What comes in: query parameters and JSON. Every mistake becomes an InvalidInput that names the field."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, ClassVar, Literal, TypeVar
from urllib.parse import unquote_to_bytes

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request

from service.api.kernel.errors import PROBLEMS_LIMIT, PROVIDED_LIMIT, quotable
from service.errors import InvalidInput, TooLarge

Model = TypeVar("Model", bound=BaseModel)

Unknown = Literal["forbid", "ignore"]
"""What a dialect does with a parameter or a field that a model does not have.

``ignore`` holds at every depth: what is open by design is a field of type ``dict``, no extra of a model.
"""

MAX_MEMBERS = 10_000
"""Members that the objects of a JSON body may have together."""

_SMALL = 64 * 1024
"""Bytes of JSON that cannot hold enough members to matter."""

_LONG_INTEGER = re.compile(rb"[0-9]{19}")

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
    """Query parameters: text turned into types. ``flags`` are those that count by being there, also without a value."""

    model_config = ConfigDict(extra="forbid")
    flags: ClassVar[frozenset[str]] = frozenset()


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
    flags = model.flags if issubclass(model, Params) else frozenset()
    given = {name: value for name, value in given.items() if value or name not in fields or name in flags}
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
    check_json(text, field)
    try:
        return model.model_validate_json(text or b"null", extra=_extra(unknown))
    except ValidationError as error:
        raise invalid(error, model, what=field) from None


def check_json(text: bytes | str, field: str) -> None:
    """Refuse JSON that no model takes, before one looks at it: an integer beyond 64 bits, or too many members.

    Validation costs more for each member than reading it does, and an error for each wrong one still more. Text that is
    not JSON is left to the validation. Raises InvalidInput.
    """
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    has_long = _LONG_INTEGER.search(raw) is not None
    if len(raw) <= _SMALL and not has_long:
        return
    try:
        value = json.loads(raw, parse_int=_integer if has_long else None)
    except (ValueError, RecursionError):
        return
    members, left = 0, [(value, "")]
    while left:
        item, path = left.pop()
        if isinstance(item, _TooLong):
            name = path or field
            expected = "an integer of at most 64 bits, or a string"
            raise InvalidInput(
                f"{name}: the integer has more than 64 bits.", field=name, provided=item, expected=expected
            )
        if isinstance(item, dict):
            members += len(item)
            if members > MAX_MEMBERS:
                expected = f"at most {MAX_MEMBERS:,} members of objects"
                raise TooLarge(f"The {field} has too many members.", field=path or field, expected=expected)
            left += [(below, f"{path}.{name}" if path else name) for name, below in item.items()]
        elif isinstance(item, list):
            left += [(below, f"{path}.{at}" if path else str(at)) for at, below in enumerate(item)]


class _TooLong(str):
    """The digits of an integer beyond 64 bits."""


def _integer(digits: str) -> object:
    if len(digits) > 20 or not -(2**63) <= int(digits) < 2**64:
        return _TooLong(digits[:PROVIDED_LIMIT])
    return int(digits)


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
    count = error.error_count()
    found = itertools.islice(error.errors(include_url=False), PROBLEMS_LIMIT + _SPARE)
    problems = _each_once([_problem(dict(each), model, what) for each in found])[:PROBLEMS_LIMIT]
    first = problems[0]
    return InvalidInput(
        first["message"],
        field=first["field"],
        provided=first.get("provided"),
        expected=first.get("expected_format"),
        problems=tuple(problems),
        problem_count=count if count > PROBLEMS_LIMIT else len(problems),
    )


_SPARE = 100
"""Findings beside those that are shown: a value that fits no branch of a union is one for each branch."""


def _each_once(problems: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one problem a field: for a value of several types, what it may be altogether."""
    by_field: dict[str, dict[str, Any]] = {}
    for problem in problems:
        first = by_field.setdefault(problem["field"], problem)
        if first is not problem and (more := problem.get("expected_format")):
            known = first.get("expected_format", "")
            if more not in known.split(" or "):
                first["expected_format"] = f"{known} or {more}" if known else more
                first["message"] = f"{first['field']} must be {first['expected_format']}."
    return list(by_field.values())


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
    if kind == "missing":
        return {"field": field, "message": f"{field} is missing.", "expected_format": "a value"}
    problem = {"field": field, "message": message, "provided": quotable(found.get("input"))}
    return problem | {"expected_format": fix(ctx) if fix else words}


def _is_union_branch(part: Any) -> bool:
    """Whether a part of a location is pydantic's name of a union's branch, which the caller never wrote."""
    return isinstance(part, str) and (
        part in ("str", "int", "float", "bool") or part.startswith(("function-", "list["))
    )
