"""OpenAPI 3.1, made from the tables that serve: routes, their models, their answers and errors."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import orjson
from pydantic import BaseModel, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute

from service.api.kernel import event_stream
from service.api.kernel.authentication import Scheme
from service.api.kernel.dialect import Dialect, ErrorFormat, PathParameters
from service.api.kernel.errors import CODES
from service.api.kernel.idempotency import HEADER as IDEMPOTENCY_KEY
from service.api.kernel.idempotency import MAX_LENGTH, REPLAYED
from service.api.kernel.inputs import NoParams
from service.api.kernel.route import INDEX_TOKEN, Answer, Route

Json = dict[str, Any]

_SCHEMA = "#/components/schemas/{model}"
_ERROR = "Error{status}"
_STRING: Json = {"type": "string"}
_HEADERS: Mapping[str, tuple[str, Json]] = {
    "Accept-Ranges": ("`bytes`: parts can be asked for.", _STRING),
    "Content-Range": ("The part that is answered.", _STRING),
    "ETag": ("Version of what was answered, for `If-Match` and `If-None-Match`.", _STRING),
    "Location": ("URL of the new record, or of the operation.", _STRING),
    "RateLimit": ("Requests that the key has left, and seconds until they are counted anew.", _STRING),
    "RateLimit-Policy": ("Requests an hour that the key's tier allows.", _STRING),
    "Retry-After": ("Seconds to wait before the next try.", {"type": "integer"}),
    "WWW-Authenticate": ("How to authenticate.", _STRING),
    INDEX_TOKEN: ("Token for `wait_for` of a search that must see this write.", _STRING),
    REPLAYED: ("`true`: this answer was given to the same request before.", {"enum": ["true"]}),
    "X-Request-ID": ("Id of the request, also in the log.", _STRING),
}
_ERROR_HEADERS: Mapping[int, tuple[str, ...]] = {
    401: ("WWW-Authenticate",),
    403: ("WWW-Authenticate",),
    409: ("Retry-After",),
    416: ("Content-Range",),
    429: ("Retry-After", "RateLimit", "RateLimit-Policy"),
    503: ("Retry-After",),
    507: ("Retry-After",),
}


@dataclass(frozen=True, slots=True)
class _HeaderParameter:
    """A request header that some routes take."""

    name: str
    description: str
    schema: Mapping[str, Any]
    taken_by: Callable[[Route], bool]


_HEADER_PARAMETERS = (
    _HeaderParameter(
        "If-Match",
        "ETag that the record must still have, else the answer is 412. Of several, any one will do.",
        _STRING,
        lambda route: route.versioned and route.changes,
    ),
    _HeaderParameter(
        "If-None-Match",
        "ETag of what the client has. If the record still has it, the answer is 304.",
        _STRING,
        lambda route: route.versioned and not route.changes,
    ),
    _HeaderParameter(
        IDEMPOTENCY_KEY,
        "Identifies the request for a day, so that it can be sent again: it has one effect and one answer.",
        {"type": "string", "minLength": 1, "maxLength": MAX_LENGTH, "pattern": "^[ -~]+$"},
        lambda route: route.idempotent_by_key,
    ),
    _HeaderParameter(
        "Last-Event-ID",
        "Id of the last event that the client has. The stream goes on after it.",
        {"type": "string", "maxLength": event_stream.MAX_EVENT_ID},
        lambda route: route.answer(route.status).media_type == event_stream.MEDIA_TYPE,
    ),
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path outside of every dialect, open to everybody: what it does, its answers by status and codes of errors."""

    path: str
    summary: str
    answers: Mapping[int, Answer]
    errors: tuple[str, ...] = ()
    path_parameters: PathParameters = field(default_factory=dict)
    params: type[BaseModel] = NoParams


@dataclass(frozen=True, slots=True)
class Document:
    """A description: of one dialect (the first), of others that belong to it, and of endpoints."""

    dialects: Sequence[Dialect]
    endpoints: Sequence[Endpoint] = ()

    @property
    def title(self) -> str:
        """What the document is of."""
        return self.dialects[0].title

    def describe(self, server: str = "/") -> Json:
        """Return the OpenAPI 3.1 document; ``server`` is the service's URL, or relative to the document's."""
        main = self.dialects[0]
        if any(dialect.errors is not main.errors for dialect in self.dialects):
            raise ValueError("dialects of one document show errors in the same way")
        schemas = _Schemas(self)
        paths: dict[str, Json] = {}
        for dialect in self.dialects:
            for route in dialect.routes:
                path = paths.setdefault(_plain(dialect.prefix + route.path), {})
                path[route.method.lower()] = _operation(main, dialect, route, schemas)
        for endpoint in self.endpoints:
            paths[endpoint.path] = {"get": _endpoint(main.errors, endpoint, schemas)}
        schemes = {
            scheme.name: scheme.security
            for dialect in self.dialects
            for route in dialect.routes
            for scheme in dialect.schemes(route)
        }
        return {
            "openapi": "3.1.0",
            "info": {
                "title": self.title,
                "version": version("assetry"),
                "description": main.description,
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "servers": [{"url": server}],
            "security": _security(main.authentication),
            "tags": [{"name": name} for name in _tags(paths)],
            "paths": paths,
            "components": {
                "schemas": schemas.components,
                "responses": dict(_error_responses(main.errors, schemas)),
                "securitySchemes": schemes,
            },
        }


OPENAPI = Endpoint("/openapi.json", "Return this description.", {200: Answer(dict[str, Any], "OpenAPI 3.1.")})


def document_route(path: str, document: Document, server: str) -> StarletteRoute:
    """Return the router's entry of a description."""
    encoded = b""

    async def endpoint(request: Request) -> Response:
        nonlocal encoded
        request.scope["assetry.route"] = path
        # Half a second of work at the first time, during which other requests go on.
        encoded = encoded or await asyncio.to_thread(lambda: orjson.dumps(document.describe(server)))
        return Response(encoded, media_type="application/json", headers={"Cache-Control": "public, max-age=300"})

    return StarletteRoute(path, endpoint, methods=["GET"])


class _Schemas:
    """The schemas of a document's models: what comes in as it is checked, what goes out as it is written."""

    def __init__(self, document: Document) -> None:
        incoming = [body.model for dialect in document.dialects for route in dialect.routes for body in route.bodies]
        outgoing = [
            *(model for dialect in document.dialects for model in dialect.errors.models.values()),
            *(
                route.answer(status).model
                for dialect in document.dialects
                for route in dialect.routes
                for status in route.answers
            ),
            *(answer.model for endpoint in document.endpoints for answer in endpoint.answers.values()),
        ]
        inputs: dict[Any, Any] = {
            (model, mode): TypeAdapter(model)
            for models, mode in ((incoming, "validation"), (outgoing, "serialization"))
            for model in dict.fromkeys(models)
            if model not in (None, bytes)
        }
        schemas, definitions = TypeAdapter.json_schemas(
            [(model, mode, adapter) for (model, mode), adapter in inputs.items()], ref_template=_SCHEMA
        )
        self._schemas = schemas
        self.components: Json = definitions.get("$defs", {})

    def incoming(self, model: Any) -> Json:
        """Return the schema of a body's model."""
        return self._schemas[model, "validation"]

    def outgoing(self, model: Any) -> Json:
        """Return the schema of an answer's model."""
        return {} if model is bytes else self._schemas[model, "serialization"]


def error_statuses(dialect: Dialect, route: Route) -> list[int]:
    """Return the statuses of errors that a route may answer."""
    codes = {"VALIDATION_ERROR", "INTERNAL_ERROR", "SERVICE_UNAVAILABLE", "NOT_FOUND"}
    if dialect.schemes(route):
        codes |= {"AUTHENTICATION_REQUIRED", "INSUFFICIENT_SCOPE", "RATE_LIMIT_EXCEEDED"}
    if route.bodies or route.idempotent_by_key:
        codes |= {"PAYLOAD_TOO_LARGE", "REQUEST_TIMEOUT"}
    if route.bodies:
        codes |= {"UNSUPPORTED_MEDIA_TYPE"}
    if any(body.media_type.startswith("multipart/") for body in route.bodies):
        codes |= {"INSUFFICIENT_STORAGE"}
    if route.changes:
        codes |= {"CONFLICT"}
    if route.versioned and route.changes:
        codes |= {"PRECONDITION_FAILED"}
    if route.idempotent_by_key:
        codes |= {"REQUEST_IN_PROGRESS", "IDEMPOTENCY_KEY_REUSED"}
    return sorted({dialect.errors.status(code) for code in codes.union(route.errors)})


def _operation(main: Dialect, dialect: Dialect, route: Route, schemas: _Schemas) -> Json:
    handler = route.handler
    summary = _sentence(handler.__doc__)
    module, name = handler.__module__.rpartition(".")[2], getattr(handler, "__name__", "")
    operation: Json = {
        "operationId": route.name or f"{module}_{name}",
        "tags": [_plain(dialect.prefix + route.path).removeprefix(main.prefix).split("/")[1]],
        "summary": summary.replace("`", ""),
        "description": summary if route.scope is None else f"{summary} Scope: `{route.scope}`.",
        "parameters": [
            *_path_parameters(route.path, dialect.path_parameters),
            *_query_parameters(route.params),
            *_header_parameters(route),
        ],
        "responses": _responses(dialect, route, schemas),
    }
    if route.bodies:
        content = {}
        for body in route.bodies:
            content[body.media_type] = {"schema": body.schema(schemas.incoming(body.model))}
            if body.example is not None:
                content[body.media_type]["example"] = body.example
        operation["requestBody"] = {"required": True, "content": content}
    if (security := _security(dialect.schemes(route))) != _security(main.authentication):
        operation["security"] = security
    return operation


def _security(schemes: Sequence[Scheme]) -> list[Json]:
    return [{scheme.name: []} for scheme in schemes]


def _tags(paths: Mapping[str, Json]) -> list[str]:
    operations = [operation for path in paths.values() for operation in path.values()]
    return list(dict.fromkeys(tag for operation in operations for tag in operation["tags"]))


def _plain(path: str) -> str:
    """Return a path without the router's converters: ``{rest:path}`` is ``{rest}``."""
    return re.sub(r"{(\w+):\w+}", r"{\1}", path)


def _sentence(doc: str | None) -> str:
    return " ".join((doc or "").split()).replace("``", "`")


def _path_parameters(path: str, described: PathParameters) -> Iterator[Json]:
    for name in re.findall(r"{(\w+)}", _plain(path)):
        description, schema = described[name]
        yield {"name": name, "in": "path", "required": True, "description": description, "schema": schema}


def _query_parameters(model: type[BaseModel]) -> Iterator[Json]:
    schema = model.model_json_schema(ref_template=_SCHEMA)
    required = schema.get("required", [])
    for name, whole in schema.get("properties", {}).items():
        yield {
            "name": name,
            "in": "query",
            "required": name in required,
            "description": whole.get("description", ""),
            "schema": {key: value for key, value in whole.items() if key not in ("title", "description")},
        }


def _header_parameters(route: Route) -> Iterator[Json]:
    for parameter in _HEADER_PARAMETERS:
        if parameter.taken_by(route):
            yield {
                "name": parameter.name,
                "in": "header",
                "description": parameter.description,
                "schema": parameter.schema,
            }


def _responses(dialect: Dialect, route: Route, schemas: _Schemas) -> Json:
    found: Json = {}
    for status in route.answers:
        found[str(status)] = _answer(route.answer(status), _header_names(route, status), schemas)
    if route.versioned and not route.changes:
        same = Answer(None, "Not modified: the client has it.")
        found["304"] = _answer(same, ["X-Request-ID", "RateLimit", "RateLimit-Policy", "ETag"], schemas)
    for status in error_statuses(dialect, route):
        found[str(status)] = _error(status)
    return found


def _error(status: int) -> Json:
    return {"$ref": f"#/components/responses/{_ERROR.format(status=status)}"}


def _header_names(route: Route, status: int) -> list[str]:
    names = ["X-Request-ID", "RateLimit", "RateLimit-Policy", *route.answer(status).headers]
    if route.changes:
        names.append(INDEX_TOKEN)
    if route.versioned or status == 201:
        names.append("ETag")
    if status in (201, 202):
        names.append("Location")
    if route.idempotent_by_key:
        names.append(REPLAYED)
    return names


def _answer(answer: Answer, headers: Sequence[str], schemas: _Schemas) -> Json:
    found: Json = {"description": answer.description, "headers": _headers(headers)}
    if answer.model is not None:
        content: Json = {"schema": schemas.outgoing(answer.model)}
        if answer.example is not None:
            content["example"] = answer.example
        found["content"] = {answer.media_type: content}
    return found


def _headers(names: Sequence[str]) -> Json:
    return {name: {"description": doc, "schema": schema} for name, (doc, schema) in _HEADERS.items() if name in names}


def _error_responses(errors: ErrorFormat, schemas: _Schemas) -> Iterator[tuple[str, Json]]:
    """Give the errors by status; each says which codes it may have."""
    codes: dict[int, list[str]] = {}
    for code in CODES:
        codes.setdefault(errors.status(code), []).append(code)
    for status, names in sorted(codes.items()):
        yield (
            _ERROR.format(status=status),
            {
                "description": " ".join(f"`{name}`: {CODES[name][1]}" for name in names),
                "headers": _headers(["X-Request-ID", *_ERROR_HEADERS.get(status, ())]),
                "content": {media: {"schema": schemas.outgoing(model)} for media, model in errors.models.items()},
            },
        )


def _endpoint(errors: ErrorFormat, endpoint: Endpoint, schemas: _Schemas) -> Json:
    parameters = [*_path_parameters(endpoint.path, endpoint.path_parameters), *_query_parameters(endpoint.params)]
    return {
        "operationId": re.sub(r"\W+", "_", endpoint.path).strip("_"),
        "tags": ["service"],
        "summary": endpoint.summary,
        "security": [],
        **({"parameters": parameters} if parameters else {}),
        "responses": {
            **{
                str(status): _answer(answer, ["X-Request-ID", *answer.headers], schemas)
                for status, answer in endpoint.answers.items()
            },
            **{str(status): _error(status) for status in sorted({errors.status(code) for code in endpoint.errors})},
        },
    }
