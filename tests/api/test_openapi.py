"""``/openapi.json``: every route and every parameter is in it, and it holds together."""

from __future__ import annotations

import re
from typing import Any, get_args, get_type_hints

import openapi_spec_validator
import pytest
from jsonschema_rs import Draft202012Validator
from starlette.routing import Route as StarletteRoute

from service.api.app import DIALECTS, DOCUMENTS
from service.api.dialects.native.routes import FILES, NATIVE
from service.api.kernel.dispatch import dialect_routes
from service.api.kernel.errors import CODES
from service.api.kernel.openapi import OPENAPI
from service.api.ops.health import health_routes
from service.api.ops.metrics import Metrics
from service.api.viewer import viewer_routes
from tests.api.client import Api

DOCUMENT = DOCUMENTS[OPENAPI.path].describe()
READ_BY_POST = {"/query/explain", "/assets/bulk/retrieve"}
"""Paths whose POST changes nothing: their question is too long for a URL."""

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_it_is_served_without_a_key(api: Api) -> None:
    response = await api.http.get("/openapi.json")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == DOCUMENT
    assert response.json()["openapi"] == "3.1.0"


async def test_every_route_of_the_router_is_in_it(api: Api) -> None:
    context = api.service.context
    metrics = Metrics(api.service.gauges)
    routes = [
        *(route for dialect in DIALECTS for route in dialect_routes(dialect, context)),
        *viewer_routes(DOCUMENTS),
        *health_routes(context.probes, metrics),
    ]
    served = {(route.path, method.lower()) for route in routes for method in methods(route)} | {(OPENAPI.path, "get")}
    described = {(path, method) for path, operations in DOCUMENT["paths"].items() for method in operations}
    assert described == served


def methods(route: StarletteRoute) -> set[str]:
    return {method for method in route.methods or () if method != "HEAD"}


@pytest.mark.parametrize("route", NATIVE.routes, ids=lambda route: f"{route.method} {route.path}")
async def test_every_parameter_is_in_it(route: Any) -> None:
    operation = DOCUMENT["paths"][NATIVE.prefix + route.path][route.method.lower()]
    given = {(parameter["in"], parameter["name"]) for parameter in operation.get("parameters", ())}
    assert {name for place, name in given if place == "query"} == set(route.params.model_fields)
    assert {name for place, name in given if place == "path"} == set(re.findall(r"{(\w+)}", route.path))
    assert all(parameter["description"] and parameter["schema"] for parameter in operation.get("parameters", ()))
    assert operation["summary"]
    assert str(route.status) in operation["responses"]
    assert ("requestBody" in operation) == (route.body is not None)
    headers = operation["responses"][str(route.status)]["headers"]
    assert ("X-Index-Token" in headers) == route.changes
    keyed = route.changes and (route.method == "POST" or 202 in route.answers)
    assert (("header", "Idempotency-Key") in given) == ("Idempotent-Replayed" in headers) == keyed
    assert {"409", "422"} <= set(operation["responses"]) if keyed else "422" not in operation["responses"]
    for body in route.bodies:
        schemas = DOCUMENT["components"]["schemas"]
        assert set(schemas[body.model.__name__]["properties"]) == set(body.model.model_fields)


@pytest.mark.parametrize("path", DOCUMENTS)
async def test_it_is_valid(path: str) -> None:
    document = DOCUMENTS[path].describe("https://assets.example.org")
    openapi_spec_validator.validate(document)
    assert document["servers"] == [{"url": "https://assets.example.org"}]
    operations = [operation for operations in document["paths"].values() for operation in operations.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids))
    for operation in operations:
        for status, response in operation["responses"].items():
            for media, content in response.get("content", {}).items():
                assert content["schema"] or media == "*/*", (operation["operationId"], status)


async def test_every_error_is_described_in_both_shapes() -> None:
    responses = DOCUMENT["components"]["responses"]
    assert {f"Error{status}" for status, _ in CODES.values()} == set(responses)
    for code, (status, _) in CODES.items():
        described = responses[f"Error{status}"]
        assert f"`{code}`" in described["description"]
        assert set(described["content"]) == {"application/json", "application/problem+json"}
    for path, operations in DOCUMENT["paths"].items():
        if path.startswith(NATIVE.prefix):
            for operation in operations.values():
                assert {"400", "401", "403", "404", "429", "500", "503"} <= set(operation["responses"])


async def test_examples_are_right() -> None:
    validators = {
        name: Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]})
        for name in DOCUMENT["components"]["schemas"]
    }
    shown = [
        (name, example)
        for name, schema in DOCUMENT["components"]["schemas"].items()
        for example in schema.get("examples", ())
    ]
    shown += [
        (content["schema"]["$ref"].rpartition("/")[2], content["example"])
        for operations in DOCUMENT["paths"].values()
        for operation in operations.values()
        for content in operation.get("requestBody", {}).get("content", {}).values()
        if "example" in content
    ]
    assert len(shown) >= 5
    for name, example in shown:
        validators[name].validate(example)


@pytest.mark.parametrize("route", [*NATIVE.routes, *FILES.routes], ids=lambda route: f"{route.method} {route.path}")
async def test_a_handler_takes_what_its_row_says(route: Any) -> None:
    (call,) = [hint for name, hint in get_type_hints(route.handler).items() if name == "call"]
    params, body = get_args(call)
    assert params is route.params
    assert [body] == ([*dict.fromkeys(kind.model for kind in route.bodies)] or [type(None)])
    assert route.changes == (route.method != "GET" and route.path not in READ_BY_POST)


async def test_problem_details_are_as_described(api: Api) -> None:
    headers = {"Accept": "application/problem+json"}
    for path, status in (("/assets/asset_999999", 404), ("/assets/x", 400), ("/nowhere", 404)):
        response = await api.call("GET", path, headers=headers)
        assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
