"""The purge: deletes indexes that are no longer needed, and the documents of assets deleted long ago."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from indexer.crash_points import CrashPoint, crash_point
from indexer.documents import TOMBSTONES, version
from indexer.follow.writer import KIND
from indexer.indexes.plan import Plan, Stage
from indexer.operator import OperatorTools
from service.ports.search import Json
from service.times import timestamp

log = logging.getLogger(__name__)

_GONE: Json = {"term": {"deleted": True}}


@dataclass(frozen=True, slots=True)
class PurgeResult:
    """What a purge deleted: indexes by name, their dead letters, and documents of tombstones."""

    indexes: tuple[str, ...]
    dead_letters: int
    tombstones: int


async def purge(
    tools: OperatorTools,
    acknowledged: Callable[[Plan], Awaitable[None]],
    *,
    tombstones: timedelta | None = TOMBSTONES,
    unfinished: bool = False,
) -> PurgeResult:
    """Delete the previous index and abandoned ones, and documents of tombstones older than ``tombstones``.

    ``unfinished``: also the index of an interrupted reindex. ``acknowledged(plan)`` returns when the leader works by a
    plan: an index is deleted only when nothing is written to it any more. After an interruption, call it again.
    """
    plan = await tools.plans.change(lambda plan: _without_unneeded(plan, unfinished=unfinished))
    crash_point(CrashPoint.PURGE_NOTED)
    await acknowledged(plan)
    plan = await tools.plans.load()  # the leader may have abandoned an index meanwhile
    dropped, letters = await _drop(tools, plan)
    count = 0 if tombstones is None else await _delete_tombstones(tools, plan, tombstones)
    crash_point(CrashPoint.PURGED)
    return PurgeResult(dropped, letters, count)


def _without_unneeded(plan: Plan, *, unfinished: bool) -> Plan:
    """Return the plan that keeps only the live index and, unless it is to be abandoned, an unfinished reindex."""
    stage = plan.rebuild.stage if plan.rebuild else None
    if plan.previous is not None and stage is not Stage.ROLLING_BACK:
        plan = plan.without(plan.previous.index, "purged")
    if unfinished and plan.rebuild is not None and stage not in (Stage.SWAPPED, Stage.ROLLED_BACK, Stage.ROLLING_BACK):
        name = plan.rebuild.target.index
        abandoned = plan.abandoned if name in plan.abandoned else (*plan.abandoned, name)
        rebuild = replace(plan.rebuild, stage=Stage.FAILED, reason="purged")
        plan = replace(plan, building=None, rebuild=rebuild, abandoned=abandoned)
    return plan


async def _drop(tools: OperatorTools, plan: Plan) -> tuple[tuple[str, ...], int]:
    """Delete the abandoned indexes, except those in use again."""
    used = {physical.index for physical in (*plan.targets, plan.making) if physical is not None}
    used |= {physical.index for physical in await tools.indexes.behind_alias()}
    dropped: list[str] = []
    letters = 0
    for name in plan.abandoned:
        if name not in used:
            await tools.indexes.drop(name)
            letters += await tools.letters.clear(name)
            dropped.append(name)
            log.info("deleted the index %s", name)
    await tools.plans.change(
        lambda plan: replace(plan, abandoned=tuple(name for name in plan.abandoned if name not in dropped))
    )
    return tuple(dropped), letters


async def _delete_tombstones(tools: OperatorTools, plan: Plan, age: timedelta) -> int:
    """Delete the documents of old tombstones from every target; return how many."""
    before = timestamp(tools.clock.now() - age)
    count = 0
    for physical in plan.targets:
        if await tools.engine.identity(physical.index) is None:
            continue  # another program deleted it: the leader is about to detect that
        await tools.engine.refresh(physical.index)
        after: str | None = None
        while page := await _hidden(tools, physical.index, after):
            after = page[-1][0]
            records = await tools.store.get_many(KIND, [key for key, _ in page], tombstones=True)
            old = {
                key: version(record, tools.options.epoch)
                for key, record in records.items()
                if record.tombstone and record.updated_at < before
            }
            items = [(key, held) for key, held in page if old.get(key) == held]
            outcomes = await tools.engine.delete_documents(physical.index, items)
            count += sum(outcome.status < 300 for outcome in outcomes)
    return count


async def _hidden(tools: OperatorTools, index: str, after: str | None) -> list[tuple[str, int]]:
    """Return the next (id, version) of documents whose asset is deleted."""
    body: Json = {
        "query": _GONE,
        "sort": [{"asset_id": "asc"}],
        "size": tools.options.page,
        "version": True,
        "_source": False,
        "track_total_hits": False,
    }
    if after is not None:
        body["search_after"] = [after]
    hits = (await tools.engine.search(index, body))["hits"]["hits"]
    return [(hit["_id"], hit["_version"]) for hit in hits]
