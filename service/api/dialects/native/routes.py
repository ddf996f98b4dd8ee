"""The native API's routes: one table, from which the router, OpenAPI and ``docs/ref-api.md`` are made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from http import HTTPStatus

from pydantic import BaseModel
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute

from query.errors import QueryError
from service.api.dialects.native import assets, explain, saved_searches, search, suggest
from service.api.dialects.native.errors import respond
from service.api.dialects.native.explain import ExplainQuery
from service.api.dialects.native.params import (
    AdvancedSearch,
    BasicSearch,
    DeleteAsset,
    ExecuteSearch,
    FacetSearch,
    ListSearches,
    NoParams,
    ReadAsset,
    Suggest,
)
from service.api.kernel.call import Call, Handler
from service.api.kernel.content import read_content
from service.api.kernel.context import Context
from service.api.kernel.errors import failure
from service.api.kernel.idempotency import REPLAYED, fingerprint, kept, read_key, response_of, work
from service.api.kernel.inputs import read_query
from service.core.search.saved_searches import SearchCreate, SearchPatch
from service.errors import AssetryError, Unavailable
from service.model import AssetCreate, AssetPatch
from service.ports.search import Rejected

PREFIX = "/v1/asset-library"
INDEX_TOKEN = "X-Index-Token"  # noqa: S105 - a header's name
"""The header of a write's answer that a later search may wait for."""


@dataclass(frozen=True, slots=True)
class Route:
    """A method of a path: its handler, the scope it needs, and the models that check what comes in.

    ``form`` says that the body may come as multipart/form-data with a file, too.
    """

    method: str
    path: str
    handler: Handler
    scope: str
    params: type[BaseModel] = NoParams
    body: type[BaseModel] | None = None
    status: int = 200
    form: bool = False

    @property
    def writes(self) -> bool:
        """Whether it changes records: its answers then carry ``X-Index-Token``."""
        return self.scope.endswith(":write")

    @property
    def keyed(self) -> bool:
        """Whether it takes an Idempotency-Key: the other methods that write may be repeated as they are."""
        return self.writes and self.method == "POST"


ROUTES: tuple[Route, ...] = (
    Route("GET", "/assets/search", search.basic, "assets:read", BasicSearch),
    Route("GET", "/assets/search/advanced", search.advanced, "assets:read", AdvancedSearch),
    Route("GET", "/assets/search/facets", search.facets, "assets:read", FacetSearch),
    Route("POST", "/assets", assets.create, "assets:write", NoParams, AssetCreate, 201, form=True),
    Route("GET", "/assets/{asset_id}", assets.read, "assets:read", ReadAsset),
    Route("PATCH", "/assets/{asset_id}", assets.update, "assets:write", NoParams, AssetPatch),
    Route("DELETE", "/assets/{asset_id}", assets.delete, "assets:write", DeleteAsset),
    Route("GET", "/suggest", suggest.suggest, "assets:read", Suggest),
    Route("POST", "/query/explain", explain.explain, "assets:read", NoParams, ExplainQuery),
    Route("POST", "/searches", saved_searches.create, "assets:write", NoParams, SearchCreate, 201),
    Route("GET", "/searches", saved_searches.listing, "assets:read", ListSearches),
    Route("GET", "/searches/{search_id}", saved_searches.read, "assets:read"),
    Route("PATCH", "/searches/{search_id}", saved_searches.update, "assets:write", NoParams, SearchPatch),
    Route("DELETE", "/searches/{search_id}", saved_searches.delete, "assets:write"),
    Route("GET", "/searches/{search_id}/execute", saved_searches.execute, "assets:read", ExecuteSearch),
)


def native_routes(context: Context) -> list[StarletteRoute]:
    """Return the router's entries, one a path: the methods of a path answer 405 together."""
    by_path: dict[str, dict[str, Route]] = {}
    for route in ROUTES:
        by_path.setdefault(route.path, {})[route.method] = route
    return [
        StarletteRoute(PREFIX + path, _endpoint(context, methods), methods=list(methods))
        for path, methods in by_path.items()
    ]


def _endpoint(context: Context, methods: dict[str, Route]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        route = methods["GET" if request.method == "HEAD" else request.method]
        request.scope["assetry.route"] = PREFIX + route.path
        try:
            return await _serve(context, route, request)
        except ClientDisconnect:
            raise
        except (AssetryError, QueryError, Rejected) as error:
            request.scope["assetry.error"] = error
            return respond(request, failure(error))

    return endpoint


async def _serve(context: Context, route: Route, request: Request) -> Response:
    who = await context.keys.authenticate(request.headers.get("authorization"))
    request.scope["assetry.who"] = who
    quota = await context.rate_limiter.take(who)
    who.allow(route.scope)
    params = read_query(route.params, request)
    key = read_key(request) if route.keyed else None
    headers = {"Cache-Control": "private, no-cache", **(quota.headers if quota else {})}
    async with read_content(request, context, form=route.form, digest=key is not None) as content:
        call = Call(content.request, context, who, params, context.base(request), PREFIX, content.form)
        if key is None:
            reply = kept(await route.handler(call))
        else:
            run = work(request, lambda attempt: route.handler(replace(call, attempt=attempt)))
            answer = await context.idempotency.once(who, key, fingerprint(request, content.digest), run)
            reply = answer.reply
            headers |= {REPLAYED: "true"} if answer.replayed else {}
    if route.writes and reply.status < HTTPStatus.BAD_REQUEST:
        headers |= await _index_token(context)
    return response_of(reply, headers)


async def _index_token(context: Context) -> dict[str, str]:
    try:
        return {INDEX_TOKEN: await context.consistency.token()}
    except Unavailable:
        return {}  # the write is done: its answer must not become an error for want of a header
