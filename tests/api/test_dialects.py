"""The kernel serves any dialect: here a made-up one, with ways of its own, beside the native API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import httpx
import openapi_spec_validator
import orjson
import pytest
import pytest_asyncio
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from typing_extensions import TypedDict

from service.api.dialects.native.routes import NATIVE
from service.api.kernel import event_stream
from service.api.kernel.application import application
from service.api.kernel.authentication import BEARER
from service.api.kernel.call import Call, Reply
from service.api.kernel.context import Context
from service.api.kernel.dialect import Dialect, ErrorFormat, ErrorResponder
from service.api.kernel.dispatch import dialect_routes
from service.api.kernel.errors import Failure
from service.api.kernel.event_stream import ServerEvent, StreamParams, last_event_id
from service.api.kernel.inputs import NoParams, Params
from service.api.kernel.openapi import Document
from service.api.kernel.pagination import Page
from service.api.kernel.route import Answer, Route
from service.api.ops.metrics import Metrics
from service.core.access.keys import Principal
from service.errors import AssetryError, InvalidInput
from tests.api.client import Api, error_of
from tests.support.openapi import Contract

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = "Idempotency-Key"
ENDLESS = 99
STATUSES = {"AUTHENTICATION_REQUIRED": 403, "VALIDATION_ERROR": 422}


@dataclass(frozen=True)
class QueryKey:
    """``?api_key=``."""

    name: str = "query_key"

    @property
    def security(self) -> dict[str, Any]:
        return {"type": "apiKey", "in": "query", "name": "api_key"}

    async def authenticate(self, request: Request, context: Context) -> Principal | None:
        key = request.query_params.get("api_key")
        return await context.keys.authenticate(key) if key else None

    def missing(self, request: Request) -> str:
        return "API key is missing"

    def challenge(self, error: AssetryError) -> str | None:
        return None


class Status(TypedDict):
    code: str | None
    messages: list[str]


class Refused(TypedDict):
    status: Status
    data: None


def respond(request: Request, failure: Failure) -> Response:
    body: Refused = {"status": {"code": None, "messages": [failure.message]}, "data": None}
    return Response(orjson.dumps(body), failure.status, dict(failure.headers), "application/json")


def numbered(name: str, page: Page) -> tuple[Any, Mapping[str, str]]:
    return page.items, {"Total-Entries": str(page.total)}


class Thing(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    size: int = 0


class ListThings(Params):
    page: int = 1


class Made(TypedDict):
    name: str
    size: int


class Tick(TypedDict):
    number: int


async def listing(call: Call[ListThings, None]) -> Reply:
    """List things."""
    return call.page("things", Page([{"name": f"page {call.params.page}", "size": 1}], 10, total=31))


async def create(call: Call[NoParams, Thing]) -> Reply:
    """Make a thing."""
    return Reply({"name": call.body.name, "size": call.body.size}, 200, {"Location": call.url("/things/1")})


async def later(call: Call[NoParams, None]) -> Reply:
    """Begin something long."""
    return call.accepted({"name": "later", "size": 0}, "/things/1")


async def remove(call: Call[NoParams, None]) -> Reply:
    """Remove a thing, and say nothing."""
    return Reply(None, 204)


async def follow(call: Call[StreamParams, None]) -> Response:
    """Count, from where the client was."""
    after = int(last_event_id(call.request, call.params) or 0)
    if after > 100:
        raise InvalidInput("There is no such event.", field="Last-Event-ID")

    async def ticks() -> AsyncIterator[ServerEvent]:
        for number in range(after + 1, after + 4):
            yield ServerEvent({"number": number}, event="tick", id=str(number))
        if after == ENDLESS:
            await asyncio.Event().wait()

    return call.events(ticks())


async def stream(call: Call[NoParams, None]) -> Response:
    """Return lines."""

    async def lines() -> AsyncIterator[bytes]:
        yield b"one\n"
        yield b"two\n"

    return StreamingResponse(lines(), media_type="text/plain")


async def broken(call: Call[NoParams, None]) -> Reply:
    """Fail."""
    raise RuntimeError("secret words")


async def hello(call: Call[NoParams, None]) -> Reply:
    """Greet anybody."""
    return Reply({"name": call.who.org_id, "size": len(call.who.scopes)})


MADE = Answer(Made, headers=("Location",))
TOY = Dialect(
    name="toy",
    title="Toys",
    description="A made-up API.",
    prefix="/toy/v2",
    routes=(
        Route("GET", "/things", listing, "assets:read", {200: list[Made]}, ListThings),
        Route("POST", "/things", create, "assets:write", {200: MADE}, body=Thing, changes=True),
        Route("GET", "/open", hello, None, {200: Made}, authentication=()),
        Route("POST", "/things/later", later, "assets:write", {202: Made}, changes=True),
        Route("DELETE", "/things/{thing}", remove, "assets:write", {204: Answer(None, "It is gone.")}, changes=True),
        Route("GET", "/things/{path:path}/lines", stream, "assets:read", {200: Answer(str, media_type="text/plain")}),
        Route(
            "GET",
            "/events",
            follow,
            "assets:read",
            {200: Answer(Tick, "Events as they come.", event_stream.MEDIA_TYPE)},
            StreamParams,
        ),
        Route("GET", "/broken", broken, "assets:read", {200: Made}),
        Route("GET", "/bearer", broken, "assets:read", {200: Made}, authentication=(BEARER,), name="by_bearer"),
    ),
    authentication=(QueryKey(), BEARER),
    errors=ErrorFormat(respond, {"application/json": Refused}, STATUSES),
    unknown="ignore",
    pages=numbered,
    path_parameters={"thing": ("A thing.", {"type": "string"}), "path": ("Some path.", {"type": "string"})},
)


@asynccontextmanager
async def serving(context: Context) -> AsyncIterator[httpx.AsyncClient]:
    routes = [route for dialect in (NATIVE, TOY) for route in dialect_routes(dialect, context)]
    app = application(routes, ErrorResponder((NATIVE, TOY), NATIVE.errors), Metrics(tuple).request, 30.0)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://toys.test") as http:
        yield http


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def toys(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(api.service.context) as http:
        yield http


def refused(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    body = response.json()
    assert set(body) == {"status", "data"}
    message: str = body["status"]["messages"][0]
    return message


async def test_each_dialect_has_its_credentials(api: Api, toys: httpx.AsyncClient) -> None:
    bearer = {"Authorization": f"Bearer {api.key}"}
    assert (await toys.get("/toy/v2/things", params={"api_key": api.key})).status_code == 200
    assert (await toys.get("/toy/v2/things", headers=bearer)).status_code == 200
    both: dict[str, Any] = {"params": {"api_key": api.key}, "headers": {"Authorization": "Basic eDp5"}}
    assert (await toys.request("GET", "/toy/v2/things", **both)).status_code == 200
    wrong = await toys.get("/toy/v2/things", params={"api_key": "wrong"}, headers=bearer)
    assert refused(wrong, 403) == "Unknown or revoked API key."
    assert "Missing API key" in refused(await toys.get("/toy/v2/things"), 403)
    assert wrong.headers["www-authenticate"] == 'Bearer realm="assetry"'
    native = await toys.get("/v1/asset-library/assets/search", params={"api_key": api.key})
    error_of(native, 401, "AUTHENTICATION_REQUIRED")
    assert (await toys.get("/toy/v2/bearer", params={"api_key": api.key})).status_code == 403


async def test_a_route_can_be_open_to_everybody(toys: httpx.AsyncClient) -> None:
    assert (await toys.get("/toy/v2/open")).json() == {"name": "", "size": 0}
    described = Document((TOY,)).describe()["paths"]["/toy/v2/open"]["get"]
    assert described["security"] == []
    assert not {"401", "403", "429"} & set(described["responses"])


async def test_scopes_hold_in_every_dialect(api: Api, toys: httpx.AsyncClient) -> None:
    reader = await api.as_user(scopes="assets:read")
    answer = await toys.post("/toy/v2/things", params={"api_key": reader.key}, json={"name": "x"})
    assert "assets:write" in refused(answer, 403)
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


async def test_errors_have_the_shape_of_the_prefix(api: Api, toys: httpx.AsyncClient) -> None:
    assert refused(await toys.get("/toy/v2/nowhere"), 404) == "There is nothing at /toy/v2/nowhere."
    not_allowed = await toys.patch("/toy/v2/things")
    assert refused(not_allowed, 405)
    assert set(not_allowed.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}
    assert refused(await toys.get("/toy/v2"), 404)
    error_of(await toys.get("/toy/v22/things"), 404, "NOT_FOUND")
    error_of(await toys.get("/"), 404, "NOT_FOUND")
    error_of(await toys.get("/v1/asset-library/nowhere"), 404, "NOT_FOUND")
    fault = await toys.get("/toy/v2/broken", params={"api_key": api.key})
    assert "secret" not in refused(fault, 500)


async def test_unknown_names_are_ignored_where_the_dialect_does(api: Api, toys: httpx.AsyncClient) -> None:
    params: list[tuple[str, str | int | float | bool | None]] = [("api_key", api.key), ("page", 2)]
    params += [("odd", 1), ("odd", 2)]
    assert (await toys.get("/toy/v2/things", params=params)).json()[0]["name"] == "page 2"
    body = {"name": "x", "colour": {"deep": 1}}
    made = await toys.post("/toy/v2/things", params={"api_key": api.key}, json=body)
    assert made.json() == {"name": "x", "size": 0}
    wrong = await toys.post("/toy/v2/things", params={"api_key": api.key}, json={"name": 5, "colour": "red"})
    assert "name" in refused(wrong, 422)
    assert "page" in refused(await toys.get("/toy/v2/things", params=[*params, ("page", 3)]), 422)


async def test_pages_look_as_the_dialect_shows_them(api: Api, toys: httpx.AsyncClient) -> None:
    answer = await toys.get("/toy/v2/things", params={"api_key": api.key})
    assert answer.json() == [{"name": "page 1", "size": 1}]
    assert answer.headers["total-entries"] == "31"


async def test_what_changes_something_says_so(api: Api, toys: httpx.AsyncClient) -> None:
    made = await toys.post("/toy/v2/things", params={"api_key": api.key}, json={"name": "x"})
    assert made.headers["x-index-token"]
    assert made.headers["location"] == "http://toys.test/toy/v2/things/1"
    accepted = await toys.post("/toy/v2/things/later", params={"api_key": api.key})
    assert (accepted.status_code, accepted.headers["location"]) == (202, "http://toys.test/toy/v2/things/1")
    gone = await toys.delete("/toy/v2/things/7", params={"api_key": api.key})
    assert (gone.status_code, gone.content, gone.headers.get("content-type")) == (204, b"", None)
    assert gone.headers["x-index-token"]
    assert "x-index-token" not in (await toys.get("/toy/v2/things", params={"api_key": api.key})).headers


async def test_keys_of_requests_hold_in_every_dialect(api: Api, toys: httpx.AsyncClient) -> None:
    async def post(path: str, **options: Any) -> httpx.Response:
        return await toys.post(path, params={"api_key": api.key}, headers={KEY: "toy key"}, **options)

    first, again = [await post("/toy/v2/things", json={"name": "once"}) for _ in range(2)]
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    assert "another request" in refused(await post("/toy/v2/things", json={"name": "twice"}), 422)
    assert "another request" in refused(await post("/toy/v2/things/later", content=b"anything"), 422)


async def test_a_reply_is_encoded_once(api: Api, toys: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[Any] = []

    def dumps(value: Any, *options: Any) -> bytes:
        encoded.append(value)
        return orjson.dumps(value, *options)

    monkeypatch.setattr("service.api.kernel.idempotency.orjson", SimpleNamespace(dumps=dumps))
    for headers, times in (({}, 1), ({KEY: "encoded once"}, 1), ({KEY: "encoded once"}, 0)):
        encoded.clear()
        answer = await toys.post("/toy/v2/things", params={"api_key": api.key}, json={"name": "x"}, headers=headers)
        assert answer.json() == {"name": "x", "size": 0}
        assert len(encoded) == times


async def test_a_stream_is_no_reply_and_passes(api: Api, toys: httpx.AsyncClient) -> None:
    answer = await toys.get("/toy/v2/things/a/b/c/lines", params={"api_key": api.key})
    assert (answer.text, answer.headers["cache-control"]) == ("one\ntwo\n", "private, no-cache")
    assert answer.headers["content-type"].startswith("text/plain")


async def test_events(api: Api, toys: httpx.AsyncClient) -> None:
    path, params = "/toy/v2/events", {"api_key": api.key}
    answer = await toys.get(path, params=params)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store, no-transform"
    events = [event for event in answer.text.split("\n\n") if event and not event.startswith((":", "retry:"))]
    assert events[0] == 'id: 1\nevent: tick\ndata: {"number":1}'
    assert len(events) == 3
    for headers, more in (({"Last-Event-ID": "7"}, {}), ({}, {"last_event_id": "7"})):
        answer = await toys.get(path, params=params | more, headers=headers)
        assert 'id: 8\nevent: tick\ndata: {"number":8}' in answer.text
    assert refused(await toys.get(path, params={**params, "last_event_id": "101"}), 422)
    assert refused(await toys.get(path, params=params, headers={"Last-Event-ID": "1" * 2000}), 422)


async def test_streams_end_when_the_service_stops(api: Api) -> None:
    stopping = asyncio.Event()
    async with serving(replace(api.service.context, stopping=stopping)) as http:
        asked = asyncio.create_task(http.get("/toy/v2/events", params={"api_key": api.key, "last_event_id": ENDLESS}))
        asyncio.get_running_loop().call_soon(stopping.set)
        assert (await asked).status_code == 200


async def test_each_dialect_has_its_description(api: Api, toys: httpx.AsyncClient) -> None:
    document = Document((TOY,)).describe()
    openapi_spec_validator.validate(document)
    assert document["info"]["title"] == "Toys"
    assert document["security"] == [{"query_key": []}, {"key": []}]
    operations = document["paths"]["/toy/v2/things"]
    assert {"403", "422"} <= set(operations["get"]["responses"])
    assert "401" not in operations["get"]["responses"]
    assert "/toy/v2/things/{path}/lines" in document["paths"]
    headers = [parameter["name"] for parameter in document["paths"]["/toy/v2/events"]["get"]["parameters"]]
    assert "Last-Event-ID" in headers
    contract = Contract(document)
    for method, path, options in (
        ("GET", "/toy/v2/things", {}),
        ("POST", "/toy/v2/things", {"json": {"name": "x"}}),
        ("POST", "/toy/v2/things", {"json": {}}),
        ("POST", "/toy/v2/things/later", {}),
        ("DELETE", "/toy/v2/things/7", {}),
        ("GET", "/toy/v2/nowhere", {}),
    ):
        answer = await toys.request(method, path, params={"api_key": api.key}, **options)
        contract.check(answer.request, answer)
    with pytest.raises(ValueError, match="in the same way"):
        Document((NATIVE, TOY)).describe()
