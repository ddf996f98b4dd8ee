"""``/healthz`` (the process lives), ``/readyz`` (it can serve), ``/metrics``."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired

import orjson
from pydantic import ConfigDict, Field, with_config
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from typing_extensions import TypedDict

from service.api.kernel.context import Probe
from service.api.kernel.openapi import Endpoint
from service.api.kernel.route import Answer
from service.api.ops.metrics import CONTENT_TYPE, Metrics
from service.errors import Unavailable


class Alive(TypedDict):
    """The process lives."""

    status: Literal["alive"]


@with_config(ConfigDict(extra="allow"))
class EngineState(TypedDict):
    """How an engine is; what else it says of itself stands beside."""

    ready: bool
    degraded: NotRequired[Annotated[bool, Field(description="It does without something, and goes on.")]]
    reason: NotRequired[Annotated[str, Field(description="Why it is not ready.")]]
    engine: NotRequired[str]
    version: NotRequired[str | None]


class Readiness(TypedDict):
    """Whether the service can serve."""

    status: Literal["ready", "degraded", "not_ready"]
    engines: Annotated[dict[str, EngineState], Field(description="By port.")]


HEALTH = (
    Endpoint("/healthz", "Say that the process lives.", {200: Answer(Alive, "It does.")}),
    Endpoint(
        "/readyz",
        "Say whether the service can serve, engine by engine.",
        {200: Answer(Readiness, "It can."), 503: Answer(Readiness, "Not yet, or not now.", headers=("Retry-After",))},
    ),
    Endpoint(
        "/metrics",
        "Return the metrics that Prometheus reads.",
        {200: Answer(str, "Prometheus' text format.", "text/plain")},
    ),
)
"""What operators watch, as the description shows it."""

_PATIENCE = 2.0
"""Seconds that an engine has to answer a probe."""


def health_routes(probes: Mapping[str, Probe], metrics: Metrics) -> list[Route]:
    """Return the router's entries for operators; ``probes`` are the engines' by port."""

    async def healthz(request: Request) -> Response:
        request.scope["assetry.route"] = "/healthz"
        return _json({"status": "alive"})

    async def readyz(request: Request) -> Response:
        request.scope["assetry.route"] = "/readyz"
        engines = await _engines(probes)
        ready = all(engine["ready"] for engine in engines.values())
        degraded = any(engine.get("degraded") for engine in engines.values())
        status = "not_ready" if not ready else "degraded" if degraded else "ready"
        return _json(
            {"status": status, "engines": engines}, 200 if ready else 503, {} if ready else {"Retry-After": "1"}
        )

    async def scrape(request: Request) -> Response:
        request.scope["assetry.route"] = "/metrics"
        metrics.engines(await _engines(probes))
        return Response(metrics.render(), media_type=CONTENT_TYPE)

    return [
        Route("/healthz", healthz, methods=["GET"]),
        Route("/readyz", readyz, methods=["GET"]),
        Route("/metrics", scrape, methods=["GET"]),
    ]


async def _engines(probes: Mapping[str, Probe]) -> dict[str, Mapping[str, Any]]:
    """Ask every engine at once; {port: {"ready", …}}."""
    answers = await asyncio.gather(*(_probe(probe) for probe in probes.values()))
    return dict(zip(probes, answers, strict=True))


async def _probe(probe: Probe) -> Mapping[str, Any]:
    try:
        async with asyncio.timeout(_PATIENCE):
            return {"ready": True, **await probe()}
    except Unavailable as error:
        return {"ready": False, "reason": error.message}
    except TimeoutError:
        return {"ready": False, "reason": f"no answer within {_PATIENCE:g} s"}


def _json(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), status, {"Cache-Control": "no-store", **(headers or {})}, "application/json")
