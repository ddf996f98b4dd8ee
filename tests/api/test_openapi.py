"""``/openapi.json``: every route and every parameter is in it, and it holds together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.routing import Route as StarletteRoute

from service.api.app import DIALECTS, DOCUMENTS
from service.api.dialects.native.routes import NATIVE
from service.api.kernel.dispatch import dialect_routes
from service.api.kernel.openapi import OPENAPI
from service.api.ops.health import health_routes
from service.api.ops.metrics import Metrics
from tests.api.client import Api

DOCUMENT = DOCUMENTS[OPENAPI.path].describe()
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
    assert ("X-Index-Token" in headers) == (route.method != "GET" and route.path != "/query/explain")
    keyed = route.method == "POST" and route.path != "/query/explain"
    assert (("header", "Idempotency-Key") in given) == ("Idempotent-Replayed" in headers) == keyed
    assert {"409", "422"} <= set(operation["responses"]) if keyed else "422" not in operation["responses"]
    for body in route.bodies:
        schemas = DOCUMENT["components"]["schemas"]
        assert set(schemas[body.model.__name__]["properties"]) == set(body.model.model_fields)


async def test_it_holds_together() -> None:
    document = DOCUMENT
    for reference in references(document):
        target: Any = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]
    ids = [operation["operationId"] for operations in document["paths"].values() for operation in operations.values()]
    assert len(ids) == len(set(ids))


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)
