"""The last nets: whatever fails inside, a client gets an envelope with the right status and no inside words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from query.errors import QueryError, QueryProblem
from query.types import SearchRequest
from service import errors as e
from service.api.app import ERRORS
from service.api.kernel.errors import CODES, failure
from service.api.kernel.middleware.edge import Edge
from service.api.ops.metrics import Metrics
from service.core.access.keys import Principal
from service.core.search.search import Searches
from service.ports.clock import SystemClock
from service.ports.search import Rejected
from tests.api.client import Api, error_of

FAILURES: list[tuple[Exception, int, str]] = [
    (e.InvalidInput("m", field="f"), 400, "VALIDATION_ERROR"),
    (QueryError(QueryProblem("syntax", "m")), 400, "VALIDATION_ERROR"),
    (e.IngestError("m", reason="malformed"), 400, "VALIDATION_ERROR"),
    (e.TooLarge("m"), 413, "PAYLOAD_TOO_LARGE"),
    (e.NotAuthenticated("m"), 401, "AUTHENTICATION_REQUIRED"),
    (e.NotAllowed("m", scope="s"), 403, "INSUFFICIENT_SCOPE"),
    (e.NotFound("asset", "asset_1"), 404, "ASSET_NOT_FOUND"),
    (e.NotFound("rendition", "poster"), 404, "NOT_FOUND"),
    (e.AlreadyExists("asset", "slug", "x"), 409, "CONFLICT"),
    (e.Conflict("asset", "asset_1", expected=1, rev=2), 412, "PRECONDITION_FAILED"),
    (e.Unavailable("search", "secret words of 10.0.0.7"), 503, "SERVICE_UNAVAILABLE"),
    (e.StorageFull("files", "secret words of /srv/x"), 507, "INSUFFICIENT_STORAGE"),
    (Rejected(400, "parsing_exception", "secret words"), 500, "INTERNAL_ERROR"),
    (RuntimeError("secret words"), 500, "INTERNAL_ERROR"),
]


@pytest.mark.parametrize(("error", "status", "code"), FAILURES, ids=lambda value: type(value).__name__)
def test_each_error_has_its_status(error: Exception, status: int, code: str) -> None:
    found = failure(error)
    assert (found.status, found.code) == (status, code)
    assert CODES[code][0] == status
    assert "secret" not in found.message + str(found.details)


async def test_an_unforeseen_error_is_an_envelope(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError("secret words")

    metrics = Metrics(dict)
    transport = httpx.ASGITransport(app=Edge(broken, metrics.request, ERRORS.respond))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        response = await client.get("/anything")
    error_of(response, 500, "INTERNAL_ERROR")
    assert "secret" not in response.text
    assert b'status="500"' in metrics.render()


class Engine:
    """An engine that always fails, in a given way."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def search(self, _index: str, _body: Mapping[str, Any], *, timeout: float = 10.0) -> dict[str, Any]:
        raise self._error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Rejected(400, "too_many_clauses", "x"), e.InvalidInput),
        (Rejected(403, "security_exception", "x"), Rejected),
        (e.Unavailable("search", "gone"), e.Unavailable),
    ],
)
async def test_what_the_engine_refuses(error: Exception, expected: type[Exception]) -> None:
    searches = Searches(Engine(error), "assets", SystemClock(), b"key")  # type: ignore[arg-type]
    with pytest.raises(expected):
        await searches.run(Principal("acme", "kim", frozenset()), SearchRequest(text="x"))


@pytest.mark.asyncio(loop_scope="module")
async def test_a_title_that_another_asset_bears(api: Api) -> None:
    await api.create(title="Taken title")
    asset = await api.create(title="Free title", description="d", rating=3)
    changed = await api.ok(
        "PATCH", f"/assets/{asset['id']}", json={"title": "Taken title", "description": None, "tags": ["x"]}
    )
    assert changed["slug"] == f"taken-title-{asset['id'].removeprefix('asset_')}"
    assert (changed["description"], changed["rating"], changed["tags"]) == (None, 3, ["x"])


def test_an_index_that_is_being_built_is_no_engine_that_is_down() -> None:
    found = failure(e.IndexBuilding("search", "the index 'assets' does not exist (yet)"))
    assert (found.status, found.details["reason"]) == (503, "index_building")
    assert "being built" in found.message
    assert "Retry-After" in found.headers
