"""What state an OpenSearch is in: shards, disk, blocks, clock, each as a check."""

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
"""``await fact(probe, prefix)`` asks the engine about one thing. Raises Rejected, Unavailable."""

CLOCK_SECONDS = 2.0
"""How far clocks may be apart: times in logs and answers are read side by side."""

NEARLY = 0.9
"""Of the limit on shards: said before the engine refuses the next index."""

_WATERMARKS = {"low": 0.85, "flood_stage": 0.95}
_GB = 1e9


async def answered(name: str, fact: Awaitable[Check]) -> Check:
    """Return a fact, or a warning where the engine does not tell it."""
    try:
        return await fact
    except Rejected as error:
        words = f"the engine does not tell ({error.status} {error.error_type})"
    except Unavailable as error:
        return Check(ENGINE, name, Health.WARNING, error.message, "look at the engine's log; then ask again")
    except (ArithmeticError, KeyError, TypeError, ValueError) as error:
        # Answers of managed services, and of gateways in front of an engine, are of many shapes.
        words = f"the answer cannot be read ({type(error).__name__})"
    return Check(ENGINE, name, Health.WARNING, words, "nothing, if the service is managed: its console shows this")


async def health(probe: RawClient, prefix: str) -> Check:
    """Whether each shard of the indexes is somewhere, and each copy too."""
    answer = await probe.get(f"/_cluster/health/{prefix}-*")
    words = f"{answer['status']}, data nodes: {answer['number_of_data_nodes']}"
    match answer["status"]:
        case "green":
            return Check(ENGINE, "health", Health.OK, words)
        case "yellow":
            fix = "add a node, or set fewer copies (ASSETRY_INDEX_REPLICAS holds for the next index)"
            return Check(ENGINE, "health", Health.WARNING, words, fix, "ASSETRY_INDEX_REPLICAS")
    fix = "start the nodes that are missing; if they are lost: assetry index reindex"
    return Check(ENGINE, "health", Health.FAILED, f"{words}: shards are missing, searches answer 503", fix)


async def disk(probe: RawClient, _prefix: str) -> Check:
    """How full the fullest data node is, beside what makes the engine refuse shards and then writes."""
    used, free = await _fullest(probe)
    settings = await _cluster_settings(probe)
    low, flood = (_watermark(settings, name) for name in _WATERMARKS)
    words = f"{used:.0%} full, {free / _GB:.1f} GB free on the fullest node"
    fix = "free disk space or add a node"
    if used >= flood:
        return Check(ENGINE, "disk", Health.FAILED, f"{words}: at {flood:.0%} indexes become read-only", fix)
    if used >= low:
        return Check(ENGINE, "disk", Health.WARNING, f"{words}: at {low:.0%} it takes no new shards", fix)
    return Check(ENGINE, "disk", Health.OK, words)


async def blocked(probe: RawClient, prefix: str) -> Check:
    """Whether the index or the cluster is read-only."""
    found = await blocks(probe, prefix)
    if not found:
        return Check(ENGINE, "read-only", Health.OK, "no")
    fixes = "; ".join(fix for _, fix in found)
    return Check(ENGINE, "read-only", Health.FAILED, ", ".join(block for block, _ in found), fixes)


async def shards(probe: RawClient, _prefix: str) -> Check:
    """How many shards the cluster has of those that it may have; a reindex needs room for a second index."""
    answer = await probe.get("/_cluster/health")
    each = int((await _cluster_settings(probe))["cluster.max_shards_per_node"])
    most = each * int(answer["number_of_data_nodes"])
    held = int(answer["active_shards"]) + int(answer["unassigned_shards"])
    words = f"{held} of {most}"
    if held < most * NEARLY:
        return Check(ENGINE, "shards", Health.OK, words)
    health = Health.FAILED if held >= most else Health.WARNING
    return Check(ENGINE, "shards", health, words, "drop indexes that nobody uses, add a node, or raise the limit")


async def clock(probe: RawClient, _prefix: str) -> Check:
    """How far the engine's clock is from ours."""
    before = time.time()
    theirs = await _now(probe)
    if theirs is None:
        return Check(ENGINE, "clock", Health.WARNING, "the engine does not tell its time", "compare the clocks")
    apart = theirs - (before + time.time()) / 2
    words = f"{abs(apart):.1f} s {'ahead' if apart > 0 else 'behind'}"
    if abs(apart) <= CLOCK_SECONDS:
        return Check(ENGINE, "clock", Health.OK, words)
    return Check(ENGINE, "clock", Health.WARNING, words, "let both machines keep time by NTP")


async def creation(probe: RawClient, _prefix: str) -> Check:
    """Whether the cluster makes an index of any name that somebody writes to. Assetry never needs it."""
    held = (await _cluster_settings(probe))["action.auto_create_index"]
    words = "off" if held == "false" else f"{held}; no harm: Assetry writes to indexes that it made, and to no other"
    return Check(ENGINE, "automatic indexes", Health.OK, words)


FACTS: Mapping[str, Fact] = {
    "health": health,
    "disk": disk,
    "read-only": blocked,
    "shards": shards,
    "clock": clock,
    "automatic indexes": creation,
}
"""What is looked at, in this order, by the name of its check."""


async def _fullest(probe: RawClient) -> tuple[float, int]:
    """Return the share in use and the bytes left on the data node with the least room (or of the cluster in all)."""
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
    """Return the cluster's settings, those that nobody set included, by their full names."""
    answer = await probe.get("/_cluster/settings", include_defaults="true", flat_settings="true")
    return {**answer.get("defaults", {}), **answer.get("persistent", {}), **answer.get("transient", {})}


def _watermark(settings: Mapping[str, Any], name: str) -> float:
    """Return a watermark as a share of the disk; one that is set in bytes counts as the default."""
    text = str(settings.get(f"cluster.routing.allocation.disk.watermark.{name}", ""))
    try:
        return float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        return _WATERMARKS[name]


async def _now(probe: RawClient) -> float | None:
    """Return the engine's time in seconds; None where it does not tell."""
    try:
        nodes = (await probe.get("/_nodes/_local/stats/fs"))["nodes"].values()
        return max(float(node["timestamp"]) for node in nodes) / 1000
    except (Rejected, KeyError, ValueError):
        return await probe.date()
