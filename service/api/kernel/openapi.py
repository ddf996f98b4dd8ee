"""``GET /openapi.json``: the API as OpenAPI 3.1, from the route table and the models that check what comes in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

import orjson
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute

from service.api.dialects.native.routes import INDEX_TOKEN, PREFIX, ROUTES, Route
from service.api.kernel.errors import CODES
from service.api.kernel.idempotency import HEADER as IDEMPOTENCY_KEY
from service.api.kernel.idempotency import MAX_LENGTH, REPLAYED

Json = dict[str, Any]

PATH = "/openapi.json"
_REF = "#/components/schemas/{model}"
_STRING: Json = {"type": "string"}
_OBJECT: Json = {"type": "object"}
_PATH_PARAMETERS: Mapping[str, tuple[str, Json]] = {
    "asset_id": ("Id of an asset.", {"type": "string", "pattern": "^asset_[1-9][0-9]{0,15}$"}),
    "search_id": ("Id of a saved search.", {"type": "string", "pattern": "^search_[A-Za-z0-9]+$"}),
    "rendition": ("Which file of the asset.", {"enum": ["original", "thumbnail", "preview"]}),
    "filename": ("Any name; links in answers carry the file's own.", _STRING),
}
_HEADERS: Mapping[str, tuple[str, Json]] = {
    "ETag": ("The version of what was answered, for `If-Match`.", _STRING),
    "Location": ("Where the new record is.", _STRING),
    INDEX_TOKEN: ("For `wait_for` of a search that must see this write.", _STRING),
    REPLAYED: ("`true`: this is the answer of an earlier time that the request came.", {"enum": ["true"]}),
    "X-Request-ID": ("The request's id, also in the log.", _STRING),
}
_IF_MATCH: Json = {
    "name": "If-Match",
    "in": "header",
    "description": "The ETag that the record must still have, else PRECONDITION_FAILED.",
    "schema": _STRING,
}
_IDEMPOTENCY_KEY: Json = {
    "name": IDEMPOTENCY_KEY,
    "in": "header",
    "description": "Names the request, so that it can be sent again: it then has one effect and one answer, for a day.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_LENGTH, "pattern": "^[ -~]+$"},
}
_KEYED_FAILURES: Mapping[int, str] = {
    409: "The same request is under way; `Retry-After` says when to ask again. Or the record exists already.",
    422: "The Idempotency-Key came with another request before.",
}
_ERROR: Json = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "details", "request_id", "timestamp"],
            "properties": {
                "code": {"enum": list(CODES)},
                "message": _STRING,
                "details": _OBJECT,
                "request_id": _STRING,
                "timestamp": {"type": "string", "format": "date-time"},
            },
        }
    },
}
_OPERATORS: tuple[tuple[str, str, Mapping[int, tuple[str, str]]], ...] = (
    ("/healthz", "Say that the process lives.", {200: ("It does.", "application/json")}),
    (
        "/readyz",
        "Say whether the service can serve, engine by engine.",
        {200: ("It can.", "application/json"), 503: ("Not yet, or not now.", "application/json")},
    ),
    ("/metrics", "Return the metrics that Prometheus reads.", {200: ("Prometheus text format.", "text/plain")}),
    (PATH, "Return this description.", {200: ("OpenAPI 3.1.", "application/json")}),
)
"""Routes without a key: path, what they do, their answers."""


def openapi_routes() -> list[StarletteRoute]:
    """Return the router's entry of the description."""

    async def endpoint(request: Request) -> Response:
        request.scope["assetry.route"] = PATH
        return Response(_encoded(), media_type="application/json", headers={"Cache-Control": "public, max-age=300"})

    return [StarletteRoute(PATH, endpoint, methods=["GET"])]


@cache
def _encoded() -> bytes:
    return orjson.dumps(describe())


def describe() -> Json:
    """Return the OpenAPI 3.1 document."""
    bodies = list(dict.fromkeys(route.body for route in ROUTES if route.body is not None))
    paths: dict[str, Json] = {}
    for route in ROUTES:
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = _operation(route)
    paths["/files/{asset_id}/{rendition}/{filename}"] = {"get": _file()}
    for path, summary, answers in _OPERATORS:
        paths[path] = {"get": _operator(path, summary, answers)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Assetry", "version": version("assetry"), "license": {"name": "Apache-2.0"}},
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": {**_schemas(bodies), "Error": _ERROR},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key."}},
        },
    }


def _schemas(models: Iterable[type[BaseModel]]) -> Json:
    _, found = models_json_schema([(model, "validation") for model in models], ref_template=_REF)
    schemas: Json = found["$defs"]
    return schemas


def _operation(route: Route) -> Json:
    summary = _sentence(route.handler.__doc__)
    operation: Json = {
        "operationId": f"{route.handler.__module__.rpartition('.')[2]}_{route.handler.__name__}",
        "tags": [route.path.split("/")[1]],
        "summary": summary,
        "description": f"{summary} Scope: `{route.scope}`.",
        "parameters": [*_path_parameters(route.path), *_query_parameters(route.params), *_header_parameters(route)],
        "responses": _responses(route),
    }
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": _content(route, route.body)}
    return {name: value for name, value in operation.items() if value != []}


def _sentence(doc: str | None) -> str:
    return " ".join((doc or "").split()).replace("``", "`")


def _path_parameters(path: str) -> list[Json]:
    found = []
    for name in re.findall(r"{(\w+)}", path):
        description, schema = _PATH_PARAMETERS[name]
        found.append({"name": name, "in": "path", "required": True, "description": description, "schema": schema})
    return found


def _query_parameters(model: type[BaseModel]) -> list[Json]:
    schema = model.model_json_schema(ref_template=_REF)
    required = schema.get("required", [])
    found = []
    for name, whole in schema.get("properties", {}).items():
        own = {key: value for key, value in whole.items() if key not in ("title", "description")}
        found.append(
            {
                "name": name,
                "in": "query",
                "required": name in required,
                "description": whole.get("description", ""),
                "schema": own,
            }
        )
    return found


def _header_parameters(route: Route) -> list[Json]:
    if route.keyed:
        return [_IDEMPOTENCY_KEY]
    return [_IF_MATCH] if route.method in ("PATCH", "DELETE") else []


def _content(route: Route, body: type[BaseModel]) -> Json:
    schema = {"$ref": _REF.format(model=body.__name__)}
    content: Json = {"application/json": {"schema": schema}}
    if route.form:
        parts: Json = {"asset": schema, "file": {"type": "string", "contentMediaType": "application/octet-stream"}}
        content["multipart/form-data"] = {"schema": {"type": "object", "properties": parts}}
    return content


def _responses(route: Route) -> Json:
    names = ["X-Request-ID", *([INDEX_TOKEN] if route.writes else [])]
    if route.status == 201:
        names += ["ETag", "Location"]
    if route.keyed:
        names.append(REPLAYED)
    headers = {
        name: {"description": doc, "schema": schema} for name, (doc, schema) in _HEADERS.items() if name in names
    }
    done: Json = {
        "description": "It is done." if route.writes else "The answer.",
        "headers": headers,
        "content": {"application/json": {"schema": _OBJECT}},
    }
    failures = {str(status): _failed(text) for status, text in _KEYED_FAILURES.items()} if route.keyed else {}
    return {str(route.status): done, **failures, "default": _failed()}


def _failed(description: str = "An error; see docs/ref-errors.md for the codes.") -> Json:
    error = {"schema": {"$ref": _REF.format(model="Error")}}
    content = {"application/json": error, "application/problem+json": {"schema": _OBJECT}}
    return {"description": description, "content": content}


def _file() -> Json:
    query = {
        "expires": "When the signed link ends, in seconds since 1970.",
        "signature": "The link's signature; without one an API key is needed.",
        "download": "Given: a browser saves the file instead of showing it.",
    }
    parameters = [
        {"name": name, "in": "query", "description": doc, "schema": _STRING, "allowEmptyValue": True}
        for name, doc in query.items()
    ]
    content = {"*/*": {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}}
    return {
        "operationId": "files_read",
        "tags": ["files"],
        "summary": "Return an original or a picture of it, whole or in part.",
        "security": [{"key": []}, {}],
        "parameters": [*_path_parameters("/{asset_id}/{rendition}/{filename}"), *parameters],
        "responses": {
            "200": {"description": "The file.", "content": content},
            "206": {"description": "The part that `Range` asks for.", "content": content},
            "304": {"description": "It is what `If-None-Match` names."},
            "307": {"description": "For a signed link: the files' engine gives it, at `Location`, for some minutes."},
            "default": _failed(),
        },
    }


def _operator(path: str, summary: str, answers: Mapping[int, tuple[str, str]]) -> Json:
    return {
        "operationId": path.strip("/").replace(".", "_"),
        "tags": ["operation"],
        "summary": summary,
        "security": [],
        "responses": {
            str(status): {"description": doc, "content": {media: {"schema": {}}}}
            for status, (doc, media) in answers.items()
        },
    }
