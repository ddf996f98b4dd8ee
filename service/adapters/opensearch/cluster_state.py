"""The state of an OpenSearch cluster: shards, disk, blocks, clock, each as a check."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from service.adapters.opensearch.connection import ENGINE
from service.adapters.opensearch.raw_calls import RawClient
from service.adapters.opensearch.startup import blocks
from service.errors import Unavailable
from service.ports.checks import Check, Health
from service.ports.search import Rejected

Fact = Callable[[RawClient, str], Awaitable[Check]]
"""``await fact(probe, prefix)`` asks the engine for one fact. Raises Rejected, Unavailable."""

CLOCK_SECONDS = 2.0
"""The allowed clock skew: times in logs and answers are compared across machines."""

NEARLY_FULL = 0.9
"""The share of the shard limit that causes a warning, before the engine refuses the next index."""

_WATERMARKS = {"low": 0.85, "flood_stage": 0.95}
_GB = 1e9


async def checked(name: str, fact: Awaitable[Check]) -> Check:
    """Return the check of a fact, or a warning if the engine does not reveal it."""
    try:
        return await fact
    except Rejected as error:
        words = f"the engine does not reveal it ({error.status} {error.error_type})"
    except Unavailable as error:
        return Check(ENGINE, name, Health.WARNING, error.message, "check the engine's log, then try again")
    except (ArithmeticError, KeyError, TypeError, ValueError) as error:
        # Managed services, and gateways in front of an engine, send answers of many shapes.
        words = f"cannot read the answer ({type(error).__name__})"
    return Check(ENGINE, name, Health.WARNING, words, "check the managed service's console; no action is required")


async def health(probe: RawClient, prefix: str) -> Check:
    """Whether every shard and every replica of the indexes is assigned."""
    answer = await probe.get(f"/_cluster/health/{prefix}-*")
    words = f"{answer['status']}, data nodes: {answer['number_of_data_nodes']}"
    match answer["status"]:
        case "green":
            return Check(ENGINE, "health", Health.OK, words)
        case "yellow":
            fix = "add a node, or set fewer replicas (ASSETRY_INDEX_REPLICAS applies to the next index)"
            return Check(ENGINE, "health", Health.WARNING, words, fix, "ASSETRY_INDEX_REPLICAS")
    fix = "start the missing nodes; if they are lost: assetry index reindex"
    return Check(ENGINE, "health", Health.FAILED, f"{words}: shards are missing, so searches answer 503", fix)


async def disk(probe: RawClient, _prefix: str) -> Check:
    """How full the fullest data node is, compared with the watermarks for shards and for writes."""
    used, free = await _fullest(probe)
    settings = await _cluster_settings(probe)
    low, flood = (_watermark(settings, name) for name in _WATERMARKS)
    words = f"{used:.0%} full, {free / _GB:.1f} GB free on the fullest node"
    fix = "free disk space or add a node"
    if used >= flood:
        return Check(ENGINE, "disk", Health.FAILED, f"{words}; from {flood:.0%} on, indexes are read-only", fix)
    if used >= low:
        return Check(ENGINE, "disk", Health.WARNING, f"{words}; from {low:.0%} on, it accepts no new shards", fix)
    return Check(ENGINE, "disk", Health.OK, words)


async def blocked(probe: RawClient, prefix: str) -> Check:
    """Whether the index or the cluster is read-only."""
    found = await blocks(probe, prefix)
    if not found:
        return Check(ENGINE, "read-only", Health.OK, "no")
    fixes = "; ".join(fix for _, fix in found)
    return Check(ENGINE, "read-only", Health.FAILED, ", ".join(block for block, _ in found), fixes)


async def shards(probe: RawClient, _prefix: str) -> Check:
    """How many of the allowed shards the cluster has; a reindex needs room for a second index."""
    answer = await probe.get("/_cluster/health")
    per_node = int((await _cluster_settings(probe))["cluster.max_shards_per_node"])
    limit = per_node * int(answer["number_of_data_nodes"])
    used = int(answer["active_shards"]) + int(answer["unassigned_shards"])
    words = f"{used} of {limit}"
    if used < limit * NEARLY_FULL:
        return Check(ENGINE, "shards", Health.OK, words)
    health = Health.FAILED if used >= limit else Health.WARNING
    return Check(ENGINE, "shards", health, words, "delete unused indexes, add a node, or raise the limit")


async def clock(probe: RawClient, _prefix: str) -> Check:
    """How far the engine's clock differs from this machine's."""
    before = time.time()
    engine_time = await _now(probe)
    if engine_time is None:
        return Check(ENGINE, "clock", Health.WARNING, "the engine does not report its time", "compare the clocks")
    skew = engine_time - (before + time.time()) / 2
    words = f"{abs(skew):.1f} s {'ahead' if skew > 0 else 'behind'}"
    if abs(skew) <= CLOCK_SECONDS:
        return Check(ENGINE, "clock", Health.OK, words)
    return Check(ENGINE, "clock", Health.WARNING, words, "synchronize both machines by NTP")


async def auto_create(probe: RawClient, _prefix: str) -> Check:
    """Whether the cluster creates an index for any name written to. Assetry never needs that."""
    used = (await _cluster_settings(probe))["action.auto_create_index"]
    words = "off" if used == "false" else f"{used}; harmless: Assetry only writes to indexes that it created"
    return Check(ENGINE, "automatic indexes", Health.OK, words)


FACTS: Mapping[str, Fact] = {
    "health": health,
    "disk": disk,
    "read-only": blocked,
    "shards": shards,
    "clock": clock,
    "automatic indexes": auto_create,
}
"""The checks by name, in order."""


async def _fullest(probe: RawClient) -> tuple[float, int]:
    """Return the share in use and the free bytes of the data node with the least room (or of the whole cluster)."""
    try:
        nodes = (await probe.get("/_nodes/stats/fs"))["nodes"].values()
        return max(_room(node["fs"]["total"]) for node in nodes if _holds_data(node))
    except (Rejected, KeyError, ValueError):
        return _room((await probe.get("/_cluster/stats"))["nodes"]["fs"])


def _room(fs: Mapping[str, Any]) -> tuple[float, int]:
    return 1 - fs["available_in_bytes"] / fs["total_in_bytes"], int(fs["available_in_bytes"])


def _holds_data(node: Mapping[str, Any]) -> bool:
    return any(str(role).startswith("data") for role in node.get("roles", ["data"]))


async def _cluster_settings(probe: RawClient) -> Mapping[str, Any]:
    """Return the cluster's settings, including defaults, by their full names."""
    answer = await probe.get("/_cluster/settings", include_defaults="true", flat_settings="true")
    return {**answer.get("defaults", {}), **answer.get("persistent", {}), **answer.get("transient", {})}


def _watermark(settings: Mapping[str, Any], name: str) -> float:
    """Return a watermark as a share of the disk; if it is set in bytes, return the default."""
    text = str(settings.get(f"cluster.routing.allocation.disk.watermark.{name}", ""))
    try:
        return float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        return _WATERMARKS[name]


async def _now(probe: RawClient) -> float | None:
    """Return the engine's time in seconds; None if it does not report it."""
    try:
        nodes = (await probe.get("/_nodes/_local/stats/fs"))["nodes"].values()
        return max(float(node["timestamp"]) for node in nodes) / 1000
    except (Rejected, KeyError, ValueError):
        return await probe.date()
