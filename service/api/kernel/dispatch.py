"""The dispatcher: serves the routes of every dialect, from a request to its answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute

from service.api.kernel.authentication import authenticate, client_address
from service.api.kernel.bodies import receive
from service.api.kernel.call import Call, Reply
from service.api.kernel.conditions import is_unchanged
from service.api.kernel.context import Context
from service.api.kernel.dialect import Dialect
from service.api.kernel.idempotency import REPLAYED, fingerprint, read_key, response_of, stored, work
from service.api.kernel.inputs import read_query
from service.api.kernel.route import INDEX_TOKEN, Route
from service.core.shared.authorship import Actor, acting
from service.core.shared.idempotency import Attempt
from service.errors import NotAuthenticated, Unavailable

_READS = ("GET", "HEAD")


def dialect_routes(dialect: Dialect, context: Context) -> list[StarletteRoute]:
    """Return the router's entries, one a path: the methods of a path answer 405 together."""
    by_path: dict[str, dict[str, Route]] = {}
    for route in dialect.routes:
        by_path.setdefault(route.path, {})[route.method] = route
    return [
        StarletteRoute(dialect.prefix + path, _endpoint(dialect, context, methods), methods=list(methods))
        for path, methods in by_path.items()
    ]


def _endpoint(
    dialect: Dialect, context: Context, methods: Mapping[str, Route]
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        route = methods["GET" if request.method == "HEAD" else request.method]
        request.scope["assetry.route"] = dialect.prefix + route.path
        return await _serve(dialect, context, route, request)

    return endpoint


async def _serve(dialect: Dialect, context: Context, route: Route, request: Request) -> Response:
    """Return the answer to a request. Whatever is wrong is raised: :class:`ErrorResponder` answers it."""
    who = await authenticate(dialect.schemes(route), request, context)
    request.scope["assetry.who"] = who
    quota = await context.rate_limiter.take(who, client_address(request))
    if route.scope is not None:
        who.allow(route.scope)
    params = read_query(route.params, request, dialect.unknown)
    key = read_key(request) if route.idempotent_by_key else None
    headers = {"Cache-Control": "private, no-cache", **(quota.headers if quota else {})}
    async with receive(route.bodies, request, context, whole=key is not None) as received:

        async def handle(attempt: Attempt | None = None) -> Reply | Response:
            call = Call(
                request=request,
                context=context,
                who=who,
                params=params,
                body=received.parse(dialect.unknown),
                base=context.base(request),
                prefix=dialect.prefix,
                pages=dialect.pages,
                uploads=received.uploads,
                attempt=attempt,
                still_valid=still_valid,
            )
            with acting(Actor(who.user_id or None, who.key_id or None, request.scope.get("assetry.request_id"))):
                return await route.handler(call)

        async def still_valid() -> bool:
            try:
                return await authenticate(dialect.schemes(route), request, context) == who
            except NotAuthenticated:
                return False
            except Unavailable:
                return True  # it is not known to be revoked: the next look will tell

        if key is None:
            response = _response(request, route, await handle())
        else:
            run = work(request, handle, dialect.respond)
            asked = fingerprint(request, await received.digest())
            outcome = await context.idempotency.once(who, key, asked, run)
            response = response_of(outcome.reply)
            headers |= {REPLAYED: "true"} if outcome.replayed else {}
    if route.changes and response.status_code < HTTPStatus.BAD_REQUEST:
        headers |= await _index_token(context)
    for name, value in headers.items():
        response.headers.setdefault(name, value)
    return response


def _response(request: Request, route: Route, reply: Reply | Response) -> Response:
    """Return the response for what a handler gave, or 304 where the client has just that."""
    if isinstance(reply, Response):
        return reply
    etag = reply.headers.get("ETag")
    if route.versioned and request.method in _READS and etag and is_unchanged(request.headers, etag):
        return Response(status_code=304, headers={"ETag": etag})
    return response_of(stored(reply))


async def _index_token(context: Context) -> dict[str, str]:
    try:
        return {INDEX_TOKEN: await context.consistency.token()}
    except Unavailable:
        return {}  # the write is done: its answer must not become an error for want of a header
