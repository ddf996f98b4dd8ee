"""Checks requests and answers against an OpenAPI 3.1 document.

openapi-core takes 10 to 400 ms an answer of a search; a compiled validator of the document's own schemas takes
microseconds, so that every answer of every test can be checked.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpx
import jsonschema_rs
import orjson

Json = dict[str, Any]
STREAMS = ("text/event-stream",)
_DRAFT = "https://json-schema.org/draft/2020-12/schema"


class ContractError(AssertionError):
    """A request or an answer is not as the document says."""


@dataclass(frozen=True)
class _Path:
    """A path of the document; one with fewer parameters goes before one with more (OpenAPI 3.1 §4.8.8.2)."""

    template: str
    operations: Json

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        parts = re.split(r"({\w+})", self.template)
        return re.compile("".join("[^/]+" if part.startswith("{") else re.escape(part) for part in parts))


class Contract:
    """A document, with its schemas closed: an answer must not hold what the document does not name.

    To clients the schemas are open, for answers may gain members; the tests are to notice each.
    """

    def __init__(self, document: Json) -> None:
        self._document = _closed(document)
        paths = (_Path(template, operations) for template, operations in self._document["paths"].items())
        self._paths = sorted(paths, key=lambda path: path.template.count("{"))
        self._validators: dict[str, Any] = {}

    def check(self, request: httpx.Request, response: httpx.Response) -> None:
        """Raise ContractError unless the answer is one that the document allows for the request.

        Of requests those are checked that were understood: what is refused may be as wrong as it likes.
        """
        place = f"{request.method} {request.url.path} → {response.status_code}"
        found = self._operation(request)
        if found is None:
            self._check_response(place, self._error(response, place), response, request)
            return
        pointer, operation = found
        described = operation["responses"].get(str(response.status_code))
        if described is None:
            raise ContractError(f"{place}: this status is not described ({', '.join(operation['responses'])})")
        self._check_response(place, self._resolved(described), response, request)
        if response.is_success:
            self._check_request(place, pointer, operation, request)

    def _operation(self, request: httpx.Request) -> tuple[str, Json] | None:
        method = "get" if request.method == "HEAD" else request.method.lower()
        for path in self._paths:
            if path.pattern.fullmatch(request.url.path):
                operation = path.operations.get(method)
                return None if operation is None else (f"{method} {path.template}", operation)
        return None

    def _error(self, response: httpx.Response, place: str) -> Json:
        """Return the shape of an error that no operation describes, of a path or method that does not exist."""
        name = f"Error{response.status_code}"
        described: Json | None = self._document["components"]["responses"].get(name)
        if described is None:
            raise ContractError(f"{place}: neither the path nor the error is described")
        return described

    def _resolved(self, described: Json) -> Json:
        name = described.get("$ref", "").rpartition("/")[2]
        found: Json = self._document["components"]["responses"][name] if name else described
        return found

    def _check_response(self, place: str, described: Json, response: httpx.Response, request: httpx.Request) -> None:
        known = {name.lower() for name in self._header_names}
        for name in sorted(known & set(response.headers.keys())):
            schema = _lower(described.get("headers", {})).get(name)
            if schema is None:
                raise ContractError(f"{place}: the header {name} is not described")
            value = response.headers[name]
            typed = int(value) if schema["schema"].get("type") == "integer" and value.isdigit() else value
            self._validate(f"{place}: header {name}", schema["schema"], typed)
        content: Json = described.get("content", {})
        if request.method == "HEAD":
            return
        if not content:
            if response.content:
                raise ContractError(f"{place}: no body is described, and one came")
            return
        media = response.headers.get("content-type", "").split(";")[0]
        if media not in content and "*/*" not in content:
            raise ContractError(f"{place}: the media type {media!r} is not described ({', '.join(content)})")
        schema = (content.get(media) or content["*/*"])["schema"]
        if schema and media not in STREAMS:
            is_json = media == "application/json" or media.endswith("+json")
            self._validate(place, schema, orjson.loads(response.content) if is_json else response.text)

    def _check_request(self, place: str, pointer: str, operation: Json, request: httpx.Request) -> None:
        parameters = operation.get("parameters", [])
        queries = {parameter["name"] for parameter in parameters if parameter["in"] == "query"}
        security = operation.get("security", self._document["security"])
        schemes = self._document["components"]["securitySchemes"]
        queries |= {schemes[name]["name"] for one in security for name in one if schemes[name].get("in") == "query"}
        if unknown := set(request.url.params.keys()) - queries:
            raise ContractError(f"{place}: parameters that are not described were taken: {unknown}")
        media = request.headers.get("content-type", "").split(";")[0]
        content = operation.get("requestBody", {}).get("content", {})
        if content and media.endswith("json"):
            self._validate(f"{place}: request", content["application/json"]["schema"], orjson.loads(request.content))

    def _validate(self, place: str, schema: Json, value: Any) -> None:
        key = orjson.dumps(schema).decode()
        if key not in self._validators:
            whole = {"$schema": _DRAFT, **schema, "components": self._document["components"]}
            self._validators[key] = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
        problems = [f"{_where(error)}: {error.message[:500]}" for error in self._validators[key].iter_errors(value)]
        if problems:
            raise ContractError(f"{place}: " + "; ".join(problems))

    @cached_property
    def _header_names(self) -> set[str]:
        """The headers that the document names anywhere: wherever one of them comes, it must be described."""
        return {name for response in self._responses() for name in response.get("headers", {})}

    def _responses(self) -> Iterator[Json]:
        yield from self._document["components"]["responses"].values()
        for path in self._document["paths"].values():
            for operation in path.values():
                yield from operation["responses"].values()


def _where(error: Any) -> str:
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.instance_path)


def _lower(headers: Mapping[str, Json]) -> dict[str, Json]:
    return {name.lower(): described for name, described in headers.items()}


def _closed(value: Any) -> Any:
    """Return a document whose objects allow no members but those that they name, where they say nothing else."""
    value = copy.deepcopy(value)

    def close(node: Any) -> None:
        if isinstance(node, list):
            for item in node:
                close(item)
        elif isinstance(node, dict):
            if node.get("type") == "object" and "properties" in node:
                node.setdefault("additionalProperties", False)
            for name, item in node.items():
                if name not in ("example", "examples", "default", "enum", "const"):
                    close(item)

    close(value["components"]["schemas"])
    close(value["paths"])
    return value
