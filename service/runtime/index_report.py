"""The status of the index for ``assetry index status``, from the store, the engine and the indexer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict
from datetime import datetime
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import orjson

from indexer.bulk.dead_letters import listed
from indexer.follow import checkpoint
from indexer.follow.feed import window
from indexer.indexes.physical import ALIVE
from indexer.indexes.plan import PhysicalIndex, Plan, Plans
from indexer.status.model import NOBODY, State
from indexer.status.publication import IndexWatch
from indexer.verify import last_result
from mappings.index import mapping_hash
from service.adapters.shared.liveness import known_dead
from service.errors import AssetryError, NotFound
from service.ports.search import Measured, Rejected
from service.runtime.base import Base
from service.runtime.index_admin import IndexAdmin, open_engine
from service.runtime.probes import index_probe

_TIMEOUT_SECONDS = 5.0

Json = dict[str, Any]


async def index_report(base: Base) -> Json:
    """Return the status of the index. Raises Unavailable if the store is down; an engine that is down is reported."""
    alias = base.settings.index_prefix
    plan = await Plans(base.store, alias).load()
    running = base.folder.service() if base.settings.opensearch_url is None else None
    facts: Json = {
        "ready": False,
        "service": running["url"] if running else None,
        "alias": alias,
        "assets": await base.store.size("asset"),
    }
    facts |= await _indexer_state(base, running)
    last, lease = await last_result.load(base.store, alias), await _lease(base)
    remote = base.settings.opensearch_url is not None
    if remote and lease is not None and (lease["dead"] or lease["holder"] is None):
        facts |= {"state": str(State.STOPPED), "degraded": True, "reason": NOBODY, "lag_seconds": None}
    engine = await _indexes(base, plan)
    facts["ready"] = facts["ready"] and engine["engine"] is not None
    return facts | {
        "feed_window_hours": await _feed_window(base, float(facts.get("lag_seconds") or 0.0)),
        "lease": lease,
        "reindex": _reindex(plan),
        "last_verify": None if last is None else asdict(last),
        **engine,
    }


async def indexer_state(base: Base) -> str:
    """Return the word for the state of the indexer: a :class:`~indexer.status.model.State`, or why there is none."""
    running = base.folder.service() if base.settings.opensearch_url is None else None
    facts = await _indexer_state(base, running)
    return str(facts.get("state"))


async def _indexer_state(base: Base, running: Mapping[str, Any] | None) -> Json:
    """Return the state that the indexer reports, through the store or through the service with the embedded engine."""
    if base.settings.opensearch_url is not None:
        watch = IndexWatch(base.store, base.clock, base.settings.index_prefix)
        await watch.look()
        state = dict(await index_probe(watch.status)())
        # Without a running indexer, the lag is unknown.
        return state if watch.alive() else state | {"lag_seconds": None}
    if running is None:
        return {"state": "no service is running on this data folder"}
    return await asyncio.to_thread(_ask_service, str(running["url"]))


def _ask_service(url: str) -> Json:
    """Ask a service on this machine for the state of its index."""
    direct = build_opener(ProxyHandler({}))  # proxies from the environment do not apply to this machine
    try:
        try:
            with direct.open(f"{url}/readyz", timeout=_TIMEOUT_SECONDS) as answer:
                body = answer.read()
        except HTTPError as error:  # not ready, with the reason in the body
            body = error.read()
    except (OSError, HTTPException) as error:
        return {"state": f"the service does not respond: {error}"}
    try:
        index: Json = dict(orjson.loads(body)["engines"]["index"])
    except (ValueError, KeyError, TypeError):  # the service has stopped and another program uses its port
        return {"state": f"the server at {url} is not the service"}
    return index


async def _feed_window(base: Base, lag: float) -> float | None:
    """Return for how many more hours the indexer can be stopped without losing history, None if unknown."""
    hours = await window(base.store)
    if hours is None:
        return None
    try:
        saved = await base.store.get(checkpoint.KIND, checkpoint.lease_key(base.settings.index_prefix))
    except NotFound:
        return hours
    stood = (base.clock.now() - datetime.fromisoformat(saved.updated_at)).total_seconds()
    return round(max(hours - max(stood, lag) / 3600, 0.0), 2)


async def _lease(base: Base) -> Json | None:
    body = await checkpoint.load(base.store, base.settings.index_prefix)
    if not body:
        return None
    holder = None if body.get("released", True) else str(body["holder"])
    return {
        "holder": holder,
        "dead": holder is not None and known_dead(holder),
        "fence": body.get("fence"),
        "token": body.get("token"),
        "acked_gen": body.get("acked_gen", 0),
    }


def _reindex(plan: Plan) -> Json | None:
    rebuild = plan.rebuild
    if rebuild is None:
        return None
    return {
        "index": rebuild.target.index,
        "stage": str(rebuild.stage),
        "done": rebuild.done,
        "total": rebuild.total,
        "started_at": rebuild.started_at,
        "reason": rebuild.reason,
    }


async def _indexes(base: Base, plan: Plan) -> Json:
    """Return the engine's name and version, the indexes behind the alias, and each index of the plan."""
    async with AsyncExitStack() as stack:
        try:
            admin = IndexAdmin(base, await open_engine(base, stack, writes=False))
            about = await admin.engine.ping()
            shown = await admin.tools.indexes.behind_alias()
            rows = [await _row(admin, physical, role) for physical, role in _roles(plan, shown)]
        except (AssetryError, Rejected) as error:
            message = (
                error.message
                if isinstance(error, AssetryError)
                else f"the engine rejected the request: {error.error_type}"
            )
            return {"engine": None, "engine_error": message, "indexes": []}
    return {
        "engine": about["engine"],
        "engine_version": about["version"],
        "alias_indexes": [physical.index for physical in shown],
        "indexes": [row for row in rows if row is not None],
    }


def _roles(plan: Plan, shown: list[PhysicalIndex]) -> list[tuple[PhysicalIndex, str]]:
    """Return each index with its role; the live index comes first."""
    found = {physical.index: (physical, "live") for physical in shown}
    named = [(plan.live, "live"), (plan.building, "building"), (plan.previous, "previous"), (plan.making, "creating")]
    for physical, role in named:
        if physical is not None:
            found.setdefault(physical.index, (physical, role))
    for name in plan.abandoned:
        found.setdefault(name, (PhysicalIndex(name, None, None), "abandoned"))
    return list(found.values())


async def _row(admin: IndexAdmin, physical: PhysicalIndex, role: str) -> Json | None:
    """Return the facts of one index, None if it was abandoned and no longer exists."""
    name, engine = physical.index, admin.engine
    letters = sum([1 async for _ in listed(admin.base.store, name)])
    row: Json = {"index": name, "role": role, "health": await engine.index_health(name)}
    if await engine.identity(name) is None:
        return None if role == "abandoned" else row | {"health": "gone", "dead_letters": letters}
    described = await admin.tools.indexes.described(name)
    return row | {
        "documents": await engine.count(name, ALIVE),
        "bytes": await engine.index_bytes(name) if isinstance(engine, Measured) else None,
        "mapping": "current" if described.hash == mapping_hash() else "outdated",
        "dead_letters": letters,
    }
