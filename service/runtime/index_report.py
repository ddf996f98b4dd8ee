"""How the index is: what the store, the engine and the indexer say, put together for ``assetry index status``."""

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
from service.runtime.bootstrap import Base
from service.runtime.index_admin import IndexAdmin, open_engine
from service.runtime.probes import index_probe

_PATIENCE = 5.0

Json = dict[str, Any]


async def index_report(base: Base) -> Json:
    """Return how the index is. Raises Unavailable where the store does not answer; an engine that does not is told."""
    alias = base.settings.index_prefix
    plan = await Plans(base.store, alias).load()
    running = base.folder.service() if base.settings.opensearch_url is None else None
    facts: Json = {
        "ready": False,
        "service": running["url"] if running else None,
        "alias": alias,
        "assets": await base.store.size("asset"),
    }
    facts |= await _said(base, running)
    last, lease = await last_result.load(base.store, alias), await _lease(base)
    remote = base.settings.opensearch_url is not None
    if remote and lease is not None and (lease["dead"] or lease["holder"] is None):
        facts |= {"state": str(State.STOPPED), "degraded": True, "reason": NOBODY, "lag_seconds": None}
    engine = await _indexes(base, plan)
    facts["ready"] = facts["ready"] and engine["engine"] is not None
    return facts | {
        "window_hours": await _window(base, float(facts.get("lag_seconds") or 0.0)),
        "lease": lease,
        "reindex": _reindex(plan),
        "verified": None if last is None else asdict(last),
        **engine,
    }


async def _said(base: Base, running: Mapping[str, Any] | None) -> Json:
    """Return what the indexer says of itself: through the store, or the service whose embedded engine it feeds."""
    if base.settings.opensearch_url is not None:
        watch = IndexWatch(base.store, base.clock, base.settings.index_prefix)
        await watch.look()
        said = dict(await index_probe(watch.status)())
        # Where nobody follows, nobody knows how long changes have been waiting.
        return said if watch.alive() else said | {"lag_seconds": None}
    if running is None:
        return {"state": "no service runs on this data folder"}
    return await asyncio.to_thread(_asked, str(running["url"]))


def _asked(url: str) -> Json:
    """Ask a service on this machine how its index is."""
    direct = build_opener(ProxyHandler({}))  # no proxy of the environment's leads to this machine
    try:
        try:
            with direct.open(f"{url}/readyz", timeout=_PATIENCE) as answer:
                said = answer.read()
        except HTTPError as error:  # it is not ready, and says why
            said = error.read()
    except (OSError, HTTPException) as error:
        return {"state": f"the service does not answer: {error}"}
    try:
        index: Json = dict(orjson.loads(said)["engines"]["index"])
    except (ValueError, KeyError, TypeError):  # it has ended, and somebody else has its port
        return {"state": f"what answers at {url} is not the service"}
    return index


async def _window(base: Base, lag: float) -> float | None:
    """Return for how many hours the indexer may stand from now on, None where the store does not say."""
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
    """Return what the engine says: its name and version, what the alias shows, and each index of the plan."""
    async with AsyncExitStack() as stack:
        try:
            admin = IndexAdmin(base, await open_engine(base, stack, writes=False))
            about = await admin.engine.ping()
            shown = await admin.tools.indexes.shown()
            rows = [await _row(admin, physical, role) for physical, role in _roles(plan, shown)]
        except (AssetryError, Rejected) as error:
            message = error.message if isinstance(error, AssetryError) else f"it refuses: {error.error_type}"
            return {"engine": None, "engine_error": message, "indexes": []}
    return {
        "engine": about["engine"],
        "engine_version": about["version"],
        "shown": [physical.index for physical in shown],
        "indexes": [row for row in rows if row is not None],
    }


def _roles(plan: Plan, shown: list[PhysicalIndex]) -> list[tuple[PhysicalIndex, str]]:
    """Return each index with its role: what searches see first."""
    found = {physical.index: (physical, "live") for physical in shown}
    named = [(plan.live, "live"), (plan.building, "building"), (plan.previous, "previous"), (plan.making, "making")]
    for physical, role in named:
        if physical is not None:
            found.setdefault(physical.index, (physical, role))
    for name in plan.abandoned:
        found.setdefault(name, (PhysicalIndex(name, None, None), "abandoned"))
    return list(found.values())


async def _row(admin: IndexAdmin, physical: PhysicalIndex, role: str) -> Json | None:
    """Return the facts of one index, None for one that was abandoned and is gone."""
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
